"""Producers: asynchronous with delivery reports, synchronous, each compression, keys, acks."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from pykafka import KafkaClient, Topic
from pykafka.common import CompressionType
from pykafka.exceptions import MessageSizeTooLarge
from pykafka.partitioners import hashing_partitioner
from taking import take

Simple = Callable[..., Any]
COMPRESSIONS = {
    "none": CompressionType.NONE,
    "gzip": CompressionType.GZIP,
    "snappy": CompressionType.SNAPPY,
    "lz4": CompressionType.LZ4,
}
compressions = pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())


@pytest.mark.fast
def test_delivery_reports(topic: Topic, simple: Simple) -> None:
    with topic.get_producer(delivery_reports=True, linger_ms=50, min_queued_messages=1) as producer:
        for i in range(20):
            producer.produce(b"%d" % i, partition_key=b"k")
        reports = [producer.get_delivery_report(timeout=20) for _ in range(20)]
    assert [error for _, error in reports] == [None] * 20
    assert sorted(message.offset for message, _ in reports) == list(range(20))
    messages = take(simple(topic), 20)
    assert [m.value for m in messages] == [b"%d" % i for i in range(20)]
    assert {m.partition_key for m in messages} == {b"k"}
    assert [m.offset for m in messages] == list(range(20))


@pytest.mark.fast
def test_a_synchronous_producer(topic: Topic, simple: Simple) -> None:
    with topic.get_sync_producer(linger_ms=1) as producer:
        assert [producer.produce(b"%d" % i).offset for i in range(5)] == [0, 1, 2, 3, 4]
    assert [m.value for m in take(simple(topic), 5)] == [b"%d" % i for i in range(5)]


@pytest.mark.fast
@compressions
def test_compression(topic: Topic, simple: Simple, compression: int) -> None:
    values = [b"value %d " % i * 20 for i in range(100)]
    with topic.get_producer(compression=compression, linger_ms=200, min_queued_messages=100) as producer:
        for value in values:
            producer.produce(value)
    messages = take(simple(topic), 100)
    assert [m.value for m in messages] == values
    assert [m.offset for m in messages] == list(range(100))


@pytest.mark.parametrize("name", ["none", "gzip", "snappy"])
def test_a_large_message_compressed(topic: Topic, simple: Simple, name: str) -> None:
    value = bytes(range(256)) * 640
    with topic.get_sync_producer(linger_ms=1, compression=COMPRESSIONS[name]) as producer:
        producer.produce(value)
    assert take(simple(topic), 1)[0].value == value


def test_compressed_and_plain_messages_side_by_side(topic: Topic, simple: Simple) -> None:
    expected = []
    for name, compression in COMPRESSIONS.items():
        with topic.get_producer(compression=compression, linger_ms=50, min_queued_messages=10) as producer:
            for i in range(10):
                expected.append(b"%s %d" % (name.encode(), i))
                producer.produce(expected[-1])
    messages = take(simple(topic), 40)
    assert [m.value for m in messages] == expected
    assert [m.offset for m in messages] == list(range(40))


@pytest.mark.fast
@pytest.mark.parametrize("acks", [0, 1, -1])
def test_acks(topic: Topic, simple: Simple, acks: int) -> None:
    with topic.get_producer(required_acks=acks, linger_ms=10, min_queued_messages=1) as producer:
        for i in range(5):
            producer.produce(b"%d" % i)
    assert [m.value for m in take(simple(topic), 5)] == [b"%d" % i for i in range(5)]


def test_null_and_empty_payloads(topic: Topic, simple: Simple) -> None:
    with topic.get_sync_producer(linger_ms=1) as producer:
        producer.produce(None)
        producer.produce(None, partition_key=b"tombstone")
        producer.produce(b"")
    messages = take(simple(topic), 3)
    assert [(m.partition_key, m.value) for m in messages] == [(None, None), (b"tombstone", None), (None, b"")]


def test_timestamps(topic: Topic, simple: Simple, client: KafkaClient) -> None:
    when = datetime.datetime(2024, 5, 17, 12, 30)
    with topic.get_sync_producer(linger_ms=1) as producer:
        if client.cluster._broker_version == "0.9.0":
            with pytest.raises(RuntimeError, match="got a timestamp with protocol 0"):
                producer.produce(b"v", timestamp=when)
            return
        producer.produce(b"v", timestamp=when)
    # its SimpleConsumer's messages know only milliseconds
    assert take(simple(topic), 1)[0].timestamp == 1_715_949_000_000


def test_keys_choose_the_partition(make_topic: Callable[..., Topic], simple: Simple) -> None:
    topic = make_topic(partitions=3)
    with topic.get_producer(partitioner=hashing_partitioner, linger_ms=50) as producer:
        for i in range(60):
            producer.produce(b"v", partition_key=b"key %d" % (i % 6))
    chosen: dict[bytes, set[int]] = {}
    for message in take(simple(topic), 60):
        chosen.setdefault(message.partition_key, set()).add(message.partition_id)
    assert len(chosen) == 6
    assert all(len(partitions) == 1 for partitions in chosen.values())


def test_a_message_over_the_limit_is_refused(make_topic: Callable[..., Topic]) -> None:
    small = make_topic(max_message_bytes="1000")
    with small.get_sync_producer(linger_ms=1, max_retries=0) as producer, pytest.raises(MessageSizeTooLarge):
        producer.produce(b"x" * 5000)


def test_a_message_of_almost_a_million_bytes(topic: Topic, simple: Simple) -> None:
    value = b"x" * 900_000
    with topic.get_sync_producer(linger_ms=1) as producer:
        producer.produce(value)
        producer.produce(b"after")
    # asked for less than the message: the client sees it cut off, and asks for more
    assert [m.value for m in take(simple(topic, fetch_message_max_bytes=1_048_576), 2)] == [value, b"after"]


def test_serializers(topic: Topic, simple: Simple) -> None:
    from pykafka.utils import deserialize_utf8, serialize_utf8

    with topic.get_sync_producer(linger_ms=1, serializer=serialize_utf8) as producer:
        producer.produce("größe")
    assert take(simple(topic, deserializer=deserialize_utf8), 1)[0].value == "größe"


def test_producing_goes_on_after_its_connections_were_cut(topic: Topic, client: KafkaClient) -> None:
    with topic.get_producer(delivery_reports=True, min_queued_messages=1, linger_ms=10) as producer:
        producer.produce(b"before")
        assert producer.get_delivery_report(timeout=20)[1] is None
        for broker in client.brokers.values():
            broker._connection.disconnect()
        producer.produce(b"after")
        assert producer.get_delivery_report(timeout=20)[1] is None
