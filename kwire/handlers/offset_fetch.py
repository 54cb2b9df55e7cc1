"""OffsetFetch (key 9): how far groups have read.

v0 kept in ZooKeeper · v1 kept by the group coordinator · v2 an error for the whole; null topics are all ·
v3 throttle time · v4 throttling moves to the client (KIP-219) · v5 leader epoch (KIP-320) · v6 flexible ·
v7 require stable (KIP-447) · v8 several groups (KIP-709) · v9 member id and epoch (KIP-848) · v10 topic ids
(KIP-848)

A partition without an offset is -1 and no error. v0 is answered as Kafka without ZooKeeper does (3.9 in
KRaft mode). No offset is ever pending while there are no transactions, so `require_stable` changes nothing.
Member id and epoch are looked at in groups of the consumer protocol only.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import ZERO_UUID

from kwire.coordinators.groups.values import NO_OFFSET, FetchedOffset, OffsetFetchResult, TopicPartitions
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size

API = OffsetFetch
VERSIONS = (0, 10)

SingleTopic = OffsetFetch.Response.Topic
GroupAnswer = OffsetFetch.Response.Group
GroupTopic = OffsetFetch.Response.Group.Topic


async def handle(ctx: Context, request: OffsetFetch.Request) -> OffsetFetch.Response:
    """One group in the old form, several in the new one."""
    check_size(
        *(1 + len(topic.partition_indexes) for topic in request.topics or ()),
        *(
            1 + sum(1 + len(topic.partition_indexes) for topic in group.topics or ())
            for group in request.groups
        ),
    )
    turns = Turns(ctx)
    if ctx.version == 0:
        return OffsetFetch.Response(
            topics=await _failed(request.topics or (), ErrorCode.UNSUPPORTED_VERSION, turns)
        )
    if ctx.version < 8:
        return await _fetch_single(ctx, request, turns, has_top_level_error=ctx.version >= 2)
    fetch_group = _fetch_by_id if ctx.version >= 10 else _fetch_by_name
    groups = []
    for group in request.groups:
        await turns.one_more()
        groups.append(await fetch_group(ctx, group, turns))
    return OffsetFetch.Response(groups=groups)


async def _fetch_single(
    ctx: Context, request: OffsetFetch.Request, turns: Turns, *, has_top_level_error: bool
) -> OffsetFetch.Response:
    asked = (
        None
        if request.topics is None
        else [
            (TopicPartitions(topic.name, topic.partition_indexes), _topic_id(ctx, topic.name))
            for topic in request.topics
        ]
    )
    result = await ctx.cluster.groups.fetch_offsets(ctx.node.id, request.group_id, asked)
    if result.error_code:
        if has_top_level_error:
            return OffsetFetch.Response(error_code=result.error_code)
        return OffsetFetch.Response(topics=await _failed(request.topics or (), result.error_code, turns))
    topics = []
    for topic in result.topics:
        answer = SingleTopic(name=topic.topic, partitions=[])
        topics.append(answer)
        for fetched in topic.partitions:
            await turns.one_more()
            answer.partitions.append(
                SingleTopic.Partition(
                    partition_index=fetched.partition,
                    committed_offset=fetched.offset,
                    committed_leader_epoch=fetched.leader_epoch,
                    metadata=fetched.metadata,
                    error_code=fetched.error_code,
                )
            )
    return OffsetFetch.Response(topics=topics)


async def _failed(
    topics: Sequence[OffsetFetch.Request.Topic], error_code: ErrorCode, turns: Turns
) -> list[SingleTopic]:
    failed = []
    for topic in topics:
        answer = SingleTopic(name=topic.name, partitions=[])
        failed.append(answer)
        for partition in topic.partition_indexes:
            await turns.one_more()
            answer.partitions.append(
                SingleTopic.Partition(
                    partition_index=partition, committed_offset=NO_OFFSET, metadata="", error_code=error_code
                )
            )
    return failed


async def _fetch_by_name(ctx: Context, group: OffsetFetch.Request.Group, turns: Turns) -> GroupAnswer:
    asked = (
        None
        if group.topics is None
        else [
            (TopicPartitions(topic.name, topic.partition_indexes), _topic_id(ctx, topic.name))
            for topic in group.topics
        ]
    )
    result = await ctx.cluster.groups.fetch_offsets(ctx.node.id, group.group_id, asked)
    topics = [
        GroupTopic(name=topic.topic, partitions=await _partitions(topic.partitions, turns))
        for topic in result.topics
    ]
    return _group_answer(group.group_id, result, topics)


async def _fetch_by_id(ctx: Context, group: OffsetFetch.Request.Group, turns: Turns) -> GroupAnswer:
    image = ctx.cluster.controller.image
    unknown: list[GroupTopic] = []
    asked: list[tuple[TopicPartitions, UUID]] | None = None
    if group.topics is not None:
        asked = []
        for topic in group.topics:
            found = image.topic_by_id(topic.topic_id)
            if found is None:
                unknown.append(await _unknown_id(topic, turns))
            else:
                asked.append((TopicPartitions(found.name, topic.partition_indexes), topic.topic_id))
    result = await ctx.cluster.groups.fetch_offsets(ctx.node.id, group.group_id, asked)
    # Offsets of topics that are gone have no id that a client could use: they are left out.
    topics = [
        GroupTopic(topic_id=found.id, partitions=await _partitions(topic.partitions, turns))
        for topic in result.topics
        if (found := image.topic(topic.topic)) is not None
    ]
    return _group_answer(group.group_id, result, [*topics, *unknown])


def _topic_id(ctx: Context, name: str) -> UUID:
    found = ctx.cluster.controller.image.topic(name)
    return ZERO_UUID if found is None else found.id


async def _unknown_id(topic: OffsetFetch.Request.Group.Topic, turns: Turns) -> GroupTopic:
    answer = GroupTopic(topic_id=topic.topic_id, partitions=[])
    for partition in topic.partition_indexes:
        await turns.one_more()
        answer.partitions.append(
            GroupTopic.Partition(
                partition_index=partition,
                committed_offset=NO_OFFSET,
                metadata="",
                error_code=ErrorCode.UNKNOWN_TOPIC_ID,
            )
        )
    return answer


async def _partitions(fetched: Sequence[FetchedOffset], turns: Turns) -> list[GroupTopic.Partition]:
    answers = []
    for each in fetched:
        await turns.one_more()
        answers.append(
            GroupTopic.Partition(
                partition_index=each.partition,
                committed_offset=each.offset,
                committed_leader_epoch=each.leader_epoch,
                metadata=each.metadata,
                error_code=each.error_code,
            )
        )
    return answers


def _group_answer(group_id: str, result: OffsetFetchResult, topics: list[GroupTopic]) -> GroupAnswer:
    if result.error_code:
        return GroupAnswer(group_id=group_id, topics=[], error_code=result.error_code)
    return GroupAnswer(group_id=group_id, topics=topics)
