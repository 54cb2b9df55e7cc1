"""Fixtures of confluent-kafka's suite."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client import admin_client, create_topic, produce_values, unique
from compat.broker import Broker
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient


@pytest.fixture(scope="session")
def admin(broker: Broker) -> AdminClient:
    return admin_client(broker.bootstrap)


@pytest.fixture
def make_topic(admin: AdminClient) -> Callable[..., str]:
    def make(partitions: int = 1, config: dict[str, str] | None = None) -> str:
        return create_topic(admin, unique("topic"), partitions, config)

    return make


@pytest.fixture
def topic(make_topic: Callable[..., str]) -> str:
    """A topic of one partition."""
    return make_topic()


@pytest.fixture
def group() -> str:
    return unique("group")


@pytest.fixture
def make_producer(broker: Broker) -> Callable[..., Producer]:
    def make(**config: Any) -> Producer:
        return Producer({"bootstrap.servers": broker.bootstrap, **_dotted(config)})

    return make


@pytest.fixture
def make_consumer(broker: Broker) -> Iterator[Callable[..., Consumer]]:
    """Makes consumers that start at the beginning and commit nothing unless told; `_` stands for `.`."""
    with contextlib.ExitStack() as stack:

        def make(*topics: str, **config: Any) -> Consumer:
            defaults = {
                "bootstrap.servers": broker.bootstrap,
                "group.id": unique("group"),
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "heartbeat.interval.ms": 200,
                "topic.metadata.refresh.interval.ms": 500,
            }
            merged = {**defaults, **_dotted(config)}
            consumer = Consumer({name: value for name, value in merged.items() if value is not None})
            if topics:
                consumer.subscribe(list(topics))
            stack.callback(_close, consumer)
            return consumer

        yield make


@pytest.fixture
def fill(broker: Broker) -> Callable[..., list[bytes]]:
    """Write `count` numbered values to one partition and wait until all are delivered."""

    def write(topic: str, count: int, partition: int = 0, start: int = 0) -> list[bytes]:
        values = [b"%d" % number for number in range(start, start + count)]
        produce_values(broker.bootstrap, topic, values, partition)
        return values

    return write


def _close(consumer: Consumer) -> None:
    with contextlib.suppress(RuntimeError):  # closed by the test
        consumer.close()


def _dotted(config: dict[str, Any]) -> dict[str, Any]:
    return {
        name if name.startswith("on_") else name.replace("_", "."): value for name, value in config.items()
    }
