"""What the transaction coordinator is asked and answers, as plain values; its settings; its messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.state import (
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    TopicPartition,
)


@dataclass(frozen=True, slots=True)
class TransactionSettings:
    """Limits and intervals; each field, and its default, is that of Kafka's broker config."""

    max_timeout_ms: int = 900_000
    """transaction.max.timeout.ms"""
    id_expiration_ms: int = 604_800_000
    """transactional.id.expiration.ms"""
    abort_timed_out_interval_ms: int = 10_000
    """transaction.abort.timed.out.transaction.cleanup.interval.ms"""
    remove_expired_interval_ms: int = 3_600_000
    """transaction.remove.expired.transaction.cleanup.interval.ms"""


class ProducerIdAndEpoch(NamedTuple):
    """What a producer says that it has."""

    producer_id: int
    producer_epoch: int


class NeedsProducerId:
    """The answer of an operation that needs a new producer id: get one, and call again with it."""

    __slots__ = ()


NEEDS_PRODUCER_ID: Final = NeedsProducerId()


class InitResult(NamedTuple):
    """InitProducerId: the producer's id and epoch."""

    error_code: ErrorCode
    producer_id: int = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH


class EndResult(NamedTuple):
    """EndTxn: id and epoch are what the producer goes on with, from transaction.version 2 on."""

    error_code: ErrorCode
    producer_id: int = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH


class WriteMarkers(NamedTuple):
    """A message: write a marker to each of these partitions, and tell of it by `markers_written`."""

    transactional_id: str
    producer_id: int
    producer_epoch: int
    is_commit: bool
    transaction_version: int
    partitions: Sequence[TopicPartition]


class AbortTimedOut(NamedTuple):
    """A message: this transaction is overdue, and to abort it takes a new producer id: call
    `abort_timed_out` with one.
    """

    transactional_id: str
    producer_id: int
    producer_epoch: int


class DescribedTransaction(NamedTuple):
    """One transactional id for DescribeTransactions."""

    error_code: ErrorCode
    transactional_id: str
    state: str = ""
    timeout_ms: int = 0
    start_timestamp_ms: int = 0
    producer_id: int = 0
    producer_epoch: int = 0
    partitions: Sequence[TopicPartition] = ()


class ListedTransaction(NamedTuple):
    """One transactional id for ListTransactions."""

    transactional_id: str
    producer_id: int
    state: str
