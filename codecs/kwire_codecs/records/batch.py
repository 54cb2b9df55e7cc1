"""Record batches of magic 2, the format that logs hold and that Produce v3+ and Fetch v4+ carry.

    0 base_offset i64 | 8 batch_length i32 | 12 partition_leader_epoch i32 | 16 magic i8 | 17 crc u32
    21 attributes i16 | 23 last_offset_delta i32 | 27 base_timestamp i64 | 35 max_timestamp i64
    43 producer_id i64 | 51 producer_epoch i16 | 53 base_sequence i32 | 57 record_count i32 | 61 records

batch_length counts what follows it. The CRC (CRC32C) covers everything from the attributes on, so the base
offset and the leader epoch can be written in place. Attributes: 0-2 codec, 3 timestamp type, 4 transactional,
5 control, 6 base_timestamp is a delete horizon (KIP-534).

Rules: a buffer may be hostile; whatever does not add up raises `CorruptBatch` and nothing else. Headers are
read without looking at a record; a log may hold batches that compaction has thinned, so a record count may
be below last_offset_delta + 1, even 0, but never above.
Kafka: DefaultRecordBatch.
"""

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from . import compression as codecs
from .checksum import crc32c
from .compression import Compression
from .corrupt import CorruptBatch, Reason
from .record import NO_TIMESTAMP, Record, decode_records, encode_records

__all__ = [
    "HEADER_SIZE",
    "LOG_OVERHEAD",
    "NO_PRODUCER_EPOCH",
    "NO_PRODUCER_ID",
    "NO_SEQUENCE",
    "NO_TIMESTAMP",
    "BatchHeader",
    "Compression",
    "CorruptBatch",
    "ReadableBuffer",
    "Reason",
    "Record",
    "TimestampType",
    "body",
    "build",
    "crc_is_valid",
    "decode_body",
    "iterate",
    "magic_at",
    "read_header",
    "records",
    "size_at",
    "stamp",
    "stamp_append_time",
    "stamp_time",
    "walk",
    "write_crc",
]

ReadableBuffer = bytes | bytearray | memoryview

HEADER_SIZE = 61
LOG_OVERHEAD = 12  # base_offset and batch_length, the bytes that batch_length does not count
MAGIC_POSITION = 16  # the same in every magic
CRC_POSITION = 17
ATTRIBUTES_POSITION = 21

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
NO_LEADER_EPOCH = -1

TRANSACTIONAL = 0x10
CONTROL = 0x20
DELETE_HORIZON = 0x40
APPEND_TIME = 0x08
_INT32_MAX = 0x7FFFFFFF

HEADER = struct.Struct(">qiibIhiqqqhii")
_PREFIX = struct.Struct(">qi")
_INT64 = struct.Struct(">q")
_INT32 = struct.Struct(">i")
_INT16 = struct.Struct(">h")
_UINT32 = struct.Struct(">I")
PLACE = struct.Struct(">qii")
"""What `place` writes: base offset, batch length (as it is), leader epoch."""
_LEAST_LENGTH = HEADER_SIZE - LOG_OVERHEAD

new_tuple = tuple.__new__
"""`new_tuple(BatchHeader, fields)` makes a NamedTuple at a third of what its own constructor takes: for the
path of every produced batch. All fields must be given, in their order.
"""


class TimestampType(IntEnum):
    """Who set the timestamps: the producer, or the broker at the append."""

    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


