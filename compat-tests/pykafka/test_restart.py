"""A broker that ends and comes back on its own data directory, while pykafka goes on."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from compat.broker import Broker, ServedBroker
from compat.raw import create_topic
from compat.waiting import until
from pykafka import KafkaClient, Topic
from pykafka.exceptions import KafkaException, SocketDisconnectedError

OwnBroker = Callable[..., ServedBroker]
pytestmark = [pytest.mark.restarts, pytest.mark.timeout(180)]


def test_producing_and_consuming_go_on_after_a_restart(own_broker: OwnBroker) -> None:
    broker = own_broker(persistent=True)
    name, group = f"topic-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex.encode()
    create_topic(Broker(broker.bootstrap, ""), name)
    client = KafkaClient(hosts=broker.bootstrap, broker_version=os.environ["PYKAFKA_BROKER_VERSION"])
    topic = client.topics[name]
    with topic.get_sync_producer(linger_ms=1) as producer:
        assert [producer.produce(b"%d" % i).offset for i in range(3)] == [0, 1, 2]
    consumer = topic.get_simple_consumer(consumer_group=group, consumer_timeout_ms=500)
    assert [until(consumer.consume, "a message").offset for _ in range(3)] == [0, 1, 2]
    consumer.commit_offsets()

    broker.stop()
    with pytest.raises((KafkaException, SocketDisconnectedError, OSError)):
        client.update_cluster()
    broker.start()

    until(lambda: _updated(client), "the client finds the broker again", 60)
    with topic.get_sync_producer(linger_ms=1) as producer:
        assert producer.produce(b"3").offset == 3
    # the consumer's fetcher did not outlive the broker; another one goes on from the commit
    with contextlib.suppress(KafkaException, OSError):
        consumer.stop()
    again = until(lambda: _resumed(topic, group), "a consumer starts", 60)
    assert again.consume().offset == 3
    again.stop()


def _resumed(topic: Topic, group: bytes) -> Any:
    """A new consumer; the first attempts may meet connections of before the restart."""
    try:
        return topic.get_simple_consumer(consumer_group=group, consumer_timeout_ms=10_000)
    except (KafkaException, OSError):
        return None


def _updated(client: KafkaClient) -> bool:
    try:
        client.update_cluster()
    except (KafkaException, OSError):
        return False
    return True
