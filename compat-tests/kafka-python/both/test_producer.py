"""What programs do with KafkaProducer."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from compat.broker import Broker
from compat.waiting import until
from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka_python_fixtures import MakeConsumer, MakeProducer, MakeTopic, read, unique


@pytest.mark.fast
def test_a_future_says_where_the_record_went(topic: str, make_producer: MakeProducer) -> None:
    producer = make_producer()
    first = producer.send(topic, b"one", key=b"key", timestamp_ms=1_700_000_000_000).get(timeout=20)
    second = producer.send(topic, b"two").get(timeout=20)
    assert (first.topic, first.partition, first.offset) == (topic, 0, 0)
    assert first.timestamp == 1_700_000_000_000
    assert first.serialized_key_size == 3
    assert first.serialized_value_size == 3
    assert second.offset == 1


@pytest.mark.fast
def test_callbacks_are_called_with_the_metadata(topic: str, make_producer: MakeProducer) -> None:
    producer = make_producer()
    seen: list[Any] = []
    done = threading.Event()

    def on_success(metadata: Any) -> None:
        seen.append((metadata.topic, metadata.partition, metadata.offset))
        if len(seen) == 3:
            done.set()

    for _ in range(3):
        producer.send(topic, b"value").add_callback(on_success)
    assert done.wait(20)
    assert seen == [(topic, 0, 0), (topic, 0, 1), (topic, 0, 2)]


def test_errbacks_are_called_with_the_brokers_error(
    make_topic: MakeTopic, make_producer: MakeProducer
) -> None:
    small = make_topic(configs={"max.message.bytes": "1000"})
    failures: list[BaseException] = []
    future = make_producer().send(small, b"x" * 2000)
    future.add_errback(failures.append)
    with pytest.raises(KafkaError):
        future.get(timeout=20)
    until(lambda: failures, "the errback is called")
    assert isinstance(failures[0], MessageSizeTooLargeError)


@pytest.mark.fast
@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_acks(topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer, acks: int | str) -> None:
    config: dict[str, Any] = {"acks": acks}
    if acks != "all" and "enable_idempotence" in KafkaProducer.DEFAULT_CONFIG:
        config["enable_idempotence"] = False  # which needs acks=all; 2.0.2 does not know it
    producer = make_producer(**config)
    results = [producer.send(topic, b"%d" % i).get(timeout=20) for i in range(5)]
    if acks != 0:
        assert [r.offset for r in results] == [0, 1, 2, 3, 4]
    assert [r.value for r in read(make_consumer(topic), 5)] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.fast
@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
def test_compression(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer, compression: str | None
) -> None:
    producer = make_producer(compression_type=compression, linger_ms=100, batch_size=65536)
    values = [b"value %d " % i * 50 for i in range(200)]
    for value in values:
        producer.send(topic, value, key=b"k")
    producer.flush(timeout=20)
    records = read(make_consumer(topic), 200)
    assert [r.value for r in records] == values
    assert [r.offset for r in records] == list(range(200))


@pytest.mark.fast
def test_keys_values_and_headers_come_back_as_sent(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    producer = make_producer()
    headers = [("name", b"value"), ("name", b"again"), ("empty", b""), ("ключ", "värde".encode())]
    producer.send(topic, b"v", key=b"k", headers=headers)
    producer.send(topic, b"v", key=None)
    producer.send(topic, b"", key=b"")
    producer.send(topic, None, key=b"tombstone")
    producer.flush(timeout=20)
    first, second, third, fourth = read(make_consumer(topic), 4)
    assert (first.key, first.value, list(first.headers)) == (b"k", b"v", headers)
    assert (second.key, second.value, list(second.headers)) == (None, b"v", [])
    assert (third.key, third.value) == (b"", b"")
    assert (fourth.key, fourth.value) == (b"tombstone", None)


def test_serializers(topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer) -> None:
    producer = make_producer(key_serializer=str.encode, value_serializer=lambda v: json.dumps(v).encode())
    producer.send(topic, {"name": "Ünicode"}, key="clé").get(timeout=20)
    consumer = make_consumer(topic, key_deserializer=bytes.decode, value_deserializer=json.loads)
    (record,) = read(consumer, 1)
    assert (record.key, record.value) == ("clé", {"name": "Ünicode"})


def test_equal_keys_go_to_one_partition(make_topic: MakeTopic, make_producer: MakeProducer) -> None:
    topic = make_topic(partitions=4)
    producer = make_producer()
    keys = [b"key %d" % (i % 10) for i in range(40)]
    sent = [(key, producer.send(topic, b"v", key=key)) for key in keys]
    chosen: dict[bytes, set[int]] = {}
    for key, future in sent:
        chosen.setdefault(key, set()).add(future.get(timeout=20).partition)
    assert all(len(partitions) == 1 for partitions in chosen.values())
    assert len(set().union(*chosen.values())) > 1


def test_linger_gathers_records_into_one_batch(topic: str, make_producer: MakeProducer) -> None:
    producer = make_producer(linger_ms=500)
    for _ in range(100):
        producer.send(topic, b"value")
    producer.flush(timeout=20)
    # flush ends the linger, so that all hundred leave in a request or two
    assert producer.metrics()["producer-metrics"]["records-per-request-avg"] >= 50


def test_many_batches_in_flight_stay_in_order(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    producer = make_producer(batch_size=500, max_in_flight_requests_per_connection=5, retries=3)
    values = [b"%05d" % i for i in range(2000)]
    for value in values:
        producer.send(topic, value)
    producer.flush(timeout=30)
    assert [r.value for r in read(make_consumer(topic), 2000)] == values


def test_producing_makes_a_topic_that_is_missing(
    broker: Broker, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    name = unique("made-by-producing")
    assert make_producer(retries=5).send(name, b"v").get(timeout=30).offset == 0
    assert [r.value for r in read(make_consumer(name), 1)] == [b"v"]


def test_timestamps_are_the_brokers_where_the_topic_says_so(
    make_topic: MakeTopic, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(configs={"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    sent = make_producer().send(topic, b"v", timestamp_ms=1_000_000_000_000).get(timeout=20)
    (record,) = read(make_consumer(topic), 1)
    assert record.timestamp_type == 1
    assert before - 1000 <= record.timestamp <= int(time.time() * 1000) + 1000
    assert sent.timestamp == record.timestamp


@pytest.mark.fast
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_record_of_a_million_bytes(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer, compression: str | None
) -> None:
    value = bytes(range(256)) * 3906
    producer = make_producer(max_request_size=4_000_000, compression_type=compression)
    producer.send(topic, value).get(timeout=30)
    producer.send(topic, b"after").get(timeout=30)
    # the first record is larger than what the consumer asks for, and must come whole all the same
    records = read(make_consumer(topic, max_partition_fetch_bytes=10_000), 2)
    assert [r.value for r in records] == [value, b"after"]


def test_a_record_over_the_brokers_limit_is_refused(topic: str, make_producer: MakeProducer) -> None:
    producer = make_producer(max_request_size=4_000_000)
    with pytest.raises(MessageSizeTooLargeError):
        producer.send(topic, b"x" * 2_000_000).get(timeout=30)


def test_a_client_id_in_unicode(topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer) -> None:
    make_producer(client_id="производитель-Ω").send(topic, b"v").get(timeout=20)
    assert read(make_consumer(topic, client_id="消费者-é"), 1)[0].value == b"v"


def test_partitions_for_a_topic(make_topic: MakeTopic, make_producer: MakeProducer) -> None:
    assert make_producer().partitions_for(make_topic(partitions=3)) == {0, 1, 2}


def test_partitions_are_logs_of_their_own(
    make_topic: MakeTopic, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=2)
    producer = make_producer()
    for i in range(6):
        assert producer.send(topic, b"%d" % i, partition=i % 2).get(timeout=20).offset == i // 2
    consumer = make_consumer()
    consumer.assign([TopicPartition(topic, 1)])
    assert [r.value for r in read(consumer, 3)] == [b"1", b"3", b"5"]
