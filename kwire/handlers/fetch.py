"""Fetch (key 1): whole batches from many partitions, or a wait until there are some.

v1 throttle time · v2 magic 1 · v3 a limit for the whole answer, the first batch always whole (KIP-74) · v4
magic 2 and isolation level (KIP-98) · v5 log start offset · v7 sessions (KIP-227) · v9 leader epoch (KIP-320)
· v10 zstd (KIP-110) · v11 racks (KIP-392) · v12 flexible, last fetched epoch and divergence (KIP-595) · v13
topic ids (KIP-516) · v15 replica state · v16 endpoints of newer leaders (KIP-951) · v17 replica directory ·
v18 replica's high watermark

Versions 0 to 3 are answered in magic 0 or 1 (`down_conversion.py`). From 11 on consumers may read from a
follower, and a leader names the one in their rack, without records, if `replica.selector.class` says so;
older ones read from leaders only. Readers of committed data (isolation level 1) get nothing from the last
stable offset on, and are told which transactions were aborted: they leave those out themselves. Left out:
fetching by followers.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode

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
from kwire.handlers.fetch_reading import Reading, Round
from kwire.handlers.leaders import newer_leaders
from kwire.handlers.turns import PARTITIONS_A_TURN, check_size

API = Fetch
VERSIONS = (0, 18)

TopicData = Fetch.Response.Topic


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
    return _answer(reading, looked.answers, looked.urgent)


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
    return _answer(reading, answers, looked.urgent)


async def _after_waiting(reading: Reading, looked: Round) -> Fetch.Response:
    looked = await reading.wait(looked)
    return _answer(reading, looked.answers, looked.urgent)


def _answer(
    reading: Reading, answers: list[tuple[FetchedPartition, Any, int]], urgent: bool
) -> Fetch.Response:
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
        # Only a refusal names another leader.
        node_endpoints=newer_leaders(
            ctx, Fetch.Response.NodeEndpoint, (answer.current_leader.leader_id for _, answer, _ in answers)
        )
        if ctx.version >= 16 and urgent
        else [],
    )


def _named(request: Fetch.Request, by_id: bool) -> list[FetchedPartition]:
    return [asked_for(topic, asked, by_id) for topic in request.topics for asked in topic.partitions]


def _forgotten(request: Fetch.Request, by_id: bool) -> Sequence[PartitionKey]:
    if not request.forgotten_topics_data:
        return ()
    return [
        (topic.topic_id.int if by_id else topic.topic, index)
        for topic in request.forgotten_topics_data
        for index in topic.partitions
    ]


def _by_topic(answers: list[tuple[FetchedPartition, Any, int]]) -> list[Any]:
    topics: dict[str | int, list[Any]] = {}
    responses = []
    last: str | UUID | None = None
    partitions: list[Any] | None = None
    for asked, answer, _size in answers:
        topic = asked.topic
        if topic is not last:
            last = topic
            key = topic if isinstance(topic, str) else topic.int
            partitions = topics.get(key)
            if partitions is None:
                partitions = topics[key] = []
                responses.append(
                    TopicData(topic=topic, partitions=partitions)
                    if isinstance(topic, str)
                    else TopicData(topic_id=topic, partitions=partitions)
                )
        assert partitions is not None
        partitions.append(answer)
    return responses
