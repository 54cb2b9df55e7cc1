"""KafkaClient: brokers, topics, offsets of topics."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from compat.broker import Broker
from pykafka import KafkaClient, Topic
from pykafka.common import OffsetType

Fill = Callable[[Topic, int], list[bytes]]


@pytest.mark.fast
def test_brokers_are_listed(client: KafkaClient, broker: Broker) -> None:
    assert [(b.host, b.port) for b in client.brokers.values()] == [(broker.host.encode(), broker.port)]


@pytest.mark.fast
def test_topics_and_partitions_are_listed(client: KafkaClient, make_topic: Callable[..., Topic]) -> None:
    topic = make_topic(partitions=3)
    assert topic.name in client.topics
    assert sorted(topic.partitions) == [0, 1, 2]
    leader = next(iter(client.brokers.values()))
    assert all(partition.leader.id == leader.id for partition in topic.partitions.values())
    assert all([b.id for b in partition.isr] == [leader.id] for partition in topic.partitions.values())


def test_internal_topics_are_hidden_unless_asked_for(client: KafkaClient, broker: Broker) -> None:
    with pytest.raises(KeyError):
        client.topics["__consumer_offsets"]
    every = KafkaClient(hosts=broker.bootstrap, exclude_internal_topics=False)
    assert b"__consumer_offsets" in every.topics


@pytest.mark.fast
def test_earliest_and_latest_offsets(make_topic: Callable[..., Topic], fill: Fill) -> None:
    topic = make_topic(partitions=2)
    fill(topic, 30)
    earliest, latest = topic.earliest_available_offsets(), topic.latest_available_offsets()
    assert [earliest[p].offset for p in (0, 1)] == [[0], [0]]
    assert sum(latest[p].offset[0] for p in (0, 1)) == 30


def test_several_offsets_of_one_partition(topic: Topic, fill: Fill) -> None:
    """ListOffsets v0 answers with segment starts, newest first, the log's end before them."""
    fill(topic, 7)
    assert topic.fetch_offset_limits(OffsetType.LATEST, max_offsets=10)[0].offset == [7, 0]
    assert topic.fetch_offset_limits(OffsetType.EARLIEST, max_offsets=10)[0].offset == [0]
    assert topic.fetch_offset_limits(int(time.time() * 1000) + 60_000, max_offsets=10)[0].offset == [7, 0]
    assert topic.fetch_offset_limits(1, max_offsets=10)[0].offset == []


@pytest.mark.parametrize("version", ["0.8.2", "0.10.0", "0.11.0", "1.0.0", "2.3.0"])
def test_other_broker_versions(broker: Broker, topic: Topic, version: str) -> None:
    """In a process of its own: see run.sh."""
    program = f"""
from pykafka import KafkaClient
client = KafkaClient(hosts={broker.bootstrap!r}, broker_version={version!r})
topic = client.topics[{topic.name!r}]
with topic.get_sync_producer(linger_ms=1) as producer:
    assert producer.produce(b"v").offset == 0
consumer = topic.get_simple_consumer(consumer_group="g", consumer_timeout_ms=10_000)
assert consumer.consume().value == b"v"
consumer.commit_offsets()
assert dict(consumer.fetch_offsets())[0].offset == 1
consumer.stop()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