class BatchHeader(NamedTuple):
    """The 61 bytes in front of a batch's records. Timestamps in ms since the epoch, -1 for none."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch, header included."""
        return self.batch_length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """The last record's sequence, wrapped past 2^31 - 1 to 0; NO_SEQUENCE if the batch has none."""
        sequence = self.base_sequence
        return NO_SEQUENCE if sequence == NO_SEQUENCE else (sequence + self.last_offset_delta) & _INT32_MAX

    @property
    def compression(self) -> int:
        """The codec's number, a `Compression` if it is one that exists (0-4 of 0-7)."""
        return self.attributes & 7

    @property
    def timestamp_type(self) -> TimestampType:
        return TimestampType.LOG_APPEND_TIME if self.attributes & APPEND_TIME else TimestampType.CREATE_TIME

    @property
    def is_transactional(self) -> bool:
        return self.attributes & TRANSACTIONAL != 0

    @property
    def is_control(self) -> bool:
        return self.attributes & CONTROL != 0

    @property
    def has_producer_id(self) -> bool:
        return self.producer_id > NO_PRODUCER_ID

    @property
    def delete_horizon(self) -> int | None:
        """When compaction may drop this batch's tombstones and markers (ms), if it has been decided."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON else None


def magic_at(buffer: ReadableBuffer) -> int:
    """The magic of the batch or message at the start, whatever its format; at least 17 bytes are needed."""
    if len(buffer) <= MAGIC_POSITION:
        raise CorruptBatch(Reason.LENGTH, "too few bytes for a magic", 0)
    magic = buffer[MAGIC_POSITION]
    return magic if magic < 128 else magic - 256


def size_at(buffer: ReadableBuffer, position: int = 0) -> int:
    """What the batch or message at `position`, of any magic, says its whole size is (unchecked)."""
    if position < 0 or len(buffer) - position < LOG_OVERHEAD:
        raise CorruptBatch(Reason.LENGTH, "too few bytes for a length", position)
    size: int = _PREFIX.unpack_from(buffer, position)[1]
    return size + LOG_OVERHEAD


def read_header(buffer: ReadableBuffer, position: int = 0, *, whole: bool = True) -> BatchHeader:
    """The header of the batch at `position`.

    Its length, magic and counts are checked; its CRC is not (`crc_is_valid`). With `whole` the entire batch
    must be in the buffer; without it, the 61 bytes suffice.
    """
    if position < 0 or len(buffer) - position < HEADER_SIZE:
        raise CorruptBatch(Reason.LENGTH, "too few bytes for a batch header", position)
    fields = HEADER.unpack_from(buffer, position)
    _, batch_length, _, magic, _, _, last_offset_delta, _, _, _, _, _, record_count = fields
    if magic != 2:
        raise CorruptBatch(Reason.MAGIC, f"magic is {magic}, not 2", position)
    if batch_length < _LEAST_LENGTH:
        raise CorruptBatch(Reason.LENGTH, f"batch length {batch_length} is less than a header's", position)
    if whole and batch_length > len(buffer) - position - LOG_OVERHEAD:
        left = len(buffer) - position - LOG_OVERHEAD
        raise CorruptBatch(
            Reason.LENGTH, f"batch length {batch_length} where {left} bytes are left", position
        )
    if not 0 <= record_count <= last_offset_delta + 1 or last_offset_delta < 0:
        counts = f"{record_count} records, last offset delta {last_offset_delta}"
        raise CorruptBatch(Reason.COUNT, counts, position)
    return new_tuple(BatchHeader, fields)


def walk(
    buffer: ReadableBuffer, position: int = 0, *, allow_partial_end: bool = False
) -> Iterator[tuple[int, BatchHeader]]:
    """Each batch's position and header, in order, from `position` to the buffer's end.

    With `allow_partial_end` a batch cut off by the buffer's end ends the walk, as at the end of a read of
    limited size; otherwise it raises, as all else does.
    """
    end = len(buffer)
    while position < end:
        if allow_partial_end and (end - position < HEADER_SIZE or size_at(buffer, position) > end - position):
            return
        header = read_header(buffer, position)
        yield position, header
        position += header.batch_length + LOG_OVERHEAD


def crc_is_valid(buffer: ReadableBuffer, position: int, header: BatchHeader) -> bool:
    """Whether the bytes at `position` have the CRC that `header`, read from there, names."""
    end = position + header.batch_length + LOG_OVERHEAD
    with memoryview(buffer)[position + ATTRIBUTES_POSITION : end] as covered:
        return crc32c(covered) == header.crc


def write_crc(buffer: bytearray | memoryview, position: int, batch_length: int) -> int:
    """Compute the CRC of the batch at `position`, write it in place, return it."""
    end = position + batch_length + LOG_OVERHEAD
    with memoryview(buffer)[position + ATTRIBUTES_POSITION : end] as covered:
        crc = crc32c(covered)
    _UINT32.pack_into(buffer, position + CRC_POSITION, crc)
    return crc


def stamp(buffer: bytearray | memoryview, position: int, base_offset: int, leader_epoch: int) -> None:
    """Write the offset and epoch that the leader has given the batch; the CRC does not cover them."""
    _INT64.pack_into(buffer, position, base_offset)
    _INT32.pack_into(buffer, position + 12, leader_epoch)


def place(
    buffer: bytearray | memoryview, header: BatchHeader, base_offset: int, leader_epoch: int
) -> BatchHeader:
    """As `stamp`, of the batch that `buffer` begins with and whose header is given; gives the new header."""
    batch_length = header[1]
    PLACE.pack_into(buffer, 0, base_offset, batch_length, leader_epoch)
    return new_tuple(BatchHeader, (base_offset, batch_length, leader_epoch) + header[3:])  # noqa: RUF005


def stamp_append_time(
    buffer: bytearray | memoryview, position: int, header: BatchHeader, timestamp_ms: int
) -> BatchHeader:
    """Give every record of the batch the append time, in place, with a new CRC; gives the new header.

    The records' own timestamps stay in the bytes: readers take max_timestamp for each of them.
    """
    return stamp_time(buffer, position, header, TimestampType.LOG_APPEND_TIME, timestamp_ms)


def stamp_time(
    buffer: bytearray | memoryview,
    position: int,
    header: BatchHeader,
    kind: TimestampType,
    max_timestamp: int,
) -> BatchHeader:
    """Write timestamp type and max_timestamp in place, and the CRC if they change; gives the new header."""
    attributes = header.attributes & ~APPEND_TIME | (APPEND_TIME if kind else 0)
    if attributes == header.attributes and max_timestamp == header.max_timestamp:
        return header
    _INT16.pack_into(buffer, position + ATTRIBUTES_POSITION, attributes)
    _INT64.pack_into(buffer, position + 35, max_timestamp)
    crc = write_crc(buffer, position, header.batch_length)
    return header._replace(attributes=attributes, max_timestamp=max_timestamp, crc=crc)


def records(buffer: ReadableBuffer, position: int, header: BatchHeader, max_bytes: int) -> list[Record]:
    """The records of the batch at `position`, copied out, with their absolute offsets and timestamps.

    `header` was read from there. A compressed batch that would decompress to more than `max_bytes` raises
    `CorruptBatch` (TOO_LARGE). Records must fill the batch exactly, their offsets must ascend and stay within
    last_offset_delta. The CRC is not checked. A client's batch may hold millions: see `iterate`.
    """
    return list(iterate(buffer, position, header, max_bytes))


def iterate(buffer: ReadableBuffer, position: int, header: BatchHeader, max_bytes: int) -> Iterator[Record]:
    """What `records` gives, one by one; what is wrong raises when it is reached."""
    try:
        yield from decode_body(body(buffer, position, header, max_bytes), header)
    except CorruptBatch as corrupt:
        raise CorruptBatch(corrupt.reason, corrupt.detail, position) from None


def body(buffer: ReadableBuffer, position: int, header: BatchHeader, max_bytes: int) -> bytes:
    """What stands behind the header of the batch at `position`, copied out and decompressed."""
    with memoryview(buffer)[position + HEADER_SIZE : position + header.batch_length + LOG_OVERHEAD] as view:
        if not header.attributes & 7:
            return bytes(view)
        try:
            return codecs.decompress(header.attributes & 7, view, max_bytes)
        except codecs.BadStream as bad:
            reason = Reason.TOO_LARGE if bad.too_large else Reason.COMPRESSION
            raise CorruptBatch(reason, str(bad), position) from None


def decode_body(data: bytes, header: BatchHeader, *, check_offsets: bool = True) -> Iterator[Record]:
    """The records in a batch's decompressed `body`, one by one, so that they need not exist all at once."""
    return decode_records(
        data,
        header.record_count,
        header.base_offset,
        header.last_offset_delta,
        header.base_timestamp,
        header.max_timestamp if header.attributes & APPEND_TIME else None,
        check_offsets=check_offsets,
    )


