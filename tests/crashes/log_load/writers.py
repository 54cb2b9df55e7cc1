"""Who writes: idempotent and transactional producers, a group that commits offsets, who deletes records.

Rules: each asks until it is answered, and says before and after what it knows to the partition's facts. When
`stopping` is set it ends what it is at. One request at a time a producer, so that none may be refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import trio
from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn
from kwire_codecs.apis.add_partitions_to_txn import Topic as Added
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.compression import Compression
from kwire_codecs.records.record import Record

from tests.crashes.checks import Broken
from tests.crashes.log_load.facts import ID, Facts, Sent
from tests.crashes.log_load.link import Asker
from tests.crashes.log_load.topics import GROUPS_TOPIC, Keeping

TRANSACTION_TIMEOUT_MS = 60_000
GROUPS = 12
SLOWER = 3.0
"""Where everything is kept, so that a long run does not grow too much."""
METADATA = "x" * 400
"""So that the offsets' log gets segments."""


class Size(NamedTuple):
    """How much a writer writes."""

    keys: int = 120
    """Of a partition."""
    records: int = 24
    """At most in a batch."""
    padding_bytes: int = 400
    """At most in a record."""


USUAL = Size()


@dataclass
class Stop:
    """Shared by all writers."""

    stopping: bool = False


@dataclass
class Known:
    """What writers know of nobody's partition."""

    producer_ids: set[tuple[int, int]] = field(default_factory=set)
    acknowledged: int = 0
    """Records."""
    commits: dict[str, int] = field(default_factory=dict)
    """By group: the newest offset that was acknowledged."""
    committing: dict[str, int] = field(default_factory=dict)
    """By group: one that was sent, and may count."""


class Maker:
    """Makes records that nobody else makes."""

    def __init__(self, name: str, chance: random.Random, size: Size, *, keyed: bool) -> None:
        self._name = name
        self._chance = chance
        self._size = size
        self._keyed = keyed
        self._number = 0
        self._noise = chance.randbytes(4096)

    def batch(self, now_ms: int, **fields: Any) -> tuple[bytearray, list[Sent]]:
        """A batch of some records, and what they are."""
        chance, size = self._chance, self._size
        sent, records = [], []
        for _ in range(chance.randint(1, size.records)):
            id_ = f"{self._name}/{self._number}"
            self._number += 1
            key = f"{self._name}-{chance.randrange(size.keys)}".encode() if self._keyed else None
            is_tombstone = self._keyed and chance.random() < 0.1
            at = chance.randrange(3000)
            value = None if is_tombstone else self._noise[at : at + chance.randint(20, size.padding_bytes)]
            sent.append(Sent(id_, key, is_tombstone, now_ms))
            records.append(Record(key, value, now_ms, ((ID, id_.encode()),)))
        codec = chance.choice((Compression.NONE, Compression.NONE, Compression.GZIP, Compression.LZ4))
        return batch.build(records, compression=codec, **fields), sent


@dataclass
class Clerk:
    """What all that write have."""

    link: Asker
    name: str
    known: Known
    stop: Stop
    chance: random.Random
    now_ms: Callable[[], int]
    size: Size = USUAL


