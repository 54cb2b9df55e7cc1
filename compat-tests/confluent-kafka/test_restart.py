"""A broker that ends and comes back on its own data directory, while clients go on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from client import admin_client, committed, create_topic, read, unique
from compat.broker import ServedBroker
from confluent_kafka import Consumer, Producer, TopicCollection

OwnBroker = Callable[..., ServedBroker]
pytestmark = [pytest.mark.restarts, pytest.mark.timeout(180)]


@pytest.mark.parametrize("end", [ServedBroker.stop, ServedBroker.kill], ids=["stopped", "killed"])
def test_producer_and_group_outlive_the_broker(
    own_broker: OwnBroker, end: Callable[[ServedBroker], None]
) -> None:
    broker = own_broker(persistent=True)
    admin = admin_client(broker.bootstrap)
    topic, group = create_topic(admin, unique("topic"), 2), unique("group")
    topic_id = str(admin.describe_topics(TopicCollection([topic]))[topic].result(20).topic_id)
    common = {"bootstrap.servers": broker.bootstrap, "reconnect.backoff.max.ms": 500}
    producer = Producer({**common, "enable.idempotence": True})
    options = {
        **common,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,  # a member that must join anew waits for its old self to expire
    }
    consumer = Consumer(options)
    consumer.subscribe([topic])
    offsets: list[int] = []

    def delivered(error: object, message: object) -> None:
        assert error is None, error
        offsets.append(message.offset())  # type: ignore[attr-defined]

    for i in range(10):
        producer.produce(topic, b"%d" % i, partition=0, on_delivery=delivered)
    assert producer.flush(20) == 0
    assert len(read(consumer, 10)) == 10
    consumer.commit(asynchronous=False)

    end(broker)
    for i in range(10, 15):
        producer.produce(topic, b"%d" % i, partition=0, on_delivery=delivered)
    broker.start()

    assert producer.flush(60) == 0
    assert offsets == list(range(15))
    assert [m.offset() for m in read_through_errors(consumer, 5)] == [10, 11, 12, 13, 14]
    consumer.commit(asynchronous=False)
    consumer.close()
    again = Consumer(options)
    assert committed(again, topic) == 15
    again.close()
    admin = admin_client(broker.bootstrap)
    found = admin.describe_topics(TopicCollection([topic]))[topic].result(20)
    assert str(found.topic_id) == topic_id


def read_through_errors(consumer: Consumer, count: int) -> list[object]:
    """Read on while the client reports that the broker is away."""
    messages: list[object] = []
    for _ in range(120):
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            messages.append(message)
        if len(messages) == count:
            return messages
    raise AssertionError(f"{len(messages)} of {count} messages came within a minute")
