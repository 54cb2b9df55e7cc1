"""Small clients on kwire's codecs, as careful and as careless as real ones: an idempotent producer, a reader
with fetch sessions, a member of a classic group, an admin.

Rules: each client is one task with a generator of its own; it sends every API in a version picked anew; it
reconnects, asks for metadata again and goes on after whatever fails; what it was told goes to the `History`.
A client gives a request up after `PATIENCE` seconds: that is a broken promise, unless the network was told to
lose its connection.
"""

from __future__ import annotations

import contextlib
import json
import struct
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import trio
from kwire_codecs import wire as w
from kwire_codecs.apis import api
from kwire_codecs.apis.create_partitions import CreatePartitions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.leave_group import LeaveGroup
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.produce import Produce
from kwire_codecs.apis.sync_group import SyncGroup
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch

from tests.broker_client import Client
from tests.simulation.checks import Commit, History, Place
from tests.simulation.world import World

PATIENCE: Final = 40.0
BACKOFF: Final = (0.02, 0.1, 0.5)
EARLIEST: Final = -2
SESSION_TIMEOUT_MS: Final = 6000
BATCH_MAX_BYTES: Final = 1 << 20


class Lost(Exception):
    """The connection is gone, or there was none; whether the request had an effect is not known."""


@dataclass(slots=True)
class Connection:
    """A connection to a node. `stamp` and `crashes` say how often power and process had gone before it."""

    client: Client
    stamp: int
    crashes: int
    unanswered: deque[int] = field(default_factory=deque)


@dataclass(slots=True)
class KnownPartition:
    """Where a partition is led."""

    topic: str
    topic_id: UUID
    index: int
    leader: int
    leader_epoch: int

    @property
    def place(self) -> Place:
        return (self.topic_id, self.index)