class Writer:
    """What all that write records have: a link and ways to ask on it."""

    def __init__(self, clerk: Clerk) -> None:
        self.link = clerk.link
        self.name = clerk.name
        self.known = clerk.known
        self.stop = clerk.stop
        self.chance = clerk.chance
        self.now_ms = clerk.now_ms
        self.size = clerk.size

    async def pause(self, times: float = 1.0) -> None:
        """None, or one that leaves the machine time for the others."""
        await trio.sleep(self.chance.choice((0.0, 0.03, 0.1)) * times)

    async def init(self, transactional_id: str | None, version: int) -> tuple[int, int]:
        """A producer id with an epoch that nobody has had."""
        request = InitProducerId.Request(
            transactional_id=transactional_id, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS
        )
        answer = await self.link.ask_until_answered(request, version)
        if answer.error_code:
            raise Broken(f"{self.name}: InitProducerId: {answer.error_code.name}")
        return self.takes(answer.producer_id, answer.producer_epoch)

    def takes(self, producer_id: int, epoch: int) -> tuple[int, int]:
        if (producer_id, epoch) in self.known.producer_ids:
            raise Broken(f"producer id {producer_id} is given out twice in epoch {epoch}")
        self.known.producer_ids.add((producer_id, epoch))
        return producer_id, epoch

    async def produce(
        self,
        facts: Facts,
        data: bytearray,
        sent: list[Sent],
        version: int,
        transactional_id: str | None = None,
    ) -> None:
        """Until it is acknowledged."""
        facts.sends(sent)
        asked = Produce.Request.Topic
        request = Produce.Request(
            transactional_id=transactional_id,
            acks=-1,
            timeout_ms=10_000,
            topic_data=[
                asked(
                    name=facts.topic.name,
                    partition_data=[asked.Partition(index=facts.index, records=memoryview(data))],
                )
            ],
        )
        answer = await self.link.ask_until_answered(
            request, version, lambda answer: [answer.responses[0].partition_responses[0].error_code]
        )
        told = answer.responses[0].partition_responses[0]
        if told.error_code not in (ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER):
            raise Broken(f"{facts}: a batch with one request on the way is refused: {told.error_code.name}")
        base_offset = -1 if told.error_code else told.base_offset
        facts.was_acknowledged(base_offset, batch.read_header(data), sent)
        self.known.acknowledged += len(sent)


class IdempotentWriter(Writer):
    """Writes to one partition."""

    def __init__(self, facts: Facts, clerk: Clerk) -> None:
        super().__init__(clerk)
        self.facts = facts
        self._maker = Maker(self.name, self.chance, self.size, keyed=facts.topic.is_compacted)
        self._producer: tuple[int, int] | None = None
        self._sequence = 0

    async def run(self) -> None:
        while not self.stop.stopping:
            self.begin_anew()
            for _ in range(self.chance.randint(50, 2000)):
                if self.stop.stopping:
                    break
                await self.write()
                await self.pause(SLOWER if self.facts.topic.keeping is Keeping.ALL else 1.0)
        await self.link.close()

    def begin_anew(self) -> None:
        """As another producer."""
        self._producer = None

    async def write(self) -> None:
        """One batch."""
        if self._producer is None:
            self._producer, self._sequence = await self.init(None, 4), 0
        producer_id, epoch = self._producer
        data, sent = self._maker.batch(
            self.now_ms(), producer_id=producer_id, producer_epoch=epoch, base_sequence=self._sequence
        )
        await self.produce(self.facts, data, sent, 11)
        self._sequence += len(sent)


