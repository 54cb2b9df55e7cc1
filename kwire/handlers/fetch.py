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

from collections.abc import Coroutine
from typing import Any, NamedTuple
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


class Round(NamedTuple):
    """One look at all partitions: an answer each, the bytes in them, and whether a reason not to wait was
    found.
    """

    answers: list[tuple[FetchedPartition, Any, int]]
    size: int
    urgent: bool
    watched: list[tuple[FetchedPartition, Partition]]


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
    session: FetchSession | None = None
    if ctx.version < 7 or request.session_epoch == FINAL_EPOCH or request.session_epoch == INITIAL_EPOCH:
        if request.session_id != NO_SESSION:
            ctx.node.fetch_sessions.end(request.session_id)
        partitions = _named(request, by_id)
    else:
        resumed = ctx.node.fetch_sessions.resume(request.session_id, request.session_epoch, by_id)
        if not isinstance(resumed, FetchSession):
            return Fetch.Response(error_code=resumed, responses=[])
        session = resumed
        if not ctx.node.fetch_sessions.update(session, _named(request, by_id), _forgotten(request, by_id)):
            return Fetch.Response(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses=[])
        partitions = list(session.partitions.values())
        if not partitions:
            # Nothing is left in it: Kafka ends such a session and answers without one.
            ctx.node.fetch_sessions.end(session.id)
            session = None
    if ctx.version < 4 or len(partitions) >= PARTITIONS_A_TURN:
        return _in_turns(ctx, request, session, partitions)
    looked = _completed(_look(ctx, request, partitions))
    if _must_wait(ctx, request, partitions, looked):
        return _after_waiting(ctx, request, session, partitions, looked)
    return _answer(ctx, request, session, partitions, looked.answers)


async def _in_turns(
    ctx: Context,
    request: Fetch.Request,
    session: FetchSession | None,
    partitions: list[FetchedPartition],
) -> Fetch.Response:
    looked = await _look(ctx, request, partitions)
    if _must_wait(ctx, request, partitions, looked):
        looked = await _wait(ctx, request, partitions, looked)
    answers = looked.answers
    if ctx.version < 4:
        answers = await down_converted(
            ctx.version, answers, lambda asked: ctx.cluster.reach(str(asked.topic), asked.index)
        )
    return _answer(ctx, request, session, partitions, answers)


async def _after_waiting(
    ctx: Context,
    request: Fetch.Request,
    session: FetchSession | None,
    partitions: list[FetchedPartition],
    looked: Round,
) -> Fetch.Response:
    looked = await _wait(ctx, request, partitions, looked)
    return _answer(ctx, request, session, partitions, looked.answers)


def _completed(looking: Coroutine[Any, Any, Round]) -> Round:
    """What a coroutine gives that has no reason to suspend: fewer partitions than are seen to in a turn."""
    try:
        looking.send(None)
    except StopIteration as done:
        looked: Round = done.value
        return looked
    raise AssertionError("a look at few partitions has given a turn")


def _answer(
    ctx: Context,
    request: Fetch.Request,
    session: FetchSession | None,
    partitions: list[FetchedPartition],
    answers: list[tuple[FetchedPartition, Any, int]],
) -> Fetch.Response:
    session_id = NO_SESSION
    if session is None and ctx.version >= 7 and request.session_epoch == INITIAL_EPOCH:
        created = ctx.node.fetch_sessions.create(partitions, ctx.version >= 13)
        if created is not None:
            session_id = created.id
            for partition, answer, size in answers:
                created.news(partition, answer, size)
    elif session is not None:
        session_id = session.id
        answers = [told for told in answers if session.news(told[0], told[1], told[2])]
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
    named = []
    for topic in request.topics:
        key: str | UUID = topic.topic_id if by_id else topic.topic
        for asked in topic.partitions:
            named.append(
                FetchedPartition(
                    key,
                    asked.partition,
                    asked.fetch_offset,
                    asked.partition_max_bytes,
                    asked.current_leader_epoch,
                    asked.last_fetched_epoch,
                )
            )
    return named


def _forgotten(request: Fetch.Request, by_id: bool) -> list[tuple[str | UUID, int]]:
    return [
        (topic.topic_id if by_id else topic.topic, index)
        for topic in request.forgotten_topics_data
        for index in topic.partitions
    ]


def _min_bytes(ctx: Context, request: Fetch.Request) -> int:
    """What is waited for: more than the limits let through is not."""
    min_bytes = min(request.min_bytes, ctx.cluster.fetch_max_bytes)
    return min(min_bytes, request.max_bytes) if ctx.version >= 3 else min_bytes


def _must_wait(
    ctx: Context, request: Fetch.Request, partitions: list[FetchedPartition], looked: Round
) -> bool:
    return (
        request.max_wait_ms > 0
        and not looked.urgent
        and looked.size < _min_bytes(ctx, request)
        and bool(partitions)
        and not ctx.node.stopping
    )


