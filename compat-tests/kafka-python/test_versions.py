"""The client told, or finding out, which release it talks to: each makes it send other API versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from compat.broker import Broker
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka_python_fixtures import read, unique

Fill = Callable[..., list[bytes]]
OLD = [(0, 9), (0, 10, 0), (0, 10, 1), (0, 10, 2)]
SERVED_BY_KAFKA_4 = [(2, 1), (2, 3), (2, 5), (2, 8), (3, 0), (3, 4), (3, 9)]
BETWEEN = [(0, 11), (1, 0), (1, 1), (2, 0)]


def name(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def sweep(versions: list[tuple[int, ...]], *marks: Any) -> list[Any]:
    return [pytest.param(version, id=name(version), marks=marks) for version in versions]


@pytest.mark.parametrize(
    "version",
    [
        *sweep(OLD, pytest.mark.old_versions),
        *sweep(BETWEEN, pytest.mark.old_versions),
        *sweep(SERVED_BY_KAFKA_4, pytest.mark.fast),
    ],
)
def test_produce_consume_and_commit_as_for_a_release(
    broker: Broker, topic: str, version: tuple[int, ...]
) -> None:
    common = {"bootstrap_servers": broker.bootstrap, "api_version": version}
    magic = KafkaProducer.max_usable_produce_magic(version)
    headers = [("h", b"1")] if magic >= 2 else None
    producer = KafkaProducer(**common, compression_type="gzip", enable_idempotence=version >= (0, 11))
    sent = [producer.send(topic, b"%d" % i, key=b"k", headers=headers) for i in range(10)]
    producer.flush(timeout=20)
    assert [future.get(timeout=20).offset for future in sent] == list(range(10))
    producer.close()

    group = unique("group")
    partition = TopicPartition(topic, 0)
    options = {**common, "group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = KafkaConsumer(topic, **options)
    records = read(consumer, 10)
    assert [(r.key, r.value) for r in records] == [(b"k", b"%d" % i) for i in range(10)]
    # the broker keeps headers and timestamps; what an old Fetch cannot carry is left out
    assert all(bool(r.headers) == (magic >= 2) for r in records)
    assert all(((r.timestamp or -1) > 0) == (magic >= 1) for r in records)
    consumer.commit()
    assert consumer.committed(partition) == 10
    assert consumer.end_offsets([partition]) == {partition: 10}
    consumer.close()
    again = KafkaConsumer(topic, **options)
    assert again.committed(partition) == 10
    again.close()


@pytest.mark.old_versions
def test_every_message_format_is_read_by_every_release(broker: Broker, topic: str) -> None:
    writers = [(0, 9), (0, 10, 0), (2, 1)]
    values = []
    for version in writers:
        producer = KafkaProducer(
            bootstrap_servers=broker.bootstrap,
            api_version=version,
            enable_idempotence=version >= (0, 11),
            compression_type="gzip" if version == (0, 10, 0) else None,
        )
        for i in range(5):
            values.append(b"%s %d" % (name(version).encode(), i))
            producer.send(topic, values[-1], key=b"k")
        producer.close()
    for version in [*writers, (0, 11), (3, 9)]:
        reader = KafkaConsumer(
            topic, bootstrap_servers=broker.bootstrap, api_version=version, auto_offset_reset="earliest"
        )
        records = read(reader, len(values))
        assert [r.value for r in records] == values, f"as read by {name(version)}"
        assert [r.offset for r in records] == list(range(len(values)))
        reader.close()


@pytest.mark.fast
def test_the_release_is_recognised(admin: KafkaAdminClient, broker: Broker) -> None:
    (node, *_) = admin.describe_cluster()["brokers"]
    assert admin.get_broker_version_data(node["broker_id"]).broker_version >= (3, 9)


def test_admin_as_for_an_older_release(broker: Broker) -> None:
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap, api_version=(2, 4))
    topic = unique("topic")
    client.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    assert topic in client.list_topics()
    client.delete_topics([topic])
    client.close()
