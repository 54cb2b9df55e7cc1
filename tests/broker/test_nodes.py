"""Nodes of one process that stop and start: what clients of the others, and of the one that is gone, see."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from kwire.partitions import appending
from kwire.partitions.threads import decode_in_thread
from kwire.server.launch import CannotStart, Running, Settings, run_broker
from tests.broker_client import (
    Client,
    connected,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records, values_in
from tests.handlers.group_requests import (
    commit_request,
    committed_errors,
    described,
    heartbeat_request,
    join_request,
    stable_group,
)
from tests.handlers.three_nodes import place

LATEST = -1


async def produced(client: Client, topic: str, value: bytes, *, acks: int = -1) -> ErrorCode:
    answer = await client.ask(produce_request(topic, records(value), acks=acks), 9)
    return ErrorCode(answer.responses[0].partition_responses[0].error_code)


async def metadata(client: Client, *topics: str) -> Any:
    return await client.ask(
        Metadata.Request(topics=[Metadata.Request.Topic(name=name) for name in topics]), 9
    )


async def values_at(client: Client, topic: str, offset: int = 0) -> list[bytes | None]:
    return values_in(one_partition(await client.ask(fetch_request(topic, offset), 11)).records)


async def latest(client: Client, topic: str) -> int:
    asked = ListOffsets.Request.Topic
    request = ListOffsets.Request(
        replica_id=-1,
        topics=[asked(name=topic, partitions=[asked.Partition(partition_index=0, timestamp=LATEST)])],
    )
    return int((await client.ask(request, 4)).topics[0].partitions[0].offset)


async def coordinator_of(client: Client, group_id: str) -> int:
    answer = await client.ask(FindCoordinator.Request(key=group_id), 2)
    assert answer.error_code == ErrorCode.NONE
    return int(answer.node_id)


async def until_somebody_waits(running: Running, topic: str) -> None:
    partition = running.cluster.partition(topic, 0)
    assert partition is not None
    while not partition.readers_waiting:
        await trio.lowlevel.checkpoint()


def led(running: Running, topic: str) -> tuple[int, int, tuple[int, ...]]:
    state = running.cluster.image.partition(topic, 0)
    assert state is not None
    return state.leader, state.leader_epoch, tuple(state.isr)


@pytest.mark.parametrize("controlled", [True, False])
async def test_the_leaders_of_a_stopped_node_move_and_their_epochs_rise(controlled: bool) -> None:
    async with serving(brokers=3) as running:
        await place(running, "t", (1, 2, 3))
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"x") == ErrorCode.NONE
            _, epoch, _ = led(running, "t")
            await running.stop_node(1, controlled=controlled)
            assert await client.closed_by_broker()
        assert led(running, "t") == (2, epoch + 1, (2, 3))
        with pytest.raises(OSError, match=r"."):
            async with connected(running, 0):
                pass
        async with connected(running, 1) as client:
            assert await produced(client, "t", b"y") == ErrorCode.NONE
            assert await values_at(client, "t") == [b"x", b"y"]
            answer = await metadata(client, "t")
            assert [broker.node_id for broker in answer.brokers] == [2, 3]
            assert answer.controller_id in (2, 3)
            [partition] = answer.topics[0].partitions
            assert (partition.leader_id, partition.leader_epoch) == (2, epoch + 1)
            assert (partition.replica_nodes, partition.isr_nodes) == ([1, 2, 3], [2, 3])
            assert partition.offline_replicas == [1]


async def test_a_started_node_has_its_port_again_and_is_in_sync_but_does_not_lead() -> None:
    async with serving(brokers=3) as running:
        await place(running, "t", (1, 2))
        before = running.cluster.nodes[1].epoch
        incarnation = running.cluster.image.brokers[1].incarnation_id
        await running.stop_node(1)
        await running.start_node(1)
        assert running.cluster.nodes[1].epoch > before
        assert running.cluster.image.brokers[1].incarnation_id != incarnation
        assert led(running, "t")[0] == 2
        assert set(led(running, "t")[2]) == {1, 2}
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"x") == ErrorCode.NOT_LEADER_OR_FOLLOWER
            assert [broker.node_id for broker in (await metadata(client, "t")).brokers] == [1, 2, 3]


async def test_a_partition_without_a_live_replica_in_sync_waits_for_one() -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (2,))
        async with connected(running, 1) as client:
            assert await produced(client, "t", b"x") == ErrorCode.NONE
        await running.stop_node(2, controlled=False)
        async with connected(running, 0) as client:
            [topic] = (await metadata(client, "t")).topics
            assert topic.partitions[0].error_code == ErrorCode.LEADER_NOT_AVAILABLE
            assert (topic.partitions[0].leader_id, topic.partitions[0].isr_nodes) == (-1, [2])
            await running.start_node(2)
            assert (await metadata(client, "t")).topics[0].partitions[0].leader_id == 2
        async with connected(running, 1) as client:
            assert await values_at(client, "t") == [b"x"]


async def test_a_fetch_that_waits_on_a_leader_is_told_when_it_stops() -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2))
        async with connected(running, 0) as client:
            await client.send(fetch_request("t", 0, max_wait_ms=60_000), 11)
            await until_somebody_waits(running, "t")
            await running.stop_node(1)
            _, answer = await client.receive(Fetch, 11)
            assert one_partition(answer).error_code == ErrorCode.NONE
            assert await client.closed_by_broker()


async def test_a_join_that_waits_is_told_to_look_for_its_coordinator_when_that_stops() -> None:
    async with serving({"group.initial.rebalance.delay.ms": "60000"}, brokers=2) as running:
        async with connected(running, 0) as asking:
            node_id = await coordinator_of(asking, "g")
        async with connected(running, node_id - 1) as client, connected(running, node_id - 1) as asking:
            await client.send(join_request("g", 3), 3)
            while (await described(asking, "g")).group_state != "PreparingRebalance":
                pass
            await running.stop_node(node_id)
            _, answer = await client.receive(JoinGroup, 3)
            assert answer.error_code == ErrorCode.NOT_COORDINATOR


async def test_a_group_goes_on_where_its_coordinator_moved_to() -> None:
    async with serving(brokers=3) as running:
        async with connected(running, 0) as asking:
            first = await coordinator_of(asking, "g")
        await place(running, "t", (1, 2, 3))
        async with connected(running, first - 1) as client:
            member_id = await stable_group(client, "g")
            committed = await client.ask(
                commit_request("g", 7, {0: 7}, generation_id=1, member_id=member_id), 7
            )
            assert committed_errors(committed) == {0: ErrorCode.NONE}
        await running.stop_node(first)
        other = 2 if first == 1 else 1
        async with connected(running, other - 1) as asking:
            second = await coordinator_of(asking, "g")
        assert second != first
        async with connected(running, second - 1) as client:
            beat = await client.ask(heartbeat_request("g", 1, member_id), 3)
            assert beat.error_code == ErrorCode.NONE
        await running.start_node(first)
        async with connected(running, first - 1) as client:
            beat = await client.ask(heartbeat_request("g", 1, member_id), 3)
            assert beat.error_code == ErrorCode.NOT_COORDINATOR


async def test_records_written_with_too_few_in_sync_are_not_seen_until_enough_are() -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2), configs={"min.insync.replicas": "2"})
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"seen") == ErrorCode.NONE
            await running.stop_node(2)
            assert await produced(client, "t", b"refused") == ErrorCode.NOT_ENOUGH_REPLICAS
            assert await produced(client, "t", b"held", acks=1) == ErrorCode.NONE
            assert await values_at(client, "t") == [b"seen"]
            behind = one_partition(await client.ask(fetch_request("t", 2), 11))
            assert (behind.error_code, behind.high_watermark, len(behind.records)) == (ErrorCode.NONE, 1, 0)
            assert await latest(client, "t") == 1
            await running.start_node(2)
            assert await values_at(client, "t") == [b"seen", b"held"]
            assert await latest(client, "t") == 2


async def test_a_reader_of_held_records_is_woken_when_enough_are_in_sync() -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2), configs={"min.insync.replicas": "2"})
        async with connected(running, 0) as client, connected(running, 0) as reader:
            await running.stop_node(2)
            assert await produced(client, "t", b"held", acks=1) == ErrorCode.NONE
            await reader.send(fetch_request("t", 0, max_wait_ms=60_000), 11)
            await until_somebody_waits(running, "t")
            await running.start_node(2)
            _, answer = await reader.receive(Fetch, 11)
            assert values_in(one_partition(answer).records) == [b"held"]


async def test_records_held_back_stay_so_while_their_leader_stops_and_starts() -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2), configs={"min.insync.replicas": "2"})
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"seen") == ErrorCode.NONE
            await running.stop_node(2)
            assert await produced(client, "t", b"held", acks=1) == ErrorCode.NONE
        await running.stop_node(1)
        await running.start_node(1)
        async with connected(running, 0) as client:
            assert await values_at(client, "t") == [b"seen"]
            assert await latest(client, "t") == 1
            await running.start_node(2)
            assert await values_at(client, "t") == [b"seen", b"held"]


async def test_records_looked_at_in_a_thread_while_a_replica_goes_are_not_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2), configs={"min.insync.replicas": "2"})

        async def decode_while_a_node_stops(*arguments: Any) -> Any:
            await running.stop_node(2)
            return await decode_in_thread(*arguments)

        monkeypatch.setattr(appending, "accept_usual", lambda *_: None)
        monkeypatch.setattr(appending, "takes_long", lambda *_: True)
        monkeypatch.setattr(appending, "decode_in_thread", decode_while_a_node_stops)
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"x") == ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
            assert await values_at(client, "t") == []


async def test_lowering_the_minimum_shows_what_was_held() -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2), configs={"min.insync.replicas": "2"})
        async with connected(running, 0) as client:
            await running.stop_node(2)
            assert await produced(client, "t", b"held", acks=1) == ErrorCode.NONE
            assert await values_at(client, "t") == []
            resource = IncrementalAlterConfigs.Request.Resource
            change = resource.Config(name="min.insync.replicas", config_operation=0, value="1")
            asked = resource(resource_type=2, resource_name="t", configs=[change])
            await client.ask(IncrementalAlterConfigs.Request(resources=[asked], validate_only=False), 1)
            assert await values_at(client, "t") == [b"held"]


@pytest.mark.parametrize("data", [False, True])
async def test_an_unclean_leader_has_the_log_only_as_far_as_it_followed(data: bool, tmp_path: Path) -> None:
    async with serving(brokers=2, data=[tmp_path] if data else None) as running:
        await place(running, "t", (1, 2), configs={"unclean.leader.election.enable": "true"})
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"both") == ErrorCode.NONE
            await running.stop_node(2)
            assert await produced(client, "t", b"lost") == ErrorCode.NONE
            _, epoch, isr = led(running, "t")
            assert isr == (1,)
            await running.stop_node(1, controlled=False)
        await running.start_node(2)
        assert led(running, "t") == (2, epoch + 2, (2,))
        async with connected(running, 1) as client:
            assert await values_at(client, "t") == [b"both"]
            assert await produced(client, "t", b"new") == ErrorCode.NONE
            behind = fetch_request("t", 2)
            behind.topics[0].partitions[0].last_fetched_epoch = epoch
            diverging = one_partition(await client.ask(behind, 12)).diverging_epoch
            assert (diverging.epoch, diverging.end_offset) == (epoch, 1)
            await running.start_node(1)
            assert await values_at(client, "t") == [b"both", b"new"]


async def test_without_leave_to_elect_uncleanly_nothing_is_lost() -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2))
        async with connected(running, 0) as client:
            await running.stop_node(2)
            assert await produced(client, "t", b"kept") == ErrorCode.NONE
            await running.stop_node(1, controlled=False)
        await running.start_node(2)
        assert led(running, "t")[0] == -1
        await running.start_node(1)
        async with connected(running, 0) as client:
            assert await values_at(client, "t") == [b"kept"]


async def test_all_nodes_stop_and_start_again(tmp_path: Path) -> None:
    async with serving(brokers=3, data=[tmp_path]) as running:
        await place(running, "t", (1, 2, 3))
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"x") == ErrorCode.NONE
        for node_id in (1, 2, 3):
            await running.stop_node(node_id)
        assert led(running, "t")[0] == -1
        for node_id in (1, 2, 3):
            await running.start_node(node_id)
        assert led(running, "t")[0] == 3
        async with connected(running, 2) as client:
            assert await values_at(client, "t") == [b"x"]


async def test_a_log_is_found_again_after_its_leader_moved_and_the_process_restarted(tmp_path: Path) -> None:
    async with serving(brokers=3, data=[tmp_path]) as running:
        await place(running, "t", (1, 2))
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"x") == ErrorCode.NONE
        await running.stop_node(1)
        async with connected(running, 1) as client:
            assert await produced(client, "t", b"y") == ErrorCode.NONE
    async with serving(brokers=3, data=[tmp_path]) as running:
        leader, _, isr = led(running, "t")
        assert set(isr) == {1, 2}
        async with connected(running, leader - 1) as client:
            assert await values_at(client, "t") == [b"x", b"y"]


async def test_a_node_is_stopped_once_and_started_once() -> None:
    async with serving(brokers=2) as running:
        with pytest.raises(ValueError, match="runs already"):
            await running.start_node(1)
        with pytest.raises(ValueError, match="no node 9; the nodes are 1, 2"):
            await running.stop_node(9)
        await running.stop_node(1)
        with pytest.raises(ValueError, match="stopped already"):
            await running.stop_node(1)


async def test_a_port_that_another_took_meanwhile_keeps_the_node_stopped() -> None:
    async with serving(brokers=2) as running:
        await running.stop_node(2)
        port = int(running.addresses[1].rpartition(":")[2])
        [taken] = await trio.open_tcp_listeners(port, host="127.0.0.1")
        async with taken:
            with pytest.raises(CannotStart, match=f"port {port}"):
                await running.start_node(2)
            assert not running.cluster.nodes[2].up
        await running.start_node(2)
        async with connected(running, 1):
            pass


async def test_a_broker_stops_cleanly_while_one_of_its_nodes_is_stopped(tmp_path: Path) -> None:
    async with serving(brokers=2, data=[tmp_path]) as running:
        await running.stop_node(1)
    async with serving(brokers=2, data=[tmp_path]) as running, connected(running, 0) as client:
        assert [broker.node_id for broker in (await metadata(client)).brokers] == [1, 2]


async def test_a_reader_too_old_for_followers_is_told_that_its_leader_has_moved() -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2))
        async with connected(running, 0) as client:
            await client.send(fetch_request("t", 0, max_wait_ms=60_000), 10)
            await until_somebody_waits(running, "t")
            await running.stop_node(1)
            _, answer = await client.receive(Fetch, 10)
            assert one_partition(answer).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_a_fetch_does_not_hold_up_the_stop_of_the_broker() -> None:
    async with serving() as running:
        await place(running, "t", (1,))
        async with connected(running, 0) as client:
            await client.send(fetch_request("t", 0, max_wait_ms=60_000), 11)
            await until_somebody_waits(running, "t")
            running.stop()
            _, answer = await client.receive(Fetch, 11)
            assert one_partition(answer).error_code == ErrorCode.NONE


async def test_the_data_of_a_killed_process_has_what_was_written_after_a_leader_moved(tmp_path: Path) -> None:
    settings = Settings(host="127.0.0.1", port=0, brokers=3, data=[tmp_path])
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(run_broker, settings)
        await place(running, "t", (1, 2))
        async with connected(running, 0) as client:
            assert await produced(client, "t", b"x") == ErrorCode.NONE
        await running.stop_node(1, controlled=False)
        async with connected(running, 1) as client:
            assert await produced(client, "t", b"y") == ErrorCode.NONE
        _, epoch, _ = led(running, "t")
        nursery.cancel_scope.cancel()
    async with serving(brokers=3, data=[tmp_path]) as running:
        leader, newer, isr = led(running, "t")
        assert (leader, set(isr)) == (2, {1, 2})
        assert newer > epoch
        async with connected(running, 1) as client:
            assert await values_at(client, "t") == [b"x", b"y"]


@pytest.mark.parametrize("controlled", [True, False])
@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20])
async def test_a_node_and_the_whole_broker_may_stop_at_once(controlled: bool, turns: int) -> None:
    async def stop_node() -> None:
        with suppress(ValueError):  # the broker was first
            await running.stop_node(1, controlled=controlled)

    async with trio.open_nursery() as nursery, serving(brokers=3) as running:
        await place(running, "t", (1, 2))
        async with connected(running, 0) as client:
            await client.send(fetch_request("t", 0, max_wait_ms=60_000), 11)
            await until_somebody_waits(running, "t")
            nursery.start_soon(stop_node)
            for _ in range(turns + 1):
                await trio.lowlevel.checkpoint()


async def test_nodes_of_a_stopped_broker_neither_start_nor_stop() -> None:
    async with serving(brokers=2) as running:
        await running.stop_node(2)
    with pytest.raises(ValueError, match="the broker is stopped"):
        await running.start_node(2)
    with pytest.raises(ValueError, match="the broker is stopped"):
        await running.stop_node(1)


@pytest.mark.parametrize("checkpoints", range(5))
async def test_a_stop_that_is_cancelled_has_not_begun_or_is_a_stop(checkpoints: int) -> None:
    async with serving(brokers=2) as running:
        await place(running, "t", (1, 2))
        async with connected(running, 0) as client, trio.open_nursery() as nursery:
            assert await produced(client, "t", b"x") == ErrorCode.NONE
            nursery.start_soon(running.stop_node, 1)
            for _ in range(checkpoints):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        node = running.cluster.nodes[1]
        assert not (node.up and node.stopping)
        assert node.up is not running.cluster.image.brokers[1].fenced
        if not node.up:
            await running.start_node(1)
        async with connected(running, 0) as client:
            assert (await metadata(client, "t")).topics[0].error_code == ErrorCode.NONE
