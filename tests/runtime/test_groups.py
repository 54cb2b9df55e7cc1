"""The group coordinator in a whole broker: restarts on disk, deleted topics, leaders that change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.list_groups import ListGroups
from kwire_codecs.errors import ErrorCode

from kwire.config import BrokerConfig
from kwire.coordinators.groups.settings import GroupSettings
from kwire.runtime.group_host import group_settings
from kwire.runtime.groups import OFFSETS_TOPIC
from tests.broker_client import Client, connected, create_topic, serving
from tests.handlers.group_requests import (
    commit_request,
    committed_errors,
    described,
    fetch_request,
    fetched,
    heartbeat_request,
    join_request,
    leave_request,
    stable_group,
    sync_request,
)


def offsets_folders(data: Path) -> list[Path]:
    """What `__consumer_offsets` has on disk."""
    return list(data.glob("__consumer_offsets-*"))


async def loaded_heartbeat(client: Client, group_id: str, generation_id: int, member_id: str) -> ErrorCode:
    """A heartbeat after loading (during which Kafka, and so kwire, answers NONE)."""
    while (await client.ask(ListGroups.Request(), 0)).error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        await trio.lowlevel.checkpoint()
    response = await client.ask(heartbeat_request(group_id, generation_id, member_id), 0)
    code: ErrorCode = response.error_code
    return code


async def test_groups_and_offsets_survive_a_restart_on_disk(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t")
        member_id = await stable_group(client, "g")
        await client.ask(commit_request("g", 8, {0: 42}, generation_id=1, member_id=member_id), 8)
        assert len(offsets_folders(tmp_path)) == 1
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        assert await loaded_heartbeat(client, "g", 1, member_id) is ErrorCode.NONE
        assert fetched(await client.ask(fetch_request("g", 7, [0]), 7), 7) == {0: (42, "m", ErrorCode.NONE)}
        synced = await client.ask(sync_request("g", 3, 1, member_id, {}), 3)
        assert synced.assignment == b"mine"


async def test_groups_are_listed_after_a_restart_though_nobody_has_asked_for_one(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        await stable_group(client, "g")
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        while (listed := await client.ask(ListGroups.Request(), 4)).error_code is not ErrorCode.NONE:
            await trio.lowlevel.checkpoint()
        assert [group.group_id for group in listed.groups] == ["g"]


async def test_a_restart_in_the_middle_of_a_rebalance_lets_the_members_join_again(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client, connected(running) as other:
        member_id = await stable_group(client, "g")
        await other.send(join_request("g", 3), 3)
        while (await client.ask(heartbeat_request("g", 1, member_id), 0)).error_code is ErrorCode.NONE:
            await trio.lowlevel.checkpoint()
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        assert await loaded_heartbeat(client, "g", 1, member_id) is ErrorCode.NONE
        joined = await client.ask(join_request("g", 3, member_id), 3)
        assert (joined.generation_id, len(joined.members)) == (2, 1)


async def test_nothing_is_on_disk_before_the_first_group(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        assert not (await client.ask(ListGroups.Request(), 4)).groups
        assert (await described(client, "nobody")).group_state == "Dead"
    assert not offsets_folders(tmp_path)


async def test_offsets_of_a_deleted_topic_are_forgotten(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t")
        await create_topic(running, "kept")
        for topic in ("t", "kept"):
            await client.ask(commit_request("g", 8, {0: 5}, topic=topic), 8)
        await client.ask(DeleteTopics.Request(topic_names=["t"], timeout_ms=1_000), 1)
        await trio.testing.wait_all_tasks_blocked()
        response = await client.ask(fetch_request("g", 7, None), 7)
        assert [topic.name for topic in response.topics] == ["kept"]
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        await loaded_heartbeat(client, "g", 1, "")
        response = await client.ask(fetch_request("g", 7, None), 7)
        assert [topic.name for topic in response.topics] == ["kept"]


async def test_whoever_waits_when_the_broker_stops_is_told_to_look_elsewhere() -> None:
    async with serving() as running, connected(running) as client, connected(running) as other:
        member_id = await stable_group(client, "g")
        await other.send(join_request("g", 3), 3)
        while (await client.ask(heartbeat_request("g", 1, member_id), 0)).error_code is ErrorCode.NONE:
            await trio.lowlevel.checkpoint()
        running.cluster.groups.drain()
        _, response = await other.receive(JoinGroup, 3)
        assert response.error_code is ErrorCode.NOT_COORDINATOR
        # Nor does anyone begin to wait, but what can be answered is.
        response = await other.ask(join_request("g", 3), 3)
        assert response.error_code is ErrorCode.NOT_COORDINATOR
        response = await client.ask(heartbeat_request("g", 1, member_id), 0)
        assert response.error_code is ErrorCode.REBALANCE_IN_PROGRESS


async def test_every_node_lists_the_groups_that_it_coordinates_and_no_others() -> None:
    async with serving(brokers=3) as running:
        groups = running.cluster.groups
        node_ids = sorted(running.cluster.nodes)
        names = [f"group-{number}" for number in range(12)]
        for name in names:
            async with connected(running, node_ids.index(groups.coordinator_of(name))) as client:
                await stable_group(client, name)
        for position, node_id in enumerate(node_ids):
            async with connected(running, position) as client:
                listed = {group.group_id for group in (await client.ask(ListGroups.Request(), 4)).groups}
                assert listed == {name for name in names if groups.coordinator_of(name) == node_id}


@pytest.mark.parametrize("controlled", [True, False])
async def test_groups_whose_only_coordinator_stopped_are_there_when_it_starts_though_nobody_asks(
    controlled: bool,
) -> None:
    async with serving({"offsets.topic.replication.factor": "1"}, brokers=2) as running:
        groups = running.cluster.groups
        name = next(f"g{n}" for n in range(100) if groups.coordinator_of(f"g{n}") == 2)
        async with connected(running, 1) as client:
            await stable_group(client, name)
        await running.stop_node(2, controlled=controlled)
        assert groups.coordinator_of(name) == -1
        async with connected(running, 0) as client:
            answer = await client.ask(FindCoordinator.Request(key=name), 2)
            assert answer.error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
        await running.start_node(2)
        async with connected(running, 1) as client:
            await trio.testing.wait_all_tasks_blocked()
            assert [group.group_id for group in (await client.ask(ListGroups.Request(), 4)).groups] == [name]


async def test_commits_with_too_few_offsets_replicas_in_sync_are_told_to_wait() -> None:
    properties = {"offsets.topic.replication.factor": "2", "min.insync.replicas": "2"}
    async with serving(properties, brokers=2) as running:
        groups = running.cluster.groups
        name = next(f"g{n}" for n in range(100) if groups.coordinator_of(f"g{n}") == 1)
        await create_topic(running, "t")
        async with connected(running, 0) as client:
            member_id = await stable_group(client, name)
            await running.stop_node(2)
            commit = commit_request(name, 8, {0: 5}, generation_id=1, member_id=member_id)
            refused = committed_errors(await client.ask(commit, 8))
            assert refused == {0: ErrorCode.COORDINATOR_NOT_AVAILABLE}
            await running.start_node(2)
            while committed_errors(await client.ask(commit, 8)) != {0: ErrorCode.NONE}:
                pass
            assert await loaded_heartbeat(client, name, 1, member_id) is ErrorCode.NONE


async def test_a_partition_that_gets_another_leader_is_loaded_there() -> None:
    async with serving(brokers=2) as running, connected(running, 0) as one, connected(running, 1) as two:
        cluster = running.cluster
        first, second = sorted(cluster.nodes)
        name = next(f"g{n}" for n in range(100) if cluster.groups.coordinator_of(f"g{n}") == first)
        member_id = await stable_group(one, name)
        index = cluster.groups.partition_of(name)
        assert index is not None
        partition = cluster.partition(OFFSETS_TOPIC, index)
        assert partition is not None
        partition.leader_id, partition.leader_epoch = second, partition.leader_epoch + 1
        answer = await one.ask(heartbeat_request(name, 1, member_id), 0)
        assert answer.error_code is ErrorCode.NOT_COORDINATOR
        # The first request finds it not loaded yet. A heartbeat is let pass, whatever it says.
        response = await two.ask(fetch_request(name, 7, [0]), 7)
        assert response.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        assert await loaded_heartbeat(two, name, 1, member_id) is ErrorCode.NONE
        assert await loaded_heartbeat(two, name, 2, member_id) is ErrorCode.ILLEGAL_GENERATION


async def test_while_groups_load_heartbeats_are_let_pass_and_all_else_is_told_to_wait() -> None:
    async with serving() as running, connected(running) as client:
        member_id = await stable_group(client, "g")
        groups = running.cluster.groups
        index = groups.partition_of("g")
        assert index is not None
        groups._shards._opened.pop(index)[1].close()
        loading: list[Callable[[], Any]] = []
        spawn = groups._shards.spawn
        groups._shards.spawn = loading.append  # type: ignore[method-assign, assignment]  # it loads when let
        requests = [
            (heartbeat_request("g", 99, member_id), 0),
            (sync_request("g", 3, 1, member_id, {}), 3),
            (join_request("g", 3, member_id), 3),
            (leave_request("g", 3, member_id), 3),
            (ListGroups.Request(), 0),
        ]
        answers = [(await client.ask(request, version)).error_code for request, version in requests]
        for task in loading:
            spawn(task)
        assert answers == [ErrorCode.NONE] + [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS] * 4
        assert await loaded_heartbeat(client, "g", 99, member_id) is ErrorCode.ILLEGAL_GENERATION


@pytest.mark.parametrize(
    ("name", "value", "changed"),
    [
        ("group.min.session.timeout.ms", "1", {"min_session_timeout_ms": 1}),
        ("group.max.session.timeout.ms", "9999999", {"max_session_timeout_ms": 9_999_999}),
        ("group.initial.rebalance.delay.ms", "3000", {"initial_rebalance_delay_ms": 3_000}),
        ("group.max.size", "7", {"max_size": 7}),
        ("offset.metadata.max.bytes", "9", {"offset_metadata_max_size": 9}),
        ("offsets.retention.minutes", "2", {"offsets_retention_ms": 120_000}),
        ("offsets.retention.check.interval.ms", "5", {"offsets_retention_check_interval_ms": 5}),
    ],
)
def test_settings_come_from_the_brokers_configuration(name: str, value: str, changed: dict[str, Any]) -> None:
    defaults = group_settings(BrokerConfig({}))
    assert defaults == GroupSettings(initial_rebalance_delay_ms=defaults.initial_rebalance_delay_ms)
    assert group_settings(BrokerConfig({name: value})) == replace(defaults, **changed)


async def test_members_that_start_together_are_one_generation_even_without_a_delay() -> None:
    async with serving() as running, connected(running) as client, connected(running) as other:
        await client.send(join_request("g", 3), 3)
        await other.send(join_request("g", 3), 3)
        answers = [(await each.receive(JoinGroup, 3))[1] for each in (client, other)]
        assert [answer.generation_id for answer in answers] == [1, 1]
        assert sorted(len(answer.members) for answer in answers) == [0, 2]
