"""What programs do with KafkaConsumer outside a group: where it starts, how it moves, what it can ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from compat.waiting import until
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka_python_fixtures import MakeConsumer, MakeTopic, read, unique

Fill = Callable[..., list[bytes]]


def assigned(
    make_consumer: MakeConsumer, topic: str, **config: object
) -> tuple[KafkaConsumer, TopicPartition]:
    consumer = make_consumer(**config)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    return consumer, partition


@pytest.mark.fast
def test_earliest_reads_what_was_there(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    values = fill(topic, 20)
    records = read(make_consumer(topic, auto_offset_reset="earliest"), 20)
    assert [r.value for r in records] == values
    assert [(r.topic, r.partition, r.offset) for r in records] == [(topic, 0, i) for i in range(20)]


@pytest.mark.fast
def test_latest_reads_only_what_comes(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 5)
    consumer, partition = assigned(make_consumer, topic, auto_offset_reset="latest")
    assert consumer.poll(timeout_ms=300) == {}
    assert consumer.position(partition) == 5
    fill(topic, 3, start=5)
    assert [r.offset for r in read(consumer, 3)] == [5, 6, 7]


@pytest.mark.fast
def test_seek(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    consumer, partition = assigned(make_consumer, topic)
    consumer.seek(partition, 7)
    assert [r.offset for r in read(consumer, 3)] == [7, 8, 9]
    assert consumer.position(partition) == 10
    consumer.seek(partition, 2)
    assert [r.offset for r in read(consumer, 8)] == list(range(2, 10))


def test_seek_into_the_middle_of_a_batch(
    topic: str, make_producer: Callable[..., KafkaProducer], make_consumer: MakeConsumer
) -> None:
    producer = make_producer(linger_ms=200, compression_type="gzip")
    for i in range(50):
        producer.send(topic, b"%d" % i)
    producer.flush(timeout=20)
    consumer, partition = assigned(make_consumer, topic)
    consumer.seek(partition, 33)
    assert [r.value for r in read(consumer, 17)] == [b"%d" % i for i in range(33, 50)]


@pytest.mark.fast
def test_seek_to_beginning_and_end(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    consumer, partition = assigned(make_consumer, topic)
    consumer.seek_to_end(partition)
    assert consumer.position(partition) == 10
    consumer.seek_to_beginning(partition)
    assert consumer.position(partition) == 0
    assert len(read(consumer, 10)) == 10


def test_max_poll_records(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 25)
    consumer = make_consumer(topic, max_poll_records=10)
    sizes = []

    def all_read() -> bool:
        sizes.append(sum(len(batch) for batch in consumer.poll(timeout_ms=500).values()))
        return sum(sizes) >= 25

    until(all_read, "25 records in polls of ten")
    assert [size for size in sizes if size] == [10, 10, 5]


def test_pause_and_resume(make_topic: MakeTopic, fill: Fill, make_consumer: MakeConsumer) -> None:
    topic = make_topic(partitions=2)
    fill(topic, 5, partition=0)
    fill(topic, 5, partition=1)
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer = make_consumer()
    consumer.assign([zero, one])
    consumer.pause(zero)
    assert consumer.paused() == {zero}
    assert {r.partition for r in read(consumer, 5)} == {1}
    consumer.resume(zero)
    assert {r.partition for r in read(consumer, 5)} == {0}


@pytest.mark.fast
def test_beginning_and_end_offsets(make_topic: MakeTopic, fill: Fill, make_consumer: MakeConsumer) -> None:
    topic = make_topic(partitions=2)
    fill(topic, 4, partition=1)
    partitions = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    consumer = make_consumer()
    assert consumer.beginning_offsets(partitions) == {partitions[0]: 0, partitions[1]: 0}
    assert consumer.end_offsets(partitions) == {partitions[0]: 0, partitions[1]: 4}


@pytest.mark.fast
def test_offsets_for_times(topic: str, producer: KafkaProducer, make_consumer: MakeConsumer) -> None:
    base = 1_700_000_000_000
    for i in range(5):
        producer.send(topic, b"%d" % i, timestamp_ms=base + 1000 * i).get(timeout=20)
    partition = TopicPartition(topic, 0)
    consumer = make_consumer()

    def offset_at(timestamp: int) -> tuple[int, int] | None:
        found = consumer.offsets_for_times({partition: timestamp})[partition]
        return found and (found.offset, found.timestamp)

    assert offset_at(0) == (0, base)
    assert offset_at(base + 1000) == (1, base + 1000)
    assert offset_at(base + 1001) == (2, base + 2000)
    assert offset_at(base + 9999) is None


def test_a_pattern_subscribes_to_topics_that_fit(
    make_topic: MakeTopic, fill: Fill, make_consumer: MakeConsumer
) -> None:
    prefix = unique("pattern")
    one, two = make_topic(name=f"{prefix}-one"), make_topic(name=f"{prefix}-two")
    other = make_topic(name=f"other-{prefix}")
    for topic in (one, two, other):
        fill(topic, 2)
    consumer = make_consumer(metadata_max_age_ms=500)
    consumer.subscribe(pattern=f"^{prefix}-.*")
    assert {r.topic for r in read(consumer, 4)} == {one, two}
    # a topic that appears later is found with the next metadata
    three = make_topic(name=f"{prefix}-three")
    fill(three, 2)

    def seen() -> bool:  # among records read again: without a group, 2.0.2 starts over when its topics change
        return any(partition.topic == three for partition in consumer.poll(timeout_ms=500))

    until(seen, "records of the new topic")


def test_iterating_ends_after_the_consumer_timeout(
    topic: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    values = fill(topic, 10)
    assert [r.value for r in make_consumer(topic, consumer_timeout_ms=1500)] == values


@pytest.mark.fast
def test_topics_and_partitions_are_listed(make_topic: MakeTopic, make_consumer: MakeConsumer) -> None:
    topic = make_topic(partitions=3)
    consumer = make_consumer()
    assert topic in consumer.topics()
    assert not any(name.startswith("__") for name in consumer.topics())
    assert consumer.partitions_for_topic(topic) == {0, 1, 2}


@pytest.mark.parametrize(("reset", "first"), [("earliest", 0), ("latest", 10)])
def test_an_offset_out_of_range_is_reset(
    topic: str, fill: Fill, make_consumer: MakeConsumer, reset: str, first: int
) -> None:
    fill(topic, 10)
    consumer, partition = assigned(make_consumer, topic, auto_offset_reset=reset)
    consumer.seek(partition, 1000)

    def back_in_range() -> bool:
        if reset == "latest":
            consumer.poll(timeout_ms=100)
            return bool(consumer.position(partition) == first)
        return any(batch[0].offset == first for batch in consumer.poll(timeout_ms=500).values())

    until(back_in_range, f"the consumer goes on at {first}")


def test_high_watermark_is_known_after_a_fetch(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    consumer, partition = assigned(make_consumer, topic, max_poll_records=1)
    consumer.poll(timeout_ms=5000)
    assert consumer.highwater(partition) == 10


def test_small_fetches_still_read_everything(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    values = fill(topic, 300)
    consumer = make_consumer(topic, fetch_max_bytes=1000, max_partition_fetch_bytes=500)
    assert [r.value for r in read(consumer, 300)] == values


def test_a_fetch_waits_for_min_bytes(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 1)
    consumer = make_consumer(topic, fetch_min_bytes=1_000_000, fetch_max_wait_ms=1000)
    # too little is there: the answer comes when the wait ends, and brings it all the same
    assert [r.value for r in read(consumer, 1)] == [b"0"]


def test_a_waiting_fetch_is_woken_by_a_record(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    consumer, partition = assigned(make_consumer, topic, fetch_max_wait_ms=25_000)
    assert consumer.position(partition) == 0
    assert consumer.poll(timeout_ms=500) == {}
    fill(topic, 1)
    # ten seconds are far less than the fetch's own wait
    assert [r.value for r in read(consumer, 1, timeout_s=10)] == [b"0"]


def test_two_consumers_without_a_group_both_read_everything(
    topic: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 5)
    assert len(read(make_consumer(topic), 5)) == len(read(make_consumer(topic), 5)) == 5


def test_subscription_can_change(make_topic: MakeTopic, fill: Fill, make_consumer: MakeConsumer) -> None:
    first, second = make_topic(), make_topic()
    fill(first, 2)
    fill(second, 3)
    consumer = make_consumer(first)
    assert {r.topic for r in read(consumer, 2)} == {first}
    consumer.subscribe([second])
    assert {r.topic for r in read(consumer, 3)} == {second}
    consumer.unsubscribe()
    assert consumer.subscription() is None or consumer.subscription() == set()
