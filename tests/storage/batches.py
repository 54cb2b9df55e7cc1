"""Batches for storage tests: small, real, and made from what a test says of them."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record, TimestampType
from kwire_storage.engine import PartitionLog, ValidBatch


class Fields(TypedDict, total=False):
    """What a batch may have besides its records."""

    compression: int
    timestamp_type: TimestampType
    append_time_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    is_transactional: bool


def batch(
    base_offset: int,
    count: int = 1,
    *,
    timestamps: Sequence[int] | None = None,
    value: bytes = b"value",
    leader_epoch: int = 0,
    **fields: Unpack[Fields],
) -> ValidBatch:
    """A batch of `count` records from `base_offset`; timestamps are 1000 + offset unless given."""
    times = timestamps if timestamps is not None else [1000 + base_offset + at for at in range(count)]
    records = [Record(b"key", value, time) for time in times]
    built = record_batch.build(records, base_offset=base_offset, leader_epoch=leader_epoch, **fields)
    return ValidBatch(memoryview(built), record_batch.read_header(built))


def marker(
    base_offset: int,
    *,
    commit: bool,
    producer_id: int,
    producer_epoch: int,
    leader_epoch: int = 0,
    coordinator_epoch: int = 7,
) -> ValidBatch:
    """A transaction's end."""
    key = b"\0\0" + (b"\0\1" if commit else b"\0\0")
    built = record_batch.build(
        [Record(key, b"\0\0" + coordinator_epoch.to_bytes(4, "big"), 5000)],
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )
    return ValidBatch(memoryview(built), record_batch.read_header(built))


def fill(
    log: PartitionLog, count: int, *, each: int = 1, value: bytes = b"value", leader_epoch: int = 0
) -> None:
    """Append `count` batches of `each` records."""
    for _ in range(count):
        log.append([batch(log.log_end_offset, each, value=value, leader_epoch=leader_epoch)], 0)


def retain(log: PartitionLog, now_ms: int, *, limit: int | None = None, deletes: bool = True) -> int:
    """A round of retention, as housekeeping goes about it; gives the log start."""
    more = True
    while more:
        job = log.plan_ages()
        if job is not None:
            job.work()
        more = log.retain(now_ms, limit=limit, deletes=deletes)
    return log.log_start_offset


def read_all(log: PartitionLog, offset: int | None = None, max_bytes: int = 1 << 30) -> bytes:
    """All bytes of one read."""
    start = log.log_start_offset if offset is None else offset
    found = log.read(start, max_bytes)
    data = b"".join(log.read_bytes(part) for part in found.parts)
    assert len(data) == found.size
    return data


def offsets_in(data: bytes) -> list[tuple[int, int]]:
    """First and last offset of each batch in `data`, whose checksums must be right."""
    found = []
    for position, header in record_batch.walk(data):
        assert record_batch.crc_is_valid(data, position, header)
        found.append((header.base_offset, header.last_offset))
    return found


def offsets(log: PartitionLog, offset: int | None = None, max_bytes: int = 1 << 30) -> list[tuple[int, int]]:
    """First and last offset of each batch that one read gives."""
    return offsets_in(read_all(log, offset, max_bytes))
