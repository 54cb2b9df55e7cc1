"""OffsetCommit, OffsetFetch and OffsetDelete over a socket, in every version."""

from __future__ import annotations

from uuid import UUID

import pytest
from kwire_codecs.apis.offset_delete import OffsetDelete
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode

from tests.broker_client import connected, create_topic, serving
from tests.handlers.group_requests import (
    commit_request,
    committed_errors,
    fetch_request,
    fetched,
    join,
    stable_group,
)

NONE, UNKNOWN = ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("version", range(1, 11))
async def test_an_offset_is_committed_and_fetched_in_every_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", partitions=2)
        topic_id = running.cluster.image.topics["t"].id if version >= 10 else None
        request = commit_request("g", version, {0: 42, 7: 1}, topic_id=topic_id)
        assert committed_errors(await client.ask(request, version)) == {0: NONE, 7: UNKNOWN}
        response = await client.ask(fetch_request("g", version, [0, 1, 7], topic_id=topic_id), version)
        assert fetched(response, version) == {0: (42, "m", NONE), 1: (-1, "", NONE), 7: (-1, "", NONE)}
        if version >= 2:
            everything = await client.ask(fetch_request("g", version, None), version)
            assert fetched(everything, version) == {0: (42, "m", NONE)}
            nothing = await client.ask(fetch_request("nobody", version, None), version)
            assert not (nothing.groups[0].topics if version >= 8 else nothing.topics)


async def test_v0_speaks_of_zookeeper_and_is_refused_partition_by_partition() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        refused = ErrorCode.UNSUPPORTED_VERSION
        assert committed_errors(await client.ask(commit_request("g", 0, {0: 1, 9: 1}), 0)) == {
            0: refused,
            9: refused,
        }
        assert committed_errors(await client.ask(commit_request("g", 0, {0: 1}, topic="x"), 0)) == {
            0: UNKNOWN
        }
        assert fetched(await client.ask(fetch_request("g", 0, [0]), 0), 0) == {0: (-1, "", refused)}


@pytest.mark.parametrize("version", range(1, 10))
async def test_a_topic_that_is_not_there_takes_no_offset_and_its_fetch_finds_none(version: int) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(commit_request("g", version, {0: 1}), version)
        assert committed_errors(response) == {0: UNKNOWN}
        assert fetched(await client.ask(fetch_request("g", version, [0]), version), version) == {
            0: (-1, "", NONE)
        }


async def test_rule_30_a_topic_id_that_is_not_there_is_unknown() -> None:
    async with serving() as running, connected(running) as client:
        stranger = UUID(int=77)
        response = await client.ask(commit_request("g", 10, {0: 1}, topic_id=stranger), 10)
        assert response.topics[0].topic_id == stranger
        assert committed_errors(response) == {0: ErrorCode.UNKNOWN_TOPIC_ID}
        response = await client.ask(fetch_request("g", 10, [0], topic_id=stranger), 10)
        assert response.groups[0].topics[0].topic_id == stranger
        assert fetched(response, 10) == {0: (-1, "", ErrorCode.UNKNOWN_TOPIC_ID)}


