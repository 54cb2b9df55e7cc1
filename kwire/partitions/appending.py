"""How batches get into a partition's log: judged, stamped with offsets and leader epoch, written, and told to
those who wait. `Partition` has these as methods.

Rules
- Offsets are given in the order of the appends, in place.
- While a thread writes an append (`Partition.writing`), clients' next ones follow it, if the leader is still
  the same then; a coordinator's does not wait, and what the thread wrote is put behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import CONTROL, LOG_OVERHEAD, PLACE, BatchHeader, new_tuple
from kwire_storage.engine import Overtaken, StorageError, ValidBatch, total_size
from kwire_storage.produce_rules import ProduceRules, Refusal
from kwire_storage.producer_state import Origin, Verification
from kwire_storage.validation import Fields, accept_usual, takes_long, validate
from kwire_storage.write_pressure import LARGE_BYTES

from kwire.partitions import append_result, markers, waiting
from kwire.partitions.append_result import AppendResult
from kwire.partitions.threads import decode_in_thread, write_in_thread

if TYPE_CHECKING:
    from kwire.partitions.partition import Partition

logger = logging.getLogger("kwire.partitions")

NO_ERROR = ErrorCode.NONE
place_in = PLACE.pack_into


async def append(
    partition: Partition, records: memoryview, rules: ProduceRules, *, verified: Verification | bool = False
) -> AppendResult:
    """Appends what a Produce request carries for this partition; whoever tells of it looks at
    `must_flush` first.

    `records` is writable: offsets, epoch and, under LogAppendTime, timestamps are set in place.
    `verified`: the transaction coordinator knows of the transaction that the batch may begin here; either
    what `start_verification` gave, which must be called before the coordinator is asked, or True.
    """
    now_ms = partition.now_ms()
    checked: list[ValidBatch] | Refusal | None = accept_usual(records, rules, now_ms)
    if checked is None:
        if takes_long(records, rules, now_ms):
            leader = (partition.leader_id, partition.leader_epoch)
            checked = await decode_in_thread(validate, records, rules, now_ms)
            if leader != (partition.leader_id, partition.leader_epoch):
                # The topic went, or its leader moved, meanwhile.
                return AppendResult(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        else:
            checked = validate(records, rules, now_ms)
    if isinstance(checked, Refusal):
        return append_result.of_invalid(checked, partition.log.log_start_offset)
    leader = (partition.leader_id, partition.leader_epoch)
    while partition.writing is not None:
        await partition.writing.wait()
    if leader != (partition.leader_id, partition.leader_epoch):
        return AppendResult(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    if total_size(checked) >= LARGE_BYTES and partition.log.waits_for_disk:
        return await _append_in_thread(partition, checked, rules, now_ms, verified)
    return append_batches(partition, checked, rules, now_ms, verified=verified)


def append_batches(
    partition: Partition,
    batches: Sequence[ValidBatch],
    rules: ProduceRules,
    now_ms: int | None = None,
    origin: Origin = Origin.CLIENT,
    verified: Verification | bool = False,
    transaction_version: int = 0,
) -> AppendResult:
    """Appends validated batches in one write: sequences checked, offsets and epoch stamped, waiters
    woken. Each is judged by what the log held before.

    `verified` is as for `append`; `transaction_version` is what the markers among a coordinator's batches
    are judged by.
    """
    log = partition.log
    if partition.held_at is not None and origin is Origin.COORDINATOR:
        # Coordinators write with acks=-1.
        return AppendResult(ErrorCode.NOT_ENOUGH_REPLICAS)
    if not batches:
        # Only a Produce of version 0 to 2 may carry nothing; Kafka says so with an offset of -1.
        return AppendResult(ErrorCode.NONE, log_start_offset=log.log_start_offset)
    if now_ms is None:
        now_ms = partition.now_ms()
    first_offset = log.log_end_offset
    placed = _stamped(partition, batches, now_ms, origin, verified, transaction_version)
    if isinstance(placed, AppendResult):
        return placed
    stamped, size, end_offset = placed
    append_time_ms = batches[-1].header.max_timestamp if rules.log_append_time else -1
    return _write(partition, stamped, now_ms, size, first_offset, end_offset - 1, append_time_ms)


def _stamped(
    partition: Partition,
    batches: Sequence[ValidBatch],
    now_ms: int,
    origin: Origin,
    verified: Verification | bool,
    transaction_version: int = 0,
) -> tuple[list[ValidBatch], int, int] | AppendResult:
    """The batches with the offsets and the epoch that they get, their size, and where the log ends then;
    or what speaks against them.
    """
    log = partition.log
    offset, size = log.log_end_offset, 0
    leader_epoch = partition.leader_epoch
    producers = log.producers
    stamped = []
    for data, header in batches:
        if header.producer_id >= 0:
            if not header.attributes & CONTROL:
                verdict = producers.check(header, now_ms, origin, verified)
            else:
                verdict = markers.refusal_of(ValidBatch(data, header), producers, transaction_version)
            if verdict is not None:
                return append_result.of_verdict(verdict, log.log_start_offset)
        header = record_batch.place(data, header, offset, leader_epoch)
        stamped.append(new_tuple(ValidBatch, (data, header)))
        offset += header.last_offset_delta + 1
        size += len(data)
    return stamped, size, offset


async def _append_in_thread(
    partition: Partition,
    batches: Sequence[ValidBatch],
    rules: ProduceRules,
    now_ms: int,
    verified: Verification | bool,
) -> AppendResult:
    """As `append_batches`, for a client's batches that would make the loop wait for the disk."""
    partition.writing = trio.Event()
    try:
        while True:
            try:
                return await _try_in_thread(partition, batches, rules, now_ms, verified)
            except Overtaken:  # by a marker: the batches follow it
                continue
            except StorageError as error:
                if not error.is_told:
                    logger.error("append of %d bytes to %s failed: %s", total_size(batches), partition, error)
                return AppendResult(ErrorCode.KAFKA_STORAGE_ERROR)
    finally:
        partition.writing.set()
        partition.writing = None


