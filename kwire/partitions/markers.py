"""The ends of transactions: control batches that coordinators have a partition append.

What a marker must be to be appended is the log's to say (`ProducerState.check_marker`); that the log may not
know its producer is usual: retention may have taken what he wrote, or he never came to write it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.control import EndTransactionMarker, marker_batch
from kwire_storage.engine import ValidBatch
from kwire_storage.produce_rules import ProduceRules
from kwire_storage.producer_state import Origin, ProducerState, read_marker

from kwire.coordinators.metadata.image import NO_LEADER

if TYPE_CHECKING:
    from kwire.partitions.partition import Partition

RULES = ProduceRules()


def write(
    partition: Partition,
    producer_id: int,
    producer_epoch: int,
    coordinator_epoch: int,
    is_commit: bool,
    transaction_version: int,
) -> ErrorCode:
    """Appends a marker; `Partition.end_transaction` says what comes of it."""
    if partition.leader_id == NO_LEADER:
        return ErrorCode.NOT_LEADER_OR_FOLLOWER
    now_ms = partition.now_ms()
    data = marker_batch(
        EndTransactionMarker(is_commit, coordinator_epoch),
        now_ms,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
    )
    batch = ValidBatch(memoryview(data), record_batch.read_header(data))
    return partition.append_batches(
        [batch], RULES, now_ms, Origin.COORDINATOR, transaction_version=transaction_version
    ).error_code


def refusal_of(batch: ValidBatch, producers: ProducerState, transaction_version: int) -> ErrorCode | None:
    """Why a control batch may not be appended; None for one that may, or that ends no transaction."""
    data, header = batch
    found = read_marker(header, data)
    if found is None:
        return None
    return producers.check_marker(
        header.producer_id, header.producer_epoch, found[0].coordinator_epoch, transaction_version
    )
