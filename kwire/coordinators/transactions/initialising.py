"""What InitProducerId comes to for a transactional id that is there (KIP-98, KIP-360).

A producer that begins gets a new epoch, which fences those before it; a transaction that is open is aborted
first, in an epoch that nobody has, and the producer asks again. One that goes on after an error says which
id and epoch it has, and is fenced itself if somebody came after it.

Kafka: TransactionCoordinator.prepareInitProducerIdTransit, TransactionMetadata.prepareIncrementProducerEpoch.
"""

from __future__ import annotations

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.state import (
    BUMPS_EPOCHS,
    IN_NO_TRANSACTION,
    LAST_USABLE_EPOCH,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    ONGOING,
    PREPARED,
    TransactionMetadata,
    fenced,
    initialised,
    rotated,
)
from kwire.coordinators.transactions.values import NEEDS_PRODUCER_ID, NeedsProducerId, ProducerIdAndEpoch


def initialise(
    metadata: TransactionMetadata,
    timeout_ms: int,
    expected: ProducerIdAndEpoch | None,
    transaction_version: int,
    new_producer_id: int,
    now_ms: int,
) -> TransactionMetadata | ErrorCode | NeedsProducerId:
    """The next state: in no transaction with the epoch to answer, or that of a transaction to be aborted
    first.

    :param expected: what the producer has, if it goes on; None for one that begins.
    :param transaction_version: the cluster's.
    :param new_producer_id: to go on with where the epochs are used up; -1 if there is none at hand.
    """
    if expected is not None and not _may_be(metadata, expected):
        return ErrorCode.PRODUCER_FENCED
    if metadata.state in PREPARED:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    if metadata.state is ONGOING:
        if transaction_version < BUMPS_EPOCHS or not metadata.is_exhausted:
            return fenced(metadata, transaction_version, NO_PRODUCER_ID, now_ms)
        if new_producer_id == NO_PRODUCER_ID:
            return NEEDS_PRODUCER_ID
        return fenced(metadata, transaction_version, new_producer_id, now_ms)
    if metadata.state not in IN_NO_TRANSACTION:
        return ErrorCode.UNKNOWN_SERVER_ERROR  # no log holds the other two
    if metadata.is_exhausted and (expected is None or expected.producer_epoch == metadata.producer_epoch):
        if new_producer_id == NO_PRODUCER_ID:
            return NEEDS_PRODUCER_ID
        last_epoch = NO_PRODUCER_EPOCH if expected is None else metadata.producer_epoch
        return rotated(metadata, new_producer_id, last_epoch, timeout_ms, now_ms)
    return _bumped(metadata, timeout_ms, expected, now_ms)


def _may_be(metadata: TransactionMetadata, expected: ProducerIdAndEpoch) -> bool:
    """Whether the producer may be the newest one of this transactional id; its epoch is looked at later.

    One with the id before this one, and an epoch that was used up, may have missed the answer that gave it
    another id.
    """
    return (
        metadata.producer_epoch == NO_PRODUCER_EPOCH
        or expected.producer_id == metadata.producer_id
        or (
            expected.producer_id == metadata.previous_producer_id
            and expected.producer_epoch >= LAST_USABLE_EPOCH
        )
    )


def _bumped(
    metadata: TransactionMetadata, timeout_ms: int, expected: ProducerIdAndEpoch | None, now_ms: int
) -> TransactionMetadata | ErrorCode:
    if metadata.is_exhausted:
        return ErrorCode.UNKNOWN_SERVER_ERROR  # as of Kafka, which has no answer to this
    epoch, last_epoch = metadata.producer_epoch, metadata.last_producer_epoch
    if expected is None:
        epoch, last_epoch = epoch + 1, NO_PRODUCER_EPOCH
    elif epoch in (NO_PRODUCER_EPOCH, expected.producer_epoch):
        epoch, last_epoch = epoch + 1, epoch
    elif expected.producer_epoch != last_epoch:
        return ErrorCode.PRODUCER_FENCED
    # Else it asks again, and is answered again: nobody began since, or there would be no last epoch.
    return initialised(metadata, epoch, last_epoch, timeout_ms, now_ms)