async def _try_in_thread(
    partition: Partition,
    batches: Sequence[ValidBatch],
    rules: ProduceRules,
    now_ms: int,
    verified: Verification | bool,
) -> AppendResult:
    log, leader = partition.log, (partition.leader_id, partition.leader_epoch)
    first_offset = log.log_end_offset
    placed = _stamped(partition, batches, now_ms, Origin.CLIENT, verified)
    if isinstance(placed, AppendResult):
        return placed
    stamped, size, end_offset = placed
    job = log.plan_append(stamped, now_ms)
    stays = False
    undecided = None
    try:
        with trio.CancelScope(shield=True):
            await write_in_thread(job.work)
        stays = leader == (partition.leader_id, partition.leader_epoch)
        undecided = log.producers.first_undecided_offset
    finally:
        log.commit_append(job, keep=stays)
    if not stays:
        return AppendResult(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    if partition.waiters:
        now_undecided = log.producers.first_undecided_offset
        waiting.tell_of_append(partition.waiters, size, first_offset, undecided, now_undecided)
    return AppendResult(
        NO_ERROR,
        first_offset,
        batches[-1].header.max_timestamp if rules.log_append_time else -1,
        log.log_start_offset,
        last_offset=end_offset - 1,
    )


def append_usual(
    partition: Partition,
    records: memoryview,
    fields: Fields,
    now_ms: int,
    verified: Verification | bool = False,
) -> AppendResult:
    """As `append_batches`, for one batch of a client's that keeps its times: `fields` are what
    `usual_fields` found.
    """
    log = partition.log
    offset, leader_epoch = log.log_end_offset, partition.leader_epoch
    _, length, _, magic, crc, attributes, delta, base_time, max_time, producer_id, epoch, first, count = (
        fields
    )
    header = new_tuple(
        BatchHeader,
        (
            offset,
            length,
            leader_epoch,
            magic,
            crc,
            attributes,
            delta,
            base_time,
            max_time,
            producer_id,
            epoch,
            first,
            count,
        ),
    )
    if producer_id >= 0:
        verdict = log.producers.check(header, now_ms, Origin.CLIENT, verified)
        if verdict is not None:
            return append_result.of_verdict(verdict, log.log_start_offset)
    place_in(records, 0, offset, length, leader_epoch)
    batch = new_tuple(ValidBatch, (records, header))
    return _write(partition, [batch], now_ms, length + LOG_OVERHEAD, offset, offset + delta, -1)


def _write(
    partition: Partition,
    stamped: Sequence[ValidBatch],
    now_ms: int,
    size: int,
    first_offset: int,
    last_offset: int,
    append_time_ms: int,
) -> AppendResult:
    """Appends what may be appended, and tells who waits for it."""
    log, waiters = partition.log, partition.waiters
    undecided = log.producers.first_undecided_offset if waiters else None
    try:
        log.append(stamped, now_ms)
    except StorageError as error:
        if not error.is_told:
            logger.error("append of %d bytes to %s failed: %s", size, partition, error)
        return AppendResult(ErrorCode.KAFKA_STORAGE_ERROR)
    if waiters:
        now_undecided = log.producers.first_undecided_offset
        waiting.tell_of_append(waiters, size, first_offset, undecided, now_undecided)
    return new_tuple(
        AppendResult,
        (NO_ERROR, first_offset, append_time_ms, log.log_start_offset, None, (), last_offset),
    )
