"""Message sets of magic 0 and 1: what Produce v0-v2 carried and Fetch v0-v3 still answers with.

    offset i64 | size i32 | crc u32 | magic i8 | attributes i8 | timestamp i64 (magic 1 only)
    | key length i32 (-1 null) | key | value length i32 (-1 null) | value

The size counts what follows it, the CRC (CRC32) covers what follows that. Attributes: 0-2 codec, 3 timestamp
type (magic 1). A compressed set is one message, the wrapper, whose value is a compressed message set; its
offset is the last inner one. Inner offsets are absolute in magic 0; in magic 1 relative, the last inner
message having the wrapper's. With LogAppendTime in the wrapper its timestamp is that of all within.

Rules: bad bytes raise `CorruptBatch` and nothing else. A set may end in part of a message: only readers of
fetched bytes and of a wrapper's contents tolerate it, as Kafka does; `walk` says which it is.
Kafka: LegacyRecord, AbstractLegacyRecordBatch, RecordsUtil.downConvert.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

from . import batch as record_batch
from . import compression as codecs
from .batch import ReadableBuffer, TimestampType
from .compression import Compression
from .corrupt import CorruptBatch, Reason
from .record import NO_TIMESTAMP, Record

LOG_OVERHEAD = 12
_SMALLEST = (14, 22)  # a message's size without key and value, by magic
_MAGIC_0 = struct.Struct(">bb")  # magic, attributes
_MAGIC_1 = struct.Struct(">bbq")  # and timestamp
_OFFSET_SIZE_CRC = struct.Struct(">qiI")
_NULL = b"\xff\xff\xff\xff"
_OFFSET_AND_SIZE = struct.Struct(">qi")
_FIXED = struct.Struct(">qiIbb")  # offset, size, crc, magic, attributes
_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")
_UINT32 = struct.Struct(">I")
_CODEC = 0x07
_APPEND_TIME = 0x08


class Message(NamedTuple):
    """One message as it stands in a set. `timestamp` is -1 in magic 0; `value` may be a compressed set."""

    offset: int
    size: int
    crc: int
    magic: int
    attributes: int
    timestamp: int
    key: memoryview | None
    value: memoryview | None

    @property
    def total_size(self) -> int:
        return self.size + LOG_OVERHEAD

    @property
    def compression(self) -> int:
        return self.attributes & _CODEC

    @property
    def timestamp_type(self) -> TimestampType:
        """Always CREATE_TIME in magic 0, which has none."""
        append_time = self.magic > 0 and self.attributes & _APPEND_TIME
        return TimestampType.LOG_APPEND_TIME if append_time else TimestampType.CREATE_TIME


def read_message(buffer: ReadableBuffer, position: int = 0) -> Message:
    """The message at `position`, whole and with lengths that add up; its CRC is not checked."""
    left = len(buffer) - position
    if position < 0 or left < LOG_OVERHEAD + _SMALLEST[0]:
        raise CorruptBatch(Reason.LENGTH, "too few bytes for a message", position)
    offset, size, crc, magic, attributes = _FIXED.unpack_from(buffer, position)
    if magic not in (0, 1):
        raise CorruptBatch(Reason.MAGIC, f"magic is {magic}, not 0 or 1", position)
    if size < _SMALLEST[magic]:
        raise CorruptBatch(Reason.LENGTH, f"message size {size} is below the least", position)
    if size > left - LOG_OVERHEAD:
        detail = f"message size {size} where {left - LOG_OVERHEAD} bytes are left"
        raise CorruptBatch(Reason.LENGTH, detail, position)
    view = memoryview(buffer)[position : position + LOG_OVERHEAD + size]
    timestamp = NO_TIMESTAMP
    at = _FIXED.size
    if magic == 1:
        (timestamp,) = _INT64.unpack_from(view, at)
        at += 8
    key, at = _sized(view, at, position)
    value, at = _sized(view, at, position)
    if at != len(view):
        raise CorruptBatch(Reason.RECORD, f"a message ends {len(view) - at} bytes off its size", position)
    return Message(offset, size, crc, magic, attributes, timestamp, key, value)


def _sized(view: memoryview, at: int, position: int) -> tuple[memoryview | None, int]:
    if len(view) - at < 4:
        raise CorruptBatch(Reason.RECORD, "a length reaches beyond its message", position)
    (length,) = _INT32.unpack_from(view, at)
    at += 4
    if length < 0:
        return None, at
    if length > len(view) - at:
        raise CorruptBatch(Reason.RECORD, f"length {length} where {len(view) - at} bytes are left", position)
    return view[at : at + length], at + length


def crc_is_valid(buffer: ReadableBuffer, position: int, size: int) -> bool:
    """Whether the message of that size at `position` has the CRC that it names; `size` is at least 14."""
    with memoryview(buffer)[position + 16 : position + LOG_OVERHEAD + size] as covered:
        return (crc32(covered),) == _UINT32.unpack_from(buffer, position + LOG_OVERHEAD)


def walk(buffer: ReadableBuffer, *, allow_partial_end: bool = False) -> Iterator[tuple[int, Message]]:
    """Each message's position and itself, wrappers unopened; see `batch.walk` for `allow_partial_end`."""
    position = 0
    end = len(buffer)
    while position < end:
        if allow_partial_end and _is_partial(buffer, position):
            return
        message = read_message(buffer, position)
        yield position, message
        position += message.size + LOG_OVERHEAD


