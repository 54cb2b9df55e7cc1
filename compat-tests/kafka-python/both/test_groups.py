"""Consumer groups: commits, resuming, sharing partitions, and what is delivered when a consumer dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kafka
import pytest
from compat.waiting import until
from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka_python_fixtures import MakeConsumer, MakeTopic, join, read, unique

Fill = Callable[..., list[bytes]]
ASSIGNORS = [RangePartitionAssignor, RoundRobinPartitionAssignor]
if kafka.__version__ != "2.0.2":
    # whose sticky assignor fails (TypeError) when a member that has partitions joins again
    ASSIGNORS.append(StickyPartitionAssignor)


@pytest.fixture
def group() -> str:
    return unique("group")


def with_metadata(offset: int, metadata: str = "") -> OffsetAndMetadata:
    """OffsetAndMetadata has a leader epoch in later releases, and the 2.0.2 one has no default for it."""
    fields = {"offset": offset, "metadata": metadata, "leader_epoch": -1}
    return OffsetAndMetadata(**{name: fields[name] for name in OffsetAndMetadata._fields})


@pytest.mark.fast
def test_a_manual_commit_is_where_the_next_one_goes_on(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 10)
    partition = TopicPartition(topic, 0)
    first = make_consumer(topic, group_id=group, enable_auto_commit=False)
    assert first.committed(partition) is None
    read(first, 10)
    first.commit({partition: with_metadata(4, "half way")})
    assert first.committed(partition) == 4
    assert first.committed(partition, metadata=True).metadata == "half way"
    first.close()
    second = make_consumer(topic, group_id=group, enable_auto_commit=False)
    assert [r.offset for r in read(second, 6)] == [4, 5, 6, 7, 8, 9]


def test_commit_without_offsets_commits_what_was_read(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 10)
    consumer = make_consumer(topic, group_id=group, enable_auto_commit=False)
    read(consumer, 10)
    consumer.commit()
    assert consumer.committed(TopicPartition(topic, 0)) == 10


def test_an_asynchronous_commit_calls_back(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 3)
    consumer = make_consumer(topic, group_id=group, enable_auto_commit=False)
    read(consumer, 3)
    answers: list[Any] = []
    consumer.commit_async(callback=lambda offsets, response: answers.append(response))

    def called_back() -> bool:
        consumer.poll(timeout_ms=100)
        return bool(answers)

    until(called_back, "the commit's callback")
    assert not isinstance(answers[0], BaseException)
    assert consumer.committed(TopicPartition(topic, 0)) == 3


@pytest.mark.fast
def test_auto_commit_at_close(topic: str, group: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    first = make_consumer(topic, group_id=group, enable_auto_commit=True)
    read(first, 10)
    first.close()
    fill(topic, 2, start=10)
    assert [r.offset for r in read(make_consumer(topic, group_id=group), 2)] == [10, 11]


def test_auto_commit_as_time_passes(topic: str, group: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    consumer = make_consumer(topic, group_id=group, enable_auto_commit=True, auto_commit_interval_ms=100)
    read(consumer, 10)

    def committed() -> bool:
        consumer.poll(timeout_ms=100)
        return bool(consumer.committed(TopicPartition(topic, 0)) == 10)

    until(committed, "the offset is committed while the consumer lives")


def test_a_group_without_commits_starts_at_the_beginning_if_told(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 10)
    assert len(read(make_consumer(topic, group_id=group, auto_offset_reset="earliest"), 10)) == 10


def test_a_group_without_commits_starts_at_the_end_if_told(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 10)
    consumer = make_consumer(topic, group_id=group, auto_offset_reset="latest")
    join(consumer, partitions=1)
    assert consumer.position(TopicPartition(topic, 0)) == 10
    fill(topic, 2, start=10)
    assert [r.offset for r in read(consumer, 2)] == [10, 11]


@pytest.mark.fast
def test_two_members_share_the_partitions(
    make_topic: MakeTopic, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=4)
    options = {"group_id": group, "heartbeat_interval_ms": 200, "enable_auto_commit": False}
    first = make_consumer(topic, **options)
    join(first, partitions=4)
    second = make_consumer(topic, **options)
    join(first, second, partitions=4)
    for partition in range(4):
        fill(topic, 5, partition=partition)
    seen: list[tuple[int, int]] = []

    def all_seen() -> bool:
        for consumer in (first, second):
            for batch in consumer.poll(timeout_ms=100).values():
                seen.extend((r.partition, r.offset) for r in batch)
        return len(seen) >= 20

    until(all_seen, "both members together read all records")
    assert sorted(seen) == [(p, o) for p in range(4) for o in range(5)]


@pytest.mark.fast
def test_a_member_that_leaves_gives_its_partitions_back(
    make_topic: MakeTopic, group: str, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=4)
    options = {"group_id": group, "heartbeat_interval_ms": 200, "enable_auto_commit": False}
    first, second = make_consumer(topic, **options), make_consumer(topic, **options)
    join(first, second, partitions=4)
    second.close()
    join(first, partitions=4)


def test_more_members_than_partitions(make_topic: MakeTopic, group: str, make_consumer: MakeConsumer) -> None:
    topic = make_topic(partitions=2)
    members = [make_consumer(topic, group_id=group, heartbeat_interval_ms=200) for _ in range(3)]
    join(*members, partitions=2)
    assert sorted(len(member.assignment()) for member in members) == [0, 1, 1]


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_assignors(make_topic: MakeTopic, group: str, make_consumer: MakeConsumer, assignor: type) -> None:
    topic = make_topic(partitions=4)

    options = {
        "group_id": group,
        "heartbeat_interval_ms": 200,
        "partition_assignment_strategy": [assignor],
    }
    join(make_consumer(topic, **options), make_consumer(topic, **options), partitions=4)


def test_the_listener_hears_of_each_rebalance(
    make_topic: MakeTopic, group: str, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=2)

    class Listener(ConsumerRebalanceListener):
        def __init__(self) -> None:
            self.assigned: list[int] = []
            self.revoked: list[int] = []

        def on_partitions_revoked(self, revoked: Any) -> None:
            self.revoked.append(len(revoked))

        def on_partitions_assigned(self, assigned: Any) -> None:
            self.assigned.append(len(assigned))

    listener = Listener()
    options = {"group_id": group, "heartbeat_interval_ms": 200}
    first = make_consumer(**options)
    first.subscribe([topic], listener=listener)
    join(first, partitions=2)
    second = make_consumer(topic, **options)
    join(first, second, partitions=2)
    # a member that joins before it knows the topic is told of no partitions first
    assert [count for count in listener.assigned if count] == [2, 1]
    assert [count for count in listener.revoked if count] == [2]


def test_a_member_that_stops_polling_loses_its_place(
    make_topic: MakeTopic, group: str, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=2)
    options = {"group_id": group, "session_timeout_ms": 6000, "heartbeat_interval_ms": 200}
    # no poll within a second: the client itself stops its heartbeats and leaves
    idle = make_consumer(topic, max_poll_interval_ms=1000, **options)
    join(idle, partitions=2)
    join(make_consumer(topic, **options), partitions=2)


def test_at_most_once_when_a_consumer_ends_in_the_middle_of_its_work(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 5)
    first = make_consumer(topic, group_id=group, enable_auto_commit=False)
    records = read(first, 5)
    first.commit()
    done = [record.offset for record in records[:2]]
    first.close(autocommit=False)
    second = make_consumer(topic, group_id=group, enable_auto_commit=False)
    join(second, partitions=1)
    done += [record.offset for record in read(second, 0)]
    assert done == [0, 1]


def test_at_least_once_when_a_consumer_ends_in_the_middle_of_its_work(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 5)
    first = make_consumer(topic, group_id=group, enable_auto_commit=False)
    done = [record.offset for record in read(first, 5)[:2]]
    first.close(autocommit=False)
    second = make_consumer(topic, group_id=group, enable_auto_commit=False)
    done += [record.offset for record in read(second, 5)]
    assert done == [0, 1, 0, 1, 2, 3, 4]


def test_commits_of_two_groups_do_not_meet(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 4)
    one, two = unique("group"), unique("group")
    first = make_consumer(topic, group_id=one, enable_auto_commit=False)
    read(first, 4)
    first.commit()
    second = make_consumer(topic, group_id=two, enable_auto_commit=False)
    assert second.committed(TopicPartition(topic, 0)) is None
    assert len(read(second, 4)) == 4


def test_offsets_of_assigned_partitions_can_be_committed_without_joining(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 4)
    partition = TopicPartition(topic, 0)
    consumer = make_consumer(group_id=group, enable_auto_commit=False)
    consumer.assign([partition])
    read(consumer, 4)
    consumer.commit()
    assert consumer.committed(partition) == 4
