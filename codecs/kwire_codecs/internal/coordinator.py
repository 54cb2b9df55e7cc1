"""Keys and values of the records that coordinators write to their own topics.

A key is the record's type as an int16, then the key struct (which has a version 0 only); a value is the value
struct's version as an int16, then the struct. A null value removes what the key names. A record of an unknown
type or value version is kept as bytes, so that replaying and compacting a log that something newer wrote
loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..compile import decoder, writer
from ..errors import Malformed
from ..wire import Buffer, Message


@dataclass(frozen=True, slots=True)
class CoordinatorRecord:
    """A record that could be read. `value_version` is -1 where the value is null."""

    key: Message
    value: Message | None
    value_version: int = -1


@dataclass(frozen=True, slots=True)
class UnknownRecord:
    """A record of a type or version that kwire doesn't know, as it was found."""

    key: bytes
    value: bytes | None


def encode_key(key: Message) -> bytes:
    """The bytes of a record's key. Raises NotEncodable."""
    root = key.__root__
    assert root is not None
    assert root.key is not None
    out = bytearray(root.key.to_bytes(2))
    writer(type(key), 0)(key, out, [out])
    return bytes(out)


def encode_value(value: Message | None, version: int) -> bytes | None:
    """The bytes of a record's value in `version`; None stays None. Raises NotEncodable."""
    if value is None:
        return None
    out = bytearray(version.to_bytes(2))
    writer(type(value), version)(value, out, [out])
    return bytes(out)


def decode_with(
    types: Mapping[int, tuple[type[Message], type[Message]]], key: Buffer, value: Buffer | None
) -> CoordinatorRecord | UnknownRecord:
    """Read a record of a log with record types `types`. Raises Malformed if a known one can't be read."""
    if len(key) < 2:
        raise Malformed("record key", -1, "", "the type is missing")
    found = types.get(int.from_bytes(key[:2], signed=True))
    if found is None:
        return UnknownRecord(bytes(key), None if value is None else bytes(value))
    key_type, value_type = found
    if value is None:
        return CoordinatorRecord(decoder(key_type, 0)(memoryview(key)[2:]), None)
    if len(value) < 2:
        raise Malformed(value_type.__name__, -1, "", "the version is missing")
    version = int.from_bytes(value[:2], signed=True)
    root = value_type.__root__
    if root is None or version not in root.versions:
        return UnknownRecord(bytes(key), bytes(value))
    decoded_key = decoder(key_type, 0)(memoryview(key)[2:])
    return CoordinatorRecord(decoded_key, decoder(value_type, version)(memoryview(value)[2:]), version)
