"""DescribeProducers: what partitions remember of who wrote to them."""

from __future__ import annotations

import pytest
from kwire_codecs.apis.describe_producers import DescribeProducers
from kwire_codecs.errors import ErrorCode

from tests.broker_client import connected, create_topic, produce_request, serving
from tests.handlers.data import records
from tests.handlers.test_follower_fetch import three_racks
from tests.handlers.three_nodes import place
from tests.handlers.transactions import begin, end, partition_of


def request(*topics: tuple[str, list[int]]) -> DescribeProducers.Request:
    asked = DescribeProducers.Request.Topic
    return DescribeProducers.Request(
        topics=[asked(name=name, partition_indexes=indexes) for name, indexes in topics]
    )


async def test_producers_are_told_in_the_order_of_their_ids() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        partition = partition_of(running)
        data = records(b"a", b"b", timestamp=50, producer_id=30, producer_epoch=4, base_sequence=8)
        await client.ask(produce_request("t", data), 9)
        await begin(partition, 20, b"x", timestamp=70)
        await begin(partition, 10, b"y")
        end(partition, 10, commit=True)
        partition.end_transaction(5, 3, 9, is_commit=False, transaction_version=0)
        [topic] = (await client.ask(request(("t", [0])), 0)).topics
        [answer] = topic.partitions
        assert (answer.partition_index, answer.error_code, answer.error_message) == (0, ErrorCode.NONE, None)
        told = [
            (
                each.producer_id,
                each.producer_epoch,
                each.last_sequence,
                each.coordinator_epoch,
                each.current_txn_start_offset,
            )
            for each in answer.active_producers
        ]
        assert told == [(5, 3, -1, 9, -1), (10, 0, 0, 0, -1), (20, 0, 0, -1, 2), (30, 4, 9, -1, -1)]
        times = [each.last_timestamp for each in answer.active_producers]
        assert times[2:] == [70, 51]
        assert min(times[:2]) > 1 << 40  # the markers' times


async def test_who_cannot_be_described_is_refused_each_for_itself() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        response = await client.ask(request(("t", [0, 7, 0, -1]), ("none", [0]), ("no such/name", [3])), 0)
        got = [
            (topic.name, answer.partition_index, answer.error_code, answer.error_message is None)
            for topic in response.topics
            for answer in topic.partitions
        ]
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert got == [
            ("t", 0, ErrorCode.NONE, True),
            ("t", 7, unknown, True),
            ("t", 0, ErrorCode.NONE, True),
            ("t", -1, unknown, True),
            ("none", 0, unknown, False),
            ("no such/name", 3, ErrorCode.INVALID_TOPIC_EXCEPTION, False),
        ]


@pytest.mark.parametrize(
    ("node", "expected"), [(0, ErrorCode.NONE), (1, ErrorCode.NONE), (2, ErrorCode.NOT_LEADER_OR_FOLLOWER)]
)
async def test_every_replica_answers_and_nobody_else(node: int, expected: ErrorCode) -> None:
    async with three_racks() as running, connected(running, node) as client:
        await place(running, "u", (1, 2))
        [topic] = (await client.ask(request(("u", [0])), 0)).topics
        assert [answer.error_code for answer in topic.partitions] == [expected]


async def test_no_topics_are_no_producers() -> None:
    async with serving() as running, connected(running) as client:
        assert (await client.ask(request(), 0)).topics == []
