"""Consumer: assign, seek, offsets, commits, groups with each strategy, cooperative rebalancing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client import committed, read, share
from compat.waiting import until
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, Producer, TopicPartition

Fill = Callable[..., list[bytes]]
MakeTopic = Callable[..., str]
MakeProducer = Callable[..., Producer]
MakeConsumer = Callable[..., Consumer]


@pytest.mark.fast
def test_everything_is_read_in_order(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    values = fill(topic, 200)
    messages = read(make_consumer(topic), 200)
    assert [m.value() for m in messages] == values
    assert [m.offset() for m in messages] == list(range(200))


@pytest.mark.fast
@pytest.mark.parametrize(("start", "first"), [(OFFSET_BEGINNING, 0), (6, 6), (OFFSET_END, 10)])
def test_assign_at_an_offset(
    topic: str, fill: Fill, make_consumer: MakeConsumer, start: int, first: int
) -> None:
    fill(topic, 10)
    consumer = make_consumer()
    consumer.assign([TopicPartition(topic, 0, start)])
    if start == OFFSET_END:
        assert consumer.poll(2) is None
        fill(topic, 1, start=10)
    rest = 1 if start == OFFSET_END else 10 - first
    assert [m.offset() for m in read(consumer, rest)] == list(range(first, first + rest))


@pytest.mark.fast
def test_seek_and_position(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    consumer = make_consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    read(consumer, 10)
    assert consumer.position([TopicPartition(topic, 0)])[0].offset == 10
    consumer.seek(TopicPartition(topic, 0, 7))
    assert [m.offset() for m in read(consumer, 3)] == [7, 8, 9]


def test_pause_and_resume(make_topic: MakeTopic, fill: Fill, make_consumer: MakeConsumer) -> None:
    topic = make_topic(partitions=2)
    fill(topic, 3, partition=0)
    fill(topic, 3, partition=1)
    consumer = make_consumer()
    zero, one = TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)
    consumer.assign([zero, one])
    consumer.pause([zero])
    assert {m.partition() for m in read(consumer, 3)} == {1}
    consumer.resume([zero])
    assert {m.partition() for m in read(consumer, 3)} == {0}


@pytest.mark.fast
def test_watermarks(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    assert make_consumer().get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (0, 10)


@pytest.mark.fast
def test_offsets_for_times(topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer) -> None:
    producer, base = make_producer(), 1_700_000_000_000
    for i in range(5):
        producer.produce(topic, b"%d" % i, timestamp=base + 1000 * i)
    assert producer.flush(20) == 0
    consumer = make_consumer()

    def offset_at(timestamp: int) -> int:
        (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=10)
        assert found.error is None
        return int(found.offset)

    assert [offset_at(base + shift) for shift in (-1, 1000, 1001)] == [0, 1, 2]
    assert offset_at(base + 9999) == OFFSET_END


def test_the_end_of_a_partition_is_reported(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 2)
    consumer = make_consumer(topic, **{"enable.partition.eof": True})

    def end() -> Any:
        message = consumer.poll(0.5)
        return message is not None and message.error() and message.error().code() == KafkaError._PARTITION_EOF

    assert until(end, "the end of the partition")


def test_an_offset_out_of_range_is_reset(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 3)
    consumer = make_consumer()
    consumer.assign([TopicPartition(topic, 0, 1000)])
    assert [m.offset() for m in read(consumer, 3)] == [0, 1, 2]


def test_an_offset_out_of_range_is_an_error_if_so_told(
    topic: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 3)
    consumer = make_consumer(**{"auto.offset.reset": "error"})
    consumer.assign([TopicPartition(topic, 0, 1000)])
    message = until(lambda: consumer.poll(0.5), "the error")
    assert message.error().code() == KafkaError._AUTO_OFFSET_RESET


def test_consume_in_batches(topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 30)
    consumer = make_consumer(topic)
    assert [m.offset() for m in consumer.consume(30, timeout=20)] == list(range(30))


def test_a_pattern_subscribes_to_topics_that_fit(
    make_topic: MakeTopic, fill: Fill, make_consumer: MakeConsumer
) -> None:
    first, second = make_topic(), make_topic()
    fill(first, 2)
    fill(second, 2)
    assert {m.topic() for m in read(make_consumer(f"^({first}|{second})$"), 4)} == {first, second}


# commits


@pytest.mark.fast
def test_a_synchronous_commit_is_where_the_next_one_goes_on(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 10)
    first = make_consumer(topic, group_id=group)
    messages = read(first, 10)
    (answer,) = first.commit(message=messages[3], asynchronous=False)
    assert (answer.error, answer.offset) == (None, 4)
    assert committed(first, topic) == 4
    first.close()
    second = make_consumer(topic, group_id=group)
    assert [m.offset() for m in read(second, 6)] == [4, 5, 6, 7, 8, 9]


def test_an_asynchronous_commit_calls_back(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 3)
    answers: list[Any] = []
    consumer = make_consumer(
        topic, group_id=group, **{"on_commit": lambda error, offsets: answers.append((error, offsets))}
    )
    read(consumer, 3)
    consumer.commit(asynchronous=True)

    def called() -> bool:
        consumer.poll(0.1)
        return bool(answers)

    until(called, "the commit's callback")
    error, (partition,) = answers[0]
    assert (error, partition.offset) == (None, 3)


def test_commit_metadata_comes_back(topic: str, group: str, make_consumer: MakeConsumer) -> None:
    consumer = make_consumer(group_id=group)
    consumer.commit(offsets=[TopicPartition(topic, 0, 3, "a note, ünicode")], asynchronous=False)
    (found,) = consumer.committed([TopicPartition(topic, 0)], timeout=10)
    assert (found.offset, found.metadata) == (3, "a note, ünicode")


@pytest.mark.fast
def test_auto_commit_at_close(topic: str, group: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 5)
    first = make_consumer(topic, group_id=group, enable_auto_commit=True)
    read(first, 5)
    first.close()
    assert committed(make_consumer(group_id=group), topic) == 5


def test_only_stored_offsets_are_committed(
    topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 5)
    consumer = make_consumer(
        topic, group_id=group, **{"enable.auto.commit": True, "enable.auto.offset.store": False}
    )
    messages = read(consumer, 5)
    consumer.store_offsets(messages[1])
    consumer.close()
    assert committed(make_consumer(group_id=group), topic) == 2


# groups


@pytest.mark.fast
@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_two_members_share_the_partitions(
    make_topic: MakeTopic, group: str, fill: Fill, make_consumer: MakeConsumer, strategy: str
) -> None:
    topic = make_topic(partitions=4)
    options = {"group.id": group, "partition.assignment.strategy": strategy}
    first = make_consumer(topic, **options)
    share(first, partitions=4)
    second = make_consumer(topic, **options)
    share(first, second, partitions=4)
    for partition in range(4):
        fill(topic, 3, partition=partition)
    seen: list[tuple[int, int]] = []

    def all_seen() -> bool:
        for consumer in (first, second):
            message = consumer.poll(0.1)
            if message is not None:
                assert message.error() is None
                seen.append((message.partition(), message.offset()))
        return len(seen) >= 12

    until(all_seen, "both members together read all messages")
    assert sorted(seen) == [(p, o) for p in range(4) for o in range(3)]
    second.close()
    share(first, partitions=4)


def test_cooperative_members_keep_what_they_have(
    make_topic: MakeTopic, group: str, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=4)
    revoked: list[int] = []
    options = {"group.id": group, "partition.assignment.strategy": "cooperative-sticky"}
    first = make_consumer(**options)

    def on_revoke(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        revoked.append(len(partitions))
        consumer.incremental_unassign(partitions)

    first.subscribe([topic], on_revoke=on_revoke)
    share(first, partitions=4)
    second = make_consumer(topic, **options)
    share(first, second, partitions=4)
    assert revoked == [2]


def test_a_static_member_comes_back_without_a_rebalance(
    make_topic: MakeTopic, group: str, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=2)
    assigned: list[int] = []

    def member(name: str, **callbacks: Any) -> Consumer:
        consumer = make_consumer(
            **{"group.id": group, "group.instance.id": name, "session.timeout.ms": 20_000}
        )
        consumer.subscribe([topic], **callbacks)
        return consumer

    first = member("one", on_assign=lambda _, partitions: assigned.append(len(partitions)))
    second = member("two")
    share(first, second, partitions=2)
    before = len(assigned)
    second.close()
    again = member("two")
    share(first, again, partitions=2)
    assert len(assigned) == before


def test_a_member_has_an_id_and_a_generation(topic: str, group: str, make_consumer: MakeConsumer) -> None:
    consumer = make_consumer(topic, group_id=group)
    share(consumer, partitions=1)
    assert consumer.memberid()
    assert consumer.consumer_group_metadata() is not None