@pytest.mark.parametrize("version", range(1, 11))
async def test_a_members_commit_is_checked_against_its_group(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        topic_id = running.cluster.image.topics["t"].id if version >= 10 else None
        member_id = await stable_group(client, "g")
        missing = ErrorCode.GROUP_ID_NOT_FOUND if version >= 9 else ErrorCode.ILLEGAL_GENERATION
        for group_id, generation_id, who, error in [
            ("g", 1, member_id, NONE),
            ("g", 2, member_id, ErrorCode.ILLEGAL_GENERATION),
            ("g", 1, "stranger", ErrorCode.UNKNOWN_MEMBER_ID),
            ("g", -1, "", ErrorCode.UNKNOWN_MEMBER_ID),
            ("nobody", 3, member_id, missing),
        ]:
            request = commit_request(
                group_id, version, {0: 5}, generation_id=generation_id, member_id=who, topic_id=topic_id
            )
            assert committed_errors(await client.ask(request, version)) == {0: error}


async def test_commits_wait_for_the_rebalance_to_be_over() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        joined = await join(client, "g", 3)
        request = commit_request("g", 8, {0: 5}, generation_id=1, member_id=joined.member_id)
        assert committed_errors(await client.ask(request, 8)) == {0: ErrorCode.REBALANCE_IN_PROGRESS}


async def test_metadata_comes_back_and_too_much_of_it_is_refused() -> None:
    async with serving({"offset.metadata.max.bytes": "10"}) as running, connected(running) as client:
        await create_topic(running, "t")
        assert committed_errors(await client.ask(commit_request("g", 8, {0: 1}, metadata="ä" * 10), 8)) == {
            0: NONE
        }
        assert fetched(await client.ask(fetch_request("g", 7, [0]), 7), 7) == {0: (1, "ä" * 10, NONE)}
        too_large = ErrorCode.OFFSET_METADATA_TOO_LARGE
        response = await client.ask(commit_request("g", 8, {0: 2}, metadata="x" * 11), 8)
        assert committed_errors(response) == {0: too_large}
        await client.ask(commit_request("g", 8, {0: 3}, metadata=None), 8)
        assert fetched(await client.ask(fetch_request("g", 7, [0]), 7), 7) == {0: (3, "", NONE)}


async def test_several_groups_are_fetched_at_once_from_v8_on() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        for group_id, offset in [("a", 1), ("b", 2)]:
            await client.ask(commit_request(group_id, 8, {0: offset}), 8)
        group = OffsetFetch.Request.Group
        request = OffsetFetch.Request(
            groups=[
                group(group_id="b", topics=[group.Topic(name="t", partition_indexes=[0])]),
                group(group_id="nobody", topics=None),
                group(group_id="a", topics=None),
            ]
        )
        response = await client.ask(request, 8)
        assert [
            (found.group_id, [each.committed_offset for topic in found.topics for each in topic.partitions])
            for found in response.groups
        ] == [("b", [2]), ("nobody", []), ("a", [1])]


@pytest.mark.parametrize("version", [7, 8, 9, 10])
async def test_stable_offsets_are_all_there_are(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        topic_id = running.cluster.image.topics["t"].id if version >= 10 else None
        await client.ask(commit_request("g", 8, {0: 42}), 8)
        request = fetch_request("g", version, [0], topic_id=topic_id)
        request.require_stable = True
        assert fetched(await client.ask(request, version), version) == {0: (42, "m", NONE)}


def delete_request(group_id: str, topics: dict[str, list[int]]) -> OffsetDelete.Request:
    topic = OffsetDelete.Request.Topic
    return OffsetDelete.Request(
        group_id=group_id,
        topics=[
            topic(name=name, partitions=[topic.Partition(partition_index=index) for index in partitions])
            for name, partitions in topics.items()
        ],
    )


async def test_offset_delete_answers_each_partition() -> None:
    async with serving() as running, connected(running) as client:
        for name in ("t", "old"):
            await create_topic(running, name)
        member_id = await stable_group(client, "g")
        for name in ("t", "old"):
            request = commit_request("g", 8, {0: 1}, topic=name, generation_id=1, member_id=member_id)
            await client.ask(request, 8)
        response = await client.ask(delete_request("g", {"t": [0, 5], "old": [0], "never": [0]}), 0)
        assert response.error_code is NONE
        found = {
            (topic.name, each.partition_index): each.error_code
            for topic in response.topics
            for each in topic.partitions
        }
        assert found == {
            ("t", 0): ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
            ("t", 5): UNKNOWN,
            ("old", 0): NONE,
            ("never", 0): UNKNOWN,
        }
        assert fetched(await client.ask(fetch_request("g", 7, [0], topic="old"), 7), 7) == {0: (-1, "", NONE)}
        assert fetched(await client.ask(fetch_request("g", 7, [0]), 7), 7) == {0: (1, "m", NONE)}


@pytest.mark.parametrize(
    ("group_id", "error"), [("", ErrorCode.INVALID_GROUP_ID), ("nobody", ErrorCode.GROUP_ID_NOT_FOUND)]
)
async def test_offset_delete_of_a_group_that_is_not_there(group_id: str, error: ErrorCode) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        response = await client.ask(delete_request(group_id, {"t": [0]}), 0)
        assert (response.error_code, response.topics) == (error, [])
