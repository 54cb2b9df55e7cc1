"""AlterPartitionReassignments and ListPartitionReassignments over a connection, in every version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from kwire_codecs.apis.alter_partition_reassignments import AlterPartitionReassignments
from kwire_codecs.apis.describe_topic_partitions import DescribeTopicPartitions
from kwire_codecs.apis.list_partition_reassignments import ListPartitionReassignments
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client, connected, fetch_request, one_partition, produce_request, serving
from tests.handlers.data import records
from tests.handlers.three_nodes import place


def moving(
    replicas: Sequence[int] | None, index: int = 0, topic: str = "t", **more: Any
) -> AlterPartitionReassignments.Request:
    asked = AlterPartitionReassignments.Request.Topic
    wanted = None if replicas is None else list(replicas)
    return AlterPartitionReassignments.Request(
        topics=[asked(name=topic, partitions=[asked.Partition(partition_index=index, replicas=wanted)])],
        **more,
    )


async def moved(client: Client, version: int, replicas: Sequence[int] | None, **more: Any) -> Any:
    answer = await client.ask(moving(replicas, **more), version)
    [topic] = answer.responses
    [partition] = topic.partitions
    return partition


async def listed(client: Client, *topics: str) -> list[tuple[str, int, list[int], list[int], list[int]]]:
    asked = [ListPartitionReassignments.Request.Topic(name=name, partition_indexes=[0, 1]) for name in topics]
    answer = await client.ask(ListPartitionReassignments.Request(topics=asked or None), 0)
    return [
        (topic.name, one.partition_index, one.replicas, one.adding_replicas, one.removing_replicas)
        for topic in answer.topics
        for one in topic.partitions
    ]


async def told(client: Client) -> Any:
    asked = Metadata.Request(topics=[Metadata.Request.Topic(name="t")])
    [topic] = (await client.ask(asked, 9)).topics
    return topic.partitions[0]


@pytest.mark.parametrize("version", range(2))
async def test_a_partition_moves_with_its_records_to_other_nodes(version: int) -> None:
    async with serving(brokers=3) as broker, connected(broker, 0) as first, connected(broker, 2) as third:
        await place(broker, "t", (1, 2))
        assert not one_partition(await first.ask(produce_request("t", records(b"a", b"b")), 9)).error_code
        result = await moved(first, version, (3,))
        assert result.error_code is ErrorCode.NONE
        assert await listed(first) == []
        partition = await told(third)
        assert (partition.replica_nodes, partition.isr_nodes, partition.leader_id) == ([3], [3], 3)
        at_new = one_partition(await third.ask(fetch_request("t", 0), 12))
        assert (at_new.error_code, at_new.high_watermark) == (ErrorCode.NONE, 2)
        at_old = one_partition(await first.ask(fetch_request("t", 0), 12))
        assert at_old.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER


@pytest.mark.parametrize("version", range(2))
async def test_a_move_to_a_node_that_is_down_is_listed_shown_and_ends_when_it_comes(version: int) -> None:
    async with serving(brokers=3) as broker, connected(broker) as client:
        await place(broker, "t", (1, 2))
        await broker.cluster.controller.set_fenced(3, True)
        assert (await moved(client, version, (3, 2))).error_code is ErrorCode.NONE
        expected = [("t", 0, [3, 2, 1], [3], [1])]
        assert await listed(client) == expected
        assert await listed(client, "t", "nope") == expected
        partition = await told(client)
        assert (partition.replica_nodes, partition.offline_replicas) == ([3, 2, 1], [3])
        asked = DescribeTopicPartitions.Request(topics=[DescribeTopicPartitions.Request.Topic(name="t")])
        [topic] = (await client.ask(asked, 0)).topics
        assert topic.partitions[0].replica_nodes == [3, 2, 1]
        await broker.cluster.controller.set_fenced(3, False)
        assert await listed(client) == []
        partition = await told(client)
        assert (partition.replica_nodes, sorted(partition.isr_nodes), partition.leader_id) == (
            [3, 2],
            [2, 3],
            3,
        )


@pytest.mark.parametrize("version", range(2))
async def test_a_move_that_is_under_way_is_cancelled_once(version: int) -> None:
    async with serving(brokers=3) as broker, connected(broker) as client:
        await place(broker, "t", (1, 2))
        await broker.cluster.controller.set_fenced(3, True)
        await moved(client, version, (3, 2))
        assert (await moved(client, version, None)).error_code is ErrorCode.NONE
        assert await listed(client) == []
        assert (await told(client)).replica_nodes == [2, 1]
        again = await moved(client, version, None)
        assert again.error_code is ErrorCode.NO_REASSIGNMENT_IN_PROGRESS


@pytest.mark.parametrize("version", range(2))
@pytest.mark.parametrize(
    ("replicas", "index", "topic", "code"),
    [
        ((), 0, "t", ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ((1, 9), 0, "t", ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ((1, 1), 0, "t", ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ((1,), 7, "t", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ((1,), 0, "nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (None, 0, "t", ErrorCode.NO_REASSIGNMENT_IN_PROGRESS),
    ],
)
async def test_what_can_not_be_done_is_refused_and_nothing_moves(
    version: int, replicas: Sequence[int] | None, index: int, topic: str, code: ErrorCode
) -> None:
    async with serving(brokers=3) as broker, connected(broker) as client:
        await place(broker, "t", (1, 2))
        before = broker.cluster.controller.image.topics
        result = await moved(client, version, replicas, index=index, topic=topic)
        assert result.error_code is code
        assert broker.cluster.controller.image.topics is before


async def test_from_v1_the_number_of_replicas_may_be_held() -> None:
    async with serving(brokers=3) as broker, connected(broker) as client:
        await place(broker, "t", (1, 2))
        refused = await moved(client, 1, (1, 2, 3), allow_replication_factor_change=False)
        assert refused.error_code is ErrorCode.INVALID_REPLICATION_FACTOR
        assert refused.error_message == "The replication factor is changed from 2 to 3"
        assert not (await moved(client, 1, (1, 3), allow_replication_factor_change=False)).error_code
        assert not (await moved(client, 0, (1, 2, 3))).error_code


@pytest.mark.parametrize("version", range(2))
async def test_a_request_that_gives_no_time_does_nothing(version: int) -> None:
    async with serving(brokers=3) as broker, connected(broker) as client:
        await place(broker, "t", (1, 2))
        answer = await client.ask(moving((3,), timeout_ms=-1), version)
        assert answer.error_code is ErrorCode.REQUEST_TIMED_OUT
        assert (await told(client)).replica_nodes == [1, 2]


@pytest.mark.parametrize("version", range(2))
async def test_no_topics_are_no_error(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        answer = await client.ask(AlterPartitionReassignments.Request(topics=[]), version)
        assert (answer.error_code, answer.error_message, answer.responses) == (ErrorCode.NONE, "", [])


async def test_moves_survive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = [tmp_path_factory.mktemp(f"node{node}") for node in (1, 2, 3)]
    async with serving(brokers=3, data=data) as broker, connected(broker) as client:
        await place(broker, "t", (1, 2))
        await broker.cluster.controller.set_fenced(3, True)
        await moved(client, 1, (3, 2))
        before = broker.cluster.controller.image.topics["t"].partitions[0]
        assert before.adding_replicas == (3,)
    async with serving(brokers=3, data=data) as broker, connected(broker) as client:
        after = broker.cluster.controller.image.topics["t"].partitions[0]
        assert (after.replicas, after.adding_replicas, after.leader) == ((3, 2), (), 3)
        assert after.leader_epoch > before.leader_epoch
