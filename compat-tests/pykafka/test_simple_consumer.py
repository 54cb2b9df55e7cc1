"""SimpleConsumer: where it starts, commits, resetting offsets, fetch sizes."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from compat.waiting import until
from pykafka import Topic
from pykafka.common import OffsetType
from taking import take

Simple = Callable[..., Any]
Fill = Callable[[Topic, int], list[bytes]]


@pytest.mark.fast
def test_everything_is_read_in_order(topic: Topic, fill: Fill, simple: Simple) -> None:
    values = fill(topic, 500)
    assert [m.value for m in take(simple(topic), 500)] == values


@pytest.mark.fast
def test_latest_with_reset_on_start(topic: Topic, group: bytes, fill: Fill, simple: Simple) -> None:
    fill(topic, 10)
    consumer = simple(
        topic,
        consumer_group=group,
        auto_offset_reset=OffsetType.LATEST,
        reset_offset_on_start=True,
        consumer_timeout_ms=500,
    )
    assert consumer.held_offsets == {0: 9}
    assert consumer.consume() is None
    fill(topic, 3)

    def more() -> Any:
        return consumer.consume()

    assert [until(more, "a new message").offset for _ in range(3)] == [10, 11, 12]


@pytest.mark.fast
def test_commits_are_where_the_next_one_goes_on(
    topic: Topic, group: bytes, fill: Fill, simple: Simple
) -> None:
    fill(topic, 20)
    first = simple(topic, consumer_group=group)
    take(first, 7)
    first.commit_offsets()
    assert dict(first.fetch_offsets())[0].offset == 7
    first.stop()
    second = simple(topic, consumer_group=group)
    assert second.held_offsets == {0: 6}
    assert [m.offset for m in take(second, 13)] == list(range(7, 20))


def test_offsets_given_by_hand_are_committed(topic: Topic, group: bytes, fill: Fill, simple: Simple) -> None:
    fill(topic, 20)
    consumer = simple(topic, consumer_group=group)
    consumer.commit_offsets(partition_offsets=[(consumer.partitions[0], 13)])
    assert dict(consumer.fetch_offsets())[0].offset == 13


def test_auto_commit(topic: Topic, group: bytes, fill: Fill, simple: Simple) -> None:
    fill(topic, 10)
    consumer = simple(topic, consumer_group=group, auto_commit_enable=True, auto_commit_interval_ms=100)
    take(consumer, 10)
    # another member's start shows what is committed; asking `consumer` itself would set it back
    until(lambda: simple(topic, consumer_group=group).held_offsets == {0: 9}, "the offset is committed")


def test_a_group_that_never_committed(topic: Topic, group: bytes, fill: Fill, simple: Simple) -> None:
    fill(topic, 3)
    assert take(simple(topic, consumer_group=group), 3)[0].offset == 0


@pytest.mark.fast
def test_reset_offsets_to_a_number(topic: Topic, group: bytes, fill: Fill, simple: Simple) -> None:
    fill(topic, 20)
    consumer = simple(topic, consumer_group=group)
    take(consumer, 20)
    # the number is that of the last message seen: reading goes on behind it
    consumer.reset_offsets([(topic.partitions[0], 4)])
    assert [m.offset for m in take(consumer, 15)] == list(range(5, 20))


@pytest.mark.parametrize(
    ("target", "first"), [(OffsetType.EARLIEST, 0), (OffsetType.LATEST, 20)], ids=["earliest", "latest"]
)
def test_reset_offsets_to_an_end(topic: Topic, fill: Fill, simple: Simple, target: int, first: int) -> None:
    fill(topic, 20)
    consumer = simple(topic)
    take(consumer, 10)
    consumer.reset_offsets([(topic.partitions[0], target)])
    if first == 20:
        fill(topic, 1)
    assert take(consumer, 1)[0].offset == first


def test_reset_offsets_to_a_time(topic: Topic, fill: Fill, simple: Simple) -> None:
    fill(topic, 5)
    consumer = simple(topic)
    take(consumer, 5)
    # ListOffsets v0 finds segments, not messages: the one segment is older than now
    later = datetime.datetime.now() + datetime.timedelta(days=1)
    consumer.reset_offsets([(topic.partitions[0], later)])
    fill(topic, 1)
    assert take(consumer, 1)[0].offset in (0, 5)


def test_an_offset_out_of_range_is_reset(topic: Topic, fill: Fill, simple: Simple) -> None:
    fill(topic, 5)
    consumer = simple(topic, auto_offset_reset=OffsetType.EARLIEST)
    take(consumer, 5)
    consumer.reset_offsets([(topic.partitions[0], 1000)])
    assert take(consumer, 1)[0].offset == 0


def test_fetches_smaller_than_the_log(topic: Topic, fill: Fill, simple: Simple) -> None:
    # each batch must fit: Fetch 0-2 keeps the limit strictly, and of half a batch nothing is converted
    values = [value for _ in range(10) for value in fill(topic, 30)]
    consumer = simple(topic, fetch_message_max_bytes=3000, queued_max_messages=50)
    assert [m.value for m in take(consumer, 300)] == values


def test_several_partitions(make_topic: Callable[..., Topic], fill: Fill, simple: Simple) -> None:
    topic = make_topic(partitions=3)
    values = fill(topic, 90)
    assert sorted(m.value for m in take(simple(topic), 90)) == sorted(values)


def test_iterating_ends_after_the_timeout(topic: Topic, fill: Fill, simple: Simple) -> None:
    values = fill(topic, 10)
    assert [m.value for m in simple(topic, consumer_timeout_ms=1000)] == values


def test_a_consumer_goes_on_after_its_connections_were_cut(
    topic: Topic, fill: Fill, simple: Simple, client: Any
) -> None:
    fill(topic, 5)
    consumer = simple(topic, consumer_timeout_ms=1000)
    take(consumer, 5)
    for broker in client.brokers.values():
        broker._connection.disconnect()
    fill(topic, 1)
    assert until(consumer.consume, "the message after the cut").offset == 5
