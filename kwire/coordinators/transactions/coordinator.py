"""One shard of the transaction coordinator: the transactional ids of one partition of `__transaction_state`.

This is the machine that the runtime turns: each operation answers with an `Outcome`, `replay` applies a
record, and `expire` is called for a timer that came due. It owns the ids, finds the one that is asked for,
and sees to it that what is decided is carried out: with each record of a decided outcome goes the message to
write its markers, and again for each when the log has been loaded; the record that completes it is written
once the last marker is. (Kafka: TransactionCoordinator, TransactionStateManager.)

What the log does not have (which markers are written, the epoch that a retry is known by) is soft: after a
reload the markers are written again, and such a retry is fenced, as in Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Final, TypeVar

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.outcome import CoordinatorRecord, Outcome, Timer
from kwire.coordinators.transactions.ageing import MOST_REMOVED_AT_ONCE, abort_overdue, remove_unused
from kwire.coordinators.transactions.ending import end, markers_of
from kwire.coordinators.transactions.initialising import initialise
from kwire.coordinators.transactions.listing import describe, matching
from kwire.coordinators.transactions.records import TransactionRecord
from kwire.coordinators.transactions.state import (
    BUMPS_EPOCHS,
    DEAD,
    IN_NO_TRANSACTION,
    NO_PRODUCER_ID,
    ONGOING,
    PREPARED,
    TopicPartition,
    TransactionMetadata,
    check_transition,
    completed,
    fenced,
    unused,
    with_partitions,
)
from kwire.coordinators.transactions.values import (
    NEEDS_PRODUCER_ID,
    AbortTimedOut,
    DescribedTransaction,
    EndResult,
    InitResult,
    ListedTransaction,
    NeedsProducerId,
    ProducerIdAndEpoch,
    TransactionSettings,
)

ABORT_TIMED_OUT: Final = "abort-timed-out"
"""The timer that looks for overdue transactions, set while any is open."""
REMOVE_EXPIRED: Final = "remove-expired"
"""The timer that looks for ids that nobody has used for long, set while there are ids."""

LEAST_WITH_CLIENT_VERSION: Final = 1
"""The transaction.version from which on a record says what its client knows of."""

R = TypeVar("R")

_NONE = ErrorCode.NONE
_DONE = Outcome[None, TransactionRecord](None)


class TransactionCoordinator:
    """The state machine of one shard. No clock, no I/O, no randomness.

    `transaction_version` gives the level that the cluster has finalised.
    """

    __slots__ = (
        "_is_looking_for_overdue",
        "_is_looking_for_unused",
        "_open",
        "_transaction_version",
        "_transactions",
        "_unmarked",
        "settings",
    )

    def __init__(self, settings: TransactionSettings, transaction_version: Callable[[], int]) -> None:
        self.settings = settings
        self._transaction_version = transaction_version
        self._transactions: dict[str, TransactionMetadata] = {}
        self._open: dict[str, None] = {}
        """The ids with an open transaction, in the order in which they came."""
        self._unmarked: dict[str, dict[TopicPartition, None]] = {}
        """The partitions that a decided outcome has not reached yet; soft."""
        self._is_looking_for_overdue = False
        self._is_looking_for_unused = False

    # Its life

    def replay(self, record: TransactionRecord) -> None:
        """Apply one record: of the log while loading, of an outcome afterwards."""
        transactional_id, metadata = record
        self._unmarked.pop(transactional_id, None)
        if metadata is None or metadata.state is DEAD:
            self._transactions.pop(transactional_id, None)
            self._open.pop(transactional_id, None)
            return
        self._transactions[transactional_id] = metadata
        if metadata.state is ONGOING:
            self._open[transactional_id] = None
        else:
            self._open.pop(transactional_id, None)

    def on_loaded(self, now_ms: int) -> Outcome[None, TransactionRecord]:
        """The log has been replayed: what was decided is carried out, whoever decided it."""
        messages = [
            markers_of(transactional_id, metadata)
            for transactional_id, metadata in self._transactions.items()
            if metadata.state in PREPARED
        ]
        return Outcome(None, timers=self._timers(now_ms), messages=messages)

    def expire(self, key: Hashable, now_ms: int) -> Outcome[None, TransactionRecord]:
        """A timer came due."""
        if key == ABORT_TIMED_OUT:
            return self._abort_overdue(now_ms)
        if key == REMOVE_EXPIRED:
            return self._remove_expired(now_ms)
        return _DONE

    # Producers

    def init_producer_id(
        self,
        transactional_id: str,
        timeout_ms: int,
        expected: ProducerIdAndEpoch | None,
        now_ms: int,
        new_producer_id: int = NO_PRODUCER_ID,
    ) -> Outcome[InitResult | NeedsProducerId, TransactionRecord]:
        """InitProducerId; `expected` is what a producer has that goes on after an error.

        :param new_producer_id: an id that nobody has had, for the call that follows NEEDS_PRODUCER_ID.
        """
        if not transactional_id:
            return Outcome(InitResult(ErrorCode.INVALID_REQUEST))
        if not 0 < timeout_ms <= self.settings.max_timeout_ms:
            return Outcome(InitResult(ErrorCode.INVALID_TRANSACTION_TIMEOUT))
        metadata = self._transactions.get(transactional_id)
        if metadata is None:
            if new_producer_id == NO_PRODUCER_ID:
                return Outcome(NEEDS_PRODUCER_ID)
            metadata = unused(new_producer_id, timeout_ms, now_ms)
        decided = initialise(
            metadata, timeout_ms, expected, self._transaction_version(), new_producer_id, now_ms
        )
        if isinstance(decided, NeedsProducerId):
            return Outcome(decided)
        if isinstance(decided, ErrorCode):
            return Outcome(InitResult(decided))
        if decided.state in PREPARED:
            # The client asks again when the transaction is gone; by then this epoch is gone, too.
            return self._decided(
                transactional_id, decided, InitResult(ErrorCode.CONCURRENT_TRANSACTIONS), now_ms
            )
        result = InitResult(_NONE, decided.producer_id, decided.producer_epoch)
        return self._decided(transactional_id, decided, result, now_ms)

    # Partitions

    def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Collection[TopicPartition],
        transaction_version: int,
        now_ms: int,
    ) -> Outcome[ErrorCode, TransactionRecord]:
        """AddPartitionsToTxn and AddOffsetsToTxn; `transaction_version` is what the client knows of."""
        if not transactional_id:
            return Outcome(ErrorCode.INVALID_REQUEST)
        metadata = self._transactions.get(transactional_id)
        refusal = _refusal(metadata, producer)
        if metadata is None or refusal:
            return Outcome(refusal)
        if metadata.state is ONGOING:
            if all(each in metadata.partitions for each in partitions):
                return Outcome(_NONE)
        elif metadata.state not in IN_NO_TRANSACTION:
            return Outcome(ErrorCode.UNKNOWN_SERVER_ERROR)  # no log holds the other two
        if self._has_no_record_for(transaction_version):
            return Outcome(ErrorCode.UNSUPPORTED_VERSION)
        after = with_partitions(metadata, partitions, transaction_version, now_ms)
        return self._decided(transactional_id, after, _NONE, now_ms)

    def verify_partitions(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Iterable[TopicPartition]
    ) -> Outcome[dict[TopicPartition, ErrorCode], TransactionRecord]:
        """Which of these partitions are in the producer's transaction: TRANSACTION_ABORTABLE for others."""
        if not transactional_id:
            return Outcome(dict.fromkeys(partitions, ErrorCode.INVALID_REQUEST))
        metadata = self._transactions.get(transactional_id)
        refusal = _refusal(metadata, producer)
        if metadata is None or refusal:
            return Outcome(dict.fromkeys(partitions, refusal))
        known = metadata.partitions
        return Outcome(
            {each: _NONE if each in known else ErrorCode.TRANSACTION_ABORTABLE for each in partitions}
        )

    # The end

    def end_transaction(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        is_commit: bool,
        transaction_version: int,
        now_ms: int,
        new_producer_id: int = NO_PRODUCER_ID,
    ) -> Outcome[EndResult | NeedsProducerId, TransactionRecord]:
        """EndTxn; `transaction_version` is what the client knows of.

        :param new_producer_id: an id that nobody has had, for the call that follows NEEDS_PRODUCER_ID.
        """
        if not transactional_id:
            return Outcome(EndResult(ErrorCode.INVALID_REQUEST))
        metadata = self._transactions.get(transactional_id)
        if metadata is None:
            return Outcome(EndResult(ErrorCode.INVALID_PRODUCER_ID_MAPPING))
        decided = end(metadata, producer, is_commit, transaction_version, new_producer_id, now_ms)
        if isinstance(decided, NeedsProducerId):
            return Outcome(decided)
        bumps = transaction_version >= BUMPS_EPOCHS
        if isinstance(decided, ErrorCode):
            if decided is _NONE and bumps:
                return Outcome(EndResult(_NONE, metadata.producer_id, metadata.producer_epoch))
            return Outcome(EndResult(decided))
        if self._has_no_record_for(transaction_version):
            return Outcome(EndResult(ErrorCode.UNSUPPORTED_VERSION))
        result = EndResult(_NONE)
        if bumps:
            following = completed(decided, now_ms)
            result = EndResult(_NONE, following.producer_id, following.producer_epoch)
        return self._decided(transactional_id, decided, result, now_ms)

    def markers_written(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Iterable[TopicPartition],
        now_ms: int,
    ) -> Outcome[bool, TransactionRecord]:
        """These partitions have their marker, or are gone. Gives whether the transaction is complete."""
        metadata = self._transactions.get(transactional_id)
        if (
            metadata is None
            or metadata.state not in PREPARED
            or (metadata.producer_id, metadata.producer_epoch) != producer
        ):
            return Outcome(True)
        unmarked = self._unmarked.get(transactional_id)
        if unmarked is None:
            unmarked = self._unmarked[transactional_id] = dict(metadata.partitions)
        for each in partitions:
            unmarked.pop(each, None)
        if unmarked:
            return Outcome(False)
        return self._decided(transactional_id, completed(metadata, now_ms), True, now_ms)

    def abort_timed_out(
        self, overdue: AbortTimedOut, now_ms: int, new_producer_id: int
    ) -> Outcome[None, TransactionRecord]:
        """Abort what `overdue` names, if it is still so."""
        transactional_id, producer_id, producer_epoch = overdue
        metadata = self._transactions.get(transactional_id)
        if (
            metadata is None
            or (metadata.producer_id, metadata.producer_epoch) != (producer_id, producer_epoch)
            or not metadata.is_overdue(now_ms)
        ):
            return _DONE
        after = fenced(metadata, self._transaction_version(), new_producer_id, now_ms)
        return self._decided(transactional_id, after, None, now_ms)

    def _abort_overdue(self, now_ms: int) -> Outcome[None, TransactionRecord]:
        self._is_looking_for_overdue = False
        opened = {name: self._transactions[name] for name in self._open}
        records, messages = abort_overdue(opened, self._transaction_version(), now_ms)
        return Outcome(None, records, timers=self._timers(now_ms), messages=messages)

    def _remove_expired(self, now_ms: int) -> Outcome[None, TransactionRecord]:
        self._is_looking_for_unused = False
        oldest_ms = now_ms - self.settings.id_expiration_ms
        records = remove_unused(self._transactions, oldest_ms)
        timers = self._timers(now_ms)
        if len(records) == MOST_REMOVED_AT_ONCE:
            timers.append(Timer(REMOVE_EXPIRED, now_ms))
        return Outcome(None, records, timers=timers)

    # What there is

    def describe(self, transactional_id: str) -> Outcome[DescribedTransaction, TransactionRecord]:
        """DescribeTransactions, of one id: of a decided transaction the partitions without marker."""
        if not transactional_id:
            return Outcome(DescribedTransaction(ErrorCode.INVALID_REQUEST, transactional_id))
        metadata = self._transactions.get(transactional_id)
        if metadata is None:
            return Outcome(DescribedTransaction(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, transactional_id))
        partitions = self._unmarked.get(transactional_id, metadata.partitions)
        return Outcome(describe(transactional_id, metadata, partitions))

    def list_transactions(
        self, producer_ids: Collection[int], states: Collection[str] | None, duration_ms: int, now_ms: int
    ) -> Outcome[list[ListedTransaction], TransactionRecord]:
        """ListTransactions, but for the filter by name: see `listing.matching`."""
        return Outcome(matching(self._transactions, producer_ids, states, duration_ms, now_ms))

    # What a decision brings along

    def _decided(
        self, transactional_id: str, after: TransactionMetadata, response: R, now_ms: int
    ) -> Outcome[R, TransactionRecord]:
        check_transition(self._transactions.get(transactional_id), after)
        messages: Sequence[object] = ()
        if after.state in PREPARED:
            messages = (markers_of(transactional_id, after),)
        return Outcome(
            response,
            [CoordinatorRecord(transactional_id, after)],
            timers=self._timers(now_ms, opens=after.state is ONGOING),
            messages=messages,
        )

    def _has_no_record_for(self, transaction_version: int) -> bool:
        """Whether the log's records have no room for what a client does that knows this version: before
        transaction.version 1 they can't say that its epochs are bumped. (Clients are told of the level, and
        don't.)
        """
        return transaction_version > 0 and self._transaction_version() < LEAST_WITH_CLIENT_VERSION

    def _timers(self, now_ms: int, opens: bool = False) -> list[Timer]:
        """The timers to be set, of those that are not."""
        timers = []
        if not self._is_looking_for_overdue and (opens or self._open):
            self._is_looking_for_overdue = True
            timers.append(Timer(ABORT_TIMED_OUT, now_ms + self.settings.abort_timed_out_interval_ms))
        if not self._is_looking_for_unused:
            self._is_looking_for_unused = True
            timers.append(Timer(REMOVE_EXPIRED, now_ms + self.settings.remove_expired_interval_ms))
        return timers


def _refusal(metadata: TransactionMetadata | None, producer: ProducerIdAndEpoch) -> ErrorCode:
    """Why a producer may not add to its transaction, or ask what is in it."""
    if metadata is None or metadata.producer_id != producer.producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if metadata.producer_epoch != producer.producer_epoch:
        return ErrorCode.PRODUCER_FENCED
    return ErrorCode.CONCURRENT_TRANSACTIONS if metadata.state in PREPARED else _NONE
