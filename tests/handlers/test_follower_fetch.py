"""Reading from followers (KIP-392): who is sent where, and what a follower answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio.testing
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode

from kwire.broker.replica_selection import SELECTORS, replica_selector
from kwire.broker_settings import BROKER_SETTINGS
from kwire.config_def import InvalidValue
from kwire.coordinators.metadata import records as m
from kwire.coordinators.outcome import Outcome
from kwire.server.launch import Running
from tests.broker_client import Client, connected, fetch_request, one_partition, produce_request, serving
from tests.handlers.data import offsets_request, records, values_in
from tests.handlers.test_reassignments import moved
from tests.handlers.three_nodes import place

RACK_AWARE = {"replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"}
NEW = range(11, 19)
OLD = range(4, 11)


@asynccontextmanager
async def three_racks(properties: dict[str, str] | None = None) -> AsyncIterator[Running]:
    """Nodes 1, 2 and 3 in racks a, b and c; "t" is led by 1, followed by 2 and 3, and has three records."""
    async with serving(RACK_AWARE if properties is None else properties, brokers=3) as broker:
        controller = broker.cluster.controller
        racks = {1: "a", 2: "b", 3: "c"}
        await controller.submit(
            lambda image: Outcome(
                None,
                [
                    m.register_broker_record(known._replace(rack=racks[known.id]))
                    for known in image.brokers.values()
                ],
            )
        )
        await place(broker, "t", (1, 2, 3))
        async with connected(broker) as client:
            answer = await client.ask(produce_request("t", records(b"a", b"b", b"c")), 9)
            assert not one_partition(answer).error_code
        yield broker


def asking(broker: Running, version: int, offset: int = 0, **fields: Any) -> Fetch.Request:
    """A Fetch of "t" by name, or from version 13 on by id."""
    request = fetch_request("t", offset, **fields)
    if version >= 13:
        request.topics[0].topic_id = broker.cluster.controller.image.topics["t"].id
        request.topics[0].topic = ""
    return request


async def fetched(broker: Running, client: Client, version: int, offset: int = 0, **fields: Any) -> Any:
    return one_partition(await client.ask(asking(broker, version, offset, **fields), version))


@pytest.mark.parametrize("version", NEW)
async def test_a_leader_sends_its_reader_to_the_replica_in_his_rack(version: int) -> None:
    async with three_racks() as broker, connected(broker, 0) as leader, connected(broker, 1) as follower:
        answer = await fetched(broker, leader, version, rack_id="b", max_wait_ms=60_000, min_bytes=1 << 20)
        assert (answer.error_code, answer.preferred_read_replica) == (ErrorCode.NONE, 2)
        assert (bytes(answer.records), answer.high_watermark, answer.log_start_offset) == (b"", 3, 0)
        near = await fetched(broker, follower, version, rack_id="b")
        assert (near.preferred_read_replica, near.high_watermark) == (-1, 3)
        assert values_in(near.records) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("rack", ["a", "", "elsewhere"])
async def test_a_leader_serves_those_who_have_nobody_nearer(rack: str) -> None:
    async with three_racks() as broker, connected(broker) as client:
        answer = await fetched(broker, client, 12, rack_id=rack)
        assert answer.preferred_read_replica == -1
        assert values_in(answer.records) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("properties", [{}, {"replica.selector.class": next(iter(SELECTORS))}])
async def test_without_a_selector_the_leader_serves_everybody(properties: dict[str, str]) -> None:
    async with three_racks(properties) as broker, connected(broker) as client:
        answer = await fetched(broker, client, 12, rack_id="b")
        assert answer.preferred_read_replica == -1
        assert values_in(answer.records) == [b"a", b"b", b"c"]


async def test_a_replica_that_is_down_is_not_named() -> None:
    async with three_racks() as broker, connected(broker) as client:
        await broker.cluster.controller.set_fenced(2, True)
        answer = await fetched(broker, client, 12, rack_id="b")
        assert (answer.error_code, answer.preferred_read_replica) == (ErrorCode.NONE, -1)


async def test_an_offset_that_the_replica_can_not_have_is_answered_by_the_leader() -> None:
    async with three_racks() as broker, connected(broker) as client:
        answer = await fetched(broker, client, 12, 99, rack_id="b")
        assert answer.error_code is ErrorCode.OFFSET_OUT_OF_RANGE


@pytest.mark.parametrize("version", OLD)
async def test_older_consumers_read_from_leaders_only(version: int) -> None:
    async with three_racks() as broker, connected(broker, 0) as leader, connected(broker, 1) as follower:
        refused = await fetched(broker, follower, version)
        assert refused.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER
        answer = await fetched(broker, leader, version)
        assert values_in(answer.records) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("version", NEW)
async def test_a_follower_answers_as_far_as_it_goes(version: int) -> None:
    async with three_racks() as broker, connected(broker, 2) as follower:
        end = await fetched(broker, follower, version, 3)
        assert (end.error_code, bytes(end.records), end.high_watermark) == (ErrorCode.NONE, b"", 3)
        for offset in (4, -1):
            beyond = await fetched(broker, follower, version, offset)
            assert beyond.error_code is ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_reader_that_waits_at_a_follower_gets_what_the_leader_is_given() -> None:
    async with three_racks() as broker, connected(broker, 0) as leader, connected(broker, 1) as follower:
        await follower.send(asking(broker, 12, 3, max_wait_ms=60_000), 12)
        assert not one_partition(await leader.ask(produce_request("t", records(b"d")), 9)).error_code
        _, answer = await follower.receive(Fetch, 12)
        assert values_in(one_partition(answer).records) == [b"d"]


async def test_a_reader_that_waits_at_a_follower_is_told_when_it_is_one_no_more() -> None:
    async with three_racks() as broker, connected(broker, 1) as follower:
        await follower.send(asking(broker, 12, 3, max_wait_ms=60_000), 12)
        await trio.testing.wait_all_tasks_blocked(0.01)
        async with connected(broker) as client:
            assert not (await moved(client, 1, (1, 3))).error_code
        _, answer = await follower.receive(Fetch, 12)
        assert one_partition(answer).error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_a_replica_that_was_left_behind_has_what_it_had_while_nobody_leads() -> None:
    async with three_racks() as broker, connected(broker, 0) as leader, connected(broker, 2) as follower:
        controller = broker.cluster.controller
        await controller.set_fenced(3, True)
        assert not one_partition(await leader.ask(produce_request("t", records(b"d")), 9)).error_code
        for node, fenced in ((2, True), (1, True), (3, False)):
            await controller.set_fenced(node, fenced)
        assert controller.image.topics["t"].partitions[0].leader == -1
        answer = await fetched(broker, follower, 12)
        assert (answer.error_code, answer.high_watermark, answer.last_stable_offset) == (0, 3, 3)
        assert values_in(answer.records) == [b"a", b"b", b"c"]
        beyond = await fetched(broker, follower, 12, 4)
        assert beyond.error_code is ErrorCode.OFFSET_OUT_OF_RANGE
        old = await fetched(broker, follower, 10)
        assert old.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_offsets_are_the_leaders_to_tell() -> None:
    async with three_racks() as broker, connected(broker, 1) as follower:
        [topic] = (await follower.ask(offsets_request("t", -1), 7)).topics
        assert topic.partitions[0].error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_a_session_tells_again_who_is_near() -> None:
    async with three_racks() as broker, connected(broker) as client:
        first = await client.ask(asking(broker, 12, rack_id="b", session_epoch=0), 12)
        again = await client.ask(
            Fetch.Request(
                session_id=first.session_id,
                session_epoch=1,
                max_wait_ms=60_000,
                min_bytes=1,
                rack_id="b",
                topics=[],
            ),
            12,
        )
        assert one_partition(again).preferred_read_replica == 2


def test_other_selectors_are_refused_by_name() -> None:
    setting = BROKER_SETTINGS["replica.selector.class"]
    for name in SELECTORS:
        assert setting.parse(name) == name
        replica_selector(name)
    with pytest.raises(InvalidValue, match=r"replica\.selector\.class"):
        setting.parse("com.example.Nearest")
    assert replica_selector("") is None
