"""OffsetFetch (key 9): how far groups have read.

v0 kept in ZooKeeper · v1 kept by the group coordinator · v2 an error for the whole; null topics are all ·
v3 throttle time · v4 throttling moves to the client (KIP-219) · v5 leader epoch (KIP-320) · v6 flexible ·
v7 require stable (KIP-447) · v8 several groups (KIP-709) · v9 member id and epoch (KIP-848) · v10 topic ids
(KIP-848)

A partition without an offset is -1 and no error. v0 is answered as Kafka without ZooKeeper does (3.9 in
KRaft mode). An offset that a transaction may yet change is UNSTABLE_OFFSET_COMMIT to who requires stable
ones. Member id and epoch are looked at in groups of the consumer protocol only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import ZERO_UUID

from kwire.coordinators.groups.values import NO_OFFSET, FetchedOffset, OffsetFetchResult, TopicPartitions
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size, slices
from kwire.runtime.soon import Soon, awaited, then

API = OffsetFetch
VERSIONS = (0, 10)

T = TypeVar("T")
A = TypeVar("A")
SingleAsked = OffsetFetch.Request.Topic
SingleTopic = OffsetFetch.Response.Topic
SinglePartition = SingleTopic.Partition
GroupAsked = OffsetFetch.Request.Group.Topic
GroupAnswer = OffsetFetch.Response.Group
GroupTopic = GroupAnswer.Topic
GroupPartition = GroupTopic.Partition

FIRST_WITH_TOP_LEVEL_ERROR = 2
FIRST_WITH_GROUPS = 8
FIRST_WITH_IDS = 10
MOST_AT_ONCE = 100
"""So many partitions are answered without giving others a turn."""


def at_once(ctx: Context, request: OffsetFetch.Request) -> Soon[OffsetFetch.Response]:
    """`handle`, without a coroutine where a few partitions, named, of one group are asked for."""
    version = ctx.version
    if not FIRST_WITH_GROUPS <= version < FIRST_WITH_IDS:
        if not 0 < version < FIRST_WITH_GROUPS or not _are_few(ctx, request.topics):
            return handle(ctx, request)
        asked = _asked(ctx, request.group_id, request.topics, request.require_stable)
        return then(asked, partial(_single_answer, request, version))
    groups = request.groups
    if len(groups) != 1 or not _are_few(ctx, groups[0].topics):
        return handle(ctx, request)
    asked = _asked_by_member(ctx, groups[0], request.require_stable)
    return then(asked, partial(_only_group_answer, groups[0].group_id))


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
    if ctx.version < FIRST_WITH_GROUPS:
        return await _fetch_single(ctx, request, turns)
    fetch_group = _fetch_by_id if ctx.version >= FIRST_WITH_IDS else _fetch_by_name
    groups = []
    for group in request.groups:
        await turns.one_more()
        groups.append(await fetch_group(ctx, group, request.require_stable, turns))
    return OffsetFetch.Response(groups=groups)


def _are_few(ctx: Context, topics: Sequence[SingleAsked | GroupAsked] | None) -> bool:
    if topics is None or ctx.answer_is_large:
        return False
    count = 0
    for topic in topics:
        count += 1 + len(topic.partition_indexes)
    return count <= MOST_AT_ONCE


def _asked_by_member(
    ctx: Context, group: OffsetFetch.Request.Group, require_stable: bool
) -> Soon[OffsetFetchResult]:
    """From v9 on, members of a consumer group say who they are, and are held to it."""
    return _asked(ctx, group.group_id, group.topics, require_stable, group.member_id, group.member_epoch)


def _asked(
    ctx: Context,
    group_id: str,
    topics: Sequence[SingleAsked | GroupAsked] | None,
    require_stable: bool,
    member_id: str | None = None,
    member_epoch: int = -1,
) -> Soon[OffsetFetchResult]:
    """What the group has for topics that are named; None is everything."""
    known = ctx.cluster.controller.image.topics
    wanted = None
    if topics is not None:
        wanted = []
        for topic in topics:
            found = known.get(topic.name)
            named = TopicPartitions(topic.name, topic.partition_indexes)
            wanted.append((named, ZERO_UUID if found is None else found.id))
    return ctx.cluster.groups.fetch_offsets(
        ctx.node.id,
        group_id,
        wanted,
        require_stable=require_stable,
        member_id=member_id,
        member_epoch=member_epoch,
    )


# Before v8: one group


def _single_answer(
    request: OffsetFetch.Request, version: int, result: OffsetFetchResult
) -> OffsetFetch.Response:
    if result.error_code:
        if version >= FIRST_WITH_TOP_LEVEL_ERROR:
            return OffsetFetch.Response(error_code=result.error_code)
        return OffsetFetch.Response(
            topics=[
                SingleTopic(
                    name=topic.name, partitions=_failed_partitions(result.error_code, topic.partition_indexes)
                )
                for topic in request.topics or ()
            ]
        )
    return OffsetFetch.Response(
        topics=[
            SingleTopic(name=topic.topic, partitions=_single_partitions(topic.partitions))
            for topic in result.topics
        ]
    )


async def _fetch_single(ctx: Context, request: OffsetFetch.Request, turns: Turns) -> OffsetFetch.Response:
    result = await awaited(_asked(ctx, request.group_id, request.topics, request.require_stable))
    if result.error_code:
        if ctx.version >= FIRST_WITH_TOP_LEVEL_ERROR:
            return OffsetFetch.Response(error_code=result.error_code)
        return OffsetFetch.Response(topics=await _failed(request.topics or (), result.error_code, turns))
    return OffsetFetch.Response(
        topics=[
            SingleTopic(
                name=topic.topic, partitions=await _in_turns(_single_partitions, topic.partitions, turns)
            )
            for topic in result.topics
        ]
    )


async def _failed(topics: Sequence[SingleAsked], error_code: ErrorCode, turns: Turns) -> list[SingleTopic]:
    failed = partial(_failed_partitions, error_code)
    return [
        SingleTopic(name=topic.name, partitions=await _in_turns(failed, topic.partition_indexes, turns))
        for topic in topics
    ]


def _failed_partitions(error_code: ErrorCode, indexes: Sequence[int]) -> list[SinglePartition]:
    return [
        SinglePartition(partition_index=index, committed_offset=NO_OFFSET, metadata="", error_code=error_code)
        for index in indexes
    ]


# From v8 on: several groups


def _only_group_answer(group_id: str, result: OffsetFetchResult) -> OffsetFetch.Response:
    topics = [
        GroupTopic(name=topic.topic, partitions=_group_partitions(topic.partitions))
        for topic in result.topics
    ]
    return OffsetFetch.Response(groups=[_group_answer(group_id, result, topics)])


async def _fetch_by_name(
    ctx: Context, group: OffsetFetch.Request.Group, require_stable: bool, turns: Turns
) -> GroupAnswer:
    result = await awaited(_asked_by_member(ctx, group, require_stable))
    topics = [
        GroupTopic(name=topic.topic, partitions=await _in_turns(_group_partitions, topic.partitions, turns))
        for topic in result.topics
    ]
    return _group_answer(group.group_id, result, topics)


async def _fetch_by_id(
    ctx: Context, group: OffsetFetch.Request.Group, require_stable: bool, turns: Turns
) -> GroupAnswer:
    image = ctx.cluster.controller.image
    unknown: list[GroupTopic] = []
    asked: list[tuple[TopicPartitions, UUID]] | None = None
    if group.topics is not None:
        asked = []
        for topic in group.topics:
            found = image.topic_by_id(topic.topic_id)
            if found is None:
                partitions = await _in_turns(_unknown_partitions, topic.partition_indexes, turns)
                unknown.append(GroupTopic(topic_id=topic.topic_id, partitions=partitions))
            else:
                asked.append((TopicPartitions(found.name, topic.partition_indexes), topic.topic_id))
    fetching = ctx.cluster.groups.fetch_offsets(
        ctx.node.id,
        group.group_id,
        asked,
        require_stable=require_stable,
        member_id=group.member_id,
        member_epoch=group.member_epoch,
    )
    result = await awaited(fetching)
    # Offsets of topics that are gone have no id that a client could use: they are left out.
    topics = [
        GroupTopic(topic_id=found.id, partitions=await _in_turns(_group_partitions, topic.partitions, turns))
        for topic in result.topics
        if (found := image.topic(topic.topic)) is not None
    ]
    return _group_answer(group.group_id, result, [*topics, *unknown])


def _unknown_partitions(indexes: Sequence[int]) -> list[GroupPartition]:
    return [
        GroupPartition(
            partition_index=index,
            committed_offset=NO_OFFSET,
            metadata="",
            error_code=ErrorCode.UNKNOWN_TOPIC_ID,
        )
        for index in indexes
    ]


def _group_answer(group_id: str, result: OffsetFetchResult, topics: list[GroupTopic]) -> GroupAnswer:
    if result.error_code:
        return GroupAnswer(group_id=group_id, topics=[], error_code=result.error_code)
    return GroupAnswer(group_id=group_id, topics=topics)


def _told(partition: Callable[..., A], fetched: Sequence[FetchedOffset]) -> list[A]:
    return [
        partition(
            partition_index=index,
            committed_offset=offset,
            committed_leader_epoch=leader_epoch,
            metadata=metadata,
            error_code=error_code,
        )
        for index, offset, leader_epoch, metadata, error_code in fetched
    ]


_single_partitions = partial(_told, SinglePartition)
_group_partitions = partial(_told, GroupPartition)


async def _in_turns(make: Callable[[Sequence[T]], list[A]], partitions: Sequence[T], turns: Turns) -> list[A]:
    """`make` of so many partitions that others must have their turns in between."""
    made: list[A] = []
    for some in slices(partitions):
        await turns.one_more(len(some))
        made += make(some)
    return made
