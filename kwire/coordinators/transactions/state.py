"""A transactional id: its producer, its transaction, and how one state follows another.

Rules
- A `TransactionMetadata` is never changed: a transition makes the next one, which becomes a record. Nothing
  here decides whether a request may have a transition; that is `initialising.py`'s and `ending.py`'s.
- Epochs only rise for one producer id, and no client is ever given the highest one: so there is always an
  epoch left to fence it with.
- Every transition notes the producer id that was there before it, whether it changes or not, as Kafka does.

Kafka: TransactionMetadata, TxnTransitMetadata, TransactionState.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

NO_PRODUCER_ID: Final = -1
NO_PRODUCER_EPOCH: Final = -1
NO_TIMESTAMP: Final = -1
HIGHEST_EPOCH: Final = 0x7FFF
LAST_USABLE_EPOCH: Final = HIGHEST_EPOCH - 1
"""The highest epoch that a client is given; with it the producer id is used up."""
BUMPS_EPOCHS: Final = 2
"""From this transaction.version on, each end of a transaction begins a new epoch (KIP-890)."""


class TransactionState(IntEnum):
    """The states, numbered as in the log. DEAD and PREPARE_EPOCH_FENCE never get there: a removal is a
    tombstone, and a fence is one decision with the abort that follows it.
    """

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7


EMPTY: Final = TransactionState.EMPTY
ONGOING: Final = TransactionState.ONGOING
PREPARE_COMMIT: Final = TransactionState.PREPARE_COMMIT
PREPARE_ABORT: Final = TransactionState.PREPARE_ABORT
COMPLETE_COMMIT: Final = TransactionState.COMPLETE_COMMIT
COMPLETE_ABORT: Final = TransactionState.COMPLETE_ABORT
DEAD: Final = TransactionState.DEAD
PREPARE_EPOCH_FENCE: Final = TransactionState.PREPARE_EPOCH_FENCE

STATE_NAMES: Final[Mapping[TransactionState, str]] = {
    EMPTY: "Empty",
    ONGOING: "Ongoing",
    PREPARE_COMMIT: "PrepareCommit",
    PREPARE_ABORT: "PrepareAbort",
    COMPLETE_COMMIT: "CompleteCommit",
    COMPLETE_ABORT: "CompleteAbort",
    DEAD: "Dead",
    PREPARE_EPOCH_FENCE: "PrepareEpochFence",
}
"""As DescribeTransactions and ListTransactions say them."""

IN_NO_TRANSACTION: Final = frozenset((EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT))
"""A transaction may begin, and the transactional id may be forgotten when it is old."""

PREPARED: Final = frozenset((PREPARE_COMMIT, PREPARE_ABORT))
"""The outcome is decided; markers are on their way."""

VALID_PREVIOUS: Final[Mapping[TransactionState, frozenset[TransactionState]]] = {
    EMPTY: IN_NO_TRANSACTION,
    ONGOING: IN_NO_TRANSACTION | {ONGOING},
    PREPARE_COMMIT: frozenset((ONGOING,)),
    PREPARE_ABORT: IN_NO_TRANSACTION | {ONGOING, PREPARE_EPOCH_FENCE},
    COMPLETE_COMMIT: frozenset((PREPARE_COMMIT,)),
    COMPLETE_ABORT: frozenset((PREPARE_ABORT,)),
    DEAD: IN_NO_TRANSACTION,
    PREPARE_EPOCH_FENCE: frozenset((ONGOING,)),
}
"""State -> the states that it may follow."""


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


Partitions = Mapping[TopicPartition, None]
"""Partitions in the order in which they came, each once; never changed."""
NO_PARTITIONS: Final[Partitions] = {}


class TransactionMetadata(NamedTuple):
    """What is known of one transactional id. Timestamps in milliseconds since the epoch.

    `last_producer_epoch` is the epoch before the last bump, if the same producer asked for that: what a
    retry of its request is known by. It is not in the log (nor is it in Kafka's).
    """

    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: TransactionState = EMPTY
    partitions: Partitions = NO_PARTITIONS
    start_timestamp_ms: int = NO_TIMESTAMP
    last_update_timestamp_ms: int = NO_TIMESTAMP
    previous_producer_id: int = NO_PRODUCER_ID
    next_producer_id: int = NO_PRODUCER_ID
    """What the producer goes on with when this transaction has ended, if its epochs are used up."""
    last_producer_epoch: int = NO_PRODUCER_EPOCH
    client_transaction_version: int = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether no further epoch of this producer id may be given to a client."""
        return self.producer_epoch >= LAST_USABLE_EPOCH

    def is_overdue(self, now_ms: int) -> bool:
        """Whether a transaction is open for longer than its producer asked for."""
        # A time-out without end is that of a transaction which another system decides (KIP-939).
        return (
            self.state is ONGOING
            and self.timeout_ms != 0x7FFF_FFFF
            and self.start_timestamp_ms + self.timeout_ms < now_ms
        )


class IllegalTransition(Exception):
    """A decision has a bug: its state cannot follow the one that is there."""


def check_transition(before: TransactionMetadata | None, after: TransactionMetadata) -> None:
    """Refuses what no decision may come to. Raises IllegalTransition.

    Kafka: TransactionMetadata.prepareTransitionTo and completeTransitionTo.
    """
    if after.producer_id < 0 or after.producer_epoch < 0:
        raise IllegalTransition(f"to producer {after.producer_id}, epoch {after.producer_epoch}")
    if before is None:
        if after.state is not EMPTY:
            raise IllegalTransition(f"from nothing to {after.state.name}")
        return
    if before.state not in VALID_PREVIOUS[after.state]:
        raise IllegalTransition(f"from {before.state.name} to {after.state.name}")
    if after.producer_id == before.producer_id and after.producer_epoch < before.producer_epoch:
        raise IllegalTransition(f"from epoch {before.producer_epoch} back to {after.producer_epoch}")


def unused(producer_id: int, timeout_ms: int, now_ms: int) -> TransactionMetadata:
    """A transactional id before its first epoch. It is no record."""
    return TransactionMetadata(producer_id, NO_PRODUCER_EPOCH, timeout_ms, last_update_timestamp_ms=now_ms)


def initialised(
    before: TransactionMetadata, producer_epoch: int, last_producer_epoch: int, timeout_ms: int, now_ms: int
) -> TransactionMetadata:
    """The same producer, in no transaction, with this epoch."""
    return before._replace(
        state=EMPTY,
        previous_producer_id=before.producer_id,
        producer_epoch=producer_epoch,
        last_producer_epoch=last_producer_epoch,
        timeout_ms=timeout_ms,
        partitions=NO_PARTITIONS,
        start_timestamp_ms=NO_TIMESTAMP,
        last_update_timestamp_ms=now_ms,
    )


def rotated(
    before: TransactionMetadata,
    new_producer_id: int,
    last_producer_epoch: int,
    timeout_ms: int,
    now_ms: int,
) -> TransactionMetadata:
    """A new producer id, with epoch 0, for one whose epochs are used up."""
    return initialised(before, 0, last_producer_epoch, timeout_ms, now_ms)._replace(
        producer_id=new_producer_id
    )


def with_partitions(
    before: TransactionMetadata, added: Iterable[TopicPartition], transaction_version: int, now_ms: int
) -> TransactionMetadata:
    """These partitions as well are in the transaction, which may begin with them."""
    begins = before.state in IN_NO_TRANSACTION
    return before._replace(
        state=ONGOING,
        previous_producer_id=before.producer_id,
        partitions={**before.partitions, **dict.fromkeys(added)},
        start_timestamp_ms=now_ms if begins else before.start_timestamp_ms,
        last_update_timestamp_ms=now_ms,
        client_transaction_version=transaction_version,
    )


def prepared(
    before: TransactionMetadata,
    state: TransactionState,
    transaction_version: int,
    next_producer_id: int,
    now_ms: int,
) -> TransactionMetadata:
    """The outcome is decided. From transaction.version 2 on the producer's next epoch begins with it.

    An abort may come where there is no transaction: its client did not know. It begins and ends then.
    """
    epoch, last_epoch = before.producer_epoch, before.last_producer_epoch
    if transaction_version >= BUMPS_EPOCHS:
        last_epoch, epoch = epoch, min(epoch + 1, HIGHEST_EPOCH)
    return before._replace(
        state=state,
        previous_producer_id=before.producer_id,
        next_producer_id=next_producer_id,
        producer_epoch=epoch,
        last_producer_epoch=last_epoch,
        start_timestamp_ms=now_ms if before.state is not ONGOING else before.start_timestamp_ms,
        last_update_timestamp_ms=now_ms,
        client_transaction_version=transaction_version,
    )


def fenced(
    before: TransactionMetadata, transaction_version: int, next_producer_id: int, now_ms: int
) -> TransactionMetadata:
    """The transaction is aborted by the broker, in an epoch that its producer does not have.

    :param transaction_version: the cluster's, since no client takes part. (Kafka: prepareFenceProducerEpoch
        and what endTransaction makes of it.)
    """
    if transaction_version < BUMPS_EPOCHS:
        before = before._replace(
            producer_epoch=min(before.producer_epoch + 1, HIGHEST_EPOCH),
            last_producer_epoch=NO_PRODUCER_EPOCH,
        )
        transaction_version, next_producer_id = 0, NO_PRODUCER_ID
    return prepared(before, PREPARE_ABORT, transaction_version, next_producer_id, now_ms)


def completed(before: TransactionMetadata, now_ms: int) -> TransactionMetadata:
    """Every marker is written. A producer whose epochs are used up goes on with its next id."""
    rotates = before.client_transaction_version >= BUMPS_EPOCHS and before.next_producer_id != NO_PRODUCER_ID
    return before._replace(
        state=COMPLETE_COMMIT if before.state is PREPARE_COMMIT else COMPLETE_ABORT,
        previous_producer_id=before.producer_id,
        producer_id=before.next_producer_id if rotates else before.producer_id,
        producer_epoch=0 if rotates else before.producer_epoch,
        next_producer_id=NO_PRODUCER_ID,
        partitions=NO_PARTITIONS,
        last_update_timestamp_ms=now_ms,
    )
