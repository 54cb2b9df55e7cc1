"""ConsumerGroupHeartbeat and ConsumerGroupDescribe over a socket, in every version, and what other group APIs
make of consumer groups.
"""

from __future__ import annotations

import pytest
from kwire_codecs.apis.consumer_group_describe import ConsumerGroupDescribe
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.delete_groups import DeleteGroups
from kwire_codecs.apis.describe_groups import DescribeGroups
from kwire_codecs.apis.list_groups import ListGroups
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata import records as m
from kwire.coordinators.outcome import Outcome
from tests.broker_client import Client, connected, create_topic, serving
from tests.handlers.consumer_group_requests import assigned, beat_request, described, join_fields

VERSIONS = [0, 1]
NO_WAITING = {"group.consumer.assignment.interval.ms": "0"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_member_joins_stays_and_leaves_in_every_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 3)
        topic_id = running.cluster.controller.image.topics["t"].id
        joined = await client.ask(beat_request("g", "m" if version else "", 0, **join_fields("t")), version)
        assert joined.error_code is ErrorCode.NONE
        assert joined.heartbeat_interval_ms == 5_000
        assert assigned(joined) == {topic_id: [0, 1, 2]}
        member_id = joined.member_id
        assert member_id == "m" if version else len(member_id) == 22
        stayed = await client.ask(beat_request("g", member_id, joined.member_epoch), version)
        assert (stayed.error_code, stayed.assignment) == (ErrorCode.NONE, None)
        left = await client.ask(beat_request("g", member_id, -1), version)
        assert (left.error_code, left.member_epoch) == (ErrorCode.NONE, -1)
        assert (await described(client, "g", version)).group_state == "Empty"


async def test_from_v1_on_a_client_must_make_its_own_id() -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(beat_request("g", "", 0, **join_fields("t")), 1)
        assert response.error_code is ErrorCode.INVALID_REQUEST
        assert response.error_message == "MemberId can't be empty."


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_group_is_described_with_its_members(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 2)
        topic_id = running.cluster.controller.image.topics["t"].id
        joined = await client.ask(
            beat_request("g", "m", 0, instance_id="i", rack_id="r", **join_fields("t")), 1
        )
        group = await described(client, "g", version)
        assert (group.error_code, group.error_message) == (ErrorCode.NONE, None)
        assert (group.group_state, group.group_epoch, group.assignment_epoch) == ("Stable", 2, 2)
        assert group.assignor_name == "uniform"
        [member] = group.members
        assert (member.member_id, member.instance_id, member.rack_id) == ("m", "i", "r")
        assert (member.member_epoch, member.client_id) == (joined.member_epoch, "test")
        assert (member.client_host, member.subscribed_topic_names) == ("/127.0.0.1", ["t"])
        assert member.subscribed_topic_regex == ""
        assert member.member_type == (1 if version else -1)
        for assignment in (member.assignment, member.target_assignment):
            [topic] = assignment.topic_partitions
            assert (topic.topic_id, topic.topic_name, topic.partitions) == (topic_id, "t", [0, 1])
        assert group.authorized_operations == -(2**31)


async def test_what_is_no_consumer_group_is_not_described() -> None:
    async with serving() as running, connected(running) as client:
        request = ConsumerGroupDescribe.Request(group_ids=["none", ""], include_authorized_operations=True)
        none, empty = (await client.ask(request, 1)).groups
        assert none.error_code is ErrorCode.GROUP_ID_NOT_FOUND
        assert none.error_message == "Group none not found."
        assert empty.error_code is ErrorCode.INVALID_GROUP_ID


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_cluster_without_the_feature_has_no_consumer_groups(version: int) -> None:
    async with serving() as running, connected(running) as client:
        lowered = [m.feature_level_record("group.version", 0)]
        await running.cluster.controller.submit(lambda image: Outcome(None, lowered))
        response = await client.ask(beat_request("g", "m", 0, **join_fields("t")), version)
        assert (response.error_code, response.error_message) == (ErrorCode.UNSUPPORTED_VERSION, None)
        group = await described(client, "g", version)
        assert (group.error_code, group.error_message) == (ErrorCode.UNSUPPORTED_VERSION, None)


async def test_a_broker_may_leave_the_protocol_out() -> None:
    properties = {"group.coordinator.rebalance.protocols": "classic"}
    async with serving(properties) as running, connected(running) as client:
        response = await client.ask(beat_request("g", "m", 0, **join_fields("t")), 1)
        assert response.error_code is ErrorCode.UNSUPPORTED_VERSION


async def test_two_members_share_a_topic_that_grows() -> None:
    async with serving(NO_WAITING) as running, connected(running) as client:
        await create_topic(running, "t", 2)
        topic_id = running.cluster.controller.image.topics["t"].id
        first = await client.ask(beat_request("g", "a", 0, **join_fields("t")), 1)
        second = await client.ask(beat_request("g", "b", 0, **join_fields("t")), 1)
        assert assigned(second) == {}
        revokes = await client.ask(beat_request("g", "a", first.member_epoch), 1)
        kept = assigned(revokes)
        assert kept is not None
        owned = ConsumerGroupHeartbeat.Request.TopicPartitions(topic_id=topic_id, partitions=kept[topic_id])
        moved = await client.ask(beat_request("g", "a", first.member_epoch, topic_partitions=[owned]), 1)
        assert moved.member_epoch == 3
        gets = await client.ask(beat_request("g", "b", second.member_epoch), 1)
        given = assigned(gets)
        assert given is not None
        assert sorted(kept[topic_id] + given[topic_id]) == [0, 1]


