"""JoinGroup, SyncGroup, Heartbeat and LeaveGroup over a socket, in every version."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.leave_group import LeaveGroup
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import JoinRequest, JoinResult
from kwire.handlers import join_group
from kwire.handlers.context import Context
from kwire.handlers.join_group import client_host
from tests.broker_client import connected, serving
from tests.handlers.group_requests import (
    METADATA,
    described,
    heartbeat_request,
    join,
    join_request,
    leave_request,
    stable_group,
    sync_request,
)
from tests.runtime.stepped_time import SteppedTime


@pytest.mark.parametrize("version", range(10))
async def test_a_member_joins_syncs_heartbeats_and_leaves_in_every_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        joined = await join(client, "g", version)
        assert joined.error_code is ErrorCode.NONE
        assert joined.generation_id == 1
        assert joined.leader == joined.member_id
        assert joined.protocol_name == "range"
        assert joined.protocol_type == ("consumer" if version >= 7 else None)
        assert [(member.member_id, member.metadata) for member in joined.members] == [
            (joined.member_id, METADATA)
        ]
        member_id = joined.member_id
        assert member_id.startswith("test-")
        sync_version = min(version, 5)
        synced = await client.ask(
            sync_request("g", sync_version, 1, member_id, {member_id: b"all"}), sync_version
        )
        assert (synced.error_code, synced.assignment) == (ErrorCode.NONE, b"all")
        assert synced.protocol_name == ("range" if version >= 5 else None)
        heartbeat = await client.ask(heartbeat_request("g", 1, member_id), min(version, 4))
        assert heartbeat.error_code is ErrorCode.NONE
        left = await client.ask(leave_request("g", min(version, 5), member_id), min(version, 5))
        assert left.error_code is ErrorCode.NONE
        assert (await described(client, "g")).group_state == "Empty"


@pytest.mark.parametrize("version", range(10))
async def test_rule_24_member_id_required_only_from_v4_on(version: int) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(join_request("g", version), version)
        expected = ErrorCode.MEMBER_ID_REQUIRED if version >= 4 else ErrorCode.NONE
        assert response.error_code is expected
        assert response.member_id
        if version >= 5:
            static = await client.ask(join_request("static", version, group_instance_id="one"), version)
            assert static.error_code is ErrorCode.NONE


async def test_rule_25_in_v0_the_session_timeout_is_the_rebalance_timeout() -> None:
    time = SteppedTime()
    async with (
        serving(clock=time.clock) as running,
        connected(running) as client,
        connected(running) as other,
    ):
        async with time.passing():
            first = await join(client, "g", 0)
        await client.ask(sync_request("g", 0, 1, first.member_id, {}), 0)
        async with trio.open_nursery() as nursery:

            async def second() -> None:
                assert (await join(other, "g", 0)).generation_id == 2

            nursery.start_soon(second)
            while (await described(client, "g")).group_state != "PreparingRebalance":
                await trio.lowlevel.checkpoint()
            for _ in range(2):
                await time.step(5_000)
                await client.ask(heartbeat_request("g", 1, first.member_id), 0)


@pytest.mark.parametrize(
    ("timeout_ms", "allowed"), [(5_999, False), (6_000, True), (1_800_000, True), (1_800_001, False)]
)
async def test_session_timeouts_outside_the_limits_are_refused_wherever_they_are_asked_for(
    timeout_ms: int, allowed: bool
) -> None:
    async with serving(brokers=2) as running:
        coordinator = running.cluster.groups.coordinator_of("g")
        for position, node_id in enumerate(sorted(running.cluster.nodes)):
            async with connected(running, position) as client:
                told = await client.ask(join_request("g", 3, session_timeout_ms=timeout_ms), 3)
            usual = ErrorCode.NONE if node_id == coordinator else ErrorCode.NOT_COORDINATOR
            assert told.error_code is (usual if allowed else ErrorCode.INVALID_SESSION_TIMEOUT)


@pytest.mark.parametrize(("version", "expected"), [(0, 9_000), (1, -1), (9, -1)])
def test_only_before_v1_the_session_timeout_stands_in_for_the_rebalance_timeout(
    version: int, expected: int
) -> None:
    asked: list[JoinRequest] = []

    def join(node_id: int, request: JoinRequest) -> JoinResult:
        asked.append(request)
        return JoinResult(ErrorCode.NONE)

    cluster: Any = SimpleNamespace(groups=SimpleNamespace(join=join), random=random.Random(1))
    node: Any = SimpleNamespace(id=1)
    peer: Any = SimpleNamespace(peer_host="127.0.0.1")
    request = join_request("g", version, session_timeout_ms=9_000)
    request.rebalance_timeout_ms = -1
    join_group.at_once(Context(cluster, node, peer, version, "test"), request)
    assert [each.rebalance_timeout_ms for each in asked] == [expected]


async def test_rule_25_a_join_waits_for_the_others_while_its_connection_waits_too() -> None:
    async with serving() as running, connected(running) as client, connected(running) as other:
        member_id = await stable_group(client, "g")
        await other.send(join_request("g", 3), 3)
        await other.send(heartbeat_request("g", 2, "?"), 3)
        while (await client.ask(heartbeat_request("g", 1, member_id), 3)).error_code is ErrorCode.NONE:
            await trio.lowlevel.checkpoint()
        again = await client.ask(join_request("g", 3, member_id), 3)
        _, joined = await other.receive(JoinGroup, 3)
        assert again.generation_id == joined.generation_id == 2
        assert {member.member_id for member in again.members} == {member_id, joined.member_id}
        _, heartbeat = await other.receive(Heartbeat, 3)
        assert heartbeat.error_code is ErrorCode.UNKNOWN_MEMBER_ID


async def test_a_member_whose_connection_breaks_while_it_joins_is_waited_for_and_then_forgotten() -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        async with time.passing():
            member_id = await stable_group(client, "g")
        async with connected(running) as gone:
            await gone.send(join_request("g", 3), 3)
            while (await client.ask(heartbeat_request("g", 1, member_id), 3)).error_code is ErrorCode.NONE:
                await trio.lowlevel.checkpoint()
        again = await client.ask(join_request("g", 3, member_id), 3)
        assert len(again.members) == 2
        await client.ask(sync_request("g", 3, 2, member_id, {}), 3)
        for _ in range(2):
            await time.step(5_000)
            heartbeat = await client.ask(heartbeat_request("g", 2, member_id), 3)
        assert heartbeat.error_code is ErrorCode.REBALANCE_IN_PROGRESS
        assert len((await client.ask(join_request("g", 3, member_id), 3)).members) == 1


async def test_rule_11_a_null_client_id_joins_like_any_other() -> None:
    async with serving() as running, connected(running, client_id=None) as client:
        joined = await join(client, "g", 5)
        assert joined.error_code is ErrorCode.NONE
        [member] = (await described(client, "g")).members
        assert member.client_id == ""


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "/127.0.0.1"),
        ("::1", "/0:0:0:0:0:0:0:1"),
        ("fe80::a:0bcd%eth0", "/fe80:0:0:0:0:0:a:bcd"),
    ],
)
def test_a_members_host_is_shown_as_java_writes_it(host: str, shown: str) -> None:
    assert client_host(host) == shown


@pytest.mark.parametrize("version", range(10))
async def test_a_refused_join_says_why_and_nothing_else(version: int) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(join_request("", version), version)
        assert response.error_code is ErrorCode.INVALID_GROUP_ID
        assert response.protocol_name == (None if version >= 7 else "")
        assert (response.generation_id, response.leader, response.members) == (-1, "", [])


@pytest.mark.parametrize("version", range(6))
async def test_sync_refusals(version: int) -> None:
    async with serving() as running, connected(running) as client:
        for group_id, generation_id, error in [
            ("", 1, ErrorCode.INVALID_GROUP_ID),
            ("nobody", 1, ErrorCode.UNKNOWN_MEMBER_ID),
            ("g", 7, ErrorCode.ILLEGAL_GENERATION),
        ]:
            member_id = await stable_group(client, "g") if group_id == "g" else "m"
            response = await client.ask(
                sync_request(group_id, version, generation_id, member_id, {}), version
            )
            assert response.error_code is error
            assert response.assignment == b""
        if version >= 5:
            request = sync_request("g", 5, 1, "m", {}, protocol_type=None)
            assert (await client.ask(request, 5)).error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("version", range(5))
async def test_heartbeat_refusals(version: int) -> None:
    async with serving() as running, connected(running) as client:
        member_id = await stable_group(client, "g")
        for group_id, generation_id, who, error in [
            ("", 1, member_id, ErrorCode.INVALID_GROUP_ID),
            ("nobody", 1, member_id, ErrorCode.UNKNOWN_MEMBER_ID),
            ("g", 1, "stranger", ErrorCode.UNKNOWN_MEMBER_ID),
            ("g", 2, member_id, ErrorCode.ILLEGAL_GENERATION),
            ("g", 1, member_id, ErrorCode.NONE),
        ]:
            response = await client.ask(heartbeat_request(group_id, generation_id, who), version)
            assert response.error_code is error


@pytest.mark.parametrize("version", range(6))
async def test_leaving_answers_at_the_level_that_its_version_has(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await stable_group(client, "g")
        for group_id in ("g", "nobody"):
            response = await client.ask(leave_request(group_id, version, "stranger"), version)
            if version < 3:
                assert response.error_code is ErrorCode.UNKNOWN_MEMBER_ID
            else:
                assert response.error_code is ErrorCode.NONE
                [member] = response.members
                assert (member.member_id, member.error_code) == ("stranger", ErrorCode.UNKNOWN_MEMBER_ID)
        response = await client.ask(leave_request("", version, "stranger"), version)
        assert response.error_code is ErrorCode.INVALID_GROUP_ID
        assert not response.members


async def test_members_leave_by_their_instance_ids() -> None:
    async with serving() as running, connected(running) as client:
        await join(client, "g", 5, group_instance_id="one")
        member = LeaveGroup.Request.Member
        request = LeaveGroup.Request(
            group_id="g",
            members=[member(member_id="", group_instance_id=name, reason="moved") for name in ("one", "two")],
        )
        response = await client.ask(request, 5)
        assert [(left.group_instance_id, left.error_code) for left in response.members] == [
            ("one", ErrorCode.NONE),
            ("two", ErrorCode.UNKNOWN_MEMBER_ID),
        ]
