"""A partition and the transactions in it: who may begin one, who ends it, and whom that wakes."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record
from kwire_codecs.records.control import EndTransactionMarker, decode_marker, marker_batch
from kwire_storage.engine import LogConfig, LogRead, StorageError, ValidBatch
from kwire_storage.memory import MemoryLog
from kwire_storage.produce_rules import ProduceRules
from kwire_storage.producer_state import Origin, Verification
from kwire_storage.transaction_index import AbortedTransaction
from kwire_storage.validation import accept_usual, usual_fields

from kwire.coordinators.metadata.image import NO_LEADER, PartitionImage
from kwire.partitions.partition import AppendResult, Partition
from kwire.partitions.waiting import CommittedWaiter, Waiter

NOW_MS = 1_700_000_000_000
RULES = ProduceRules()
STATE = PartitionImage(0, (1, 2), (1, 2), 1, 3)
TOO_FEW = replace(STATE, isr=(1,))


class BrokenLog(MemoryLog):
    """Its disk fails when `broken`."""

    broken = False

    def append(self, batches: object, now_ms: int) -> None:
        if self.broken:
            raise StorageError("no space")
        super().append(batches, now_ms)  # type: ignore[arg-type]  # handed on as it came

    def aborted_transactions(self, start_offset: int, end_offset: int) -> list[AbortedTransaction]:
        if self.broken:
            raise StorageError("no index")
        return super().aborted_transactions(start_offset, end_offset)


@pytest.fixture
def partition() -> Partition:
    return Partition("t", UUID(int=5), 0, BrokenLog(LogConfig()), lambda: NOW_MS, state=STATE, min_isr=2)


def data(
    *, producer_id: int = 7, epoch: int = 0, sequence: int = 0, transactional: bool = True
) -> memoryview:
    built = record_batch.build(
        [Record(None, b"v", 1)],
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_transactional=transactional,
    )
    return memoryview(built)


async def begin(partition: Partition, producer_id: int = 7, sequence: int = 0) -> AppendResult:
    return await partition.append(data(producer_id=producer_id, sequence=sequence), RULES, verified=True)


def end(
    partition: Partition,
    producer_id: int = 7,
    epoch: int = 0,
    *,
    commit: bool = True,
    coordinator_epoch: int = 4,
    transaction_version: int = 0,
) -> ErrorCode:
    return partition.end_transaction(
        producer_id,
        epoch,
        coordinator_epoch,
        is_commit=commit,
        transaction_version=transaction_version,
    )


def plain(partition: Partition) -> AppendResult:
    checked = accept_usual(data(producer_id=-1, epoch=-1, sequence=-1, transactional=False), RULES, NOW_MS)
    assert checked is not None
    return partition.append_batches(checked, RULES, NOW_MS)


# Who may begin one


async def test_a_transactional_batch_needs_an_open_transaction_or_the_coordinators_word(
    partition: Partition,
) -> None:
    refused = await partition.append(data(), RULES)
    assert (refused.error_code, refused.log_start_offset) == (ErrorCode.INVALID_TXN_STATE, 0)
    assert not partition.has_open_transaction(7, 0)
    assert (await begin(partition)).base_offset == 0
    assert partition.has_open_transaction(7, 0)
    assert not partition.has_open_transaction(7, 1)
    assert (await partition.append(data(sequence=1), RULES)).base_offset == 1


async def test_the_short_way_begins_no_transaction_and_goes_on_with_one(partition: Partition) -> None:
    def append_usual(sequence: int) -> AppendResult:
        records = data(sequence=sequence)
        fields = usual_fields(records, RULES, NOW_MS)
        assert fields is not None
        return partition.append_usual(records, fields, NOW_MS)

    assert append_usual(0).error_code == ErrorCode.INVALID_TXN_STATE
    assert partition.log_end_offset == 0
    await begin(partition)
    assert append_usual(1).base_offset == 1
    end(partition)
    assert append_usual(2).error_code == ErrorCode.INVALID_TXN_STATE
    assert partition.log_end_offset == 3


async def test_what_ends_between_the_coordinators_answer_and_the_append_makes_it_worthless(
    partition: Partition,
) -> None:
    guard = partition.start_verification(7, 0, 0, supports_epoch_bump=False)
    assert isinstance(guard, Verification)
    assert end(partition, commit=False) == ErrorCode.NONE
    refused = await partition.append(data(), RULES, verified=guard)
    assert refused.error_code == ErrorCode.INVALID_TXN_STATE
    assert partition.last_stable_offset == 1
    guard = partition.start_verification(7, 0, 0, supports_epoch_bump=False)
    assert isinstance(guard, Verification)
    assert (await partition.append(data(), RULES, verified=guard)).base_offset == 1
    assert partition.start_verification(7, 0, 1, supports_epoch_bump=False) is None


async def test_a_batch_sent_again_is_known_though_its_transaction_has_ended(partition: Partition) -> None:
    await begin(partition)
    end(partition)
    again = await partition.append(data(), RULES)
    assert (again.error_code, again.base_offset, again.last_offset) == (ErrorCode.NONE, 0, 0)


async def test_a_coordinators_batch_without_sequence_opens_a_transaction(partition: Partition) -> None:
    built = data(sequence=-1)
    batches = [ValidBatch(built, record_batch.read_header(built))]
    for at in range(3):
        appended = partition.append_batches(batches, RULES, origin=Origin.COORDINATOR)
        assert (appended.error_code, appended.base_offset) == (ErrorCode.NONE, at)
    assert partition.has_open_transaction(7, 0)
    assert partition.bounds() == (0, 0, 3, 3)
    end(partition)
    assert partition.bounds() == (0, 4, 4, 4)


# Who ends it


async def test_a_marker_is_one_control_batch_of_the_producer(partition: Partition) -> None:
    await begin(partition)
    assert end(partition, commit=False, coordinator_epoch=9) == ErrorCode.NONE
    read = partition.read(1, 1000)
    assert isinstance(read, LogRead)
    written = partition.log.read_bytes(read.parts[0])
    header = record_batch.read_header(written)
    assert (header.base_offset, header.partition_leader_epoch, header.producer_id) == (1, 3, 7)
    assert header.is_control
    assert header.is_transactional
    assert record_batch.crc_is_valid(written, 0, header)
    [record] = record_batch.records(written, 0, header, 1000)
    assert decode_marker(record) == EndTransactionMarker(False, 9)
    assert record.timestamp == NOW_MS


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"epoch": 1}, ErrorCode.NONE),
        ({"epoch": 2}, ErrorCode.NONE),
        ({"epoch": 0}, ErrorCode.INVALID_PRODUCER_EPOCH),
        ({"epoch": 1, "transaction_version": 2}, ErrorCode.INVALID_PRODUCER_EPOCH),
        ({"epoch": 2, "transaction_version": 2}, ErrorCode.NONE),
        ({"epoch": 2, "coordinator_epoch": 3}, ErrorCode.TRANSACTION_COORDINATOR_FENCED),
        ({"producer_id": 99, "epoch": 0, "transaction_version": 2}, ErrorCode.NONE),
    ],
)
async def test_a_marker_is_taken_or_refused_for_good(
    partition: Partition, how: dict[str, int], expected: ErrorCode
) -> None:
    end(partition, epoch=1, coordinator_epoch=4)
    await partition.append(data(epoch=1), RULES, verified=True)
    before = partition.log_end_offset
    assert end(partition, **how) == expected  # type: ignore[arg-type]  # numbers all
    assert partition.log_end_offset == before + (not expected)


async def test_a_marker_is_refused_for_now_where_it_cannot_be_kept(partition: Partition) -> None:
    await begin(partition)
    partition.follow(TOO_FEW, min_isr=2)
    assert end(partition) == ErrorCode.NOT_ENOUGH_REPLICAS
    partition.follow(replace(STATE, leader=NO_LEADER), min_isr=2)
    assert end(partition) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    partition.follow(STATE, min_isr=2)
    assert isinstance(partition.log, BrokenLog)
    partition.log.broken = True
    assert end(partition) == ErrorCode.KAFKA_STORAGE_ERROR
    partition.log.broken = False
    assert partition.last_stable_offset == 0
    assert end(partition) == ErrorCode.NONE
    assert partition.last_stable_offset == 2


@pytest.mark.parametrize(
    ("epoch", "coordinator_epoch", "transaction_version", "expected"),
    [
        (1, 4, 2, ErrorCode.NONE),
        (0, 4, 2, ErrorCode.INVALID_PRODUCER_EPOCH),
        (0, 4, 1, ErrorCode.NONE),
        (1, 3, 0, ErrorCode.TRANSACTION_COORDINATOR_FENCED),
    ],
)
async def test_a_marker_among_a_coordinators_batches_is_judged_alike(
    partition: Partition, epoch: int, coordinator_epoch: int, transaction_version: int, expected: ErrorCode
) -> None:
    """Thus the group coordinator writes them into its own log."""
    end(partition, coordinator_epoch=4)
    await begin(partition)
    written = memoryview(
        marker_batch(
            EndTransactionMarker(True, coordinator_epoch), NOW_MS, producer_id=7, producer_epoch=epoch
        )
    )
    appended = partition.append_batches(
        [ValidBatch(written, record_batch.read_header(written))],
        RULES,
        origin=Origin.COORDINATOR,
        transaction_version=transaction_version,
    )
    assert appended.error_code == expected
    assert partition.has_open_transaction(7, 0) == bool(expected)


# What readers of committed data see


async def test_the_last_stable_offset_is_that_of_the_oldest_open_transaction(partition: Partition) -> None:
    plain(partition)
    await begin(partition, 7)
    plain(partition)
    await begin(partition, 8)
    assert partition.bounds() == (0, 1, 4, 4)
    end(partition, 7)
    assert partition.bounds() == (0, 3, 5, 5)
    end(partition, 8)
    assert partition.bounds() == (0, 6, 6, 6)


async def test_the_last_stable_offset_is_within_what_can_be_read_at_all(partition: Partition) -> None:
    await begin(partition)
    plain(partition)
    plain(partition)
    partition.advance_log_start(2)
    assert partition.bounds() == (2, 2, 3, 3)
    end(partition)
    partition.follow(TOO_FEW, min_isr=2)
    plain(partition)  # with acks=1, as what follows
    await begin(partition, 8)
    assert partition.bounds() == (2, 4, 4, 6)


async def test_a_reader_is_told_what_was_aborted_in_what_he_reads(partition: Partition) -> None:
    for producer_id in (7, 8, 9):
        await begin(partition, producer_id)
        end(partition, producer_id, commit=producer_id == 8)
    found = partition.read(0, 1 << 20, read_committed=True)
    assert isinstance(found, LogRead)
    assert partition.aborted_transactions(0, found) == [(7, 0, 1, 2), (9, 4, 5, 6)]
    assert isinstance(partition.log, BrokenLog)
    partition.log.broken = True
    assert partition.aborted_transactions(0, found) == ErrorCode.KAFKA_STORAGE_ERROR


# Whom it wakes


def waiters(partition: Partition) -> tuple[Waiter, Waiter]:
    """One who reads everything, and one who reads committed data; both wait for a thousand bytes."""
    everything, committed = Waiter(1000), CommittedWaiter(1000)
    partition.watch(everything)
    partition.watch(committed)
    return everything, committed


async def test_what_a_transaction_holds_back_counts_for_nobody_who_waits_for_committed_data(
    partition: Partition,
) -> None:
    everything, committed = waiters(partition)
    await begin(partition)
    plain(partition)
    assert everything.missing_bytes < 1000
    assert (committed.missing_bytes, committed.is_woken) == (1000, False)
    await begin(partition, 8)
    end(partition, 8)
    assert (committed.missing_bytes, committed.is_woken) == (1000, False)
    assert not everything.is_woken
    end(partition)
    assert committed.is_woken


async def test_without_transactions_both_count_the_same(partition: Partition) -> None:
    everything, committed = waiters(partition)
    plain(partition)
    end(partition)
    assert everything.missing_bytes == committed.missing_bytes < 1000


async def test_what_lies_before_a_transaction_in_one_append_is_looked_at(partition: Partition) -> None:
    _, committed = waiters(partition)
    batches = [
        ValidBatch(each, record_batch.read_header(each))
        for each in (data(producer_id=-1, epoch=-1, sequence=-1, transactional=False), data(sequence=-1))
    ]
    assert not partition.append_batches(batches, RULES, origin=Origin.COORDINATOR).error_code
    assert committed.is_woken
