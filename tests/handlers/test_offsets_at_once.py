"""Commits and fetches of offsets are answered the same, however many there are: at once, or in turns."""

from __future__ import annotations

from collections.abc import Sequence
from types import CoroutineType, SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import (
    CommitRequest,
    CommitResult,
    FetchedOffset,
    FetchedTopic,
    OffsetFetchResult,
    TopicPartitions,
)
from kwire.coordinators.metadata.image import ClusterImage, PartitionImage, TopicImage
from kwire.handlers import offset_commit, offset_fetch
from kwire.handlers.context import Context
from kwire.runtime.soon import Soon, awaited
from tests.references import offset_requests

SIZES = {"few": 3, "many": 400}
TOPICS = {
    name: TopicImage(name, UUID(int=number), tuple(PartitionImage(n, (1,), (1,), 1) for n in range(size)))
    for number, (name, size) in enumerate(SIZES.items(), 1)
}
IMAGE = ClusterImage(topics=TOPICS, topic_names={topic.id: name for name, topic in TOPICS.items()})
OFFSETS: offset_requests.Offsets = {("few", 0): 7, ("few", 2): 8, ("many", 150): 9}


R = TypeVar("R")


class Groups:
    """A group that takes even offsets, or refuses everything; at once, or after a wait."""

    def __init__(self, refusal: ErrorCode, waits: bool) -> None:
        self.refusal = refusal
        self.waits = waits

    def told(self, request: CommitRequest) -> CommitResult:
        if self.refusal:
            return CommitResult(self.refusal)
        errors = [
            [
                ErrorCode.OFFSET_METADATA_TOO_LARGE if partition.offset % 2 else ErrorCode.NONE
                for partition in topic.partitions
            ]
            for topic in request.topics
        ]
        return CommitResult(ErrorCode.NONE, errors)

    def commit_offsets(self, node_id: int, request: CommitRequest) -> Soon[CommitResult]:
        return self._soon(self.told(request))

    def fetch_offsets(
        self,
        node_id: int,
        group_id: str,
        topics: Sequence[tuple[TopicPartitions, UUID]] | None,
        *,
        require_stable: bool,
        member_id: str | None = None,
        member_epoch: int = -1,
    ) -> Soon[OffsetFetchResult]:
        if self.refusal:
            return self._soon(OffsetFetchResult(self.refusal))
        assert topics is not None
        found = [
            FetchedTopic(
                name,
                [
                    FetchedOffset(index, OFFSETS.get((name, index), -1), -1, "", ErrorCode.NONE)
                    for index in indexes
                ],
            )
            for (name, indexes), _ in topics
        ]
        return self._soon(OffsetFetchResult(ErrorCode.NONE, found))

    def _soon(self, result: R) -> Soon[R]:
        async def later() -> R:
            await trio.lowlevel.checkpoint()
            return result

        return later() if self.waits else result


def context(version: int, groups: Groups) -> Context:
    cluster: Any = SimpleNamespace(controller=SimpleNamespace(image=IMAGE), groups=groups)
    node: Any = SimpleNamespace(id=1)
    peer: Any = None
    return Context(cluster, node, peer, version, "test")


def answered(soon: Soon[Any]) -> Any:
    async def main() -> Any:
        return await awaited(soon)

    return trio.run(main) if type(soon) is CoroutineType else soon


names = st.sampled_from(["few", "many", "nowhere", ""])
indexes = st.lists(st.sampled_from([0, 1, 2, 3, 150, 399, 400, -1]), max_size=6) | st.just(list(range(170)))
refusals = st.sampled_from([ErrorCode.NONE, ErrorCode.NONE, ErrorCode.ILLEGAL_GENERATION])
asked_topics = st.lists(st.tuples(names, indexes), max_size=4)
groups = st.builds(Groups, refusals, st.booleans())


def commit_of(topics: list[tuple[str, list[int]]], version: int) -> OffsetCommit.Request:
    Topic = OffsetCommit.Request.Topic

    def named(name: str) -> dict[str, Any]:
        if version < 10:
            return {"name": name}
        return {"topic_id": TOPICS[name].id if name in TOPICS else UUID(int=99)}

    return OffsetCommit.Request(
        group_id="g",
        topics=[
            Topic(
                **named(name),
                partitions=[
                    Topic.Partition(partition_index=index, committed_offset=number, committed_metadata="")
                    for number, index in enumerate(indexes)
                ],
            )
            for name, indexes in topics
        ],
    )


@given(asked_topics, st.sampled_from([0, 1, 8, 9, 10]), groups)
def test_a_commit_is_answered_as_if_each_partition_came_alone(
    topics: list[tuple[str, list[int]]], version: int, groups: Groups
) -> None:
    request = commit_of(topics, version)
    expected = offset_requests.commit(request, version, IMAGE, groups.told)
    assert answered(offset_commit.at_once(context(version, groups), request)) == expected
    assert answered(offset_commit.handle(context(version, groups), request)) == expected


@given(asked_topics, st.integers(1, 9), groups)
@example([("few", [0])], 9, Groups(ErrorCode.ILLEGAL_GENERATION, False))
@example([("few", [0])], 9, Groups(ErrorCode.ILLEGAL_GENERATION, True))
@example([("few", [0])], 7, Groups(ErrorCode.ILLEGAL_GENERATION, False))
def test_a_fetch_of_offsets_is_answered_as_if_each_partition_came_alone(
    topics: list[tuple[str, list[int]]], version: int, groups: Groups
) -> None:
    Group = OffsetFetch.Request.Group
    if version >= 8:
        request = OffsetFetch.Request(
            groups=[
                Group(
                    group_id="g",
                    topics=[Group.Topic(name=name, partition_indexes=indexes) for name, indexes in topics],
                )
            ]
        )
    else:
        request = OffsetFetch.Request(
            group_id="g",
            topics=[
                OffsetFetch.Request.Topic(name=name, partition_indexes=indexes) for name, indexes in topics
            ],
        )
    expected = offset_requests.fetch(request, version, OFFSETS, groups.refusal)
    assert answered(offset_fetch.at_once(context(version, groups), request)) == expected
    assert answered(offset_fetch.handle(context(version, groups), request)) == expected


@pytest.mark.parametrize("version", [1, 9, 10])
def test_a_commit_of_few_partitions_is_answered_without_a_coroutine(version: int) -> None:
    few = commit_of([("few", [0, 1]), ("nowhere", [0])], version)
    assert isinstance(
        offset_commit.at_once(context(version, Groups(ErrorCode.NONE, False)), few), OffsetCommit.Response
    )
