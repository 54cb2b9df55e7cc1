"""OffsetCommit and OffsetFetch in their simplest form: one partition after the other, one answer after the
other, whatever their number. The handlers, at once or in turns, have to give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import ZERO_UUID

from kwire.coordinators.groups.values import CommitRequest, CommitResult, CommittedPartition, CommittedTopic
from kwire.coordinators.metadata.image import ClusterImage

Answers = dict[str | UUID, OffsetCommit.Response.Topic]


def commit(
    request: OffsetCommit.Request,
    version: int,
    image: ClusterImage,
    ask_group: Callable[[CommitRequest], CommitResult],
) -> OffsetCommit.Response:
    """What does not exist is refused first; the rest is what the group says."""
    answers: Answers = {}
    commits: list[CommittedTopic] = []
    for topic in request.topics:
        found = image.topic_by_id(topic.topic_id) if version >= 10 else image.topic(topic.name)
        if found is None:
            _answers_of(answers, topic.name, topic.topic_id)
        known = []
        for asked in topic.partitions:
            if found is not None and found.partition(asked.partition_index) is not None:
                known.append(
                    CommittedPartition(
                        asked.partition_index,
                        asked.committed_offset,
                        asked.committed_leader_epoch,
                        asked.committed_metadata,
                        asked.commit_timestamp,
                    )
                )
                continue
            unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            if found is None and version >= 10:
                unknown = ErrorCode.UNKNOWN_TOPIC_ID
            _add(answers, topic.name, topic.topic_id, asked.partition_index, unknown)
        if found is not None and known:
            commits.append(CommittedTopic(found.name, known, found.id))
    if commits and version == 0:
        # There is no ZooKeeper: all of it is refused, as it came.
        Topic = OffsetCommit.Response.Topic
        error = ErrorCode.UNSUPPORTED_VERSION
        refused = [
            Topic(
                name=topic.name,
                partitions=[
                    Topic.Partition(partition_index=asked.partition_index, error_code=error)
                    for asked in topic.partitions
                ],
            )
            for topic in request.topics
        ]
        return OffsetCommit.Response(topics=refused)
    if commits:
        result = ask_group(
            CommitRequest(
                request.group_id,
                request.generation_id_or_member_epoch,
                request.member_id,
                request.group_instance_id,
                commits,
                request.retention_time_ms,
                knows_group_id_not_found=version >= 9,
            )
        )
        for position, (name, partitions, topic_id) in enumerate(commits):
            for number, committed in enumerate(partitions):
                error = result.error_code or result.partition_errors[position][number]
                if version >= 10:
                    _add(answers, "", topic_id, committed.partition, error)
                else:
                    _add(answers, name, ZERO_UUID, committed.partition, error)
    return OffsetCommit.Response(topics=list(answers.values()))


def _answers_of(answers: Answers, name: str, topic_id: UUID) -> OffsetCommit.Response.Topic:
    return answers.setdefault(
        name or topic_id, OffsetCommit.Response.Topic(name=name, topic_id=topic_id, partitions=[])
    )


def _add(answers: Answers, name: str, topic_id: UUID, index: int, error: ErrorCode) -> None:
    answer = OffsetCommit.Response.Topic.Partition(partition_index=index, error_code=error)
    _answers_of(answers, name, topic_id).partitions.append(answer)


Offsets = dict[tuple[str, int], int]


def fetch(
    request: OffsetFetch.Request, version: int, offsets: Offsets, refusal: ErrorCode
) -> OffsetFetch.Response:
    """A named topic's offsets out of `offsets`, of versions 1 to 9; `refusal` is what the group says."""
    if version >= 8:
        Group = OffsetFetch.Response.Group
        return OffsetFetch.Response(
            groups=[
                Group(group_id=group.group_id, topics=[], error_code=refusal)
                if refusal
                else Group(
                    group_id=group.group_id,
                    topics=[
                        Group.Topic(
                            name=topic.name,
                            partitions=[
                                Group.Topic.Partition(
                                    partition_index=index,
                                    committed_offset=offsets.get((topic.name, index), -1),
                                    metadata="",
                                )
                                for index in topic.partition_indexes
                            ],
                        )
                        for topic in group.topics or ()
                    ],
                )
                for group in request.groups
            ]
        )
    if refusal and version >= 2:
        return OffsetFetch.Response(error_code=refusal)
    Topic = OffsetFetch.Response.Topic
    return OffsetFetch.Response(
        topics=[
            Topic(
                name=topic.name,
                partitions=[
                    Topic.Partition(
                        partition_index=index,
                        committed_offset=-1 if refusal else offsets.get((topic.name, index), -1),
                        metadata="",
                        error_code=refusal,
                    )
                    for index in topic.partition_indexes
                ],
            )
            for topic in request.topics or ()
        ]
    )
