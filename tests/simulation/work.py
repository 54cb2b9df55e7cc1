"""What clients do in a simulated run: produce, read, join groups and commit, make and delete topics.

Rules: each program goes on until the run has had its operations, whatever fails; it tells `Promises` what it
saw. Producers are idempotent and send a batch again until they know what became of it, in order, as
kafka-clients do with one request in flight.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import trio
from kwire_codecs.apis.create_partitions import CreatePartitions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.leave_group import LeaveGroup
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.sync_group import SyncGroup
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch

from tests.broker_client import one_partition, produce_request
from tests.simulation.asking import Asker, Unreachable
from tests.simulation.promises import Place, Promises
from tests.simulation.world import World

TOPICS: Final = ("orders", "clicks")
GROUPS: Final = ("readers", "writers")
GROUP_PARTITIONS: Final = 6
SESSION_TIMEOUT_MS: Final = 6000
REBALANCE_TIMEOUT_MS: Final = 4000
SEQUENCES: Final = 2**31
RETRIED: Final = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
    }
)


@dataclass(slots=True)
class Topic:
    """A topic as a client last heard of it."""

    topic_id: UUID
    leaders: dict[int, int] = field(default_factory=dict)


class Work:
    """All programs of a run, and what they share."""

    def __init__(self, world: World, operations: int) -> None:
        self.world = world
        self.promises = Promises(world)
        self.operations = operations
        """After so many, the programs come to an end."""
        self.unsure: set[bytes] = set()

    @property
    def going_on(self) -> bool:
        return self.world.operations.total() < self.operations

    # -- what all need

    async def topic(self, asker: Asker, name: str) -> Topic:
        """What some node says of a topic. Raises Unreachable."""
        known = {place: self.promises.epoch_known(place) for place in self.promises._epochs}
        answer = await asker.ask_any(
            Metadata.Request(topics=[Metadata.Request.Topic(name=name)], allow_auto_topic_creation=False), 12
        )
        [told] = answer.topics
        if told.error_code:
            raise Unreachable(told.error_code.name)
        for partition in told.partitions:
            place = Place(told.topic_id, partition.partition_index)
            self.promises.epoch_told(place, partition.leader_epoch, known.get(place, -1))
        return Topic(told.topic_id, {each.partition_index: each.leader_id for each in told.partitions})

    async def pause(self, asker: Asker) -> None:
        await trio.sleep(asker.rng.choice((0.05, 0.2, 1)))

    async def make_topics(self) -> None:
        """The topics that last."""
        async with Asker(self.world, "admin") as asker:
            for name in TOPICS:
                await self.create(asker, name, 3, asker.rng.choice((1, self.world.nodes)))

    async def create(self, asker: Asker, name: str, partitions: int, replicas: int) -> ErrorCode:
        wanted = CreateTopics.Request.Topic
        answer = await asker.ask_any(
            CreateTopics.Request(
                topics=[
                    wanted(
                        name=name,
                        num_partitions=partitions,
                        replication_factor=replicas,
                        assignments=[],
                        configs=[
                            wanted.Config(
                                name="internal.segment.bytes",
                                value=asker.rng.choice(("6000", "20000", "100000")),
                            )
                        ],
                    )
                ],
                timeout_ms=5000,
            ),
            7,
        )
        code: ErrorCode = answer.topics[0].error_code
        return code

    # -- producers

    async def produce(self, number: int) -> None:
        """An idempotent producer on one partition of one topic."""
        async with Asker(self.world, f"producer {number}") as asker:
            name, index = asker.rng.choice(TOPICS), asker.rng.randrange(3)
            identity: tuple[int, int] | None = None
            sequence = count = 0
            while self.going_on:
                try:
                    if identity is None:
                        told = await asker.ask_any(
                            InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1000), 4
                        )
                        if told.error_code:
                            await self.pause(asker)
                            continue
                        identity, sequence = (told.producer_id, told.producer_epoch), 0
                except Unreachable:
                    await self.pause(asker)
                    continue
                values = [b"%d:%d" % (number, count + each) for each in range(asker.rng.choice((1, 1, 2, 5)))]
                if await self._send(asker, name, index, identity, sequence, values):
                    sequence = (sequence + len(values)) % SEQUENCES
                else:
                    identity = None
                count += len(values)
                if asker.rng.random() < 0.1:
                    await self.pause(asker)

    async def _send(
        self,
        asker: Asker,
        name: str,
        index: int,
        identity: tuple[int, int],
        sequence: int,
        values: list[bytes],
    ) -> bool:
        """Sends one batch until it is known to be there; False when the producer has to begin anew."""
        topic: Topic | None = None
        padding = b"x" * asker.rng.choice((0, 0, 50, 500))
        acks = asker.rng.choice((-1, -1, -1, 1)) if self.world.nodes == 1 else -1
        while True:
            try:
                if topic is None:
                    topic = await self.topic(asker, name)
                leader = topic.leaders.get(index, -1)
                if leader < 0:
                    topic = None
                    await self.pause(asker)
                    continue
                place = Place(topic.topic_id, index)
                data = batch.build(
                    [batch.Record(padding, value, self.world.time.now_ms()) for value in values],
                    producer_id=identity[0],
                    producer_epoch=identity[1],
                    base_sequence=sequence,
                )
                answer = one_partition(
                    await asker.ask(
                        leader,
                        produce_request(name, data, partition=index, acks=acks),
                        asker.rng.choice((8, 9, 11)),
                    )
                )
            except Unreachable:
                topic = None
                await self.pause(asker)
                if not self.going_on and self.world.running is None:
                    return False
                continue
            code = answer.error_code
            if not code:
                for offset, value in enumerate(values, answer.base_offset):
                    self.promises.record_acknowledged(place, offset, value)
                return True
            if code not in RETRIED:
                if not self.promises.weak:
                    self.world.violation(f"{asker.name}: {values[0]!r} for {place} was refused: {code.name}")
                return False
            topic = None
            await self.pause(asker)

    # -- readers

    async def read(self, number: int) -> None:
        """Follows one topic by fetch sessions, from the beginning, again and again."""
        async with Asker(self.world, f"reader {number}") as asker:
            name = asker.rng.choice(TOPICS)
            while self.going_on:
                try:
                    topic = await self.topic(asker, name)
                    nodes = sorted({leader for leader in topic.leaders.values() if leader > 0})
                    if nodes:
                        await self._follow(asker, name, topic, asker.rng.choice(nodes))
                except Unreachable:
                    pass
                await self.pause(asker)

    async def _follow(self, asker: Asker, name: str, topic: Topic, node_id: int) -> None:
        positions = {index: 0 for index, leader in topic.leaders.items() if leader == node_id}
        asked = Fetch.Request.Topic
        session_id, epoch = 0, 0
        changed = dict(positions)
        for _ in range(asker.rng.randrange(1, 30)):
            answer = await asker.ask(
                node_id,
                Fetch.Request(
                    max_wait_ms=asker.rng.choice((0, 50, 500)),
                    min_bytes=asker.rng.choice((1, 1, 1000)),
                    max_bytes=asker.rng.choice((500, 100_000)),
                    session_id=session_id,
                    session_epoch=epoch,
                    topics=[
                        asked(
                            topic=name,
                            partitions=[
                                asked.Partition(
                                    partition=index,
                                    fetch_offset=offset,
                                    partition_max_bytes=asker.rng.choice((300, 50_000)),
                                )
                                for index, offset in changed.items()
                            ],
                        )
                    ]
                    if changed
                    else [],
                    forgotten_topics_data=[],
                ),
                12,
            )
            if answer.error_code:
                return
            session_id = answer.session_id
            epoch = epoch + 1 if session_id else 0
            changed = {} if session_id else dict(positions)
            for told in answer.responses:
                for partition in told.partitions:
                    index = partition.partition_index
                    if partition.error_code:
                        if partition.error_code is ErrorCode.OFFSET_OUT_OF_RANGE and not self.promises.weak:
                            self.world.violation(
                                f"{asker.name}: {name}-{index} has no offset {positions[index]}: it ends "
                                f"before what was read"
                            )
                        return
                    following = self.take(
                        Place(topic.topic_id, index), positions[index], bytes(partition.records or b"")
                    )
                    if following != positions[index]:
                        positions[index] = changed[index] = following
            if not self.going_on:
                return

    def take(self, place: Place, position: int, data: bytes, log: dict[int, bytes] | None = None) -> int:
        """Looks at fetched batches; gives the offset behind them."""
        view = memoryview(data)
        expected = position
        for start, header in batch.walk(view):
            if not batch.crc_is_valid(view, start, header):
                self.world.violation(f"{place}: the batch at {header.base_offset} has a wrong checksum")
            if header.base_offset > expected and not self.promises.weak:
                self.world.violation(f"{place}: nothing between {expected} and {header.base_offset}")
            for record in batch.records(view, start, header, 1 << 20):
                assert record.value is not None
                if record.offset >= position:
                    self.promises.record_seen(place, record.offset, bytes(record.value))
                    if log is not None:
                        log[record.offset] = bytes(record.value)
            expected = header.next_offset
        return expected

    # -- groups

    async def be_member(self, number: int) -> None:
        """Joins a group, commits, leaves or just dies, and begins anew."""
        async with Asker(self.world, f"member {number}") as asker:
            group_id = GROUPS[number % len(GROUPS)]
            member_id = ""
            while self.going_on:
                try:
                    member_id = await self._one_generation(asker, group_id, member_id)
                except Unreachable:
                    await self.pause(asker)
                if asker.rng.random() < 0.1:
                    member_id = ""  # it died; the coordinator finds out by itself
                    await self.pause(asker)

    async def _one_generation(self, asker: Asker, group_id: str, member_id: str) -> str:
        """Joins, syncs and works until it must join again; gives the member id to do it with."""
        promises = self.promises
        coordinator = await asker.coordinator(group_id)
        if coordinator < 0:
            await self.pause(asker)
            return member_id
        known = promises.generation_known(group_id)
        joined = await asker.ask(
            coordinator,
            JoinGroup.Request(
                group_id=group_id,
                session_timeout_ms=SESSION_TIMEOUT_MS,
                rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
                member_id=member_id,
                protocol_type="consumer",
                protocols=[JoinGroup.Request.Protocol(name="range", metadata=b"")],
            ),
            asker.rng.choice((5, 6)),
        )
        if joined.error_code is ErrorCode.MEMBER_ID_REQUIRED:
            return str(joined.member_id)
        if joined.error_code:
            await self.pause(asker)
            return "" if joined.error_code is ErrorCode.UNKNOWN_MEMBER_ID else member_id
        member_id, generation = str(joined.member_id), int(joined.generation_id)
        promises.joined(group_id, generation, known)
        assignments = []
        if joined.leader == member_id:
            members = sorted(each.member_id for each in joined.members)
            for position, each in enumerate(members):
                indexes = range(position, GROUP_PARTITIONS, len(members))
                assignments.append(
                    SyncGroup.Request.Assignment(
                        member_id=each, assignment=struct.pack(f"{len(indexes)}B", *indexes)
                    )
                )
        synced = await asker.ask(
            coordinator,
            SyncGroup.Request(
                group_id=group_id, generation_id=generation, member_id=member_id, assignments=assignments
            ),
            3,
        )
        if synced.error_code:
            return "" if synced.error_code is ErrorCode.UNKNOWN_MEMBER_ID else member_id
        indexes_owned = list(synced.assignment)
        promises.assigned(group_id, generation, member_id, indexes_owned)
        return await self._consume(asker, coordinator, group_id, generation, member_id, indexes_owned)

    async def _consume(
        self,
        asker: Asker,
        coordinator: int,
        group_id: str,
        generation: int,
        member_id: str,
        indexes: list[int],
    ) -> str:
        rng, promises = asker.rng, self.promises
        name = TOPICS[0]
        positions: dict[int, int] = {}
        if indexes:
            known = {index: promises.commit_known(group_id, index) for index in indexes}
            fetched = await asker.ask(
                coordinator,
                OffsetFetch.Request(
                    group_id=group_id,
                    topics=[OffsetFetch.Request.Topic(name=name, partition_indexes=indexes)],
                ),
                5,
            )
            if fetched.error_code:
                return member_id
            for partition in fetched.topics[0].partitions:
                index = partition.partition_index
                if partition.error_code:
                    return member_id
                promises.commit_fetched(group_id, index, partition.committed_offset, known[index])
                positions[index] = max(0, partition.committed_offset)
        for _ in range(rng.randrange(1, 12)):
            await trio.sleep(rng.choice((0.02, 0.2, 1)))
            beat = await asker.ask(
                coordinator,
                Heartbeat.Request(group_id=group_id, generation_id=generation, member_id=member_id),
                3,
            )
            if beat.error_code:
                return "" if beat.error_code is ErrorCode.UNKNOWN_MEMBER_ID else member_id
            if positions and rng.random() < 0.7:
                index = rng.choice(sorted(positions))
                offset = positions[index] = positions[index] + rng.randint(1, 5)
                promises.commit_attempted(group_id, index, offset)
                asked = OffsetCommit.Request.Topic
                told = await asker.ask(
                    coordinator,
                    OffsetCommit.Request(
                        group_id=group_id,
                        generation_id_or_member_epoch=generation,
                        member_id=member_id,
                        topics=[
                            asked(
                                name=name,
                                partitions=[
                                    asked.Partition(
                                        partition_index=index, committed_offset=offset, committed_metadata=""
                                    )
                                ],
                            )
                        ],
                    ),
                    7,
                )
                code = told.topics[0].partitions[0].error_code
                if not code:
                    promises.committed(group_id, index, offset)
                elif code is not ErrorCode.REBALANCE_IN_PROGRESS:
                    return "" if code is ErrorCode.UNKNOWN_MEMBER_ID else member_id
            if not self.going_on:
                break
        if rng.random() < 0.3:
            await asker.ask(
                coordinator,
                LeaveGroup.Request(
                    group_id=group_id, members=[LeaveGroup.Request.Member(member_id=member_id)]
                ),
                3,
            )
            return ""
        return member_id

    # -- topics that come and go

    async def churn(self) -> None:
        """Makes topics, widens them, produces to them, deletes them, makes them again."""
        async with Asker(self.world, "churn") as asker:
            rng = asker.rng
            names = ("spring", "summer")
            there: dict[str, bool | None] = dict.fromkeys(names, False)
            losses = 0
            while self.going_on:
                name = rng.choice(names)
                if losses != self.world.power_losses:
                    losses = self.world.power_losses
                    there = dict.fromkeys(names)
                try:
                    if not there[name]:
                        there[name] = None
                        code = await self.create(asker, name, rng.randint(1, 4), 1)
                        if not code or code is ErrorCode.TOPIC_ALREADY_EXISTS:
                            there[name] = True
                    elif rng.random() < 0.5:
                        await asker.ask_any(
                            CreatePartitions.Request(
                                topics=[
                                    CreatePartitions.Request.Topic(
                                        name=name, count=rng.randint(2, 6), assignments=None
                                    )
                                ],
                                timeout_ms=1000,
                                validate_only=False,
                            ),
                            1,
                        )
                    else:
                        there[name] = None
                        answer = await asker.ask_any(
                            DeleteTopics.Request(topic_names=[name], timeout_ms=1000), 4
                        )
                        if answer.responses[0].error_code in (
                            ErrorCode.NONE,
                            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                        ):
                            there[name] = False
                    await self._check_there(asker, name, there[name], losses)
                except Unreachable:
                    there[name] = None
                await self.pause(asker)
                await self.pause(asker)

    async def _check_there(self, asker: Asker, name: str, there: bool | None, losses: int) -> None:
        if there is None:
            return
        try:
            topic = await self.topic(asker, name)
        except Unreachable as gone:
            if (
                str(gone) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION.name
                and there
                and self.world.power_losses == losses
            ):
                self.world.violation(f"{name} was made and is not there")
            return
        if not there and self.world.power_losses == losses:
            self.world.violation(f"{name} was deleted and is there")
        index = asker.rng.choice(sorted(topic.leaders))
        if topic.leaders[index] > 0:
            data = batch.build([batch.Record(None, b"c:%d" % asker.asked, self.world.time.now_ms())])
            await asker.ask(topic.leaders[index], produce_request(name, data, partition=index), 8)

    # -- the end

    async def check_everything(self) -> None:
        """Nothing fails any more: all partitions can be read, and hold what was promised."""
        async with Asker(self.world, "auditor") as asker:
            for name in TOPICS:
                for index in range(3):
                    await self._audit(asker, name, index)

    async def _audit(self, asker: Asker, name: str, index: int) -> None:
        answer: Any = None
        for _ in range(50):
            try:
                topic = await self.topic(asker, name)
                leader = topic.leaders.get(index, -1)
                if leader < 0:
                    await trio.sleep(1)
                    continue
                place = Place(topic.topic_id, index)
                log: dict[int, bytes] = {}
                position = 0
                while True:
                    answer = one_partition(await asker.ask(leader, whole_fetch(name, index, position), 11))
                    if answer.error_code:
                        break
                    following = self.take(place, position, bytes(answer.records or b""), log)
                    if following == position:
                        self.promises.log_is(place, log)
                        return
                    position = following
            except Unreachable as why:
                answer = why
            await trio.sleep(1)
        if not self.promises.weak:
            self.world.violation(f"{name}-{index} can't be read though nothing fails any more: {answer}")


def whole_fetch(name: str, index: int, position: int) -> Fetch.Request:
    """A Fetch without a session."""
    asked = Fetch.Request.Topic
    return Fetch.Request(
        max_wait_ms=0,
        min_bytes=1,
        max_bytes=1 << 20,
        session_id=0,
        session_epoch=-1,
        topics=[
            asked(
                topic=name,
                partitions=[
                    asked.Partition(partition=index, fetch_offset=position, partition_max_bytes=1 << 20)
                ],
            )
        ],
        forgotten_topics_data=[],
    )
