"""OffsetCommit (key 8): a member, or a consumer without a group, stores how far it has read.

v0 kept in ZooKeeper · v1 kept by the group coordinator, with a commit timestamp · v2 retention time instead
· v3 throttle time · v4 throttling moves to the client (KIP-219) · v5 no retention time (KIP-211) · v6
leader epoch (KIP-320) · v7 static members (KIP-345) · v8 flexible · v9 GROUP_ID_NOT_FOUND (KIP-848) · v10
topic ids (KIP-848)

There is no ZooKeeper, so v0 gets what Kafka without one answers (3.9 in KRaft mode): UNSUPPORTED_VERSION
for every partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import ZERO_UUID

from kwire.coordinators.groups.values import CommitRequest, CommitResult, CommittedPartition, CommittedTopic
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size, slices
from kwire.runtime.soon import Soon, awaited, then

API = OffsetCommit
VERSIONS = (0, 10)

Asked = OffsetCommit.Request.Topic.Partition
TopicAnswer = OffsetCommit.Response.Topic
PartitionAnswer = OffsetCommit.Response.Topic.Partition


_new = tuple.__new__
"""Makes a named tuple in half the time that calling its class takes: commits may be of many partitions."""
FIRST_WITH_COORDINATOR = 1
MOST_AT_ONCE = 100
"""So many partitions are committed without giving others a turn."""


def at_once(ctx: Context, request: OffsetCommit.Request) -> Soon[OffsetCommit.Response]:
    """`handle`, without a coroutine where there is not much to commit, which is most of the time."""
    count = 0
    for topic in request.topics:
        count += 1 + len(topic.partitions)
    if ctx.answer_is_large or count > MOST_AT_ONCE:
        return handle(ctx, request)
    sorting = _Sorting(ctx)
    for topic in request.topics:
        sorting.sort(topic, topic.partitions)
    if not sorting.commits:
        return sorting.response()
    if ctx.version < FIRST_WITH_COORDINATOR:
        return _all(request, ErrorCode.UNSUPPORTED_VERSION)
    return then(_committed(ctx, request, sorting), sorting.answered)


async def handle(ctx: Context, request: OffsetCommit.Request) -> OffsetCommit.Response:
    """Sorts out what does not exist, and commits the rest."""
    check_size(*(1 + len(topic.partitions) for topic in request.topics))
    sorting = _Sorting(ctx)
    turns = Turns(ctx)
    for topic in request.topics:
        for some in slices(topic.partitions):
            await turns.one_more(1 + len(some))
            sorting.sort(topic, some)
    if not sorting.commits:
        return sorting.response()
    if ctx.version < FIRST_WITH_COORDINATOR:
        return _all(request, ErrorCode.UNSUPPORTED_VERSION)
    result = await awaited(_committed(ctx, request, sorting))
    for index, commit in enumerate(sorting.commits):
        await turns.one_more(len(commit.partitions))
        sorting.answer(index, result)
    return sorting.response()


def _committed(ctx: Context, request: OffsetCommit.Request, sorting: _Sorting) -> Soon[CommitResult]:
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


class _Sorting:
    """A request's partitions, sorted: those that exist are to be committed, the others are refused.

    Kafka answers what it refuses first, then the topics that were committed (OffsetCommitResponse.Builder).
    """

    __slots__ = ("_answers", "_by_id", "_image", "commits")

    def __init__(self, ctx: Context) -> None:
        self._by_id = ctx.version >= 10
        self._image = ctx.cluster.controller.image
        self._answers: dict[str | UUID, TopicAnswer] = {}
        self.commits: list[CommittedTopic] = []

    def sort(self, topic: OffsetCommit.Request.Topic, partitions: Sequence[Asked]) -> None:
        """Take in some of the partitions of a topic."""
        by_id, image = self._by_id, self._image
        found = image.topic_by_id(topic.topic_id) if by_id else image.topic(topic.name)
        if found is None:
            error = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            self._of(topic.name, topic.topic_id).extend(
                [
                    PartitionAnswer(partition_index=asked.partition_index, error_code=error)
                    for asked in partitions
                ]
            )
            return
        known: list[CommittedPartition] = []
        for asked in partitions:
            index = asked.partition_index
            if found.partition(index) is None:
                error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                refused = PartitionAnswer(partition_index=index, error_code=error)
                self._of(topic.name, topic.topic_id).append(refused)
                continue
            committed = (
                index,
                asked.committed_offset,
                asked.committed_leader_epoch,
                asked.committed_metadata,
                asked.commit_timestamp,
            )
            known.append(_new(CommittedPartition, committed))
        if known:
            self.commits.append(CommittedTopic(found.name, known, found.id))

    def answered(self, result: CommitResult) -> OffsetCommit.Response:
        """The response, once the group has answered."""
        for index in range(len(self.commits)):
            self.answer(index, result)
        return self.response()

    def answer(self, index: int, result: CommitResult) -> None:
        """Take in what became of `commits[index]`."""
        topic, partitions, topic_id = self.commits[index]
        code = result.error_code
        errors = [code] * len(partitions) if code else result.partition_errors[index]
        answers = self._of("", topic_id) if self._by_id else self._of(topic, ZERO_UUID)
        answers.extend(
            [
                PartitionAnswer(partition_index=committed[0], error_code=error)
                for committed, error in zip(partitions, errors, strict=True)
            ]
        )

    def response(self) -> OffsetCommit.Response:
        """All answers so far."""
        return OffsetCommit.Response(topics=list(self._answers.values()))

    def _of(self, name: str, topic_id: UUID) -> list[PartitionAnswer]:
        """The answers of a topic, of which there is but one entry."""
        key = name or topic_id
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = TopicAnswer(name=name, topic_id=topic_id, partitions=[])
        return answer.partitions


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
