"""OffsetCommit (key 8): a member, or a consumer without a group, stores how far it has read.

v0 kept in ZooKeeper · v1 kept by the group coordinator, with a commit timestamp · v2 retention time instead
· v3 throttle time · v4 throttling moves to the client (KIP-219) · v5 no retention time (KIP-211) · v6
leader epoch (KIP-320) · v7 static members (KIP-345) · v8 flexible · v9 GROUP_ID_NOT_FOUND (KIP-848) · v10
topic ids (KIP-848)

There is no ZooKeeper, so v0 gets what Kafka without one answers (3.9 in KRaft mode): UNSUPPORTED_VERSION
for every partition.
"""

from __future__ import annotations

from uuid import UUID

from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import CommitRequest, CommittedPartition, CommittedTopic
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size

API = OffsetCommit
VERSIONS = (0, 10)

TopicAnswer = OffsetCommit.Response.Topic
PartitionAnswer = OffsetCommit.Response.Topic.Partition


async def handle(ctx: Context, request: OffsetCommit.Request) -> OffsetCommit.Response:
    """Sorts out what does not exist, and commits the rest."""
    check_size(*(1 + len(topic.partitions) for topic in request.topics))
    has_coordinator = ctx.version >= 1
    by_id = ctx.version >= 10
    image = ctx.cluster.controller.image
    # Kafka answers what it refuses first, then the topics that were committed (OffsetCommitResponse.Builder).
    answers: dict[str | UUID, TopicAnswer] = {}
    commits: list[CommittedTopic] = []
    turns = Turns(ctx)
    for topic in request.topics:
        await turns.one_more()
        found = image.topic_by_id(topic.topic_id) if by_id else image.topic(topic.name)
        if found is None:
            error = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            refused = _answer(answers, topic).partitions
            for asked in topic.partitions:
                await turns.one_more()
                refused.append(PartitionAnswer(partition_index=asked.partition_index, error_code=error))
            continue
        known: list[CommittedPartition] = []
        for asked in topic.partitions:
            await turns.one_more()
            if found.partition(asked.partition_index) is None:
                _answer(answers, topic).partitions.append(
                    PartitionAnswer(
                        partition_index=asked.partition_index,
                        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                    )
                )
                continue
            known.append(
                CommittedPartition(
                    asked.partition_index,
                    asked.committed_offset,
                    asked.committed_leader_epoch,
                    asked.committed_metadata,
                    asked.commit_timestamp,
                )
            )
        if known:
            commits.append(CommittedTopic(found.name, known, found.id))
    if not commits:
        return OffsetCommit.Response(topics=list(answers.values()))
    if not has_coordinator:
        return _all(request, ErrorCode.UNSUPPORTED_VERSION)
    result = await ctx.cluster.groups.commit_offsets(
        ctx.node.id,
        CommitRequest(
            request.group_id,
            request.generation_id_or_member_epoch,
            request.member_id,
            request.group_instance_id,
            commits,
            request.retention_time_ms,
            knows_group_id_not_found=ctx.version >= 9,
        ),
    )
    for index, commit in enumerate(commits):
        errors = (
            [result.error_code] * len(commit.partitions)
            if result.error_code
            else result.partition_errors[index]
        )
        key: str | UUID = commit.topic_id if by_id else commit.topic
        answer = answers.get(key)
        if answer is None:
            answer = answers[key] = (
                TopicAnswer(topic_id=commit.topic_id, partitions=[])
                if by_id
                else TopicAnswer(name=commit.topic, partitions=[])
            )
        for committed, error in zip(commit.partitions, errors, strict=True):
            await turns.one_more()
            answer.partitions.append(PartitionAnswer(partition_index=committed.partition, error_code=error))
    return OffsetCommit.Response(topics=list(answers.values()))


def _answer(answers: dict[str | UUID, TopicAnswer], topic: OffsetCommit.Request.Topic) -> TopicAnswer:
    key: str | UUID = topic.name or topic.topic_id
    answer = answers.get(key)
    if answer is None:
        answer = answers[key] = TopicAnswer(name=topic.name, topic_id=topic.topic_id, partitions=[])
    return answer


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
