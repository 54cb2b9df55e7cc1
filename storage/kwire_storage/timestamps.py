"""What both engines ask of a batch that they have found: the first record with a timestamp, and whether
offsets rise.

A timestamp is looked up by header first, so that one batch is decoded, however many the log holds.
"""

from collections.abc import Iterator, Sequence

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import NO_TIMESTAMP, BatchHeader, CorruptBatch, Record, TimestampType

from .engine import StorageError, TimestampOffset, ValidBatch

MAX_DECOMPRESSED_BYTES = 1 << 30


def check_ascending(batches: Sequence[ValidBatch], log_end_offset: int) -> None:
    """ValueError unless the batches follow `log_end_offset` and one another: offsets are the caller's
    business, done wrong.
    """
    for _, header in batches:
        if header.base_offset < log_end_offset:
            raise ValueError(f"a batch at {header.base_offset} can't follow offset {log_end_offset - 1}")
        log_end_offset = header.base_offset + header.last_offset_delta + 1


def first_record_at_or_after(
    buffer: memoryview, header: BatchHeader, timestamp_ms: int, from_offset: int
) -> TimestampOffset | None:
    """The batch's first record at or above `from_offset` whose timestamp is at least `timestamp_ms`."""
    if header.max_timestamp < timestamp_ms or header.last_offset < from_offset:
        return None
    is_whole = header.record_count == header.last_offset_delta + 1  # compaction has removed nothing
    if header.timestamp_type is TimestampType.LOG_APPEND_TIME and is_whole:
        # Every record has the batch's time.
        first = max(header.base_offset, from_offset)
        return TimestampOffset(header.max_timestamp, first, header.partition_leader_epoch)
    for record in _records(buffer, header):
        if record.timestamp >= timestamp_ms and record.offset >= from_offset:
            return TimestampOffset(record.timestamp, record.offset, header.partition_leader_epoch)
    return None


def newest_from(buffer: memoryview, header: BatchHeader, from_offset: int) -> int:
    """The largest timestamp of the batch's records at or above `from_offset`, -1 for none."""
    if first_record_at_or_after(buffer, header, header.max_timestamp, from_offset) is not None:
        return header.max_timestamp
    times = (record.timestamp for record in _records(buffer, header) if record.offset >= from_offset)
    return max(times, default=NO_TIMESTAMP)


def _records(buffer: memoryview, header: BatchHeader) -> Iterator[Record]:
    try:
        yield from record_batch.iterate(buffer, 0, header, MAX_DECOMPRESSED_BYTES)
    except CorruptBatch as corrupt:
        raise StorageError(
            f"the batch at offset {header.base_offset} can't be decoded: {corrupt}"
        ) from corrupt