def build(
    records: Iterable[Record],
    *,
    base_offset: int = 0,
    compression: int = Compression.NONE,
    compression_level: int | None = None,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    append_time_ms: int = NO_TIMESTAMP,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    leader_epoch: int = NO_LEADER_EPOCH,
    is_transactional: bool = False,
    is_control: bool = False,
    keep_offsets: bool = False,
    last_offset: int | None = None,
    delete_horizon: int | None = None,
) -> bytearray:
    """One batch of `records`, CRC and all.

    Offsets count up from `base_offset`, whatever the records' own are; with `keep_offsets` the records' own
    (ascending, from `base_offset` on) are kept, with gaps, as compaction needs, and `last_offset` may lie
    behind the last record. With LOG_APPEND_TIME every record's time is `append_time_ms`. Raises ValueError
    for no records (unless `keep_offsets`), for offsets out of order, and for an unknown codec.
    """
    payload: bytes | bytearray
    payload, count, delta, base_timestamp, max_timestamp = encode_records(
        records, delete_horizon, base_offset if keep_offsets else None
    )
    if count == 0 and not keep_offsets:
        raise ValueError("a batch needs a record")
    if last_offset is not None:
        if last_offset - base_offset < max(delta, 0):
            raise ValueError(f"last offset {last_offset} lies before the last record")
        delta = last_offset - base_offset
    attributes = compression | (TRANSACTIONAL if is_transactional else 0) | (CONTROL if is_control else 0)
    if timestamp_type == TimestampType.LOG_APPEND_TIME:
        attributes |= APPEND_TIME
        max_timestamp = append_time_ms
    if delete_horizon is not None:
        attributes |= DELETE_HORIZON
    if compression:
        payload = codecs.compress(compression, payload, compression_level)
    batch = bytearray(HEADER_SIZE)
    batch += payload
    HEADER.pack_into(
        batch,
        0,
        base_offset,
        len(batch) - LOG_OVERHEAD,
        leader_epoch,
        2,
        0,
        attributes,
        max(delta, 0),
        base_timestamp,
        max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        count,
    )
    write_crc(batch, 0, len(batch) - LOG_OVERHEAD)
    return batch
