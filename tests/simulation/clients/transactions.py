"""What a transactional producer does, request by request: for `transactional.py` and `pipelines.py`.

Rules: each request is sent until it has a definite answer, in the same words. A producer speaks as one that
knows of transaction.version 2 or as one that does not, for all its life: they ask in other versions, and only
the former goes on with the epoch that EndTxn gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kwire_codecs import wire as w
from kwire_codecs.apis.add_offsets_to_txn import AddOffsetsToTxn
from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn
from kwire_codecs.apis.add_partitions_to_txn import Topic as AddedTopic
from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.produce import Produce
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch

from tests.simulation.checks import Commit, Place
from tests.simulation.clients.calling import Caller, KnownPartition, Lost, Retry
from tests.simulation.clients.groups import find_coordinator
from tests.simulation.transaction_checks import Transaction

TRANSACTIONAL_ID: Final = 1
"""A key's type for FindCoordinator."""


class Fenced(Exception):
    """Nothing more can be done with this producer id and epoch."""


class Spoiled(Exception):
    """The transaction can only be aborted."""


AGAIN: Final = frozenset(
    (
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
    )
)
FENCED: Final = frozenset(
    (
        ErrorCode.INVALID_PRODUCER_EPOCH,
        ErrorCode.PRODUCER_FENCED,
        ErrorCode.INVALID_PRODUCER_ID_MAPPING,
        ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
    )
)


