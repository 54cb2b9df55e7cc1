"""What the scenarios do with the client again and again."""

from __future__ import annotations

import time
import uuid
from typing import Any

from compat.waiting import until
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def admin_client(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap})


def create_topic(
    admin: AdminClient, name: str, partitions: int = 1, config: dict[str, str] | None = None
) -> str:
    admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])[name].result(20)

    def ready() -> bool:
        found = admin.list_topics(name, timeout=10).topics[name]
        return found.error is None and len(found.partitions) == partitions

    until(ready, f"{name} has {partitions} partitions")
    return name


def produce_values(
    bootstrap: str, topic: str, values: list[bytes], partition: int = 0, **config: Any
) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, **config})
    errors: list[Any] = []
    for value in values:
        producer.produce(topic, value, partition=partition, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(20) == 0
    assert errors == [None] * len(values)


def read(consumer: Consumer, count: int, timeout_s: float = 20.0) -> list[Message]:
    """Poll until `count` messages came, and a moment more to see that no further one does."""
    messages: list[Message] = []
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        message = consumer.poll(0.1 if len(messages) >= count else 0.5)
        if message is None:
            if len(messages) >= count:
                break
            continue
        assert message.error() is None, message.error()
        messages.append(message)
    assert len(messages) == count, f"expected {count} messages, got {len(messages)}"
    return messages


def share(*consumers: Consumer, partitions: int, timeout_s: float = 40.0) -> None:
    """Poll until the members hold `partitions` together, evenly, none twice.  Messages get lost."""

    def settled() -> bool:
        for consumer in consumers:
            consumer.poll(0.1)
        held = [{(p.topic, p.partition) for p in consumer.assignment()} for consumer in consumers]
        sizes = [len(part) for part in held]
        return sum(sizes) == len(set().union(*held)) == partitions and max(sizes) - min(sizes) <= 1

    until(settled, f"{len(consumers)} members share {partitions} partitions", timeout_s)


def committed(consumer: Consumer, topic: str, partition: int = 0) -> int:
    (found,) = consumer.committed([TopicPartition(topic, partition)], timeout=10)
    assert found.error is None, found.error
    return int(found.offset)