class Caller:
    """What every client has: connections to nodes, metadata, patience."""

    def __init__(self, world: World, history: History, name: str) -> None:
        self.world = world
        self.history = history
        self.name = name
        self.rng = world.rng_for(name)
        self.stopping = False
        """No new work; what is begun is brought to its end."""
        self._connections: dict[int, Connection] = {}
        self.partitions: dict[tuple[str, int], KnownPartition] = {}
        self.missing: set[str] = set()
        """Topics that were not there when last asked for."""

    async def run(self) -> None:
        """Works until `stopping`."""
        raise NotImplementedError

    async def pause(self, longest: float = 0.2) -> None:
        await trio.sleep(self.rng.random() * longest)

    async def back_off(self) -> None:
        await trio.sleep(self.rng.choice(BACKOFF))

    async def connection(self, node: int) -> Connection:
        found = self._connections.get(node)
        if found is None:
            try:
                stream: Any = await self.world.connect(*self.world.addresses[node - 1])
            except OSError as error:
                raise Lost from error
            found = self._connections[node] = Connection(
                Client(stream, self.name), self.world.power_losses, self.world.counted["process crash"]
            )
        return found

    def some_node(self) -> int:
        return self.rng.choice(self.world.node_ids)

    async def drop(self, node: int) -> None:
        found = self._connections.pop(node, None)
        if found is not None:
            await found.client.stream.aclose()

    async def close(self) -> None:
        for node in list(self._connections):
            await self.drop(node)

    async def send(self, node: int, request: w.Struct, version: int) -> Connection:
        """Sends a request; the answer is for `receive`, in the same order. Lost."""
        connection = await self.connection(node)
        try:
            with trio.fail_after(PATIENCE):
                await connection.client.send(request, version)
            connection.unanswered.append(connection.client.correlation_id)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            await self.drop(node)
            raise Lost from error
        return connection

    async def receive(self, node: int, request: w.Struct, version: int) -> Any:
        """The next answer on the connection, which must be to this request. Lost."""
        connection = self._connections[node]
        declared = api(type(request).__root__.key)  # type: ignore[union-attr,arg-type]
        self.world.operations[declared.__name__] += 1
        answer: Any = None
        with trio.move_on_after(PATIENCE) as waited:
            try:
                correlation_id, answer = await connection.client.receive(declared, version)
                expected = connection.unanswered.popleft()
                if correlation_id != expected:
                    text = f"{self.name} got {correlation_id} and waited for {expected}"
                    self.history.broken("no-answer", self.name, text)
            except (AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
                answer = None
        if waited.cancelled_caught:
            link: Any = getattr(connection.client.stream, "link", None)
            if link is not None and not (link.frozen or link.requests.drop or link.answers.drop):
                self.history.broken(
                    "no-answer", self.name, f"{declared.__name__} v{version} of {self.name} on {link.name}"
                )
        if answer is None:
            await self.drop(node)
            raise Lost
        return answer

    async def ask(self, node: int, request: w.Struct, version: int) -> tuple[Any, int]:
        """The answer, and the stamp of its connection; -1 when power was lost since the asker took its
        floors. Lost.
        """
        losses = self.world.power_losses
        connection = await self.send(node, request, version)
        answer = await self.receive(node, request, version)
        return answer, connection.stamp if connection.stamp == losses else -1

    async def refresh(self, topics: Iterable[str]) -> None:
        """Asks some node for these topics, once. Nothing changes when that fails."""
        history = self.history
        version = self.rng.randint(10, 13)
        wanted = [Metadata.Request.Topic(name=name) for name in topics]
        history.look_at_power()
        floors = {place: log.leader_epoch for place, log in history.logs.items()}
        deleted = frozenset(history.deleted)
        request = Metadata.Request(topics=wanted, allow_auto_topic_creation=False)
        try:
            answer, stamp = await self.ask(self.some_node(), request, version)
        except Lost:
            return
        for topic in answer.topics:
            for known in [key for key in self.partitions if key[0] == topic.name]:
                del self.partitions[known]
            self.missing.discard(topic.name)
            if topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                self.missing.add(topic.name)
            if topic.error_code:
                continue
            history.saw_topic(topic.name, topic.topic_id, deleted, stamp)
            for found in topic.partitions:
                place = (topic.topic_id, found.partition_index)
                leader, epoch = found.leader_id, found.leader_epoch
                history.saw_leader(place, leader, epoch, floors.get(place, -1), stamp)
                self.partitions[topic.name, found.partition_index] = KnownPartition(
                    topic.name, topic.topic_id, found.partition_index, leader, epoch
                )

    async def led(self, topic: str, index: int) -> KnownPartition | None:
        """The partition once it has a leader; None when it isn't known after one look."""
        found = self.partitions.get((topic, index))
        if found is None or found.leader < 0:
            await self.refresh([topic])
            found = self.partitions.get((topic, index))
        return found if found is not None and found.leader >= 0 else None


# -- producers


@dataclass(slots=True)
class Batch:
    """Records on their way. `crashes` is the number of crashes before it was first sent."""

    texts: list[str]
    sequence: int
    data: bytes
    crashes: int = -1


@dataclass(slots=True)
class Lane:
    """A producer's way to one partition."""

    topic: str
    place: Place
    sequence: int = 0
    began: bool = False
    """Whether a batch of this producer id was acknowledged: others may follow close behind then."""
    unanswered: list[Batch] = field(default_factory=list)
    number: int = 0


class Producer(Caller):
    """Idempotent, with up to five requests on the way a partition. It never gives a record up, but where its
    topic is deleted.
    """

    def __init__(self, world: World, history: History, name: str, topics: list[str]) -> None:
        super().__init__(world, history, name)
        self.topics = topics
        self.in_flight = self.rng.randint(1, 5)
        self.producer_id = -1
        self.epoch = -1
        self.lanes: dict[Place, Lane] = {}

    async def run(self) -> None:
        while not self.stopping:
            await self.pause()
            lane = await self._some_lane()
            if lane is not None:
                await self.work(lane, self.rng.randint(1, self.in_flight))
        for lane in list(self.lanes.values()):
            await self._flush(lane)
        await self.close()

    async def work(self, lane: Lane, batches: int) -> None:
        """Sends new batches to a partition; returns when all are acknowledged."""
        if self.producer_id < 0:
            await self._new_producer_id()
        for _ in range(batches):
            self._fill(lane)
        await self._flush(lane)

    async def lane_of(self, topic: str, index: int) -> Lane | None:
        known = await self.led(topic, index)
        if known is None:
            return None
        return self.lanes.setdefault(known.place, Lane(topic, known.place))

    async def _some_lane(self) -> Lane | None:
        topic = self.rng.choice(self.topics)
        known = sorted(index for name, index in self.partitions if name == topic)
        if not known or self.rng.random() < 0.05:
            await self.refresh([topic])
            known = sorted(index for name, index in self.partitions if name == topic)
        return await self.lane_of(topic, self.rng.choice(known)) if known else None

    async def _new_producer_id(self) -> None:
        while True:
            request = InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1000)
            try:
                answer, stamp = await self.ask(self.some_node(), request, self.rng.randint(0, 5))
            except Lost:
                await self.back_off()
                continue
            if not answer.error_code:
                break
            await self.back_off()
        self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
        self.history.given_producer_id(self.producer_id, self.epoch, stamp)
        for lane in self.lanes.values():
            lane.sequence = 0
            lane.began = False

    def _fill(self, lane: Lane) -> None:
        texts = []
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            texts.append(f"{self.name}/{lane.place[0].hex[:6]}-{lane.place[1]}#{lane.number}")
            lane.number += 1
        self.history.sent.update(texts)
        now_ms = self.world.time.now_ms()
        padding = b"." * self.rng.choice((0, 0, 10, 300, 5000))
        data = record_batch.build(
            [record_batch.Record(None, text.encode() + b" " + padding, now_ms) for text in texts],
            compression=self.rng.choice((0, 0, 0, 1, 4)),
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=lane.sequence,
        )
        lane.unanswered.append(Batch(texts, lane.sequence, bytes(data)))
        lane.sequence += len(texts)

    async def _flush(self, lane: Lane) -> None:
        while lane.unanswered:
            known = await self.led(lane.topic, lane.place[1])
            if known is None or known.topic_id != lane.place[0]:
                # A topic that is made anew may have fewer partitions.
                is_gone = lane.topic in self.missing or any(
                    other.topic_id != lane.place[0]
                    for (name, _), other in self.partitions.items()
                    if name == lane.topic
                )
                if is_gone and (lane.place[0] in self.history.deleting or self.world.power_losses):
                    del self.lanes[lane.place]  # another topic may have its name
                    return
                self.partitions.pop((lane.topic, lane.place[1]), None)
                await self.back_off()
                continue
            try:
                done = await self._send_all(lane, known)
            except Lost:
                done = False
            if not done:
                self.partitions.pop((lane.topic, lane.place[1]), None)
                await self.back_off()

    async def _send_all(self, lane: Lane, known: KnownPartition) -> bool:
        """Sends what is unanswered, one after the other, then reads all answers. False: look for the leader
        again.
        """
        node = known.leader
        # A partition that knows nothing of a producer takes any sequence: the first goes alone.
        batches = lane.unanswered[: self.in_flight if lane.began else 1]
        asked = []
        for batch in batches:
            version = self.rng.randint(13, 13) if lane.topic.startswith("r") else self.rng.randint(3, 13)
            request = self._request(lane, batch, version)
            connection = await self.send(node, request, version)
            if batch.crashes < 0:
                batch.crashes = connection.crashes
            asked.append((batch, request, version))
        fine = True
        for batch, request, version in asked:
            stamp = self._connections[node].stamp
            answer = await self.receive(node, request, version)
            [topic] = answer.responses
            [result] = topic.partition_responses
            code = result.error_code
            if code == ErrorCode.NONE:
                self.history.acknowledged(lane.place, result.base_offset, batch.texts, stamp)
                lane.unanswered.remove(batch)
                lane.began = True
                continue
            self.history.note(lane.place, f"{batch.texts[0]} (sequence {batch.sequence}): {code.name}")
            if lane.unanswered and lane.unanswered[0] is batch and code in OUT_OF_ORDER:
                await self._forgotten(lane, batch, code)
                return False
            fine = False
        return fine

    async def _forgotten(self, lane: Lane, batch: Batch, code: ErrorCode) -> None:
        """The partition does not know what it has acknowledged, or written: begins again as a new producer.

        A restarted log knows the newest batch of each producer of its last snapshot only, as Kafka's does:
        who had several on the way over a crash may meet that.
        """
        crashed = self.world.counted["process crash"] > batch.crashes
        if not self.world.power_losses and not (crashed and self.in_flight > 1):
            self.history.broken(
                "forgotten-producer",
                lane.place,
                f"{lane.topic}-{lane.place[1]}: {code.name} for {batch.texts}",
            )
        await self.close()  # with the answers that may still come
        for other in self.lanes.values():
            other.unanswered.clear()  # sent or not, nobody knows
        await self._new_producer_id()

    def _request(self, lane: Lane, batch: Batch, version: int) -> Produce.Request:
        asked = Produce.Request.Topic
        data = [asked.Partition(index=lane.place[1], records=memoryview(bytearray(batch.data)))]
        topic = (
            asked(topic_id=lane.place[0], partition_data=data)
            if version >= 13
            else asked(name=lane.topic, partition_data=data)
        )
        return Produce.Request(acks=-1, timeout_ms=1000, topic_data=[topic])


