"""Producers that begin, go on, retry and are fenced, in any order, over restarts: what must hold whatever
happens.

- Epochs of a producer id never go back, in the log and in what clients are told.
- Nobody is told a producer id and epoch that another producer holds.
- Once a producer has been told its id and epoch, nobody that began before it adds, verifies or ends anything.
- A transaction has one outcome: the one that its client was told, its messages say and its log ends with.
- A marker goes to every partition that a client was told is in the transaction.
- Who may write is in a transaction that is open: what is verified was added, in this epoch.
- A decided outcome always has a message on its way, and is complete when that has been carried out.
- All of this while the level of transaction.version that the cluster has finalised goes up and down.
- The log replayed, at any moment, gives the state that is there; cut anywhere, one that was there before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.state import (
    LAST_USABLE_EPOCH,
    NO_PRODUCER_EPOCH,
    ONGOING,
    PREPARED,
    VALID_PREVIOUS,
    TopicPartition,
    TransactionMetadata,
    TransactionState,
)
from kwire.coordinators.transactions.values import AbortTimedOut, ProducerIdAndEpoch, WriteMarkers
from tests.coordinators.transactions.context import NEW, NONE, OLD, Shard

CLASSIC, BUMPING = "classic", "bumping"
"""Transactional ids; the clients of one are all of a kind."""
PARTITIONS = [TopicPartition("t", index) for index in range(3)]
CONCURRENT = ErrorCode.CONCURRENT_TRANSACTIONS
MOST_PRODUCERS = 5
ENDS = {
    True: (TransactionState.PREPARE_COMMIT, TransactionState.COMPLETE_COMMIT),
    False: (TransactionState.PREPARE_ABORT, TransactionState.COMPLETE_ABORT),
}
"""Commit or abort -> the states that it leads through."""


@dataclass(eq=False)
class Producer:
    """A client, and what it has been told."""

    transactional_id: str
    number: int
    identity: ProducerIdAndEpoch | None = None
    added: set[TopicPartition] = field(default_factory=set)
    """In its transaction, as far as it was told."""
    ended: tuple[ProducerIdAndEpoch, bool] | None = None
    """The end that it was told of last, and the identity that it asked with."""

    @property
    def version(self) -> int:
        return OLD if self.transactional_id == CLASSIC else NEW


class Transactions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.producers: list[Producer] = []
        self.newest: dict[str, int] = {}
        """Transactional id -> the number of the newest producer that was told its id and epoch."""
        self.holders: dict[ProducerIdAndEpoch, Producer] = {}

    @initialize(transaction_version=st.sampled_from([0, 1, 2]))
    def begin(self, transaction_version: int) -> None:
        self.shard = Shard(transaction_version=transaction_version)
        self.lowest_version = transaction_version

    def _state(self) -> dict[str, TransactionMetadata]:
        return {
            name: metadata._replace(last_producer_epoch=NO_PRODUCER_EPOCH)
            for name, metadata in self.shard.machine._transactions.items()
        }

    def _holds(self, producer: Producer, identity: ProducerIdAndEpoch) -> None:
        holder = self.holders.setdefault(identity, producer)
        assert holder is producer, f"{identity} is held by {holder}, and told to {producer}"
        if producer.identity is not None and producer.identity.producer_id == identity.producer_id:
            assert identity.producer_epoch >= producer.identity.producer_epoch
        producer.identity = identity
        self.newest[producer.transactional_id] = max(
            self.newest.get(producer.transactional_id, -1), producer.number
        )

    def _must_be_current(self, producer: Producer) -> None:
        assert self.newest[producer.transactional_id] <= producer.number, f"{producer} was fenced"

    def _current(self, producer: Producer) -> bool:
        return self.newest.get(producer.transactional_id, -1) <= producer.number

    def _some(self, which: int) -> Producer | None:
        """A producer that has an identity; the newest ones are the likeliest."""
        ready = [each for each in self.producers if each.identity is not None]
        return ready[-1 - which % min(len(ready), 4)] if ready else None

    # Clients

    @precondition(lambda self: len(self.producers) < MOST_PRODUCERS)
    @rule(transactional_id=st.sampled_from([CLASSIC, BUMPING]), worn=st.booleans())
    def a_producer_begins(self, transactional_id: str, worn: bool) -> None:
        first = transactional_id not in self.shard.machine._transactions
        producer = Producer(transactional_id, len(self.producers))
        self.producers.append(producer)
        self._init(producer)
        if first and worn and producer.identity is not None:
            # As if it had been at work for long.
            epoch = LAST_USABLE_EPOCH - 2
            metadata = self.shard.metadata(transactional_id)
            self.shard.put(metadata._replace(producer_epoch=epoch), transactional_id)
            self._holds(producer, ProducerIdAndEpoch(producer.identity.producer_id, epoch))

    @rule(which=st.integers(0, 3))
    def a_producer_asks_again_to_begin(self, which: int) -> None:
        waiting = [each for each in self.producers if each.identity is None and self._current(each)]
        if waiting:
            self._init(waiting[-1 - which % len(waiting)])

    def _init(self, producer: Producer) -> None:
        result = self.shard.init(producer.transactional_id, timeout_ms=15_000)
        if result.error_code is NONE:
            self._holds(producer, ProducerIdAndEpoch(result.producer_id, result.producer_epoch))
        else:
            assert result.error_code is CONCURRENT

    @rule(which=st.integers(0, 3), asks_twice=st.booleans())
    def a_producer_goes_on_after_an_error(self, which: int, asks_twice: bool) -> None:
        producer = self._some(which)
        if producer is None:
            return
        identity = producer.identity
        for _ in range(1 + asks_twice):
            result = self.shard.init(producer.transactional_id, timeout_ms=15_000, expected=identity)
            if result.error_code is NONE:
                self._must_be_current(producer)
                self._holds(producer, ProducerIdAndEpoch(result.producer_id, result.producer_epoch))
                producer.added.clear()
                producer.ended = None
            else:
                assert result.error_code in (
                    CONCURRENT,
                    ErrorCode.PRODUCER_FENCED,
                    ErrorCode.UNKNOWN_SERVER_ERROR,
                )

    @rule(which=st.integers(0, 3), partitions=st.sets(st.sampled_from(PARTITIONS), min_size=1))
    def a_producer_adds_partitions(self, which: int, partitions: set[TopicPartition]) -> None:
        producer = self._some(which)
        if producer is None or producer.identity is None:
            return
        answer = self.shard.add(
            producer.identity,
            *sorted(partitions),
            version=producer.version,
            transactional_id=producer.transactional_id,
        )
        if answer is NONE:
            self._must_be_current(producer)
            producer.ended = None
            producer.added |= partitions
            metadata = self.shard.metadata(producer.transactional_id)
            assert metadata.state is ONGOING
            assert producer.added <= set(metadata.partitions)

    @rule(which=st.integers(0, 3))
    def a_producer_verifies(self, which: int) -> None:
        producer = self._some(which)
        if producer is None or producer.identity is None:
            return
        answers = self.shard.do(
            self.shard.machine.verify_partitions(producer.transactional_id, producer.identity, PARTITIONS)
        )
        for partition, answer in answers.items():
            if answer is NONE:
                self._must_be_current(producer)
                assert partition in producer.added

    @rule(which=st.integers(0, 3), commit=st.booleans(), asks_twice=st.booleans())
    def a_producer_ends(self, which: int, commit: bool, asks_twice: bool) -> None:
        producer = self._some(which)
        if producer is None or producer.identity is None:
            return
        asking = producer.identity
        for _ in range(1 + asks_twice):
            self._end(producer, asking, commit)

    @rule(which=st.integers(0, 3), commit=st.booleans())
    def a_producer_retries_an_end_that_it_has_been_told_of(self, which: int, commit: bool) -> None:
        producer = self._some(which)
        if producer is not None and producer.ended is not None:
            self._end(producer, producer.ended[0], commit)

    @rule(which=st.integers(0, 3), commit=st.booleans(), partitions=st.sets(st.sampled_from(PARTITIONS)))
    def a_whole_transaction(self, which: int, commit: bool, partitions: set[TopicPartition]) -> None:
        self.shard.carry_out()
        self.a_producer_adds_partitions(which, partitions | {PARTITIONS[0]})
        self.a_producer_ends(which, commit, False)

    def _end(self, producer: Producer, asking: ProducerIdAndEpoch, commit: bool) -> None:
        before = len(self.shard.log)
        result = self.shard.end(
            asking, commit=commit, version=producer.version, transactional_id=producer.transactional_id
        )
        if result.error_code is not NONE:
            assert len(self.shard.log) == before
            return
        self._must_be_current(producer)
        metadata = self.shard.metadata(producer.transactional_id)
        assert metadata.state in ENDS[commit]
        decided = len(self.shard.log) > before
        if decided:
            message = self.shard.messages[-1]
            assert isinstance(message, WriteMarkers)
            assert message.is_commit is commit
            if producer.ended is None:
                assert producer.added <= set(message.partitions)
            assert message.producer_epoch == asking.producer_epoch + (producer.version == NEW)
        else:
            assert producer.ended == (asking, commit) or not commit, "nobody ended that"
        producer.ended = asking, commit
        producer.added.clear()
        if producer.version == NEW:
            self._holds(producer, ProducerIdAndEpoch(result.producer_id, result.producer_epoch))

    # The broker

    @rule(which=st.integers(0, 5), part=st.integers(0, 3))
    def markers_are_written(self, which: int, part: int) -> None:
        if not self.shard.messages:
            return
        message = self.shard.messages[which % len(self.shard.messages)]
        if isinstance(message, AbortTimedOut):
            self.shard.messages.remove(message)
            self.shard.do(self.shard.machine.abort_timed_out(message, self.shard.now_ms, self.shard.new_id()))
            return
        assert isinstance(message, WriteMarkers)
        if self.shard.written(message, message.partitions[:part] if part else None):
            self.shard.messages.remove(message)

    @rule(duration_ms=st.sampled_from([1, 4_000, 11_000, 40_000]))
    def time_passes(self, duration_ms: int) -> None:
        self.shard.pass_time(duration_ms)

    @rule()
    def the_broker_restarts(self) -> None:
        self.shard.restart()

    @rule(transaction_version=st.sampled_from([0, 1, 2]))
    def the_cluster_finalises_another_level(self, transaction_version: int) -> None:
        self.shard.transaction_version = transaction_version
        self.lowest_version = min(self.lowest_version, transaction_version)

    @precondition(lambda self: self.shard.messages)
    @rule()
    def everything_is_carried_out(self) -> None:
        self.shard.carry_out()

    # What must hold

    def _records(self) -> Iterator[tuple[str, TransactionMetadata | None]]:
        for key, value in self.shard.log:
            record = self.shard.format.from_bytes(key, value)
            assert record is not None
            yield record.key, record.value

    @invariant()
    def epochs_never_go_back(self) -> None:
        if not hasattr(self, "shard"):
            return
        epochs: dict[int, int] = {}
        owners: dict[int, str] = {}
        for name, metadata in self._records():
            if metadata is not None:
                assert metadata.producer_epoch >= epochs.get(metadata.producer_id, 0)
                epochs[metadata.producer_id] = metadata.producer_epoch
                assert owners.setdefault(metadata.producer_id, name) == name

    @invariant()
    def a_transaction_has_one_outcome(self) -> None:
        if not hasattr(self, "shard"):
            return
        states: dict[str, TransactionState] = {}
        for name, metadata in self._records():
            if metadata is None:
                states.pop(name, None)
                continue
            before = states.get(name)
            assert before is None or before in VALID_PREVIOUS[metadata.state]
            states[name] = metadata.state
        for message in self.shard.messages:
            if isinstance(message, WriteMarkers):
                metadata = self.shard.metadata(message.transactional_id)
                if metadata.state in PREPARED and metadata.producer_epoch == message.producer_epoch:
                    assert metadata.state in ENDS[message.is_commit]
                    assert list(message.partitions) == list(metadata.partitions)

    @invariant()
    def the_log_says_what_is_there(self) -> None:
        if not hasattr(self, "shard"):
            return
        state = self._state()
        loaded = {
            name: each._replace(last_producer_epoch=-1)
            for name, each in self.shard.loaded()._transactions.items()
        }
        if self.lowest_version == 0:  # its records do not have all
            state, loaded = ({name: _bare(each) for name, each in both.items()} for both in (state, loaded))
        assert loaded == state

    @invariant()
    def what_is_decided_is_on_its_way(self) -> None:
        if not hasattr(self, "shard"):
            return
        under_way = {message.transactional_id for message in self.shard.messages}  # type: ignore[attr-defined]
        for name, metadata in self.shard.machine._transactions.items():
            assert metadata.state not in PREPARED or name in under_way

    def teardown(self) -> None:
        if not hasattr(self, "shard"):
            return
        self.shard.restart()
        self.shard.carry_out()
        for name, metadata in self.shard.machine._transactions.items():
            assert metadata.state not in PREPARED, name
        self._every_beginning_of_the_log_was_a_state()

    def _every_beginning_of_the_log_was_a_state(self) -> None:
        """Cut anywhere, the log can be loaded, and what was decided until then completed."""
        for upto in range(0, len(self.shard.log), 5):
            cut = Shard(transaction_version=self.shard.transaction_version)
            cut.log = self.shard.log[:upto]
            cut.now_ms = self.shard.now_ms
            cut.next_id = self.shard.next_id
            cut.restart()
            cut.carry_out()
            for metadata in cut.machine._transactions.values():
                assert metadata.state not in PREPARED


def _bare(metadata: TransactionMetadata) -> TransactionMetadata:
    """What records from before transaction.version 1 say of it."""
    return metadata._replace(previous_producer_id=-1, next_producer_id=-1, client_transaction_version=0)


TestTransactions = Transactions.TestCase
TestTransactions.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
