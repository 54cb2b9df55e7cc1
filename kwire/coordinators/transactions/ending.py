"""What EndTxn comes to, of clients that know transaction.version 2 and of those that do not.

Before version 2 a producer keeps its epoch, so who asks again in the same epoch is answered as before. From
version 2 on the end of a transaction begins an epoch, and a request in the one before it is a retry:

                     abort                    commit
                     retry       current      retry       current
    Empty            FENCED      a new epoch  FENCED      INVALID_TXN_STATE
    CompleteAbort    as before   a new epoch  INVALID_..  INVALID_TXN_STATE
    CompleteCommit   INVALID_..  a new epoch  as before   INVALID_TXN_STATE

Kafka: TransactionCoordinator.endTransaction and endTransactionWithTV1.
"""

from __future__ import annotations

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.state import (
    BUMPS_EPOCHS,
    COMPLETE_ABORT,
    COMPLETE_COMMIT,
    EMPTY,
    HIGHEST_EPOCH,
    LAST_USABLE_EPOCH,
    NO_PRODUCER_ID,
    ONGOING,
    PREPARE_ABORT,
    PREPARE_COMMIT,
    PREPARED,
    TransactionMetadata,
    prepared,
)
from kwire.coordinators.transactions.values import (
    NEEDS_PRODUCER_ID,
    NeedsProducerId,
    ProducerIdAndEpoch,
    WriteMarkers,
)

Ended = TransactionMetadata | ErrorCode | NeedsProducerId


def end(
    metadata: TransactionMetadata,
    producer: ProducerIdAndEpoch,
    is_commit: bool,
    transaction_version: int,
    new_producer_id: int,
    now_ms: int,
) -> Ended:
    """The next state, with the outcome decided; NONE where it has been decided before.

    :param transaction_version: what the client knows of.
    :param new_producer_id: to go on with where the epochs are used up; -1 if there is none at hand.
    """
    if transaction_version >= BUMPS_EPOCHS:
        return _end_with_bump(metadata, producer, is_commit, transaction_version, new_producer_id, now_ms)
    return _end(metadata, producer, is_commit, now_ms)


def _end(
    metadata: TransactionMetadata, producer: ProducerIdAndEpoch, is_commit: bool, now_ms: int
) -> TransactionMetadata | ErrorCode:
    if metadata.producer_id != producer.producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if metadata.producer_epoch != producer.producer_epoch:
        return ErrorCode.PRODUCER_FENCED
    state = metadata.state
    if state is ONGOING:
        decided = PREPARE_COMMIT if is_commit else PREPARE_ABORT
        return prepared(metadata, decided, 0, NO_PRODUCER_ID, now_ms)
    if state is (COMPLETE_COMMIT if is_commit else COMPLETE_ABORT):
        return ErrorCode.NONE
    return _refusal(metadata, is_commit)


def _refusal(metadata: TransactionMetadata, is_commit: bool) -> ErrorCode:
    if metadata.state is (PREPARE_COMMIT if is_commit else PREPARE_ABORT):
        return ErrorCode.CONCURRENT_TRANSACTIONS
    if metadata.state in PREPARED or metadata.state in (EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT):
        return ErrorCode.INVALID_TXN_STATE
    return ErrorCode.UNKNOWN_SERVER_ERROR  # no log holds the other two


def _end_with_bump(
    metadata: TransactionMetadata,
    producer: ProducerIdAndEpoch,
    is_commit: bool,
    transaction_version: int,
    new_producer_id: int,
    now_ms: int,
) -> Ended:
    state, epoch = metadata.state, producer.producer_epoch
    is_current = epoch == metadata.producer_epoch
    has_missed_new_id = (
        producer.producer_id == metadata.previous_producer_id
        and epoch == LAST_USABLE_EPOCH
        and metadata.producer_epoch == 0
    )
    is_retry = metadata.producer_epoch == epoch + 1 or has_missed_new_id
    if metadata.producer_id != producer.producer_id and not has_missed_new_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if state in PREPARED:
        if metadata.producer_epoch != epoch + 1:
            return ErrorCode.PRODUCER_FENCED
        return _refusal(metadata, is_commit)
    if state in (COMPLETE_COMMIT, COMPLETE_ABORT):
        if not (is_retry or is_current):
            return ErrorCode.PRODUCER_FENCED
        if is_retry:
            was_so = state is (COMPLETE_COMMIT if is_commit else COMPLETE_ABORT)
            return ErrorCode.NONE if was_so else ErrorCode.INVALID_TXN_STATE
    elif not is_current:
        return ErrorCode.PRODUCER_FENCED
    elif state is not ONGOING and state is not EMPTY:
        return ErrorCode.UNKNOWN_SERVER_ERROR  # no log holds the other two
    if is_commit and state is not ONGOING:
        return ErrorCode.INVALID_TXN_STATE
    if metadata.is_exhausted:
        if is_commit and metadata.producer_epoch == HIGHEST_EPOCH:
            return ErrorCode.UNKNOWN_SERVER_ERROR  # no client is given that epoch
        if new_producer_id == NO_PRODUCER_ID:
            return NEEDS_PRODUCER_ID
    else:
        new_producer_id = NO_PRODUCER_ID
    decided = PREPARE_COMMIT if is_commit else PREPARE_ABORT
    return prepared(metadata, decided, transaction_version, new_producer_id, now_ms)


def markers_of(transactional_id: str, metadata: TransactionMetadata) -> WriteMarkers:
    """What has to be done for a decided transaction."""
    return WriteMarkers(
        transactional_id,
        metadata.producer_id,
        metadata.producer_epoch,
        metadata.state is PREPARE_COMMIT,
        metadata.client_transaction_version,
        tuple(metadata.partitions),
    )