class TransactionalWriter(Writer):
    """Writes to several partitions in transactions, the way of transaction.version 2 or the one before."""

    def __init__(self, partitions: list[Facts], is_newest: bool, clerk: Clerk) -> None:
        super().__init__(clerk)
        self._partitions = partitions
        self._newest = is_newest
        self._makers = {
            facts.topic.name: Maker(self.name, self.chance, self.size, keyed=facts.topic.is_compacted)
            for facts in partitions
        }
        self._producer = (-1, -1)
        self._sequences: dict[str, int] = {}

    async def run(self) -> None:
        await self._begin_anew()
        while not self.stop.stopping:
            await self._transaction()
            await self.pause(SLOWER)
        await self.link.close()

    async def _begin_anew(self) -> None:
        self._producer = await self.init(self.name, 5 if self._newest else 4)
        self._sequences.clear()

    async def _transaction(self) -> None:
        written: list[tuple[Facts, list[Sent]]] = []
        chosen = self.chance.sample(self._partitions, self.chance.randint(1, len(self._partitions)))
        if not self._newest:
            await self._add(chosen)
        for facts in self.chance.choices(chosen, k=len(chosen) + 1) if len(chosen) > 1 else chosen:
            data, sent = self._makers[facts.topic.name].batch(
                self.now_ms(),
                producer_id=self._producer[0],
                producer_epoch=self._producer[1],
                base_sequence=self._sequences.get(str(facts), 0),
                is_transactional=True,
            )
            await self.produce(facts, data, sent, 12 if self._newest else 11, self.name)
            self._sequences[str(facts)] = self._sequences.get(str(facts), 0) + len(sent)
            written.append((facts, sent))
        end = self.chance.choices(("commit", "abort", "begin anew"), (75, 20, 5))[0]
        if end == "begin anew":
            await self._begin_anew()
        else:
            await self._end(commit=end == "commit")
        for facts, sent in written:
            facts.was_decided(sent, commit=end == "commit")

    async def _add(self, chosen: list[Facts]) -> None:
        topics: dict[str, list[int]] = {}
        for facts in chosen:
            topics.setdefault(facts.topic.name, []).append(facts.index)
        request = AddPartitionsToTxn.Request(
            v3_and_below_transactional_id=self.name,
            v3_and_below_producer_id=self._producer[0],
            v3_and_below_producer_epoch=self._producer[1],
            v3_and_below_topics=[Added(name=name, partitions=indexes) for name, indexes in topics.items()],
        )

        def errors(answer: AddPartitionsToTxn.Response) -> list[ErrorCode]:
            return [
                each.partition_error_code
                for topic in answer.results_by_topic_v3_and_below
                for each in topic.results_by_partition
            ]

        for error in errors(await self.link.ask_until_answered(request, 3, errors)):
            if error:
                raise Broken(f"{self.name}: AddPartitionsToTxn: {error.name}")

    async def _end(self, *, commit: bool) -> None:
        request = EndTxn.Request(
            transactional_id=self.name,
            producer_id=self._producer[0],
            producer_epoch=self._producer[1],
            committed=commit,
        )
        answer = await self.link.ask_until_answered(request, 5 if self._newest else 4)
        if answer.error_code:
            raise Broken(f"{self.name}: EndTxn: {answer.error_code.name}")
        if self._newest:
            self._producer = self.takes(answer.producer_id, answer.producer_epoch)
            self._sequences.clear()


class Committer(Writer):
    """Commits offsets for some groups without members."""

    async def run(self) -> None:
        offset = 0
        asked = OffsetCommit.Request.Topic
        while not self.stop.stopping:
            offset += 1
            group = f"group-{self.chance.randrange(GROUPS)}"
            self.known.committing[group] = offset
            partition = asked.Partition(
                partition_index=0, committed_offset=offset, committed_metadata=METADATA
            )
            request = OffsetCommit.Request(
                group_id=group, topics=[asked(name=GROUPS_TOPIC, partitions=[partition])]
            )
            answer = await self.link.ask_until_answered(
                request, 8, lambda answer: [answer.topics[0].partitions[0].error_code]
            )
            if error := answer.topics[0].partitions[0].error_code:
                raise Broken(f"{group}: OffsetCommit: {error.name}")
            self.known.commits[group] = offset
            await self.pause()
        await self.link.close()


class Deleter(Writer):
    """Lets go of the older part of a partition now and then."""

    def __init__(self, facts: Facts, clerk: Clerk) -> None:
        super().__init__(clerk)
        self._facts = facts

    async def run(self) -> None:
        facts = self._facts
        asked = DeleteRecords.Request.Topic
        while not self.stop.stopping:
            await trio.sleep(self.chance.uniform(0.05, 0.8))
            end = max(facts.fingerprints, default=0)
            offset = self.chance.randint(facts.asked_start, max(end, facts.asked_start))
            facts.asked_start = offset
            request = DeleteRecords.Request(
                topics=[
                    asked(
                        name=facts.topic.name,
                        partitions=[asked.Partition(partition_index=facts.index, offset=offset)],
                    )
                ],
                timeout_ms=5000,
            )
            floor = facts.log_start
            answer = await self.link.ask_until_answered(
                request, 2, lambda answer: [answer.topics[0].partitions[0].error_code]
            )
            told = answer.topics[0].partitions[0]
            if told.error_code or told.low_watermark < offset:
                raise Broken(
                    f"{facts}: DeleteRecords up to {offset}: {told.error_code.name}, {told.low_watermark}"
                )
            facts.saw_log_start(told.low_watermark, floor, self.now_ms())
        await self.link.close()
