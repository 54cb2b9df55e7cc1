"""What a request wants to commit, sorted: what exists is committed, the rest is refused. OffsetCommit and
TxnOffsetCommit are alike in that, and in how their answers are made up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import ZERO_UUID

from kwire.coordinators.groups.values import NO_TIMESTAMP, CommitResult, CommittedPartition, CommittedTopic
from kwire.coordinators.metadata.image import ClusterImage

_new = tuple.__new__
"""Makes a named tuple in half the time that calling its class takes: commits may be of many partitions."""


class SortedCommits:
    """A request's partitions, sorted: those that exist are to be committed, the others are refused.

    Kafka answers what it refuses first, then the topics that were committed (OffsetCommitResponse.Builder).
    """

    __slots__ = ("_answers", "_by_id", "_image", "commits")

    topic_answer: Callable[..., Any]
    partition_answer: Callable[..., Any]
    with_timestamps: bool

    def __init__(self, image: ClusterImage, by_id: bool) -> None:
        self._image = image
        self._by_id = by_id
        self._answers: dict[str | UUID, Any] = {}
        self.commits: list[CommittedTopic] = []
        """What is to be committed, topic by topic."""

    def sort(self, topic: Any, partitions: Sequence[Any]) -> None:
        """Take in some of the partitions of a topic."""
        by_id, image, with_timestamps = self._by_id, self._image, self.with_timestamps
        found = image.topic_by_id(topic.topic_id) if by_id else image.topic(topic.name)
        if found is None:
            error = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            self._of(topic.name, topic.topic_id).extend(
                [
                    self.partition_answer(partition_index=asked.partition_index, error_code=error)
                    for asked in partitions
                ]
            )
            return
        known: list[CommittedPartition] = []
        for asked in partitions:
            index = asked.partition_index
            if found.partition(index) is None:
                error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                refused = self.partition_answer(partition_index=index, error_code=error)
                self._of(topic.name, topic.topic_id).append(refused)
                continue
            committed = (
                index,
                asked.committed_offset,
                asked.committed_leader_epoch,
                asked.committed_metadata,
                asked.commit_timestamp if with_timestamps else NO_TIMESTAMP,
            )
            known.append(_new(CommittedPartition, committed))
        if known:
            self.commits.append(CommittedTopic(found.name, known, found.id))

    def answered(self, result: CommitResult) -> list[Any]:
        """All answers, once the group has answered."""
        for index in range(len(self.commits)):
            self.answer(index, result)
        return self.topics()

    def answer(self, index: int, result: CommitResult) -> None:
        """Take in what became of `commits[index]`."""
        topic, partitions, topic_id = self.commits[index]
        code = result.error_code
        errors = [code] * len(partitions) if code else result.partition_errors[index]
        answers = self._of("", topic_id) if self._by_id else self._of(topic, ZERO_UUID)
        answer = self.partition_answer
        answers.extend(
            [
                answer(partition_index=committed[0], error_code=error)
                for committed, error in zip(partitions, errors, strict=True)
            ]
        )

    def topics(self) -> list[Any]:
        """All answers so far."""
        return list(self._answers.values())

    def _of(self, name: str, topic_id: UUID) -> list[Any]:
        """The answers of a topic, of which there is but one entry."""
        key = name or topic_id
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self.topic_answer(name=name, topic_id=topic_id, partitions=[])
        found: list[Any] = answer.partitions
        return found
