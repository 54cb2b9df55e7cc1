"""What only the current release of kafka-python does: idempotence, cooperative groups, static members."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from compat.waiting import until
from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.partitioner.abc import Partitioner
from kafka_python_fixtures import MakeConsumer, MakeProducer, MakeTopic, join, read, unique

Fill = Callable[..., list[bytes]]


@pytest.mark.fast
@pytest.mark.parametrize("in_flight", [1, 5])
def test_idempotent_records_come_once_and_in_order(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer, in_flight: int
) -> None:
    producer = make_producer(
        enable_idempotence=True, max_in_flight_requests_per_connection=in_flight, batch_size=1024, linger_ms=5
    )
    sent = [producer.send(topic, b"%d" % i, partition=0) for i in range(500)]
    assert [future.get(timeout=30).offset for future in sent] == list(range(500))
    assert [r.value for r in read(make_consumer(topic), 500)] == [b"%d" % i for i in range(500)]


def test_idempotent_producers_do_not_meet(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    producers = [make_producer(enable_idempotence=True) for _ in range(3)]
    for i in range(30):
        producers[i % 3].send(topic, b"%d" % i).get(timeout=20)
    assert [r.value for r in read(make_consumer(topic), 30)] == [b"%d" % i for i in range(30)]


def test_cooperative_members_keep_what_they_have(make_topic: MakeTopic, make_consumer: MakeConsumer) -> None:
    topic, group = make_topic(partitions=4), unique("group")
    options = {
        "group_id": group,
        "heartbeat_interval_ms": 200,
        "partition_assignment_strategy": [CooperativeStickyAssignor],
    }
    first = make_consumer(topic, **options)
    join(first, partitions=4)
    before = first.assignment()
    second = make_consumer(topic, **options)
    join(first, second, partitions=4)
    assert first.assignment() < before


def test_a_static_member_comes_back_without_a_rebalance(
    make_topic: MakeTopic, make_consumer: MakeConsumer
) -> None:
    topic, group = make_topic(partitions=2), unique("group")

    def member(instance: str) -> KafkaConsumer:
        return make_consumer(
            topic,
            group_id=group,
            group_instance_id=instance,
            heartbeat_interval_ms=200,
            session_timeout_ms=20_000,
        )

    first, second = member("one"), member("two")
    join(first, second, partitions=2)
    generation = first.group_metadata().generation_id
    held = second.assignment()
    second.close()
    again = member("two")
    until(
        lambda: again.poll(timeout_ms=100) == {} and again.assignment() == held,
        "the same partitions come back",
    )
    first.poll(timeout_ms=500)
    assert first.group_metadata().generation_id == generation


def test_a_consumer_knows_its_lag(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    partition = TopicPartition(topic, 0)
    consumer = make_consumer(topic, group_id=unique("group"), max_poll_records=4)

    def some() -> int:
        return sum(len(batch) for batch in consumer.poll(timeout_ms=500).values())

    assert until(some, "the first four records") == 4
    assert consumer.highwater(partition) - consumer.position(partition) == 6


def test_offsets_committed_by_one_release_are_read_by_another(
    topic: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 6)
    group, partition = unique("group"), TopicPartition(topic, 0)
    first = make_consumer(topic, group_id=group, enable_auto_commit=False, api_version=(2, 1))
    read(first, 6)
    first.commit()
    first.close()
    second = make_consumer(topic, group_id=group, enable_auto_commit=False)
    assert second.committed(partition) == 6


def test_a_partitioner_of_ones_own_is_obeyed(make_topic: MakeTopic, make_producer: MakeProducer) -> None:
    class Last(Partitioner):
        def partition(self, topic: str, *_: object) -> int:
            return max(_[-1].partitions_for_topic(topic))  # type: ignore[attr-defined]

    topic = make_topic(partitions=3)
    producer = make_producer(partitioner=Last())
    assert {producer.send(topic, b"v", key=b"%d" % i).get(timeout=20).partition for i in range(5)} == {2}
