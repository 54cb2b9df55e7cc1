"""Keys and values of the records that coordinators write to their own topics.

A key is the record's type as an int16, then the key struct (which has a version 0 only); a value is the value
struct's version as an int16, then the struct. A null value removes what the key names. A record of an unknown
type or value version is kept as bytes, so that replaying and compacting a log that something newer wrote
loses nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ..compile import decoder, writer
from ..errors import Malformed
from ..records.batch import (
    ATTRIBUTES_POSITION,
    CRC_POSITION,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    TRANSACTIONAL,
    BatchHeader,
)
from ..records.checksum import crc32c
from ..records.varint import SHORT, encode
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


CRC = struct.Struct(">I")
_START = b"\0\0"
"""A record's attributes, and that its timestamp is the batch's."""
_NULL = encode(-1)
_NONE = encode(0)


class CoordinatorBatch:
    """A batch of a coordinator's records as it grows: all of one moment, none with headers.

    What `records.batch.build` makes of such records, which can do without reading it again: `finish` gives
    the header as well. `count` is how many records there are so far, `size` their bytes. One with a producer
    belongs to that producer's transaction; a coordinator writes those without sequences.
    """

    __slots__ = ("_buffer", "_timestamp_ms", "count", "producer_epoch", "producer_id")

    def __init__(
        self, timestamp_ms: int, producer_id: int = NO_PRODUCER_ID, producer_epoch: int = NO_PRODUCER_EPOCH
    ) -> None:
        self._buffer = bytearray(HEADER_SIZE)
        self.count = 0
        self._timestamp_ms = timestamp_ms
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch

    @property
    def size(self) -> int:
        return len(self._buffer) - HEADER_SIZE

    def add(self, key: bytes, value: bytes | None) -> None:
        """The next record; a value of None is a tombstone."""
        count, size = self.count, len(key)
        # Mostly these are of one byte: what `encode` does then, without the calls.
        number = SHORT[count] if count < 64 else encode(count)
        key_size = SHORT[size] if size < 64 else encode(size)
        # Behind the value is the number of headers.
        if value is None:
            record = b"".join((_START, number, key_size, key, _NULL, _NONE))
        else:
            size = len(value)
            value_size = SHORT[size] if size < 64 else encode(size)
            record = b"".join((_START, number, key_size, key, value_size, value, _NONE))
        self.count = count + 1
        self._buffer += encode(len(record))
        self._buffer += record

    def finish(self) -> tuple[memoryview, BatchHeader]:
        """The whole batch, whose offsets begin at 0, and its header. There is nothing to be added then."""
        view = memoryview(self._buffer)
        length, count, now_ms = len(view) - LOG_OVERHEAD, self.count, self._timestamp_ms
        producer_id, epoch = self.producer_id, self.producer_epoch
        kind = 0 if producer_id == NO_PRODUCER_ID else TRANSACTIONAL
        HEADER.pack_into(
            view, 0, 0, length, -1, 2, 0, kind, count - 1, now_ms, now_ms, producer_id, epoch, -1, count
        )
        crc = crc32c(view[ATTRIBUTES_POSITION:])
        CRC.pack_into(view, CRC_POSITION, crc)
        header = (0, length, -1, 2, crc, kind, count - 1, now_ms, now_ms, producer_id, epoch, -1, count)
        return view, tuple.__new__(BatchHeader, header)  # half the time that a call of BatchHeader takes