OUT_OF_ORDER: Final = (
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode.INVALID_PRODUCER_EPOCH,
    ErrorCode.UNKNOWN_PRODUCER_ID,
    ErrorCode.DUPLICATE_SEQUENCE_NUMBER,
)


# -- readers


@dataclass(slots=True)
class Session:
    """A fetch session with one node: what the node was last told of each partition."""

    version: int
    id: int = 0
    epoch: int = 0
    told: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)


class Reader(Caller):
    """Reads partitions from their beginning, with fetch sessions or without."""

    def __init__(self, world: World, history: History, name: str, topics: list[str]) -> None:
        super().__init__(world, history, name)
        self.topics = topics
        self.positions: dict[Place, int] = {}
        self.sessions: dict[int, Session] = {}
        self.max_wait_ms = self.rng.choice((0, 100, 500))
        self.uses_sessions = self.rng.random() < 0.8
        self.max_bytes = self.rng.choice((1, 2000, 100_000))
        # A name may come to stand for another topic: who reads those asks by id.
        by_id_only = any(topic.startswith("r") for topic in topics)
        self.versions = (13, 15, 16, 17, 18) if by_id_only else (7, 11, 12, 13, 15, 18)

    async def run(self) -> None:
        await self.refresh(self.topics)
        while not self.stopping:
            await self.pause()
            await self.round()
            if self.rng.random() < 0.05:
                await self.refresh(self.topics)
        await self.close()

    async def round(self) -> None:
        """One Fetch to each leader."""
        by_leader: dict[int, list[KnownPartition]] = {}
        for known in self.partitions.values():
            if known.leader >= 0:
                by_leader.setdefault(known.leader, []).append(known)
        if not by_leader or any(known.leader < 0 for known in self.partitions.values()):
            await self.back_off()
            await self.refresh(self.topics)
        for node in [node for node in self.sessions if node not in by_leader]:
            del self.sessions[node]
        for node, wanted in by_leader.items():
            try:
                again = await self._fetch(node, wanted)
            except Lost:
                self.sessions.pop(node, None)
                again = True
            if again:
                await self.back_off()
                await self.refresh(self.topics)

    async def _fetch(self, node: int, wanted: list[KnownPartition]) -> bool:
        """True when metadata must be asked for again. Lost."""
        session = self.sessions.get(node)
        if session is None:
            # Who asks by id and who asks by name don't share a session.
            session = self.sessions[node] = Session(self.rng.choice(self.versions))
        by_id = session.version >= 13
        by_key = {(known.topic, known.index): known for known in wanted}
        by_place = {known.place: known for known in wanted}
        positions = {key: self.positions.get(known.place, 0) for key, known in by_key.items()}
        named = {
            key: offset
            for key, offset in positions.items()
            if session.told.get(key) != (offset, by_key[key].leader_epoch)
        }
        forgotten = [key for key in session.told if key not in by_key] if session.id else []
        for key in forgotten:
            del session.told[key]
        if not session.id:
            named = positions
        floors = {place: self.history.floor(place) for place in by_place}
        asked = Fetch.Request.Topic
        request = Fetch.Request(
            max_wait_ms=self.max_wait_ms,
            min_bytes=1,
            max_bytes=1 << 20,
            session_id=session.id,
            session_epoch=session.epoch if self.uses_sessions else -1,
            topics=[
                asked(
                    **({"topic_id": by_key[key].topic_id} if by_id else {"topic": key[0]}),
                    partitions=[
                        asked.Partition(
                            partition=key[1],
                            current_leader_epoch=by_key[key].leader_epoch if session.version >= 9 else -1,
                            fetch_offset=offset,
                            partition_max_bytes=self.max_bytes,
                        )
                    ],
                )
                for key, offset in named.items()
            ],
            forgotten_topics_data=[
                Fetch.Request.ForgottenTopic(
                    **({"topic_id": self._id_of(key)} if by_id else {"topic": key[0]}), partitions=[key[1]]
                )
                for key in forgotten
            ],
        )
        answer, stamp = await self.ask(node, request, session.version)
        if answer.error_code:
            self.sessions.pop(node, None)
            return bool(answer.error_code == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        for key, offset in named.items():
            session.told[key] = (offset, by_key[key].leader_epoch)
        if answer.session_id:
            session.id = answer.session_id
            session.epoch += 1
        else:
            self.sessions.pop(node, None)
        again = False
        for topic in answer.responses:
            for data in topic.partitions:
                known = (
                    by_place.get((topic.topic_id, data.partition_index))
                    if by_id
                    else by_key.get((topic.topic, data.partition_index))
                )
                if known is None:
                    continue
                again |= await self._take(known, data, floors[known.place], stamp, session.version)
        return again

    def _id_of(self, key: tuple[str, int]) -> UUID:
        found = self.partitions.get(key)
        return found.topic_id if found is not None else w.ZERO_UUID

    async def _take(self, known: KnownPartition, data: Any, floor: Any, stamp: int, version: int) -> bool:
        place, history = known.place, self.history
        if data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            return await self._begin_again(known)
        if data.error_code:
            return True
        if version >= 9:
            history.saw_fetch(
                place, floor, data.high_watermark, data.log_start_offset, known.leader_epoch, stamp
            )
        position = self.positions.get(place, 0)
        buffer = memoryview(bytes(data.records or b""))
        for at, header in record_batch.walk(buffer):
            if not record_batch.crc_is_valid(buffer, at, header):
                history.broken("invented", place, f"{place}: the batch at {header.base_offset} is garbled")
                return False
            for record in record_batch.records(buffer, at, header, BATCH_MAX_BYTES):
                if record.offset < position:
                    continue
                if record.offset > position:
                    text = f"{self.name} got {record.offset} of {place} after asking for {position}"
                    history.broken("gap", place, text)
                position = record.offset + 1
                text = (record.value or b"").partition(b" ")[0].decode(errors="replace")
                history.read(place, record.offset, text, header.partition_leader_epoch, stamp)
        if history.counts(stamp):
            self.positions[place] = position
        return False

    async def _begin_again(self, known: KnownPartition) -> bool:
        log = self.history.logs[known.place]
        position = self.positions.get(known.place, 0)
        if position >= log.asked_start and not self.world.power_losses:
            self.history.broken("lost", known.place, f"{known.place}: {position} is out of range")
        found = await self.offset_of(known, EARLIEST)
        if found is not None:
            self.positions[known.place] = found
        return True

    async def offset_of(self, known: KnownPartition, timestamp: int) -> int | None:
        """The log's start (-2) or end (-1) as ListOffsets says; None when that failed."""
        asked = ListOffsets.Request.Topic
        request = ListOffsets.Request(
            replica_id=-1,
            topics=[
                asked(
                    name=known.topic,
                    partitions=[asked.Partition(partition_index=known.index, timestamp=timestamp)],
                )
            ],
        )
        try:
            answer, _ = await self.ask(known.leader, request, self.rng.randint(1, 11))
        except Lost:
            return None
        [result] = answer.topics[0].partitions
        return None if result.error_code else int(result.offset)

    async def has_read_all(self) -> bool:
        """Whether every partition is read to its end as it is now."""
        for known in list(self.partitions.values()):
            end = await self.offset_of(known, -1)
            if end is None or self.positions.get(known.place, 0) < end:
                return False
        return bool(self.partitions)


# -- groups


class Retry(Exception):
    """The group must be joined again, or its coordinator looked for."""


class Member(Caller):
    """A member of a classic group: it joins, owns partitions, counts their commits up, and leaves or dies."""

    def __init__(
        self, world: World, history: History, name: str, group: str, topics: list[str], static: bool
    ) -> None:
        super().__init__(world, history, name)
        self.group = group
        self.topics = topics
        self.instance_id = name if static else None
        self.member_id = ""
        self.generation = -1
        self.coordinator: int | None = None

    async def run(self) -> None:
        while not self.stopping:
            await self.pause(1)
            try:
                await self._live()
            except Lost:
                if self.coordinator is not None:
                    await self.drop(self.coordinator)
                self.coordinator = None
                await self.back_off()
            except Retry:
                await self.back_off()
        await self.leave()
        await self.close()

    async def leave(self) -> None:
        if self.member_id and self.coordinator is not None:
            version = self.rng.randint(3, 5) if self.instance_id else self.rng.randint(0, 5)
            leaving = LeaveGroup.Request.Member
            request = (
                LeaveGroup.Request(
                    group_id=self.group,
                    members=[leaving(member_id=self.member_id, group_instance_id=self.instance_id)],
                )
                if version >= 3
                else LeaveGroup.Request(group_id=self.group, member_id=self.member_id)
            )
            with contextlib.suppress(Lost):
                await self.ask(self.coordinator, request, version)
        self.member_id = ""

    def _check(self, code: ErrorCode) -> None:
        if code == ErrorCode.NONE:
            return
        if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self.member_id = ""
        if code in (
            ErrorCode.NOT_COORDINATOR,
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
            ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ):
            self.coordinator = None
        raise Retry

    async def _call(self, request: w.Struct, version: int) -> tuple[Any, int]:
        losses = self.world.power_losses
        if self.coordinator is None:
            self.coordinator = await find_coordinator(self, self.group)
        answer, stamp = await self.ask(self.coordinator, request, version)
        return answer, stamp if stamp == losses else -1

    async def _live(self) -> None:
        owned = await self._join()
        committed = await self._committed(owned)
        if owned and self.generation > 1 and self.rng.random() < 0.3:
            # What it would still have said in the generation before, had it been slow.
            await self._commit(owned[:1], dict(committed), self.generation - 1)
        for _ in range(self.rng.randint(1, 12)):
            if self.stopping:
                return
            await self.pause(0.6)
            if owned and self.rng.random() < 0.6:
                await self._commit(self.rng.sample(owned, self.rng.randint(1, len(owned))), committed)
            else:
                await self._heartbeat()
        fate = self.rng.random()
        if fate < 0.15:
            await self.leave()
        elif fate < 0.3:
            await self.close()  # without a word
            self.member_id = "" if self.rng.random() < 0.7 else self.member_id
            await trio.sleep(self.rng.choice((0.1, 3, 10)))

    async def _join(self) -> list[tuple[str, int]]:
        version = self.rng.randint(5, 9) if self.instance_id else self.rng.randint(0, 9)
        joined: Any = None
        while True:
            # As in Kafka, a generation is written down once its leader has synced: a crash before loses it.
            self.history.look_at_power()
            floor = self.history.synced.get(self.group, -1)
            request = JoinGroup.Request(
                group_id=self.group,
                session_timeout_ms=SESSION_TIMEOUT_MS,
                rebalance_timeout_ms=8000,
                member_id=self.member_id,
                group_instance_id=self.instance_id,
                protocol_type="consumer",
                protocols=[JoinGroup.Request.Protocol(name="range", metadata=_subscription(self.topics))],
            )
            joined, stamp = await self._call(request, version)
            if joined.error_code != ErrorCode.MEMBER_ID_REQUIRED:
                break
            self.member_id = joined.member_id
        self._check(joined.error_code)
        self.member_id, self.generation = joined.member_id, joined.generation_id
        self.history.joined(self.group, self.generation, floor, stamp)
        assignments = []
        if joined.leader == joined.member_id and not joined.skip_assignment:
            assignments = await self._assign([member.member_id for member in joined.members])
        request_version = self.rng.randint(3, 5) if self.instance_id else self.rng.randint(0, 5)
        synced, stamp = await self._call(
            SyncGroup.Request(
                group_id=self.group,
                generation_id=self.generation,
                member_id=self.member_id,
                group_instance_id=self.instance_id,
                protocol_type="consumer",
                protocol_name="range",
                assignments=assignments,
            ),
            request_version,
        )
        self._check(synced.error_code)
        owned = [(topic, index) for topic, index in json.loads(synced.assignment or b"[]")]
        owner = self.instance_id or self.member_id
        self.history.assigned(self.group, self.generation, owner, owned, stamp)
        return owned

    async def _assign(self, members: list[str]) -> list[Any]:
        await self.refresh(self.topics)
        everything = sorted(key for key in self.partitions if key[0] in self.topics)
        members = sorted(members)
        share = -(-len(everything) // len(members))
        return [
            SyncGroup.Request.Assignment(
                member_id=member,
                assignment=json.dumps(everything[position * share : (position + 1) * share]).encode(),
            )
            for position, member in enumerate(members)
        ]

    async def _committed(self, owned: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        if not owned:
            return {}
        while True:
            if self.coordinator is None:
                self.coordinator = await find_coordinator(self, self.group)
            found = await fetch_commits(self, self.coordinator, self.group, owned)
            if not isinstance(found, ErrorCode):
                return found
            self._check(found)

    async def _commit(
        self,
        chosen: list[tuple[str, int]],
        committed: dict[tuple[str, int], int],
        late_from: int | None = None,
    ) -> None:
        """Commits the next offsets. `late_from` is an earlier generation to speak for: that must be
        refused.
        """
        generation = self.generation if late_from is None else late_from
        history = self.history
        version = self.rng.randint(7, 9) if self.instance_id else self.rng.randint(1, 9)
        asked = OffsetCommit.Request.Topic
        begun: list[tuple[tuple[str, int], Commit]] = []
        topics = []
        if self.coordinator is None:
            self.coordinator = await find_coordinator(self, self.group)
        for key in chosen:
            committed[key] = offset = max(committed.get(key, 0), 0) + self.rng.randint(1, 5)
            begun.append((key, history.commit_begins(self.group, *key, offset)))
            partition = asked.Partition(
                partition_index=key[1], committed_offset=offset, committed_metadata=""
            )
            topics.append(asked(name=key[0], partitions=[partition]))
        history.look_at_power()
        stale = history.synced.get(self.group, -1) > generation
        answer, stamp = await self._call(
            OffsetCommit.Request(
                group_id=self.group,
                generation_id_or_member_epoch=generation,
                member_id=self.member_id,
                group_instance_id=self.instance_id,
                topics=topics,
            ),
            version,
        )
        codes = {
            (topic.name, partition.partition_index): partition.error_code
            for topic in answer.topics
            for partition in topic.partitions
        }
        for key, commit in begun:
            code = codes[key]
            # A commit that failed when it was written may be there all the same.
            known = code == ErrorCode.NONE or code in REFUSALS
            if known:
                history.commit_ends((self.group, *key), commit, accepted=not code, stale=stale, stamp=stamp)
        if late_from is None:
            for code in codes.values():
                self._check(code)

    async def _heartbeat(self) -> None:
        version = self.rng.randint(3, 4) if self.instance_id else self.rng.randint(0, 4)
        answer, _ = await self._call(
            Heartbeat.Request(
                group_id=self.group,
                generation_id=self.generation,
                member_id=self.member_id,
                group_instance_id=self.instance_id,
            ),
            version,
        )
        self._check(answer.error_code)


REFUSALS: Final = (
    ErrorCode.ILLEGAL_GENERATION,
    ErrorCode.UNKNOWN_MEMBER_ID,
    ErrorCode.REBALANCE_IN_PROGRESS,
    ErrorCode.FENCED_INSTANCE_ID,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
)


def _subscription(topics: list[str]) -> bytes:
    names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", -1)


async def find_coordinator(caller: Caller, group: str) -> int:
    """The node that coordinates the group. Lost, Retry."""
    version = caller.rng.randint(0, 6)
    request = (
        FindCoordinator.Request(key_type=0, coordinator_keys=[group])
        if version >= 4
        else FindCoordinator.Request(key=group)
    )
    answer, _ = await caller.ask(caller.some_node(), request, version)
    found = answer.coordinators[0] if version >= 4 else answer
    if found.error_code:
        raise Retry
    return int(found.node_id)


async def fetch_commits(
    caller: Caller, node: int, group: str, wanted: list[tuple[str, int]]
) -> dict[tuple[str, int], int] | ErrorCode:
    """The committed offsets of a group, or why they could not be had. Lost."""
    version = caller.rng.randint(1, 9)
    began = caller.history.tick()
    by_topic: dict[str, list[int]] = {}
    for topic, index in wanted:
        by_topic.setdefault(topic, []).append(index)
    asked = OffsetFetch.Request
    if version >= 8:
        topics = [
            asked.Group.Topic(name=name, partition_indexes=indexes) for name, indexes in by_topic.items()
        ]
        request = asked(groups=[asked.Group(group_id=group, topics=topics)])
    else:
        request = asked(
            group_id=group,
            topics=[asked.Topic(name=name, partition_indexes=indexes) for name, indexes in by_topic.items()],
        )
    answer, stamp = await caller.ask(node, request, version)
    said: Any = answer.groups[0] if version >= 8 else answer
    if version >= 2 and said.error_code:
        return ErrorCode(said.error_code)
    found = {}
    for topic in said.topics:
        for partition in topic.partitions:
            if partition.error_code:
                return ErrorCode(partition.error_code)
            found[topic.name, partition.partition_index] = int(partition.committed_offset)
    for (topic_name, index), offset in found.items():
        caller.history.fetched_commit((group, topic_name, index), offset, began, stamp)
    return found


# -- admin


class Admin(Caller):
    """Creates and deletes topics, adds partitions, changes settings, deletes records."""

    def __init__(
        self, world: World, history: History, name: str, lasting: list[str], passing: list[str]
    ) -> None:
        super().__init__(world, history, name)
        self.lasting = lasting
        self.passing = passing

    async def run(self) -> None:
        actions: list[Callable[[], Any]] = [
            self._recreate,
            self._recreate,
            self._add_partition,
            self._alter,
            self._delete_records,
            self._delete_records,
        ]
        while not self.stopping:
            await self.pause(1.5)
            self.history.look_inside()
            with contextlib.suppress(Lost):
                await self.rng.choice(actions)()
                if self.world.power_losses:
                    for name in self.lasting:
                        await self.make(name, 3)
        await self.close()

    async def make(self, name: str, partitions: int) -> None:
        """Creates a topic where there is none, and looks until it is there."""
        self.partitions.pop((name, 0), None)
        await self.refresh([name])
        while (name, 0) not in self.partitions:
            with contextlib.suppress(Lost):
                await self._create(name, partitions)
            await self.refresh([name])
            await self.back_off()

    async def _create(self, name: str, partitions: int) -> None:
        asked = CreateTopics.Request.Topic
        configs = {"min.insync.replicas": self.rng.choice(("1", "2"))}
        if self.rng.random() < 0.5:
            configs["segment.ms"] = self.rng.choice(("200", "5000"))
        self.history.look_at_power()
        deleted = frozenset(self.history.deleted)
        answer, stamp = await self.ask(
            self.some_node(),
            CreateTopics.Request(
                topics=[
                    asked(
                        name=name,
                        num_partitions=partitions,
                        replication_factor=self.rng.randint(1, 3) if name.startswith("r") else 3,
                        assignments=[],
                        configs=[asked.Config(name=key, value=value) for key, value in configs.items()],
                    )
                ],
                timeout_ms=5000,
            ),
            7,
        )
        created = answer.topics[0]
        if not created.error_code and self.history.counts(stamp):
            self.history.saw_topic(name, created.topic_id, deleted, stamp)
            self.history.created[created.topic_id] = name

    async def _recreate(self) -> None:
        name = self.rng.choice(self.passing)
        await self.refresh([name])
        known = self.partitions.get((name, 0))
        if known is None:
            await self._create(name, self.rng.randint(1, 2))
            return
        asked = DeleteTopics.Request
        by_id = self.rng.random() < 0.5
        self.history.deleting.add(known.topic_id)
        self.history.created.pop(known.topic_id, None)
        request = (
            asked(topics=[asked.Topic(topic_id=known.topic_id)], timeout_ms=5000)
            if by_id
            else asked(topic_names=[name], timeout_ms=5000)
        )
        answer, stamp = await self.ask(self.some_node(), request, 6 if by_id else self.rng.randint(0, 5))
        if not answer.responses[0].error_code and self.history.counts(stamp):
            self.history.deleted.add(known.topic_id)

    async def _add_partition(self) -> None:
        name = self.lasting[-1]
        await self.refresh([name])
        count = sum(1 for topic, _ in self.partitions if topic == name)
        if not 0 < count < 6:
            return
        asked = CreatePartitions.Request
        await self.ask(
            self.some_node(),
            asked(
                topics=[asked.Topic(name=name, count=count + 1, assignments=None)],
                timeout_ms=5000,
                validate_only=False,
            ),
            self.rng.randint(0, 3),
        )

    async def _alter(self) -> None:
        asked = IncrementalAlterConfigs.Request.Resource
        setting, value = self.rng.choice(
            (
                ("min.insync.replicas", "1"),
                ("min.insync.replicas", "2"),
                ("segment.ms", "100"),
                ("segment.ms", "60000"),
                ("max.message.bytes", "900000"),
            )
        )
        resource = asked(
            resource_type=2,
            resource_name=self.rng.choice(self.lasting),
            configs=[asked.Config(name=setting, config_operation=0, value=value)],
        )
        request = IncrementalAlterConfigs.Request(resources=[resource], validate_only=False)
        await self.ask(self.some_node(), request, self.rng.randint(0, 1))

    async def _delete_records(self) -> None:
        name = self.rng.choice(self.lasting)
        await self.refresh([name])
        known = self.partitions.get((name, 0))
        if known is None or known.leader < 0:
            return
        log = self.history.logs[known.place]
        end = max(log.at, default=0)
        offset = self.rng.randint(min(log.asked_start, end), end)
        log.asked_start = max(log.asked_start, offset)
        asked = DeleteRecords.Request.Topic
        topic = asked(name=name, partitions=[asked.Partition(partition_index=0, offset=offset)])
        request = DeleteRecords.Request(topics=[topic], timeout_ms=5000)
        await self.ask(known.leader, request, self.rng.randint(0, 2))
