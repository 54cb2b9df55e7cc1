"""Fixtures of pykafka's suite.

pykafka sends the first versions of nearly every API and messages of magic 0 and 1, which Kafka 4 refuses:
all of the suite is marked `old_versions` and runs against kwire and Apache Kafka 3.9.
"""

from __future__ import annotations

import contextlib
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from compat.broker import Broker
from compat.raw import create_topic
from pykafka import KafkaClient, Topic
from pykafka.common import OffsetType

# 0.9.0 is the default and asks for no ApiVersions; from 0.10 on it does and uses the newest version that
# both know.  One in a process: see run.sh.
BROKER_VERSION = os.environ.get("PYKAFKA_BROKER_VERSION", "0.9.0")


def pytest_report_header() -> str:
    return f"pykafka with broker_version={BROKER_VERSION}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.old_versions)


@pytest.fixture
def client(broker: Broker) -> KafkaClient:
    return KafkaClient(hosts=broker.bootstrap, broker_version=BROKER_VERSION)


@pytest.fixture
def make_topic(broker: Broker, client: KafkaClient) -> Callable[..., Topic]:
    def make(partitions: int = 1, **configs: str) -> Topic:
        name = f"topic-{uuid.uuid4().hex[:12]}"
        create_topic(
            broker, name, partitions, {key.replace("_", "."): value for key, value in configs.items()}
        )
        client.update_cluster()
        return client.topics[name]

    return make


@pytest.fixture
def topic(make_topic: Callable[..., Topic]) -> Topic:
    return make_topic()


@pytest.fixture
def group() -> bytes:
    return f"group-{uuid.uuid4().hex[:12]}".encode()


@pytest.fixture
def fill() -> Callable[[Topic, int], list[bytes]]:
    def write(topic: Topic, count: int) -> list[bytes]:
        values = [b"%d" % i for i in range(count)]
        with topic.get_producer(linger_ms=50, min_queued_messages=1) as producer:
            for value in values:
                producer.produce(value)
        return values

    return write


@pytest.fixture
def simple() -> Iterator[Callable[..., Any]]:
    """Makes simple consumers that give up after ten seconds without a message."""
    with contextlib.ExitStack() as stack:

        def make(topic: Topic, **options: Any) -> Any:
            defaults = {"consumer_timeout_ms": 10_000, "auto_offset_reset": OffsetType.EARLIEST}
            consumer = topic.get_simple_consumer(**{**defaults, **options})
            stack.callback(consumer.stop)
            return consumer

        yield make


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("pykafka").setLevel(logging.WARNING)
