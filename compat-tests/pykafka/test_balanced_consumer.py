"""get_balanced_consumer(managed=True): groups that the broker manages, JoinGroup v0 to LeaveGroup v0."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from compat.waiting import until
from pykafka import KafkaClient, Topic
from pykafka.common import OffsetType

Fill = Callable[[Topic, int], list[bytes]]
MakeMember = Callable[..., Any]


@pytest.fixture
def member(client: KafkaClient) -> Iterator[MakeMember]:
    with contextlib.ExitStack() as stack:

        def make(topic: Topic, group: bytes, **options: Any) -> Any:
            defaults = {
                "auto_offset_reset": OffsetType.EARLIEST,
                "consumer_timeout_ms": 1000,
                "heartbeat_interval_ms": 200,
            }
            consumer = topic.get_balanced_consumer(group, managed=True, **{**defaults, **options})
            stack.callback(_stop, consumer)
            return consumer

        yield make


def _stop(consumer: Any) -> None:
    with contextlib.suppress(Exception):  # stopped already, or stopped by what the test is about
        consumer.stop()


def shared(topic: Topic, *members: Any) -> None:
    """Wait until the members hold all partitions, evenly, none twice."""

    def settled() -> bool:
        held = [{partition.id for partition in consumer.partitions.values()} for consumer in members]
        sizes = [len(part) for part in held]
        whole = len(topic.partitions)
        return sum(sizes) == len(set().union(*held)) == whole and max(sizes) - min(sizes) <= 1

    until(settled, f"{len(members)} members share {len(topic.partitions)} partitions", 40)


def take_all(count: int, *members: Any) -> list[Any]:
    messages: list[Any] = []

    def read() -> bool:
        messages.extend(m for m in (consumer.consume(block=False) for consumer in members) if m is not None)
        return len(messages) >= count

    until(read, f"{count} messages", 40)
    return messages


@pytest.mark.fast
def test_one_member_reads_everything_and_commits(
    make_topic: Callable[..., Topic], group: bytes, fill: Fill, member: MakeMember
) -> None:
    topic = make_topic(partitions=2)
    values = fill(topic, 20)
    first = member(topic, group)
    shared(topic, first)
    assert sorted(m.value for m in take_all(20, first)) == sorted(values)
    first.commit_offsets()
    first.stop()
    second = member(topic, group)
    shared(topic, second)
    assert second.consume() is None
    fill(topic, 4)
    assert len(take_all(4, second)) == 4


@pytest.mark.fast
def test_two_members_share_the_partitions(
    make_topic: Callable[..., Topic], group: bytes, fill: Fill, member: MakeMember
) -> None:
    topic = make_topic(partitions=4)
    first = member(topic, group)
    shared(topic, first)
    second = member(topic, group)
    shared(topic, first, second)
    values = fill(topic, 40)
    assert sorted(m.value for m in take_all(40, first, second)) == sorted(values)


def test_a_member_that_stops_gives_its_partitions_back(
    make_topic: Callable[..., Topic], group: bytes, member: MakeMember
) -> None:
    topic = make_topic(partitions=4)
    first, second = member(topic, group), member(topic, group)
    shared(topic, first, second)
    second.stop()
    shared(topic, first)


def test_the_member_too_many_idles(
    make_topic: Callable[..., Topic], group: bytes, member: MakeMember
) -> None:
    topic = make_topic(partitions=2)
    members = [member(topic, group) for _ in range(3)]
    shared(topic, *members)
    assert sorted(len(m.partitions) for m in members) == [0, 1, 1]


def test_a_rebalance_calls_back_with_offsets(
    make_topic: Callable[..., Topic], group: bytes, fill: Fill, member: MakeMember
) -> None:
    topic = make_topic(partitions=2)
    fill(topic, 20)
    called: list[int] = []

    def start_over(_: Any, old: dict[Any, int], new: dict[Any, int]) -> dict[Any, int]:
        called.append(len(new))
        return dict.fromkeys(new, -2)

    consumer = member(topic, group, post_rebalance_callback=start_over)
    shared(topic, consumer)
    assert len(take_all(20, consumer)) == 20
    consumer.commit_offsets()
    second = member(topic, group)
    shared(topic, consumer, second)
    assert called[-1] == 1


def test_latest_with_reset_on_start(
    make_topic: Callable[..., Topic], group: bytes, fill: Fill, member: MakeMember
) -> None:
    topic = make_topic(partitions=2)
    fill(topic, 10)
    consumer = member(topic, group, auto_offset_reset=OffsetType.LATEST, reset_offset_on_start=True)
    shared(topic, consumer)
    assert consumer.consume() is None
    fill(topic, 4)
    assert len(take_all(4, consumer)) == 4