async def test_an_expression_is_looked_up_and_followed() -> None:
    async with serving(NO_WAITING) as running, connected(running) as client:
        await create_topic(running, "orders-eu", 1)
        topic_id = running.cluster.controller.image.topics["orders-eu"].id
        fields = {"rebalance_timeout_ms": 1_000, "topic_partitions": []}
        joined = await client.ask(beat_request("g", "m", 0, subscribed_topic_regex="orders-.*", **fields), 1)
        assert joined.error_code is ErrorCode.NONE
        epoch, owned = joined.member_epoch, assigned(joined)
        while not owned:
            response = await client.ask(beat_request("g", "m", epoch), 1)
            epoch, owned = response.member_epoch, assigned(response)
        assert owned == {topic_id: [0]}
        group = await described(client, "g")
        assert group.members[0].subscribed_topic_regex == "orders-.*"


# What the others make of it


async def member_of_a_consumer_group(client: Client) -> ConsumerGroupHeartbeat.Response:
    response: ConsumerGroupHeartbeat.Response = await client.ask(
        beat_request("g", "m", 0, **join_fields("t")), 1
    )
    assert response.error_code is ErrorCode.NONE
    return response


async def test_a_consumer_group_is_listed_with_its_type() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 1)
        await member_of_a_consumer_group(client)
        [group] = (await client.ask(ListGroups.Request(types_filter=["Consumer"]), 5)).groups
        assert (group.group_id, group.protocol_type, group.group_state, group.group_type) == (
            "g",
            "consumer",
            "Stable",
            "consumer",
        )
        assert not (await client.ask(ListGroups.Request(types_filter=["classic"]), 5)).groups
        assert not (await client.ask(ListGroups.Request(states_filter=["empty"]), 5)).groups


@pytest.mark.parametrize("version", range(7))
async def test_a_consumer_group_is_no_group_to_describe_groups(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 1)
        await member_of_a_consumer_group(client)
        [group] = (await client.ask(DescribeGroups.Request(groups=["g"]), version)).groups
        assert (group.group_state, list(group.members)) == ("Dead", [])
        if version >= 6:
            assert group.error_code is ErrorCode.GROUP_ID_NOT_FOUND
            assert group.error_message == "Group g is not a classic group."
        else:
            assert group.error_code is ErrorCode.NONE


async def test_a_consumer_group_is_deleted_when_it_is_empty() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 1)
        await member_of_a_consumer_group(client)
        request = DeleteGroups.Request(groups_names=["g"])
        assert (await client.ask(request, 2)).results[0].error_code is ErrorCode.NON_EMPTY_GROUP
        await client.ask(beat_request("g", "m", -1), 1)
        assert (await client.ask(request, 2)).results[0].error_code is ErrorCode.NONE
        assert (await described(client, "g")).error_code is ErrorCode.GROUP_ID_NOT_FOUND


def commit(epoch: int, member_id: str = "m") -> OffsetCommit.Request:
    topic = OffsetCommit.Request.Topic
    partition = topic.Partition(partition_index=0, committed_offset=5, committed_metadata="")
    return OffsetCommit.Request(
        group_id="g",
        generation_id_or_member_epoch=epoch,
        member_id=member_id,
        topics=[topic(name="t", partitions=[partition])],
    )


async def test_offsets_are_committed_and_fetched_by_the_members_epoch() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 1)
        epoch = (await member_of_a_consumer_group(client)).member_epoch

        async def committed(request: OffsetCommit.Request, version: int) -> ErrorCode:
            code: ErrorCode = (await client.ask(request, version)).topics[0].partitions[0].error_code
            return code

        assert await committed(commit(epoch), 9) is ErrorCode.NONE
        assert await committed(commit(epoch), 8) is ErrorCode.UNSUPPORTED_VERSION
        assert await committed(commit(epoch + 1), 9) is ErrorCode.STALE_MEMBER_EPOCH
        assert await committed(commit(epoch - 1), 9) is ErrorCode.STALE_MEMBER_EPOCH
        assert await committed(commit(epoch, "nobody"), 9) is ErrorCode.UNKNOWN_MEMBER_ID
        assert await committed(commit(-1, ""), 9) is ErrorCode.UNKNOWN_MEMBER_ID

        async def fetched(member_id: str | None, member_epoch: int) -> OffsetFetch.Response.Group:
            asked = OffsetFetch.Request.Group(
                group_id="g", member_id=member_id, member_epoch=member_epoch, topics=None
            )
            response: OffsetFetch.Response = await client.ask(OffsetFetch.Request(groups=[asked]), 9)
            return response.groups[0]

        for who in (("m", epoch), (None, -1)):
            group = await fetched(*who)
            assert group.topics[0].partitions[0].committed_offset == 5
        assert (await fetched("m", epoch + 1)).error_code is ErrorCode.STALE_MEMBER_EPOCH
        assert (await fetched("nobody", epoch)).error_code is ErrorCode.UNKNOWN_MEMBER_ID
