"""Record batches and message sets, written and read by this suite's own hand.

The brokers' answers are judged with it, so it shares nothing with kwire's codecs. `Batch` is magic 2,
`MessageSet` magic 0 and 1; both are specifications that `build` turns into bytes, and both can be damaged on
purpose. `read_records` turns any of the three formats back into plain values for comparison.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from crc32c import crc32c

from .values import Variables, resolve

# Timestamps are fixed, so that answers repeat: 14 November 2023, 22:13:20 UTC.
STAMP = 1_700_000_000_000
PART = "<part of a message>"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]

Value = bytes | None
Header = tuple[str, bytes | None]


@dataclass(frozen=True)
class Batch:
    """A batch of magic 2. Record i has timestamp `timestamp + i`; `damage` names what is wrong with it.

    `producer_id` and `producer_epoch` may be placeholders. Damages: crc, magic, count, length,
    negative_length, last_offset_delta, truncated, trailing, offsets, codec.
    """

    values: tuple[Value, ...] = (b"one", b"two", b"three")
    keys: tuple[Value, ...] = ()
    headers: tuple[Header, ...] = ()
    codec: str = "none"
    timestamp: int = STAMP
    producer_id: int | str = -1
    producer_epoch: int | str = -1
    base_sequence: int = -1
    transactional: bool = False
    control: bool = False
    log_append_time: bool = False
    leader_epoch: int = -1
    damage: str = ""

    def build(self, variables: Variables) -> bytes:
        keys = self.keys or (None,) * len(self.values)
        step = 2 if self.damage == "offsets" else 1
        records = b"".join(
            _record(index * step, index, key, value, self.headers)
            for index, (key, value) in enumerate(zip(keys, self.values, strict=True))
        )
        attributes = CODECS.index(self.codec) | self.log_append_time << 3
        attributes |= self.transactional << 4 | self.control << 5
        count = len(self.values)
        body = struct.pack(
            ">hiqqqhii",
            7 if self.damage == "codec" else attributes,
            count + 4 if self.damage == "last_offset_delta" else count - 1,
            self.timestamp,
            self.timestamp + max(count - 1, 0),
            resolve(self.producer_id, variables),
            resolve(self.producer_epoch, variables),
            self.base_sequence,
            count + 1 if self.damage == "count" else count,
        ) + _compress(self.codec, records)
        checksum = crc32c(body) ^ (self.damage == "crc")
        magic = 9 if self.damage == "magic" else 2
        length = len(body) + 9 + (100 if self.damage == "length" else 0)
        length = -length if self.damage == "negative_length" else length
        batch = struct.pack(">qiibI", 0, length, self.leader_epoch, magic, checksum) + body
        if self.damage == "truncated":
            return batch[:-5]
        return batch + (b"\0" * 5 if self.damage == "trailing" else b"")


@dataclass(frozen=True)
class MessageSet:
    """Messages of magic 0 or 1, as old clients send them; with a codec, one wrapper around them all."""

    values: tuple[Value, ...] = (b"one", b"two", b"three")
    keys: tuple[Value, ...] = ()
    magic: int = 1
    codec: str = "none"
    timestamp: int = STAMP
    damage: str = ""  # crc, truncated
    inner_offsets: str = "relative"  # or "zero", as pykafka leaves them

    def build(self, variables: Variables) -> bytes:
        keys = self.keys or (None,) * len(self.values)
        messages = [
            _message(0 if self.inner_offsets == "zero" else index, self, key, value, 0, index)
            for index, (key, value) in enumerate(zip(keys, self.values, strict=True))
        ]
        data = b"".join(messages)
        if self.codec != "none":
            wrapped = _compress(self.codec, data)
            last = len(messages) - 1
            data = _message(last, self, None, wrapped, CODECS.index(self.codec), last)
        return data[:-5] if self.damage == "truncated" else data


@dataclass(frozen=True)
class Joined:
    """Several batches or message sets one after the other."""

    parts: tuple[Batch | MessageSet, ...] = field(default_factory=tuple)

    def build(self, variables: Variables) -> bytes:
        return b"".join(part.build(variables) for part in self.parts)


@dataclass(frozen=True)
class Raw:
    """Bytes as they are."""

    data: bytes

    def build(self, variables: Variables) -> bytes:
        return self.data


def read_records(data: bytes) -> list[dict[str, Any] | str]:
    """Batches and messages as plain values; an incomplete one at the end shows as PART."""
    found: list[dict[str, Any] | str] = []
    position = 0
    while position < len(data):
        left = len(data) - position
        size = struct.unpack_from(">i", data, position + 8)[0] + 12 if left >= 17 else left + 1
        if size > left:
            found.append(PART)
            break
        entry = data[position : position + size]
        found.append(_read_batch(entry) if entry[16] == 2 else _read_message(entry))
        position += size
    return found


def _read_batch(data: bytes) -> dict[str, Any]:
    names = (
        "attributes last_offset_delta base_timestamp max_timestamp producer_id producer_epoch base_sequence"
    )
    base_offset, _, leader_epoch, magic, checksum = struct.unpack_from(">qiibI", data)
    *values, count = struct.unpack_from(">hiqqqhii", data, 21)
    batch: dict[str, Any] = {
        "base_offset": base_offset,
        "partition_leader_epoch": leader_epoch,
        "magic": magic,
        "crc_is_right": checksum == crc32c(data[21:]),
        **dict(zip(names.split(), values, strict=True)),
        "count": count,
    }
    codec = CODECS[batch["attributes"] & 7]
    if codec in ("none", "gzip"):
        plain = data[61:] if codec == "none" else gzip.decompress(data[61:])
        batch["records"] = list(_read_inner(plain, count))
    else:
        batch["records"] = data[61:]
    return batch


def _read_inner(data: bytes, count: int) -> Iterator[str]:
    position = 0
    for _ in range(count):
        _, position = _varint(data, position)
        position += 1
        timestamp_delta, position = _varint(data, position)
        offset_delta, position = _varint(data, position)
        key, position = _read_bytes(data, position)
        value, position = _read_bytes(data, position)
        headers, position = _varint(data, position)
        shown = f"+{offset_delta} t+{timestamp_delta} {key!r}: {value!r}"
        for _ in range(headers):
            name, position = _read_bytes(data, position)
            content, position = _read_bytes(data, position)
            shown += f" {name!r}={content!r}"
        yield shown
    if position != len(data):
        yield f"{len(data) - position} bytes left over"


def _read_message(data: bytes) -> dict[str, Any]:
    offset, _, checksum, magic, attributes = struct.unpack_from(">qiIbb", data)
    position = 18
    message: dict[str, Any] = {"offset": offset, "magic": magic, "attributes": attributes}
    message["crc_is_right"] = checksum == zlib.crc32(data[16:])
    if magic == 1:
        (message["timestamp"],) = struct.unpack_from(">q", data, position)
        position += 8
    for name in ("key", "value"):
        (length,) = struct.unpack_from(">i", data, position)
        position += 4
        message[name] = None if length < 0 else data[position : position + length]
        position += max(length, 0)
    if CODECS[attributes & 7] == "gzip":
        message["value"] = read_records(gzip.decompress(message["value"]))
    return message


def _record(offset: int, time: int, key: Value, value: Value, headers: tuple[Header, ...]) -> bytes:
    body = b"\0" + _zigzag(time) + _zigzag(offset) + _sized(key) + _sized(value) + _zigzag(len(headers))
    for name, content in headers:
        body += _sized(name.encode()) + _sized(content)
    return _zigzag(len(body)) + body


def _message(offset: int, spec: MessageSet, key: Value, value: Value, attributes: int, index: int) -> bytes:
    body = struct.pack(">bb", spec.magic, attributes)
    if spec.magic == 1:
        body += struct.pack(">q", spec.timestamp + index)
    for part in (key, value):
        body += struct.pack(">i", -1 if part is None else len(part)) + (part or b"")
    checksum = zlib.crc32(body) ^ (spec.damage == "crc")
    return struct.pack(">qiI", offset, len(body) + 4, checksum) + body


def _compress(codec: str, data: bytes) -> bytes:
    if codec == "gzip":
        return gzip.compress(data, mtime=0)
    assert codec in ("none", "zstd", "lz4", "snappy"), codec
    return data if codec == "none" else _STORED[codec](data)


def _stored_lz4(data: bytes) -> bytes:
    # An LZ4 frame of one uncompressed block; the descriptor's checksum byte is a constant for these flags.
    return b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", len(data) | 1 << 31) + data + b"\0" * 4


def _stored_snappy(data: bytes) -> bytes:
    # One literal. Its length is written in two bytes behind the tag 61 << 2.
    return _unsigned(len(data)) + bytes([61 << 2]) + struct.pack("<H", len(data) - 1) + data


def _stored_zstd(data: bytes) -> bytes:
    # A single-segment frame with a four-byte content size and one raw block, the last.
    header = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data))
    return header + struct.pack("<I", 1 | len(data) << 3)[:3] + data


_STORED = {"lz4": _stored_lz4, "snappy": _stored_snappy, "zstd": _stored_zstd}


def _sized(value: Value) -> bytes:
    return _zigzag(-1) if value is None else _zigzag(len(value)) + value


def _zigzag(number: int) -> bytes:
    return _unsigned(number << 1 if number >= 0 else -number * 2 - 1)


def _unsigned(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), position


def _read_bytes(data: bytes, position: int) -> tuple[Value, int]:
    length, position = _varint(data, position)
    return (None, position) if length < 0 else (data[position : position + length], position + length)
