"""ElectLeaders over a connection, in every version, on three nodes."""

from __future__ import annotations

from typing import Any

import pytest
from kwire_codecs.apis.elect_leaders import ElectLeaders
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from kwire.server.launch import Running
from tests.broker_client import connected, serving
from tests.handlers.three_nodes import place

PREFERRED, UNCLEAN = 0, 1


def electing(*indexes: int, topic: str = "t", kind: int = PREFERRED, **more: Any) -> ElectLeaders.Request:
    asked = ElectLeaders.Request.TopicPartitions(topic=topic, partitions=list(indexes))
    return ElectLeaders.Request(election_type=kind, topic_partitions=[asked], **more)


async def led_by(running: Running, index: int = 0, node: int = 0) -> int:
    async with connected(running, node) as client:
        asked = Metadata.Request(topics=[Metadata.Request.Topic(name="t")])
        [topic] = (await client.ask(asked, 9)).topics
        leader: int = topic.partitions[index].leader_id
        return leader


@pytest.mark.parametrize("version", range(3))
async def test_a_preferred_leader_that_is_back_leads_again(version: int) -> None:
    async with serving(brokers=3) as broker, connected(broker, 1) as client:
        await place(broker, "t", (1, 2, 3))
        await broker.cluster.controller.set_fenced(1, True)
        assert await led_by(broker, node=1) == 2
        [refused] = (await client.ask(electing(0), version)).replica_election_results
        assert refused.partition_result[0].error_code is ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
        await broker.cluster.controller.set_fenced(1, False)
        assert await led_by(broker, node=1) == 2
        [elected] = (await client.ask(electing(0), version)).replica_election_results
        assert (elected.topic, elected.partition_result[0].error_code) == ("t", ErrorCode.NONE)
        assert await led_by(broker, node=1) == 1
        [again] = (await client.ask(electing(0), version)).replica_election_results
        assert again.partition_result[0].error_code is ErrorCode.ELECTION_NOT_NEEDED


@pytest.mark.parametrize("version", range(3))
async def test_of_all_partitions_those_whose_leader_moved_are_told(version: int) -> None:
    async with serving(brokers=3) as broker, connected(broker) as client:
        await place(broker, "t", (3, 1), (1, 3))
        await broker.cluster.controller.set_fenced(3, True)
        await broker.cluster.controller.set_fenced(3, False)
        answer = await client.ask(ElectLeaders.Request(topic_partitions=None), version)
        told = {
            (topic.topic, one.partition_id, one.error_code)
            for topic in answer.replica_election_results
            for one in topic.partition_result
            if topic.topic == "t"
        }
        assert told == {("t", 0, ErrorCode.NONE)}


@pytest.mark.parametrize("version", range(1, 3))
async def test_nobody_outside_the_isr_leads_unless_that_is_asked_for(version: int) -> None:
    async with serving(brokers=3) as broker, connected(broker) as client:
        await place(broker, "t", (2, 3))
        for node, fenced in ((3, True), (2, True), (3, False)):
            await broker.cluster.controller.set_fenced(node, fenced)
        assert await led_by(broker) == -1
        [refused] = (await client.ask(electing(0), version)).replica_election_results
        assert refused.partition_result[0].error_code is ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
        [elected] = (await client.ask(electing(0, kind=UNCLEAN), version)).replica_election_results
        assert elected.partition_result[0].error_code is ErrorCode.NONE
        assert await led_by(broker) == 3


@pytest.mark.parametrize("version", range(3))
async def test_what_is_not_there_is_refused_by_itself(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await place(broker, "t", (1,))
        [known] = (await client.ask(electing(0, 9, -1), version)).replica_election_results
        assert [one.error_code for one in known.partition_result] == [
            ErrorCode.ELECTION_NOT_NEEDED,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ]
        [unknown] = (await client.ask(electing(0, topic="no"), version)).replica_election_results
        assert unknown.partition_result[0].error_message == "No such topic as no"


@pytest.mark.parametrize("version", range(3))
async def test_a_request_that_gives_no_time_does_nothing(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await place(broker, "t", (1,))
        answer = await client.ask(electing(0, timeout_ms=-1), version)
        [topic] = answer.replica_election_results
        assert topic.partition_result[0].error_code is ErrorCode.REQUEST_TIMED_OUT
        assert answer.error_code is (ErrorCode.REQUEST_TIMED_OUT if version else ErrorCode.NONE)


@pytest.mark.parametrize("version", range(1, 3))
async def test_an_unknown_kind_of_election_refuses_the_whole(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        answer = await client.ask(electing(0, kind=7), version)
        assert answer.error_code is ErrorCode.INVALID_REQUEST
        [topic] = answer.replica_election_results
        assert topic.partition_result[0].error_message == "Unknown election type 7"
