"""Fetch (key 1): whole batches from many partitions, or a wait until there are some.

v1 throttle time · v2 magic 1 · v3 a limit for the whole answer, the first batch always whole (KIP-74) · v4
magic 2 and isolation level (KIP-98) · v5 log start offset · v7 sessions (KIP-227) · v9 leader epoch (KIP-320)
· v10 zstd (KIP-110) · v11 racks (KIP-392) · v12 flexible, last fetched epoch and divergence (KIP-595) · v13
topic ids (KIP-516) · v15 replica state · v16 endpoints of newer leaders (KIP-951) · v17 replica directory ·
v18 replica's high watermark

Versions 0 to 3 are answered in magic 0 or 1 (`down_conversion.py`). From 11 on consumers may read from a
follower, and a leader names the one in their rack, without records, if `replica.selector.class` says so;
older ones read from leaders only. Left out: aborted transactions (none exist yet), fetching by followers.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

import trio
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Chunks, Records

from kwire.broker.fetch_sessions import (
    FINAL_EPOCH,
    INITIAL_EPOCH,
    NO_SESSION,
    FetchedPartition,
    FetchSession,
    PartitionKey,
    asked_for,
)
from kwire.handlers.context import Context
from kwire.handlers.down_conversion import down_converted
from kwire.handlers.leaders import newer_leaders
from kwire.handlers.near_replicas import FROM_FOLLOWERS_SINCE, NO_PREFERENCE, near_replicas
from kwire.handlers.turns import PARTITIONS_A_TURN, Turns, check_size
from kwire.partitions.partition import Partition
from kwire.partitions.waiting import Waiter

API = Fetch
VERSIONS = (0, 18)

READ_COMMITTED = 1
UNLIMITED = 2**31 - 1
ZSTD_SINCE = 10
"""The first version whose clients are taken to know zstd (KIP-110)."""

PartitionData = Fetch.Response.Topic.Partition
EpochEndOffset = PartitionData.DivergingEpoch
NOT_NAMED = PartitionData.CurrentLeader()
NOWHERE = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID)
_EMPTY = b""


class Round:
    """One look at partitions: an answer each, the bytes in them, and whether a reason not to wait was found.

    Partitions at rest have no answer.
    """

    __slots__ = ("answers", "changes", "left", "size", "urgent", "watched")

    def __init__(self, most_bytes: int, changes: int) -> None:
        self.answers: list[tuple[FetchedPartition, Any, int]] = []
        self.size = 0
        self.urgent = False
        self.watched: list[tuple[FetchedPartition, Partition]] = []
        """What was read, or could have been."""
        self.changes = changes
        """How far its session's count of changes was before."""
        self.left = most_bytes


async def handle(ctx: Context, request: Fetch.Request) -> Fetch.Response:
    """Answers once `min_bytes` are there, a partition has an error, or `max_wait_ms` has passed."""
    begun = at_once(ctx, request)
    return begun if isinstance(begun, Fetch.Response) else await begun


def at_once(ctx: Context, request: Fetch.Request) -> Fetch.Response | Coroutine[Any, Any, Fetch.Response]:
    """`handle`, without a coroutine where there is enough to read, or waiting is not wanted."""
    if ctx.answer_is_large:
        check_size(
            *(1 + len(topic.partitions) for topic in request.topics),
            *(1 + len(topic.partitions) for topic in request.forgotten_topics_data),
        )
    by_id = ctx.version >= 13
    if ctx.version < 7 or request.session_epoch == FINAL_EPOCH or request.session_epoch == INITIAL_EPOCH:
        if request.session_id != NO_SESSION:
            ctx.node.fetch_sessions.end(request.session_id)
        reading = Reading(ctx, request, None, _named(request, by_id))
    else:
        session = ctx.node.fetch_sessions.resume(request.session_id, request.session_epoch, by_id)
        if not isinstance(session, FetchSession):
            return Fetch.Response(error_code=session, responses=[])
        if not ctx.node.fetch_sessions.update(session, request.topics, _forgotten(request, by_id)):
            return Fetch.Response(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses=[])
        if session.partitions:
            reading = Reading(ctx, request, session, None)
        else:
            # Nothing is left in it: Kafka ends such a session and answers without one.
            ctx.node.fetch_sessions.end(session.id)
            reading = Reading(ctx, request, None, [])
    partitions = reading.partitions()
    if ctx.version < 4 or len(partitions) >= PARTITIONS_A_TURN:
        return _in_turns(reading, partitions)
    looked = reading.look(partitions)
    if reading.must_wait(looked):
        return _after_waiting(reading, looked)
    return _answer(reading, looked.answers)


