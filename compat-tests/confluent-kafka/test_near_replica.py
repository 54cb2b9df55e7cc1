"""A consumer with a rack reads from the broker of three that stands there (KIP-392)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from client import admin_client, produce_values, read, unique
from compat.broker import Broker, ServedBroker
from compat.waiting import until
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewTopic

OwnBroker = Callable[..., ServedBroker]
pytestmark = [pytest.mark.restarts, pytest.mark.timeout(180)]

RACK_AWARE = "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector"


@pytest.fixture
def three_racks(broker: Broker, own_broker: OwnBroker) -> str:
    """Nodes 1, 2 and 3 in racks a, b and c."""
    if broker.kind == "kafka":
        pytest.skip("the command that starts Kafka starts one broker")
    return own_broker("--rack", "a,b,c", "--set", RACK_AWARE).bootstrap


@pytest.mark.parametrize("rack", ["a", "b", "c", "nowhere"])
def test_a_consumer_reads_from_its_rack(three_racks: str, rack: str) -> None:
    topic = unique("near")
    admin = admin_client(three_racks)
    admin.create_topics([NewTopic(topic, 1, 3)])[topic].result(20)
    until(lambda: len(admin.list_topics(topic).topics[topic].partitions) == 1, "the topic is there")
    partition = admin.list_topics(topic).topics[topic].partitions[0]
    nearest = {"a": 1, "b": 2, "c": 3}.get(rack, partition.leader)
    values = [b"%d" % index for index in range(100)]
    produce_values(three_racks, topic, values[:50])

    fetched_from: list[int] = []

    def statistics(text: str) -> None:
        known: Any = json.loads(text)["topics"].get(topic, {"partitions": {}})["partitions"]
        fetched_from.extend(known[index]["broker"] for index in known if index == "0")

    consumer = Consumer(
        {
            "bootstrap.servers": three_racks,
            "group.id": unique("group"),
            "client.rack": rack,
            "auto.offset.reset": "earliest",
            "statistics.interval.ms": 50,
            "stats_cb": statistics,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages = read(consumer, 50)
        until(lambda: consumer.poll(0.1) is None and fetched_from[-1:] == [nearest], f"it is at {nearest}")
        produce_values(three_racks, topic, values[50:])
        messages += read(consumer, 50)
        assert [message.value() for message in messages] == values
        assert fetched_from[-1] == nearest
    finally:
        consumer.close()
