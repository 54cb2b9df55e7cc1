"""What generated code calls: the parts of reading and writing that are not worth a copy in every function."""

from __future__ import annotations

from uuid import UUID, SafeUUID

from . import wire
from .errors import ErrorCode
from .wire import Buffer

MAX_STRING = 0x7FFF
# Of elements of arrays and of tagged fields, in one message. An object can take forty times the bytes
# of the smallest element: this bounds what the largest frame can make of that. Kafka sets no such limit.
MAX_ELEMENTS = 1_000_000


class Bad(Exception):
    """Raised by generated code; the handler around it adds where."""


def long_uvarint(buffer: Buffer, value: int, position: int) -> tuple[int, int]:
    """Read on after the first byte (`value`) of an unsigned varint: five bytes and 31 bits at most."""
    value &= 0x7F
    for shift in (7, 14, 21, 28):
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > 0x7FFFFFFF:
                raise Bad(f"the unsigned varint {value} is above 31 bits")
            return value, position
    raise Bad("the unsigned varint has more than five bytes")


def unknown_tags(buffer: Buffer, count: int, position: int, end: int) -> tuple[dict[int, bytes], int]:
    """Read `count` tagged fields of a struct that declares none, and return them and where they end."""
    tags = {}
    for _ in range(count):
        tag, position = short_uvarint(buffer, position)
        size, position = short_uvarint(buffer, position)
        stop = position + size
        if stop > end:
            raise wrong_length(size, end - position)
        tags[tag] = bytes(buffer[position:stop])
        position = stop
    return tags, position


def short_uvarint(buffer: Buffer, position: int) -> tuple[int, int]:
    """Read an unsigned varint and return it and where it ends."""
    value = buffer[position]
    return (value, position + 1) if value < 0x80 else long_uvarint(buffer, value, position + 1)


def put_uvarint(out: bytearray, value: int) -> None:
    """Append an unsigned varint."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_tags(out: bytearray, known: dict[int, bytearray] | None, unknown: dict[int, bytes] | None) -> None:
    """Append the tagged fields of a struct, declared ones and kept ones, in order of their tags."""
    tags: dict[int, bytes | bytearray] = {}
    if known:
        tags.update(known)
    for tag, value in (unknown or {}).items():
        if tag in tags:
            raise Bad(f"tag {tag} is among the unknown ones and declared too")
        tags[tag] = value
    put_uvarint(out, len(tags))
    for tag in sorted(tags):
        put_uvarint(out, tag)
        put_uvarint(out, len(tags[tag]))
        out += tags[tag]


def wrong_length(length: int, left: int, null_allowed: bool = False) -> Bad:
    """Say what is wrong with a length or a count."""
    if length == -1 and not null_allowed:
        return Bad("null is not allowed here")
    if length < 0:
        return Bad(f"the length {length} is negative")
    if length <= left:
        return Bad(f"the length {length} is above {MAX_STRING}, too long for a string")
    return Bad(f"the length {length} is more than the {left} bytes left allow")


def wrong_count(count: int, left: int, null_allowed: bool) -> Bad:
    """Say what is wrong with the number of an array's elements."""
    if count < 0:
        return wrong_length(count, left, null_allowed)
    return Bad(f"{count} elements do not fit the {left} bytes left")


def too_many(count: int) -> Bad:
    """Say that a message has more parts than anybody needs."""
    return Bad(f"with {count} more there are over {MAX_ELEMENTS} elements in the message")


class _Codes(dict[int, ErrorCode]):
    def __missing__(self, code: int) -> ErrorCode:
        return ErrorCode(code)


CODES = _Codes({code.value: code for code in ErrorCode})
new = object.__new__
_set = object.__setattr__


def read_uuid(sixteen: bytes) -> UUID:
    """A UUID from its bytes, three times as fast as its constructor; the zero one is shared."""
    if sixteen == _ZERO_BYTES:
        return wire.ZERO_UUID
    made: UUID = new(UUID)
    _set(made, "int", int.from_bytes(sixteen))
    _set(made, "is_safe", SafeUUID.unknown)
    return made


class _Uuids(dict[bytes, UUID]):
    """UUIDs by their bytes, made when they are first asked for: topics' ids come again with each request.

    A client can send as many as it likes: `MAX_UUIDS` are kept.
    """

    def __missing__(self, sixteen: bytes) -> UUID:
        if len(self) >= MAX_UUIDS:
            self.clear()
        self[sixteen] = made = read_uuid(sixteen)
        return made


MAX_UUIDS = 4096
UUIDS = _Uuids()
_ZERO_BYTES = bytes(16)