async def _in_turns(reading: Reading, partitions: list[FetchedPartition]) -> Fetch.Response:
    looked = await reading.look_in_turns(partitions)
    if reading.must_wait(looked):
        looked = await reading.wait(looked)
    answers = looked.answers
    ctx = reading.ctx
    if ctx.version < 4:
        answers = await down_converted(
            ctx.version, answers, lambda asked: ctx.cluster.reach(str(asked.topic), asked.index)
        )
    return _answer(reading, answers)


async def _after_waiting(reading: Reading, looked: Round) -> Fetch.Response:
    return _answer(reading, (await reading.wait(looked)).answers)


def _answer(reading: Reading, answers: list[tuple[FetchedPartition, Any, int]]) -> Fetch.Response:
    ctx, request, session = reading.ctx, reading.request, reading.session
    session_id = NO_SESSION
    if session is not None:
        session_id = session.id
        news = session.news
        answers = [told for told in answers if news(told[0], told[1], told[2])]
    elif ctx.version >= 7 and request.session_epoch == INITIAL_EPOCH:
        created = ctx.node.fetch_sessions.create([asked for asked, _, _ in answers], ctx.version >= 13)
        if created is not None:
            session_id = created.id
            for partition, answer, size in answers:
                created.news(partition, answer, size)
    return Fetch.Response(
        error_code=ErrorCode.NONE,
        session_id=session_id,
        responses=_by_topic(answers),
        node_endpoints=newer_leaders(
            ctx, Fetch.Response.NodeEndpoint, (answer.current_leader.leader_id for _, answer, _ in answers)
        )
        if ctx.version >= 16
        else [],
    )


def _named(request: Fetch.Request, by_id: bool) -> list[FetchedPartition]:
    return [asked_for(topic, asked, by_id) for topic in request.topics for asked in topic.partitions]


def _forgotten(request: Fetch.Request, by_id: bool) -> list[PartitionKey]:
    return [
        (topic.topic_id.int if by_id else topic.topic, index)
        for topic in request.forgotten_topics_data
        for index in topic.partitions
    ]


