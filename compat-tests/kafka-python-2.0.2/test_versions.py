"""2.0.2 told which release it talks to, and finding out by probing: ApiVersions, then Metadata behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from compat.broker import Broker
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.client_async import KafkaClient
from kafka_python_fixtures import MakeProducer, MakeTopic, read, unique

Fill = Callable[..., list[bytes]]
OLD = [(0, 9), (0, 10), (0, 10, 1), (0, 10, 2)]
BETWEEN = [(0, 11, 0), (1, 0), (1, 1), (2, 0)]
SERVED_BY_KAFKA_4 = [(2, 1), (2, 2), (2, 3), (2, 4), (2, 5)]


def sweep(versions: list[tuple[int, ...]], *marks: Any) -> list[Any]:
    return [pytest.param(version, id=".".join(map(str, version)), marks=marks) for version in versions]


ALL = [*sweep([*OLD, *BETWEEN], pytest.mark.old_versions), *sweep(SERVED_BY_KAFKA_4, pytest.mark.fast)]


def probed(broker: Broker) -> tuple[int, ...]:
    client = KafkaClient(bootstrap_servers=broker.bootstrap)
    found: tuple[int, ...] = client.config["api_version"]
    client.close()
    return found


@pytest.mark.fast
def test_probing_finds_a_recent_release(broker: Broker) -> None:
    assert probed(broker) >= (2, 4, 0)


@pytest.mark.fast
def test_probing_finds_the_newest_release_it_knows(broker: Broker) -> None:
    """It takes DescribeAcls 2 as the sign of 2.5."""
    assert probed(broker) == (2, 5, 0)


@pytest.mark.fast
def test_probing_again_and_strictly(broker: Broker) -> None:
    client = KafkaClient(bootstrap_servers=broker.bootstrap)
    first = client.config["api_version"]
    assert client.check_version(strict=True) == first
    node = next(iter(client.cluster.brokers())).nodeId
    assert client.check_version(node_id=node) == first
    client.close()


@pytest.mark.parametrize("version", ALL)
def test_produce_consume_and_commit_as_for_a_release(
    broker: Broker, topic: str, version: tuple[int, ...]
) -> None:
    common = {"bootstrap_servers": broker.bootstrap, "api_version": version}
    headers = [("h", b"1")] if version >= (0, 11) else None
    producer = KafkaProducer(**common, compression_type="gzip", acks="all")
    sent = [producer.send(topic, b"%d" % i, key=b"k", headers=headers) for i in range(10)]
    producer.flush(timeout=20)
    assert [future.get(timeout=20).offset for future in sent] == list(range(10))
    producer.close()

    partition = TopicPartition(topic, 0)
    options = {
        **common,
        "group_id": unique("group"),
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
    }
    consumer = KafkaConsumer(topic, **options)
    records = read(consumer, 10)
    assert [(r.key, r.value) for r in records] == [(b"k", b"%d" % i) for i in range(10)]
    assert all(bool(r.headers) == (version >= (0, 11)) for r in records)
    assert all(((r.timestamp or -1) > 0) == (version >= (0, 10)) for r in records)
    consumer.commit()
    assert consumer.committed(partition) == 10
    assert consumer.end_offsets([partition]) == {partition: 10}
    consumer.close()
    again = KafkaConsumer(topic, **options)
    assert again.committed(partition) == 10
    again.close()


@pytest.mark.old_versions
@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4"])
@pytest.mark.parametrize("version", [(0, 9), (0, 10)], ids=["0.9", "0.10"])
def test_old_message_formats_compressed(
    broker: Broker, topic: str, version: tuple[int, ...], compression: str | None
) -> None:
    options = {"bootstrap_servers": broker.bootstrap, "api_version": version}
    producer = KafkaProducer(**options, compression_type=compression, linger_ms=100)
    values = [b"value %d " % i * 20 for i in range(100)]
    for value in values:
        producer.send(topic, value)
    producer.close()
    for reader in (options, {"bootstrap_servers": broker.bootstrap}):
        consumer = KafkaConsumer(topic, auto_offset_reset="earliest", **reader)
        records = read(consumer, 100)
        assert [r.value for r in records] == values
        assert [r.offset for r in records] == list(range(100))
        consumer.close()


@pytest.mark.old_versions
@pytest.mark.parametrize("version", [(0, 9), (0, 10)], ids=["0.9", "0.10"])
def test_what_an_old_release_cannot_carry_is_left_out_for_it(
    broker: Broker, topic: str, make_producer: MakeProducer, version: tuple[int, ...]
) -> None:
    new = make_producer(compression_type="gzip", linger_ms=100)
    for i in range(20):
        new.send(topic, b"%d" % i, key=b"k", headers=[("h", b"1")])
    new.send(topic, None, key=b"tombstone")
    new.flush(timeout=20)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, api_version=version, auto_offset_reset="earliest"
    )
    records = read(consumer, 21)
    assert [(r.key, r.value) for r in records] == [(b"k", b"%d" % i) for i in range(20)] + [
        (b"tombstone", None)
    ]
    assert not any(r.headers for r in records)
    consumer.close()


@pytest.mark.old_versions
@pytest.mark.parametrize(
    ("version", "configs", "served"),
    [((0, 10), {}, False), ((2, 0), {}, True), ((2, 0), {"compression.type": "zstd"}, False)],
    ids=["not converted", "passed on as it is", "refused where the topic says zstd"],
)
def test_zstd_for_a_release_that_does_not_know_it(
    broker: Broker,
    make_topic: MakeTopic,
    make_producer: MakeProducer,
    caplog: pytest.LogCaptureFixture,
    version: tuple[int, ...],
    configs: dict[str, str],
    served: bool,
) -> None:
    topic = make_topic(configs=configs)
    make_producer(compression_type="zstd").send(topic, b"v" * 1000).get(timeout=20)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, api_version=version, auto_offset_reset="earliest"
    )
    if served:
        assert [r.value for r in read(consumer, 1)] == [b"v" * 1000]
    else:
        # error 76, which this release has no name for: it logs and asks again
        assert [consumer.poll(timeout_ms=300) for _ in range(5)] == [{}] * 5
        assert "Unknown error fetching" in caplog.text
    consumer.close()


@pytest.mark.parametrize("version", sweep([(0, 10, 1), (0, 11, 0), (1, 0)], pytest.mark.old_versions))
def test_admin_as_for_a_release(broker: Broker, version: tuple[int, ...]) -> None:
    from kafka.admin import NewTopic

    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap, api_version=version)
    topic = unique("topic")
    client.create_topics([NewTopic(topic, 2, 1)])
    assert topic in client.list_topics()
    client.delete_topics([topic])
    client.close()


def test_a_partitioner_of_ones_own_is_obeyed(make_topic: MakeTopic, make_producer: MakeProducer) -> None:
    def last(key: bytes, partitions: list[int], available: list[int]) -> int:
        return max(partitions)

    topic = make_topic(partitions=3)
    producer = make_producer(partitioner=last)
    assert {producer.send(topic, b"v", key=b"%d" % i).get(timeout=20).partition for i in range(5)} == {2}


def test_it_never_asks_for_what_it_does_not_know(
    broker: Broker, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "kafka"):
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
        producer.send(topic, b"v").get(timeout=20)
        producer.close()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
