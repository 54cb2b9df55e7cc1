"""Producer: delivery reports, compression, idempotence, headers, large messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from client import read, unique
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Producer

MakeTopic = Callable[..., str]
MakeProducer = Callable[..., Producer]
MakeConsumer = Callable[..., Consumer]


class Reports(list[tuple[Any, Any]]):
    """Collects delivery reports; called by the client."""

    def __call__(self, error: Any, message: Any) -> None:
        self.append((error, message))

    def offsets(self) -> list[int]:
        assert all(error is None for error, _ in self), self
        return [message.offset() for _, message in self]


@pytest.mark.fast
def test_delivery_reports(topic: str, make_producer: MakeProducer) -> None:
    producer, reports = make_producer(), Reports()
    for i in range(10):
        producer.produce(topic, b"%d" % i, b"k", on_delivery=reports)
    assert producer.flush(20) == 0
    assert reports.offsets() == list(range(10))
    _, first = reports[0]
    assert (first.topic(), first.partition(), first.key(), first.value()) == (topic, 0, b"k", b"0")
    assert first.timestamp()[0] == TIMESTAMP_CREATE_TIME


@pytest.mark.fast
@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_compression(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer, compression: str
) -> None:
    producer, reports = make_producer(**{"compression.type": compression, "linger.ms": 100}), Reports()
    values = [b"value %d " % i * 50 for i in range(200)]
    for value in values:
        producer.produce(topic, value, on_delivery=reports)
    assert producer.flush(20) == 0
    assert reports.offsets() == list(range(200))
    consumer = make_consumer(topic, **{"check.crcs": True})
    assert [m.value() for m in read(consumer, 200)] == values


@pytest.mark.fast
@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer, acks: str) -> None:
    producer, reports = make_producer(acks=acks), Reports()
    for i in range(5):
        producer.produce(topic, b"%d" % i, on_delivery=reports)
    assert producer.flush(20) == 0
    assert [error for error, _ in reports] == [None] * 5
    assert [m.value() for m in read(make_consumer(topic), 5)] == [b"%d" % i for i in range(5)]


@pytest.mark.fast
def test_idempotent_messages_come_once_and_in_order(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    options = {"enable.idempotence": True, "batch.num.messages": 20, "linger.ms": 0}
    producer, reports = make_producer(**options), Reports()
    for i in range(1000):
        producer.produce(topic, b"%d" % i, on_delivery=reports)
        producer.poll(0)
    assert producer.flush(30) == 0
    assert reports.offsets() == list(range(1000))
    assert [m.value() for m in read(make_consumer(topic), 1000)] == [b"%d" % i for i in range(1000)]


@pytest.mark.fast
def test_keys_headers_empty_values_and_tombstones(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    producer = make_producer()
    headers = [
        ("name", b"value"),
        ("name", b"again"),
        ("empty", b""),
        ("null", None),
        ("größe", "é".encode()),
    ]
    producer.produce(topic, b"v", b"k", headers=headers)
    producer.produce(topic, b"", b"")
    producer.produce(topic, None, b"tombstone")
    producer.produce(topic, b"keyless")
    assert producer.flush(20) == 0
    first, second, third, fourth = read(make_consumer(topic), 4)
    assert (first.key(), first.value(), first.headers()) == (b"k", b"v", headers)
    assert (second.key(), second.value()) == (b"", b"")
    assert (third.key(), third.value()) == (b"tombstone", None)
    assert (fourth.key(), fourth.value()) == (None, b"keyless")


def test_timestamps(make_topic: MakeTopic, make_producer: MakeProducer, make_consumer: MakeConsumer) -> None:
    sent, appended = make_topic(), make_topic(config={"message.timestamp.type": "LogAppendTime"})
    producer = make_producer()
    for topic in (sent, appended):
        producer.produce(topic, b"v", timestamp=1_600_000_000_000)
    assert producer.flush(20) == 0
    assert read(make_consumer(sent), 1)[0].timestamp() == (TIMESTAMP_CREATE_TIME, 1_600_000_000_000)
    kind, when = read(make_consumer(appended), 1)[0].timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert abs(when - time.time() * 1000) < 60_000


def test_a_message_of_a_million_bytes(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    value, reports = bytes(range(256)) * 3906, Reports()
    producer = make_producer(**{"message.max.bytes": 2_000_000})
    producer.produce(topic, value, on_delivery=reports)
    producer.produce(topic, b"after", on_delivery=reports)
    assert producer.flush(20) == 0
    assert reports.offsets() == [0, 1]
    consumer = make_consumer(topic, **{"max.partition.fetch.bytes": 10_000})
    assert [m.value() for m in read(consumer, 2)] == [value, b"after"]


def test_a_message_over_the_topics_limit_is_refused(
    make_topic: MakeTopic, make_producer: MakeProducer
) -> None:
    small, reports = make_topic(config={"max.message.bytes": "1000"}), Reports()
    producer = make_producer()
    producer.produce(small, b"x" * 5000, on_delivery=reports)
    assert producer.flush(20) == 0
    ((error, _),) = reports
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_a_keyless_message_to_a_compacted_topic_is_refused(
    make_topic: MakeTopic, make_producer: MakeProducer
) -> None:
    compacted, reports = make_topic(config={"cleanup.policy": "compact"}), Reports()
    producer = make_producer()
    producer.produce(compacted, b"v", on_delivery=reports)
    assert producer.flush(20) == 0
    ((error, _),) = reports
    assert error.code() == KafkaError.INVALID_RECORD


def test_producing_makes_a_topic_that_is_missing(
    make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    name, reports = unique("made-by-producing"), Reports()
    producer = make_producer()
    producer.produce(name, b"v", on_delivery=reports)
    assert producer.flush(30) == 0
    assert reports.offsets() == [0]
    assert [m.value() for m in read(make_consumer(name), 1)] == [b"v"]


def test_partitioner_and_partitions(make_topic: MakeTopic, make_producer: MakeProducer) -> None:
    topic, reports = make_topic(partitions=4), Reports()
    producer = make_producer(partitioner="murmur2_random")
    for i in range(40):
        producer.produce(topic, b"v", b"key %d" % (i % 10), on_delivery=reports)
    assert producer.flush(20) == 0
    chosen: dict[bytes, set[int]] = {}
    for _, message in reports:
        chosen.setdefault(message.key(), set()).add(message.partition())
    assert all(len(partitions) == 1 for partitions in chosen.values())
    assert len(set().union(*chosen.values())) > 1


def test_a_client_id_in_unicode(topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer) -> None:
    producer = make_producer(**{"client.id": "производитель-Ω"})
    producer.produce(topic, b"v")
    assert producer.flush(20) == 0
    assert read(make_consumer(topic, **{"client.id": "消费者-é"}), 1)[0].value() == b"v"


def test_metadata(topic: str, make_producer: MakeProducer) -> None:
    metadata = make_producer().list_topics(timeout=10)
    assert metadata.cluster_id
    assert metadata.controller_id in metadata.brokers
    assert list(metadata.topics[topic].partitions) == [0]
