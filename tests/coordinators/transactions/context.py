"""One shard of the transaction coordinator on a fake clock, with a log of bytes, for tests that read as
sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.outcome import CoordinatorRecord, Outcome
from kwire.coordinators.transactions.coordinator import TransactionCoordinator
from kwire.coordinators.transactions.records import TransactionRecord, TransactionsFormat
from kwire.coordinators.transactions.state import (
    NO_PRODUCER_ID,
    TopicPartition,
    TransactionMetadata,
    TransactionState,
)
from kwire.coordinators.transactions.values import (
    AbortTimedOut,
    EndResult,
    InitResult,
    NeedsProducerId,
    ProducerIdAndEpoch,
    TransactionSettings,
    WriteMarkers,
)

START_MS = 1_700_000_000_000
FIRST_ID = 4_000
ID = "tx"
TP = TopicPartition("t", 0)
OTHER = TopicPartition("t", 1)
NONE = ErrorCode.NONE
OLD, NEW = 0, 2
"""Transaction versions of clients: classic ones, and those that know KIP-890."""

R = TypeVar("R")


class Shard:
    """The machine, and what a runtime would do for it: replay, write, keep timers and messages."""

    def __init__(self, *, transaction_version: int = 2, settings: TransactionSettings | None = None) -> None:
        self.transaction_version = transaction_version
        self.settings = settings or TransactionSettings()
        self.format = TransactionsFormat(lambda: self.transaction_version)
        self.now_ms = START_MS
        self.log: list[tuple[bytes, bytes | None]] = []
        self.messages: list[object] = []
        self.timers: dict[object, int] = {}
        self.next_id = FIRST_ID
        self.machine = self._new()

    def _new(self) -> TransactionCoordinator:
        return TransactionCoordinator(self.settings, lambda: self.transaction_version)

    # The runtime

    def do(self, outcome: Outcome[R, TransactionRecord]) -> R:
        """Carry an outcome out, and give its response."""
        for record in outcome.records:
            self.machine.replay(record)
            self.log.append(self.format.to_bytes(record))
        for key, at_ms in outcome.timers:
            if at_ms is None:
                self.timers.pop(key, None)
            else:
                self.timers[key] = at_ms
        self.messages += outcome.messages
        response: Any = outcome.response
        return response  # type: ignore[no-any-return]

    def loaded(self, upto: int | None = None) -> TransactionCoordinator:
        """A machine that has replayed the log, or its first records."""
        machine = self._new()
        for key, value in self.log[:upto]:
            record = self.format.from_bytes(key, value)
            assert record is not None
            machine.replay(record)
        return machine

    def restart(self, upto: int | None = None) -> None:
        """Lose what is not in the log, or in its first records."""
        self.machine = self.loaded(upto)
        del self.log[len(self.log) if upto is None else upto :]
        self.messages.clear()
        self.timers.clear()
        self.do(self.machine.on_loaded(self.now_ms))

    def pass_time(self, duration_ms: int) -> None:
        """Let time pass; timers fire as they come due."""
        end_ms = self.now_ms + duration_ms
        while due := sorted((at_ms, str(key), key) for key, at_ms in self.timers.items() if at_ms <= end_ms):
            at_ms, _, key = due[0]
            self.now_ms = max(self.now_ms, at_ms)
            del self.timers[key]
            self.do(self.machine.expire(key, self.now_ms))
        self.now_ms = end_ms

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def _with_id(self, ask: Callable[[int], Outcome[R | NeedsProducerId, TransactionRecord]]) -> R:
        result = self.do(ask(NO_PRODUCER_ID))
        if isinstance(result, NeedsProducerId):
            result = self.do(ask(self.new_id()))
            assert not isinstance(result, NeedsProducerId)
        return result

    # What clients ask

    def init(
        self, transactional_id: str = ID, *, timeout_ms: int = 60_000, expected: tuple[int, int] | None = None
    ) -> InitResult:
        """InitProducerId."""
        known = None if expected is None else ProducerIdAndEpoch(*expected)
        return self._with_id(
            lambda new_id: self.machine.init_producer_id(
                transactional_id, timeout_ms, known, self.now_ms, new_id
            )
        )

    def started(self, transactional_id: str = ID, *, timeout_ms: int = 60_000) -> ProducerIdAndEpoch:
        """A producer that has its id."""
        result = self.init(transactional_id, timeout_ms=timeout_ms)
        assert result.error_code is NONE, result
        return ProducerIdAndEpoch(result.producer_id, result.producer_epoch)

    def add(
        self,
        producer: tuple[int, int],
        *partitions: TopicPartition,
        version: int = NEW,
        transactional_id: str = ID,
    ) -> ErrorCode:
        """AddPartitionsToTxn; of one partition if none is named."""
        return self.do(
            self.machine.add_partitions(
                transactional_id, ProducerIdAndEpoch(*producer), partitions or (TP,), version, self.now_ms
            )
        )

    def verify(
        self, producer: tuple[int, int], *partitions: TopicPartition
    ) -> dict[TopicPartition, ErrorCode]:
        return self.do(self.machine.verify_partitions(ID, ProducerIdAndEpoch(*producer), partitions))

    def end(
        self,
        producer: tuple[int, int],
        *,
        commit: bool = True,
        version: int = NEW,
        transactional_id: str = ID,
    ) -> EndResult:
        """EndTxn."""
        return self._with_id(
            lambda new_id: self.machine.end_transaction(
                transactional_id, ProducerIdAndEpoch(*producer), commit, version, self.now_ms, new_id
            )
        )

    # What the broker does

    def take_messages(self) -> list[object]:
        taken, self.messages = self.messages, []
        return taken

    def markers(self) -> WriteMarkers:
        """The markers of the only message."""
        [message] = self.take_messages()
        assert isinstance(message, WriteMarkers)
        return message

    def written(self, message: WriteMarkers, partitions: Collection[TopicPartition] | None = None) -> bool:
        """These markers, or all of them, are written."""
        producer = ProducerIdAndEpoch(message.producer_id, message.producer_epoch)
        done = message.partitions if partitions is None else partitions
        return self.do(self.machine.markers_written(message.transactional_id, producer, done, self.now_ms))

    def carry_out(self) -> None:
        """Do what the messages say, until there are none."""
        while self.messages:
            for message in self.take_messages():
                if isinstance(message, WriteMarkers):
                    self.written(message)
                else:
                    assert isinstance(message, AbortTimedOut)
                    self.do(self.machine.abort_timed_out(message, self.now_ms, self.new_id()))

    # What there is

    def metadata(self, transactional_id: str = ID) -> TransactionMetadata:
        """What the log's newest record says of an id."""
        found: TransactionMetadata | None = None
        for key, value in self.log:
            record = self.format.from_bytes(key, value)
            if record is not None and record.key == transactional_id:
                found = record.value
        assert found is not None
        return found

    def state(self, transactional_id: str = ID) -> TransactionState:
        return self.metadata(transactional_id).state

    def put(self, metadata: TransactionMetadata, transactional_id: str = ID) -> None:
        """Have the log, and the machine, say this of an id."""
        self.do(Outcome(None, [CoordinatorRecord(transactional_id, metadata)]))