def _is_partial(buffer: ReadableBuffer, position: int) -> bool:
    left = len(buffer) - position
    if left < LOG_OVERHEAD:
        return True
    size: int = _INT32.unpack_from(buffer, position + 8)[0]
    return size >= _SMALLEST[0] and size > left - LOG_OVERHEAD


def open_wrapper(wrapper: Message, max_bytes: int) -> bytes:
    """The message set inside a compressed message, for `inner_messages`."""
    if wrapper.value is None:
        raise CorruptBatch(Reason.RECORD, "a compressed message without a value")
    if wrapper.compression == Compression.ZSTD:
        raise CorruptBatch(Reason.RECORD, f"zstd in a message of magic {wrapper.magic}")
    try:
        return codecs.decompress(wrapper.compression, wrapper.value, max_bytes, legacy_lz4=wrapper.magic == 0)
    except codecs.BadStream as bad:
        reason = Reason.TOO_LARGE if bad.too_large else Reason.COMPRESSION
        raise CorruptBatch(reason, str(bad)) from None


def inner_messages(data: bytes, wrapper: Message, *, check_crc: bool = True) -> Iterator[Message]:
    """The messages of an opened wrapper, one by one, with absolute offsets, and its time under LogAppendTime.

    They are checked as far as a reader must: magic equal to the wrapper's, none compressed, at least one, CRC
    (unless `check_crc` is off). A part of a message at the end is dropped. A magic 1 wrapper at offset 0 was
    given none (certain librdkafka versions do that): the inner offsets then stay.
    """
    shift = 0
    last_inner = _last_offset(data, wrapper.magic)
    if wrapper.magic == 1 and wrapper.offset != 0:
        shift = wrapper.offset - last_inner
        if shift < 0:
            detail = f"wrapper offset {wrapper.offset} is below the last inner one, {last_inner}"
            raise CorruptBatch(Reason.RECORD, detail)
    append_time = wrapper.timestamp if wrapper.timestamp_type is TimestampType.LOG_APPEND_TIME else None
    for index, (position, message) in enumerate(walk(data, allow_partial_end=True)):
        if message.compression:
            raise CorruptBatch(Reason.RECORD, "a compressed message within a compressed message")
        if check_crc and not crc_is_valid(data, position, message.size):
            raise CorruptBatch(Reason.CRC, f"the CRC of inner message {index} does not match")
        yield message._replace(
            offset=message.offset + shift,
            timestamp=message.timestamp if append_time is None else append_time,
        )


def _last_offset(data: bytes, magic: int) -> int:
    """The last whole message's, sizes and magics checked on the way there."""
    offset = None
    position = 0
    while position < len(data) and not _is_partial(data, position):
        offset, size = _OFFSET_AND_SIZE.unpack_from(data, position)
        if size < _SMALLEST[0]:
            raise CorruptBatch(Reason.LENGTH, f"message size {size} is below the least")
        if data[position + 16] != magic:
            detail = f"a message of magic {data[position + 16]} within one of magic {magic}"
            raise CorruptBatch(Reason.RECORD, detail)
        position += size + LOG_OVERHEAD
    if offset is None:
        raise CorruptBatch(Reason.RECORD, "a compressed message with no message in it")
    return int(offset)


def iterate(
    buffer: ReadableBuffer, max_bytes: int, *, allow_partial_end: bool = False, check_crc: bool = True
) -> Iterator[Record]:
    """The records of a message set, wrappers opened, one by one, with absolute offsets where these are set.

    All that the wrappers hold may come to `max_bytes`. With `allow_partial_end`, as a reader of fetched bytes
    needs, a message cut off at the end is left out.
    """
    room = max_bytes
    for position, message in walk(buffer, allow_partial_end=allow_partial_end):
        if check_crc and not crc_is_valid(buffer, position, message.size):
            raise CorruptBatch(Reason.CRC, "a message's CRC does not match", position)
        if message.compression:
            data = open_wrapper(message, room)
            room -= len(data)
            yield from map(to_record, inner_messages(data, message, check_crc=check_crc))
        else:
            yield to_record(message)


def parse(
    buffer: ReadableBuffer, max_bytes: int, *, allow_partial_end: bool = False, check_crc: bool = True
) -> list[Record]:
    """All that `iterate` gives."""
    return list(iterate(buffer, max_bytes, allow_partial_end=allow_partial_end, check_crc=check_crc))


def to_record(message: Message) -> Record:
    """The message's content, copied out."""
    key = None if message.key is None else bytes(message.key)
    value = None if message.value is None else bytes(message.value)
    return Record(key, value, message.timestamp, (), message.offset)


