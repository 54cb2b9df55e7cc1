"""FindCoordinator, ListGroups, DescribeGroups and DeleteGroups over a socket, in every version."""

from __future__ import annotations

import pytest
from kwire_codecs.apis.delete_groups import DeleteGroups
from kwire_codecs.apis.describe_groups import DescribeGroups
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.list_groups import ListGroups
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from tests.broker_client import connected, create_topic, serving
from tests.handlers.group_requests import METADATA, commit_request, fetch_request, join, stable_group

GROUP, TRANSACTION, SHARE = 0, 1, 2


def find_request(version: int, key: str, key_type: int = GROUP) -> FindCoordinator.Request:
    if version >= 4:
        return FindCoordinator.Request(coordinator_keys=[key], key_type=key_type)
    return FindCoordinator.Request(key=key, key_type=key_type)


def the_answer(response: FindCoordinator.Response, version: int) -> tuple[ErrorCode, int, str, int]:
    if version >= 4:
        [found] = response.coordinators
        return found.error_code, found.node_id, found.host, found.port
    return response.error_code, response.node_id, response.host, response.port


@pytest.mark.parametrize("version", range(7))
async def test_rule_26_the_coordinator_is_a_broker_of_metadata_and_answers(version: int) -> None:
    async with serving(brokers=3) as running, connected(running) as client:
        metadata = await client.ask(Metadata.Request(topics=[]), 1)
        brokers = {broker.node_id: (broker.host, broker.port) for broker in metadata.brokers}
        seen = set()
        for key in ("g", "h", "i", "j", "", "größe"):
            response = await client.ask(find_request(version, key), version)
            error_code, node_id, host, port = the_answer(response, version)
            assert error_code is ErrorCode.NONE
            assert brokers[node_id] == (host, port)
            seen.add(node_id)
            for node in range(3):
                async with connected(running, node) as member:
                    request = Heartbeat.Request(group_id=key or "x", generation_id=1, member_id="m")
                    answer = (await member.ask(request, 0)).error_code
                    leads = running.cluster.groups.coordinator_of(key or "x") == sorted(brokers)[node]
                    assert answer is (ErrorCode.UNKNOWN_MEMBER_ID if leads else ErrorCode.NOT_COORDINATOR)
        assert len(seen) > 1


async def test_rule_26_the_offsets_topic_is_there_from_the_start_and_internal() -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(Metadata.Request(topics=None), 5)
        [offsets] = [topic for topic in response.topics if topic.name == "__consumer_offsets"]
        assert offsets.is_internal
        assert len(offsets.partitions) == 50
        assert all(partition.leader_id >= 0 for partition in offsets.partitions)


@pytest.mark.parametrize("version", range(1, 7))
async def test_a_transactional_id_has_a_coordinator(version: int) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(find_request(version, "my-id", TRANSACTION), version)
        error_code, node_id, _, _ = the_answer(response, version)
        assert (error_code, node_id) == (ErrorCode.NONE, running.cluster.transactions.coordinator_of("my-id"))


@pytest.mark.parametrize("key_type", [SHARE, 3, -1, 127])
@pytest.mark.parametrize("version", [1, 6])
async def test_other_kinds_of_coordinators_are_an_invalid_request(version: int, key_type: int) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(find_request(version, "g", key_type), version)
        assert the_answer(response, version) == (ErrorCode.INVALID_REQUEST, -1, "", -1)


@pytest.mark.parametrize("version", range(6))
async def test_list_groups_in_every_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await stable_group(client, "stable")
        await client.ask(commit_request("simple", 8, {0: 1}), 8)
        response = await client.ask(ListGroups.Request(), version)
        assert response.error_code is ErrorCode.NONE
        found = {group.group_id: group for group in response.groups}
        assert {name: group.protocol_type for name, group in found.items()} == {
            "stable": "consumer",
            "simple": "",
        }
        if version >= 4:
            assert (found["stable"].group_state, found["simple"].group_state) == ("Stable", "Empty")
            response = await client.ask(ListGroups.Request(states_filter=["stable"]), version)
            assert [group.group_id for group in response.groups] == ["stable"]
        if version >= 5:
            assert found["stable"].group_type == "classic"
            response = await client.ask(ListGroups.Request(types_filter=["consumer"]), version)
            assert not response.groups


@pytest.mark.parametrize("version", range(7))
async def test_describe_groups_in_every_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        member_id = await stable_group(client, "g")
        response = await client.ask(DescribeGroups.Request(groups=["g", "nobody"]), version)
        known, missing = response.groups
        assert (known.error_code, known.group_state) == (ErrorCode.NONE, "Stable")
        assert (known.protocol_type, known.protocol_data) == ("consumer", "range")
        [member] = known.members
        assert (member.member_id, member.client_id, member.client_host) == (member_id, "test", "/127.0.0.1")
        assert (member.member_metadata, member.member_assignment) == (METADATA, b"mine")
        assert known.authorized_operations == -0x8000_0000
        assert missing.group_state == "Dead"
        if version >= 6:
            assert missing.error_code is ErrorCode.GROUP_ID_NOT_FOUND
            assert missing.error_message == "Group nobody not found."
        else:
            assert missing.error_code is ErrorCode.NONE


@pytest.mark.parametrize("version", [3, 4, 5, 6])
async def test_authorised_operations_are_told_to_who_asks(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await stable_group(client, "g")
        request = DescribeGroups.Request(groups=["g"], include_authorized_operations=True)
        [group] = (await client.ask(request, version)).groups
        assert group.authorized_operations == 0b1101_0100_1000


@pytest.mark.parametrize("version", [4, 5])
async def test_static_members_are_described_with_their_instance_ids(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await join(client, "g", 5, group_instance_id="one")
        [group] = (await client.ask(DescribeGroups.Request(groups=["g"]), version)).groups
        assert [member.group_instance_id for member in group.members] == ["one"]
        assert group.group_state == "CompletingRebalance"


@pytest.mark.parametrize("version", range(4))
async def test_delete_groups_in_every_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await stable_group(client, "busy")
        await client.ask(commit_request("idle", 8, {0: 1}), 8)
        request = DeleteGroups.Request(groups_names=["idle", "busy", "nobody", "idle"])
        response = await client.ask(request, version)
        assert [(result.group_id, result.error_code) for result in response.results] == [
            ("idle", ErrorCode.NONE),
            ("busy", ErrorCode.NON_EMPTY_GROUP),
            ("nobody", ErrorCode.GROUP_ID_NOT_FOUND),
        ]
        left = await client.ask(ListGroups.Request(), 4)
        assert [group.group_id for group in left.groups] == ["busy"]
        response = await client.ask(fetch_request("idle", 7, None), 7)
        assert not response.topics