class Reading:
    """What one request reads, and by which terms: all that it names, or what its session has not seen."""

    __slots__ = (
        "_epoch",
        "_leader_only",
        "_most_bytes",
        "_named",
        "_preferred_replica",
        "_read_committed",
        "_terms",
        "ctx",
        "request",
        "session",
    )

    def __init__(
        self,
        ctx: Context,
        request: Fetch.Request,
        session: FetchSession | None,
        named: list[FetchedPartition] | None,
    ) -> None:
        """`named` is None where the session knows."""
        self.ctx = ctx
        self.request = request
        self.session = session
        self._epoch = INITIAL_EPOCH if session is None else session.epoch
        self._named = named
        self._read_committed = request.isolation_level == READ_COMMITTED
        self._leader_only = ctx.version < FROM_FOLLOWERS_SINCE or request.replica_id >= 0
        self._preferred_replica = near_replicas(ctx, request)
        # The broker's own limit holds for every version (Kafka: KafkaApis.handleFetchRequest).
        self._most_bytes = ctx.cluster.fetch_max_bytes
        if ctx.version > 2 and request.max_bytes < self._most_bytes:
            self._most_bytes = request.max_bytes
        # None: what decides on an answer is more than partitions tell of, so all are looked at each time.
        self._terms = (
            (self._read_committed, self._leader_only)
            if ctx.version >= ZSTD_SINCE and self._preferred_replica is None
            else None
        )

    def partitions(self) -> list[FetchedPartition]:
        """Those that may have a part in the answer, in order."""
        if self._named is not None:
            return self._named
        assert self.session is not None
        return self.session.to_look_at(self._terms)

    @property
    def _min_bytes(self) -> int:
        """What is waited for: more than the limits let through is not."""
        return min(self.request.min_bytes, self._most_bytes)

    def must_wait(self, looked: Round) -> bool:
        """Whether the answer has to wait for more than was found."""
        return (
            self.request.max_wait_ms > 0
            and not looked.urgent
            and looked.size < self._min_bytes
            and (self._named is None or bool(self._named))
            and not self.ctx.node.stopping
        )

    async def wait(self, looked: Round) -> Round:
        """The look that has enough, or the last one within the time."""
        min_bytes = self._min_bytes
        deadline = trio.current_time() + self.request.max_wait_ms / 1000
        others_ran = True
        while True:
            missing = min_bytes - (self._available(looked) if min_bytes > 1 else looked.size)
            if missing <= 0:
                return looked
            waiter = Waiter(missing)
            if self._named is None:
                await self._wait_in_session(waiter, looked, deadline)
            else:
                for _, partition in looked.watched:
                    partition.watch(waiter)
                watched = looked.watched
                try:
                    if others_ran or len(self._named) >= PARTITIONS_A_TURN:
                        # Others had their turn after it looked (`at_once` is not of this task), or while it
                        # did: what came in between woke nobody.
                        others_ran = False
                        looked = await self.look_in_turns(self._named)
                        if looked.urgent or looked.size >= min_bytes:
                            return looked
                    await waiter.wait(self.ctx.cluster.fetch_deadlines, deadline)
                finally:
                    for _, partition in watched:
                        partition.unwatch(waiter)
            looked = await self.look_in_turns(self.partitions())
            if looked.urgent or looked.size >= min_bytes or not waiter.is_woken or self.ctx.node.stopping:
                return looked

    async def _wait_in_session(self, waiter: Waiter, looked: Round, deadline: float) -> None:
        session = self.session
        assert session is not None
        if session.epoch != self._epoch:
            # Another request goes on with it, or it has ended.
            waiter.left_with = session.in_order()
            waiter.wake()
        elif session.changes != looked.changes:
            waiter.wake()
        else:
            session.waiter = waiter
        try:
            await waiter.wait(self.ctx.cluster.fetch_deadlines, deadline)
        finally:
            if session.waiter is waiter:
                session.waiter = None
            if waiter.left_with is not None:
                self._named = waiter.left_with

    def _available(self, looked: Round) -> int:
        """How much there is to read, whatever the limit of the whole answer left out: what counts towards
        `min_bytes`, else a fetch would wait for what does not fit (Kafka's DelayedFetch.tryComplete).
        """
        available = 0
        for asked, partition in looked.watched:
            read = partition.read(asked.fetch_offset, UNLIMITED, read_committed=self._read_committed)
            if not isinstance(read, ErrorCode):
                available += min(read.size, max(0, asked.max_bytes))
        return available

    def look(self, partitions: Sequence[FetchedPartition]) -> Round:
        """Reads every partition once, within the limits (Kafka: ReplicaManager.readFromLog)."""
        looked = self._new_round()
        self._look_at(partitions, looked)
        return looked

    async def look_in_turns(self, partitions: Sequence[FetchedPartition]) -> Round:
        """`look`, with turns for the others where there are many."""
        looked = self._new_round()
        turns = Turns(self.ctx)
        for first in range(0, len(partitions), PARTITIONS_A_TURN):
            some = partitions[first : first + PARTITIONS_A_TURN]
            await turns.one_more(len(some))
            self._look_at(some, looked)
        return looked

    def _new_round(self) -> Round:
        return Round(self._most_bytes, 0 if self.session is None else self.session.changes)

    def _look_at(self, partitions: Sequence[FetchedPartition], looked: Round) -> None:
        ctx, session = self.ctx, self.session
        version, node_id, leader_only = ctx.version, ctx.node.id, self._leader_only
        read_committed, preferred_replica = self._read_committed, self._preferred_replica
        may_rest = session is not None and self._named is None and self._terms is not None
        answers, watched = looked.answers, looked.watched
        topic: str | UUID | None = None
        name: str | None = None
        for asked in partitions:
            partition = asked.partition
            if partition is None or partition.is_gone:
                if asked.topic is not topic:
                    topic = asked.topic
                    name = ctx.cluster.topic_name(topic) if isinstance(topic, UUID) else topic
                found = self._reach(asked, name)
                if isinstance(found, ErrorCode):
                    answers.append((asked, _refused(asked, found), 0))
                    looked.urgent = True
                    continue
                partition = found
            refusal = partition.refusal_for(node_id, asked.current_leader_epoch, leader_only=leader_only)
            if refusal:
                answers.append((asked, _refused(asked, refusal, partition if version >= 16 else None), 0))
                looked.urgent = True
                continue
            if preferred_replica is not None:
                replica = preferred_replica(partition, asked.fetch_offset)
                if replica != NO_PREFERENCE:
                    answers.append((asked, _elsewhere(asked, partition, replica), 0))
                    looked.urgent = True
                    continue
            if version < ZSTD_SINCE and ctx.cluster.topic_config(partition.topic).compression_type == "zstd":
                # By the topic's setting, not by what its batches hold (Kafka:
                # KafkaApis.maybeConvertFetchedData).
                answers.append((asked, _refused(asked, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE), 0))
                looked.urgent = True
                continue
            if asked.last_fetched_epoch >= 0:
                diverging = _divergence(partition, asked)
                if diverging is not None:
                    answers.append((asked, diverging, 0))
                    looked.urgent = True
                    continue
            end = None if partition.leader_id == node_id else partition.left_behind_at(node_id)
            log = partition.log
            size = 0
            records: Records = _EMPTY
            if end is None and asked.fetch_offset == log.log_end_offset:
                if (
                    may_rest
                    and asked.told_high_watermark == partition.high_watermark
                    and asked.told_log_start_offset == log.log_start_offset
                ):
                    assert session is not None
                    session.stirred.discard(asked)
                    continue
            else:
                read = partition.read(
                    asked.fetch_offset,
                    min(asked.max_bytes, looked.left),
                    read_committed=read_committed,
                    end=end,
                    at_least_one=not looked.size or (version <= 2 and looked.left > 0),
                )
                if isinstance(read, ErrorCode):
                    answers.append((asked, _refused(asked, read), 0))
                    looked.urgent = True
                    continue
                size = read.size
                if size:
                    looked.left = max(0, looked.left - size)
                    looked.size += size
                    parts = read.parts
                    records = (
                        parts[0]
                        if len(parts) == 1 and isinstance(parts[0], memoryview)
                        else Chunks(size, parts)
                    )
            watched.append((asked, partition))
            answers.append(
                (
                    asked,
                    PartitionData(
                        partition_index=asked.index,
                        error_code=ErrorCode.NONE,
                        high_watermark=_within(end, partition.high_watermark),
                        last_stable_offset=_within(end, partition.last_stable_offset),
                        log_start_offset=log.log_start_offset,
                        aborted_transactions=[] if read_committed else None,
                        records=records,
                    ),
                    size,
                )
            )

    def _reach(self, asked: FetchedPartition, name: str | None) -> Partition | ErrorCode:
        """The partition of the topic that has this name, None where no topic has the id asked for."""
        if name is None:
            asked.follow(None)
            # Kafka keeps the name that an id once stood for, and then misses the topic, not the id.
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if asked.was_found else ErrorCode.UNKNOWN_TOPIC_ID
        asked.was_found = True
        found = self.ctx.cluster.reach(name, asked.index)
        if asked.session is not None:
            asked.follow(None if isinstance(found, ErrorCode) else found)
        return found