async def _wait(
    ctx: Context, request: Fetch.Request, partitions: list[FetchedPartition], looked: Round
) -> Round:
    min_bytes = _min_bytes(ctx, request)
    wait_ms = request.max_wait_ms
    deadline = trio.current_time() + wait_ms / 1000
    others_ran = True
    while True:
        missing = min_bytes - (_available(request, looked) if min_bytes > 1 else looked.size)
        if missing <= 0:
            return looked
        waiter = Waiter(missing)
        for _, partition in looked.watched:
            partition.watch(waiter)
        watched = looked.watched
        try:
            if others_ran or len(partitions) >= PARTITIONS_A_TURN:
                # Others had their turn after it looked (`at_once` is not of this task), or while it did: what
                # came in between woke nobody.
                others_ran = False
                looked = await _look(ctx, request, partitions)
                if looked.urgent or looked.size >= min_bytes:
                    return looked
            with trio.move_on_at(deadline) as scope:
                await waiter.event.wait()
        finally:
            for _, partition in watched:
                partition.unwatch(waiter)
        looked = await _look(ctx, request, partitions)
        if scope.cancelled_caught or looked.urgent or looked.size >= min_bytes or ctx.node.stopping:
            return looked


def _available(request: Fetch.Request, looked: Round) -> int:
    """How much there is to read, whatever the limit of the whole answer left out: what counts towards
    `min_bytes`, else a fetch would wait for what does not fit (Kafka's DelayedFetch.tryComplete).
    """
    available = 0
    for asked, partition in looked.watched:
        read = partition.read(
            asked.fetch_offset, UNLIMITED, read_committed=request.isolation_level == READ_COMMITTED
        )
        if not isinstance(read, ErrorCode):
            available += min(read.size, max(0, asked.max_bytes))
    return available


async def _look(ctx: Context, request: Fetch.Request, partitions: list[FetchedPartition]) -> Round:
    """Reads every partition once, within the limits (Kafka: ReplicaManager.readFromLog).

    Others get a turn after every few hundred partitions.
    """
    read_committed = request.isolation_level == READ_COMMITTED
    strict = ctx.version <= 2
    cluster, node_id = ctx.cluster, ctx.node.id
    leader_only = ctx.version < FROM_FOLLOWERS_SINCE or request.replica_id >= 0
    preferred_replica = near_replicas(ctx, request)
    # The broker's own limit holds for every version (Kafka: KafkaApis.handleFetchRequest).
    left = cluster.fetch_max_bytes if strict else min(request.max_bytes, cluster.fetch_max_bytes)
    whole_first = True
    answers = []
    total = 0
    urgent = False
    watched = []
    turns = Turns(ctx)
    for asked in partitions:
        await turns.one_more()
        topic = asked.topic
        if isinstance(topic, UUID):
            found = cluster.topic_name(topic)
            if found is None:
                # Kafka keeps the name that an id once stood for, and then misses the topic, not the id.
                gone = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if asked.was_found else ErrorCode.UNKNOWN_TOPIC_ID
                answers.append((asked, _refused(asked, gone), 0))
                urgent = True
                continue
            asked.was_found = True
            topic = found
        partition = cluster.reach(topic, asked.index)
        if isinstance(partition, ErrorCode):
            answers.append((asked, _refused(asked, partition), 0))
            urgent = True
            continue
        refusal = partition.refusal_for(node_id, asked.current_leader_epoch, leader_only=leader_only)
        if refusal:
            answers.append((asked, _refused(asked, refusal, partition if ctx.version >= 16 else None), 0))
            urgent = True
            continue
        if preferred_replica is not None:
            replica = preferred_replica(partition, asked.fetch_offset)
            if replica != NO_PREFERENCE:
                answers.append((asked, _elsewhere(asked, partition, replica), 0))
                urgent = True
                continue
        if ctx.version < ZSTD_SINCE and cluster.topic_config(topic).compression_type == "zstd":
            # By the topic's setting, not by what its batches hold (Kafka: KafkaApis.maybeConvertFetchedData).
            answers.append((asked, _refused(asked, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE), 0))
            urgent = True
            continue
        if asked.last_fetched_epoch >= 0:
            diverging = _divergence(partition, asked)
            if diverging is not None:
                answers.append((asked, diverging, 0))
                urgent = True
                continue
        end = None if partition.leader_id == node_id else partition.left_behind_at(node_id)
        read = partition.read(
            asked.fetch_offset,
            min(asked.max_bytes, left),
            read_committed=read_committed,
            end=end,
            at_least_one=whole_first or (strict and left > 0),
        )
        if isinstance(read, ErrorCode):
            answers.append((asked, _refused(asked, read), 0))
            urgent = True
            continue
        size = read.size
        records: Records = _EMPTY
        if size:
            whole_first = False
            left = max(0, left - size)
            total += size
            parts = read.parts
            records = (
                parts[0] if len(parts) == 1 and isinstance(parts[0], memoryview) else Chunks(size, parts)
            )
        watched.append((asked, partition))
        log = partition.log
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
    return Round(answers, total, urgent, watched)


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