class Transactor:
    """One producer with a transactional id."""

    def __init__(self, caller: Caller, transactional_id: str) -> None:
        self._caller = caller
        self._history = caller.history
        self._transactions = caller.history.transactions
        self._node: int | None = None
        self.transactional_id = transactional_id
        self.is_v2 = caller.rng.random() < 0.5
        self.timeout_ms = caller.rng.choice((1500, 4000, 10_000))
        self.producer = (-1, -1)
        self.current: Transaction | None = None
        self._sequences: dict[Place, int] = {}
        self._added: set[tuple[str, int]] = set()
        self._commits: list[tuple[tuple[str, str, int], Commit]] = []
        self._number = 0

    def count_from(self, number: int) -> None:
        """The number of the next record: what is written under one name must be told apart."""
        self._number = number

    # -- the life of a producer

    async def initialise(self, *, goes_on: bool = False) -> None:
        """Gets a new epoch. Fenced, if it goes on and somebody came after it."""
        rng = self._caller.rng
        version = rng.randint(3, 5) if goes_on else rng.randint(0, 5)
        known = self.producer if goes_on else (-1, -1)
        request = InitProducerId.Request(
            transactional_id=self.transactional_id,
            transaction_timeout_ms=self.timeout_ms,
            producer_id=known[0],
            producer_epoch=known[1],
        )
        while True:
            self._history.look_at_power()
            floor = self._transactions.newest(self.transactional_id)
            number = self._transactions.initialising(self.transactional_id)
            try:
                answer, stamp = await self._ask_once(request, version)
            except Lost:
                await self._caller.back_off()
                continue
            self._transactions.answered(self.transactional_id, number)
            if not answer.error_code:
                break
            if not self._is_to_be_repeated(answer.error_code):
                raise Fenced
            await self._caller.back_off()
        given = (answer.producer_id, answer.producer_epoch)
        self.producer = given
        self._sequences.clear()
        self.current = None
        self._history.given_producer_id(*given, stamp)
        if self._history.counts(stamp):
            self._transactions.initialised(self.transactional_id, given, floor)

    def begin(self) -> Transaction:
        name = self._caller.name
        self._added.clear()
        self._commits.clear()
        self.current = self._transactions.begin(
            name, self.transactional_id, *self.producer, timeout_ms=self.timeout_ms
        )
        return self.current

    # -- within a transaction

    async def produce(
        self, known: KnownPartition, count: int, made_of: list[tuple[Place, int]] | None = None
    ) -> None:
        """Writes records. Fenced, Spoiled."""
        key = (known.topic, known.index)
        if not self.is_v2 and key not in self._added:
            if self._caller.rng.random() < 0.03:
                await self._produce_unasked(known)
            await self._add(known)
            self._added.add(key)
        texts = self._texts(known, count)
        for text, origin in zip(texts, made_of or (), strict=False):
            self._transactions.made_of[text] = origin
        assert self.current is not None
        self._transactions.sends(self.current, texts)
        base_offset = await self._produce(known, texts)
        first = self.current.first
        first[known.place] = min(base_offset, first.get(known.place, base_offset))

    def _texts(self, known: KnownPartition, count: int) -> list[str]:
        place = known.place
        texts = []
        for _ in range(count):
            texts.append(f"{self._caller.name}/{place[0].hex[:6]}-{place[1]}#{self._number}")
            self._number += 1
        self._history.sent.update(texts)
        return texts

    async def _produce(self, known: KnownPartition, texts: list[str]) -> int:
        caller, history, place = self._caller, self._history, known.place
        sequence = self._sequences.get(place, 0)
        while True:
            led = await caller.led(known.topic, known.index)
            if led is None or led.place != place:
                if led is not None:
                    raise Spoiled  # power was lost, and the topic is another one
                await caller.back_off()
                continue
            request, version = self._produce_request(known, texts, sequence)
            stale = self._is_stale()
            try:
                answer, stamp = await caller.ask(led.leader, request, version)
            except Lost:
                caller.partitions.pop((known.topic, known.index), None)
                await caller.back_off()
                continue
            result = answer.responses[0].partition_responses[0]
            code = result.error_code
            history.note(place, f"{texts[0]} of {self.producer} (sequence {sequence}): {code.name}")
            if not code:
                self._accepted("Produce", stale)
                history.acknowledged(place, result.base_offset, texts, stamp)
                self._sequences[place] = sequence + len(texts)
                return int(result.base_offset)
            if not self._is_to_be_repeated(code):
                if code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER and not history.logs[place].asked_start:
                    history.broken("forgotten-producer", place, f"{place}: {code.name} for {texts}")
                raise Spoiled
            caller.partitions.pop((known.topic, known.index), None)
            await caller.back_off()

    def _produce_request(
        self, known: KnownPartition, texts: list[str], sequence: int
    ) -> tuple[Produce.Request, int]:
        caller = self._caller
        version = caller.rng.randint(12, 13) if self.is_v2 else caller.rng.randint(3, 11)
        now_ms = caller.world.time.now_ms()
        data = record_batch.build(
            [record_batch.Record(None, text.encode(), now_ms) for text in texts],
            producer_id=self.producer[0],
            producer_epoch=self.producer[1],
            base_sequence=sequence,
            is_transactional=True,
        )
        asked = Produce.Request.Topic
        partition_data = [asked.Partition(index=known.index, records=memoryview(data))]
        topic = (
            asked(topic_id=known.topic_id, partition_data=partition_data)
            if version >= 13
            else asked(name=known.topic, partition_data=partition_data)
        )
        request = Produce.Request(
            transactional_id=self.transactional_id, acks=-1, timeout_ms=1000, topic_data=[topic]
        )
        return request, version

    async def _produce_unasked(self, known: KnownPartition) -> None:
        """As if it had forgotten to add the partition: that must be refused, and spoils the transaction."""
        caller, texts = self._caller, self._texts(known, 1)
        assert self.current is not None
        self._transactions.sends(self.current, texts)
        request, version = self._produce_request(known, texts, self._sequences.get(known.place, 0))
        try:
            answer, stamp = await caller.ask(known.leader, request, version)
        except Lost:
            raise Spoiled from None
        code = answer.responses[0].partition_responses[0].error_code
        if not code and self._history.counts(stamp):
            self._history.broken("unverified-accepted", known.place, f"{known.place} v{version}")
        caller.world.met["record of no transaction refused"] += 1
        raise Spoiled

    async def _add(self, known: KnownPartition) -> None:
        version = self._caller.rng.randint(0, 3)  # those after it are for brokers
        request = AddPartitionsToTxn.Request(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self.producer[0],
            v3_and_below_producer_epoch=self.producer[1],
            v3_and_below_topics=[AddedTopic(name=known.topic, partitions=[known.index])],
        )
        while True:
            stale = self._is_stale()
            answer, _ = await self._ask(request, version)
            code = answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
            if not code:
                self._accepted("AddPartitionsToTxn", stale)
                return
            if not self._is_to_be_repeated(code):
                raise Spoiled
            await self._caller.back_off()

    async def commit_offsets(
        self,
        group: str,
        node: int,
        member: tuple[int, str, str | None],
        offsets: Mapping[tuple[str, int], int],
    ) -> ErrorCode:
        """Commits a group's offsets with the transaction, once: the code, if the group refuses it or its
        coordinator has to be looked for. `member`: generation, id and instance. Fenced, Spoiled, Lost.
        """
        caller, history = self._caller, self._history
        if not self.is_v2:
            await self._add_group(group)
        version = caller.rng.randint(5, 6) if self.is_v2 else caller.rng.randint(3, 4)
        if not all(key in caller.partitions for key in offsets):
            version = min(version, 5)  # with a topic that is being looked for again goes its id
        asked = TxnOffsetCommit.Request.Topic
        topics = []
        for (topic, index), offset in offsets.items():
            partition = asked.Partition(partition_index=index, committed_offset=offset, committed_metadata="")
            named: dict[str, Any] = (
                {"topic_id": caller.partitions[topic, index].topic_id} if version >= 6 else {"name": topic}
            )
            topics.append(asked(**named, partitions=[partition]))
            commit = history.commit_begins(group, topic, index, offset)
            commit.transaction = self.current
            self._commits.append(((group, topic, index), commit))
        request = TxnOffsetCommit.Request(
            transactional_id=self.transactional_id,
            group_id=group,
            producer_id=self.producer[0],
            producer_epoch=self.producer[1],
            generation_id_or_member_epoch=member[0],
            member_id=member[1],
            group_instance_id=member[2],
            topics=topics,
        )
        stale = self._is_stale()
        answer, _ = await caller.ask(node, request, version)
        codes = [partition.error_code for topic in answer.topics for partition in topic.partitions]
        if not any(codes):
            self._accepted("TxnOffsetCommit", stale)
            return ErrorCode.NONE
        [code] = {code for code in codes if code}
        if code in FENCED:
            raise Fenced
        return ErrorCode(code)

    async def _add_group(self, group: str) -> None:
        request = AddOffsetsToTxn.Request(
            transactional_id=self.transactional_id,
            producer_id=self.producer[0],
            producer_epoch=self.producer[1],
            group_id=group,
        )
        version = self._caller.rng.randint(0, 4)
        while True:
            stale = self._is_stale()
            answer, _ = await self._ask(request, version)
            if not answer.error_code:
                self._accepted("AddOffsetsToTxn", stale)
                return
            if not self._is_to_be_repeated(answer.error_code):
                raise Spoiled
            await self._caller.back_off()

    # -- its end

    async def end(self, *, is_commit: bool) -> None:
        """Commits or aborts. Fenced, Spoiled: it was not done, or by another."""
        transaction, met = self.current, self._caller.world.met
        assert transaction is not None
        version = 5 if self.is_v2 else self._caller.rng.randint(0, 4)
        request = EndTxn.Request(
            transactional_id=self.transactional_id,
            producer_id=self.producer[0],
            producer_epoch=self.producer[1],
            committed=is_commit,
        )
        self._transactions.ends(transaction, is_commit=is_commit)
        attempts = 0
        while True:
            stale = self._is_stale()
            attempts += 1
            try:
                answer, stamp = await self._ask_once(request, version)
            except Lost:
                await self._caller.back_off()
                continue
            code = answer.error_code
            if not code:
                break
            try:
                if not self._is_to_be_repeated(code):
                    raise Spoiled
            except (Fenced, Spoiled):
                if attempts == 1:
                    self._ended(transaction, False, stamp)
                met["end of a transaction refused"] += 1
                raise
            await self._caller.back_off()
        self._accepted("EndTxn", stale)
        kind = f"{'commit' if is_commit else 'abort'} of {'version 2' if self.is_v2 else 'the classic kind'}"
        met[kind] += 1
        if attempts > 1:
            met["end of a transaction asked again"] += 1
        self._ended(transaction, is_commit, stamp)
        if self.is_v2:
            self.producer = (answer.producer_id, answer.producer_epoch)
            self._sequences.clear()
            self._history.given_producer_id(*self.producer, stamp)
            if self._history.counts(stamp):
                self._transactions.goes_on(self.transactional_id, self.producer)

    def _ended(self, transaction: Transaction, is_commit: bool, stamp: int) -> None:
        transaction.is_committed = is_commit
        for about, commit in self._commits:
            self._history.commit_ends(about, commit, accepted=is_commit, stale=False, stamp=stamp)
        self._commits.clear()
        self.current = None

    # -- asking

    def _is_stale(self) -> bool:
        self._history.look_at_power()
        return self._transactions.newest(self.transactional_id) > self.producer

    def _accepted(self, what: str, was_stale: bool) -> None:
        if was_stale:
            newest = self._transactions.newest(self.transactional_id)
            text = f"{what} of {self.transactional_id} {self.producer}, and {newest} was given"
            self._history.broken("zombie-accepted", self.transactional_id, text)

    def _is_to_be_repeated(self, code: ErrorCode) -> bool:
        """Fenced."""
        if code in FENCED:
            if self._is_stale():
                self._caller.world.met["zombie refused"] += 1
            raise Fenced
        if code == ErrorCode.CONCURRENT_TRANSACTIONS:
            self._caller.world.met["concurrent transactions"] += 1
        return code in AGAIN

    async def _ask(self, request: w.Struct, version: int) -> tuple[Any, int]:
        """The coordinator's answer, however often that takes."""
        while True:
            try:
                return await self._ask_once(request, version)
            except Lost:
                await self._caller.back_off()

    async def _ask_once(self, request: w.Struct, version: int) -> tuple[Any, int]:
        """Lost."""
        if self._node is None:
            try:
                self._node = await find_coordinator(self._caller, self.transactional_id, TRANSACTIONAL_ID)
            except Retry:
                raise Lost from None
        try:
            answer, stamp = await self._caller.ask(self._node, request, version)
        except Lost:
            self._node = None
            raise
        if self._caller.rng.random() < 0.02 or getattr(answer, "error_code", 0) in (
            ErrorCode.NOT_COORDINATOR,
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ):
            self._node = None
        return answer, stamp