def _within(end: int | None, offset: int) -> int:
    """What a replica knows of an offset that ends at `end` itself (None: it is in sync)."""
    return offset if end is None or offset < end else end


def _refused(asked: FetchedPartition, error_code: ErrorCode, partition: Partition | None = None) -> Any:
    leader = NOT_NAMED
    if partition is not None and error_code in (
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.FENCED_LEADER_EPOCH,
    ):
        leader = PartitionData.CurrentLeader(
            leader_id=partition.leader_id, leader_epoch=partition.leader_epoch
        )
    return PartitionData(
        partition_index=asked.index,
        error_code=error_code,
        high_watermark=-1,
        last_stable_offset=-1,
        log_start_offset=-1,
        # Kafka writes an empty list where it never came to reading, null where reading failed.
        aborted_transactions=[] if error_code in NOWHERE else None,
        records=_EMPTY,
        current_leader=leader,
    )


def _elsewhere(asked: FetchedPartition, partition: Partition, replica: int) -> Any:
    """The answer of a leader whose reader is nearer to another replica: it shall read from that one."""
    return PartitionData(
        partition_index=asked.index,
        error_code=ErrorCode.NONE,
        high_watermark=partition.high_watermark,
        last_stable_offset=partition.last_stable_offset,
        log_start_offset=partition.log_start_offset,
        aborted_transactions=None,
        preferred_read_replica=replica,
        records=_EMPTY,
    )


def _divergence(partition: Partition, asked: FetchedPartition) -> Any | None:
    """The answer to a reader whose log has left ours (KIP-595): where its last fetched epoch ends here."""
    found = partition.epoch_end_offset(asked.last_fetched_epoch)
    if found is None:
        return _refused(asked, ErrorCode.OFFSET_OUT_OF_RANGE)
    epoch, end_offset = found
    if epoch >= asked.last_fetched_epoch and end_offset >= asked.fetch_offset:
        return None
    return PartitionData(
        partition_index=asked.index,
        error_code=ErrorCode.NONE,
        high_watermark=partition.high_watermark,
        last_stable_offset=partition.last_stable_offset,
        log_start_offset=partition.log_start_offset,
        diverging_epoch=EpochEndOffset(epoch=epoch, end_offset=end_offset),
        aborted_transactions=None,
        records=_EMPTY,
    )


def _by_topic(answers: list[tuple[FetchedPartition, Any, int]]) -> list[Any]:
    topics: dict[str | UUID, list[Any]] = {}
    for asked, answer, _size in answers:
        topics.setdefault(asked.topic, []).append(answer)
    return [
        Fetch.Response.Topic(topic_id=topic, partitions=partitions)
        if isinstance(topic, UUID)
        else Fetch.Response.Topic(topic=topic, partitions=partitions)
        for topic, partitions in topics.items()
    ]
