"""OffsetCommit (key 8): a member, or a consumer without a group, stores how far it has read.

v0 kept in ZooKeeper · v1 kept by the group coordinator, with a commit timestamp · v2 retention time instead
· v3 throttle time · v4 throttling moves to the client (KIP-219) · v5 no retention time (KIP-211) · v6
leader epoch (KIP-320) · v7 static members (KIP-345) · v8 flexible · v9 GROUP_ID_NOT_FOUND (KIP-848) · v10
topic ids (KIP-848)

There is no ZooKeeper, so v0 gets what Kafka without one answers (3.9 in KRaft mode): UNSUPPORTED_VERSION
for every partition.
"""

from __future__ import annotations

from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import CommitRequest, CommitResult
from kwire.handlers.context import Context
from kwire.handlers.sorted_commits import SortedCommits
from kwire.handlers.turns import Turns, check_size, slices
from kwire.runtime.soon import Soon, awaited, then

API = OffsetCommit
VERSIONS = (0, 10)

TopicAnswer = OffsetCommit.Response.Topic
PartitionAnswer = OffsetCommit.Response.Topic.Partition

FIRST_WITH_COORDINATOR = 1
FIRST_WITH_IDS = 10
MOST_AT_ONCE = 100
"""So many partitions are committed without giving others a turn."""


def at_once(ctx: Context, request: OffsetCommit.Request) -> Soon[OffsetCommit.Response]:
    """`handle`, without a coroutine where there is not much to commit, which is most of the time."""
    count = 0
    for topic in request.topics:
        count += 1 + len(topic.partitions)
    if ctx.answer_is_large or count > MOST_AT_ONCE:
        return handle(ctx, request)
    sorting = _Sorting(ctx.cluster.controller.image, ctx.version >= FIRST_WITH_IDS)
    for topic in request.topics:
        sorting.sort(topic, topic.partitions)
    if not sorting.commits:
        return OffsetCommit.Response(topics=sorting.topics())
    if ctx.version < FIRST_WITH_COORDINATOR:
        return _all(request, ErrorCode.UNSUPPORTED_VERSION)

    def answered(result: CommitResult) -> OffsetCommit.Response:
        return OffsetCommit.Response(topics=sorting.answered(result))

    return then(_committed(ctx, request, sorting), answered)


async def handle(ctx: Context, request: OffsetCommit.Request) -> OffsetCommit.Response:
    """Sorts out what does not exist, and commits the rest."""
    check_size(*(1 + len(topic.partitions) for topic in request.topics))
    sorting = _Sorting(ctx.cluster.controller.image, ctx.version >= FIRST_WITH_IDS)
    turns = Turns(ctx)
    for topic in request.topics:
        for some in slices(topic.partitions):
            await turns.one_more(1 + len(some))
            sorting.sort(topic, some)
    if not sorting.commits:
        return OffsetCommit.Response(topics=sorting.topics())
    if ctx.version < FIRST_WITH_COORDINATOR:
        return _all(request, ErrorCode.UNSUPPORTED_VERSION)
    result = await awaited(_committed(ctx, request, sorting))
    for index, commit in enumerate(sorting.commits):
        await turns.one_more(len(commit.partitions))
        sorting.answer(index, result)
    return OffsetCommit.Response(topics=sorting.topics())


class _Sorting(SortedCommits):
    __slots__ = ()

    topic_answer = TopicAnswer
    partition_answer = PartitionAnswer
    with_timestamps = True


def _committed(ctx: Context, request: OffsetCommit.Request, sorting: SortedCommits) -> Soon[CommitResult]:
    return ctx.cluster.groups.commit_offsets(
        ctx.node.id,
        CommitRequest(
            request.group_id,
            request.generation_id_or_member_epoch,
            request.member_id,
            request.group_instance_id,
            sorting.commits,
            request.retention_time_ms,
            ctx.version >= 9,
        ),
    )


def _all(request: OffsetCommit.Request, error_code: ErrorCode) -> OffsetCommit.Response:
    return OffsetCommit.Response(
        topics=[
            TopicAnswer(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    PartitionAnswer(partition_index=asked.partition_index, error_code=error_code)
                    for asked in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