def build(
    records: Iterable[Record],
    magic: int,
    *,
    compression: int = Compression.NONE,
    compression_level: int | None = None,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    append_time_ms: int = NO_TIMESTAMP,
) -> bytearray:
    """A message set of `records` with the offsets that they name, ascending; headers are dropped.

    With a codec it is one wrapper, whose inner offsets are relative to the first record's in magic 1. With
    LOG_APPEND_TIME (magic 1) every time is `append_time_ms`. Raises ValueError for zstd, which these formats
    do not have.
    """
    if magic not in (0, 1):
        raise ValueError(f"magic {magic} is no message set's")
    if compression == Compression.ZSTD:
        raise ValueError(f"zstd does not exist in magic {magic}")
    attributes = 0
    append_time = None
    if magic == 1 and timestamp_type is TimestampType.LOG_APPEND_TIME:
        attributes = _APPEND_TIME
        append_time = append_time_ms
    out = bytearray()
    base_offset = last_offset = None
    max_timestamp = NO_TIMESTAMP
    for key, value, timestamp, _, offset in records:
        last_offset = offset
        if append_time is not None:
            timestamp = append_time
        if timestamp > max_timestamp:
            max_timestamp = timestamp
        if compression and magic == 1:
            if base_offset is None:
                base_offset = offset
            offset -= base_offset
        _append_message(out, offset, magic, attributes, timestamp, key, value)
    if not compression or last_offset is None:
        return out
    packed = codecs.compress(compression, out, compression_level, legacy_lz4=magic == 0)
    out = bytearray()
    _append_message(out, last_offset, magic, attributes | compression, max_timestamp, None, packed)
    return out


def _append_message(
    out: bytearray,
    offset: int,
    magic: int,
    attributes: int,
    timestamp: int,
    key: bytes | None,
    value: bytes | None,
) -> None:
    head = _MAGIC_0.pack(magic, attributes) if magic == 0 else _MAGIC_1.pack(magic, attributes, timestamp)
    head += _NULL if key is None else _INT32.pack(len(key)) + key
    head += _NULL if value is None else _INT32.pack(len(value))
    crc = crc32(head)
    size = 4 + len(head)
    if value is not None:
        crc = crc32(value, crc)
        size += len(value)
    out += _OFFSET_SIZE_CRC.pack(offset, size, crc)
    out += head
    if value is not None:
        out += value


def convert_up(
    message_set: ReadableBuffer,
    now_ms: int,
    max_bytes: int,
    *,
    compression: int | None = None,
    compression_level: int | None = None,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    base_offset: int = 0,
) -> bytearray:
    """One magic 2 batch of all records in a produced message set of magic 0 or 1.

    The codec is the set's own unless `compression` names one. With LOG_APPEND_TIME every record's time is
    `now_ms`; otherwise it is kept, -1 for magic 0. Offsets count up from `base_offset`. An empty set raises
    `CorruptBatch`, as whatever `parse` refuses does.
    """
    messages = [message for _, message in walk(message_set)]
    if not messages:
        raise CorruptBatch(Reason.COUNT, "an empty message set")
    if compression is None:
        compression = next((message.compression for message in messages if message.compression), 0)
    return record_batch.build(
        iterate(message_set, max_bytes),
        base_offset=base_offset,
        compression=compression,
        compression_level=compression_level,
        timestamp_type=timestamp_type,
        append_time_ms=now_ms,
    )


class NotConvertible(Exception):
    """A zstd batch, which magic 0 and 1 cannot carry: answer UNSUPPORTED_COMPRESSION_TYPE."""


def convert_down(buffer: ReadableBuffer, magic: int, first_offset: int, max_bytes: int) -> bytearray:
    """The magic 2 batches in `buffer` as a message set of `magic` 0 or 1, for a fetch from `first_offset`.

    Headers and control batches are dropped. A compressed batch becomes one wrapper, whole, as in Kafka,
    unless all its records lie before `first_offset`; an uncompressed one starts at `first_offset`, since
    its messages are no longer held together. A batch may decompress to `max_bytes`. The result may be empty
    though the buffer was not; a client that gets nothing never advances, so read on behind the buffer then.
    Raises `NotConvertible` for a zstd batch, unless something was converted before it: that much is given.
    """
    out = bytearray()
    for position, header in record_batch.walk(buffer, allow_partial_end=True):
        if header.is_control:
            continue
        if header.compression == Compression.ZSTD:
            if out:
                return out
            raise NotConvertible(f"batch at offset {header.base_offset} is compressed with zstd")
        try:
            data = record_batch.body(buffer, position, header, max_bytes)
            # Two passes, so that the records of a hostile batch, millions perhaps, never exist all at once.
            last_offset = max((r.offset for r in record_batch.decode_body(data, header)), default=-1)
            if last_offset < first_offset:
                continue
            records = record_batch.decode_body(data, header)
            out += build(
                records if header.compression else (r for r in records if r.offset >= first_offset),
                magic,
                compression=header.compression,
                timestamp_type=header.timestamp_type,
                append_time_ms=header.max_timestamp,
            )
        except CorruptBatch as corrupt:
            raise CorruptBatch(corrupt.reason, corrupt.detail, position) from None
    return out
