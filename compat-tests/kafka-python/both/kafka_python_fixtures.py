"""Fixtures of kafka-python's suites: they must work with the current release and with 2.0.2 alike."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from compat.broker import Broker
from compat.waiting import until
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

MakeTopic = Callable[..., str]
MakeProducer = Callable[..., KafkaProducer]
MakeConsumer = Callable[..., KafkaConsumer]


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def read(consumer: KafkaConsumer, count: int, timeout_s: float = 20.0) -> list[Any]:
    """Poll until `count` records came, and one poll more to see that no further one does."""
    records: list[Any] = []
    deadline = time.monotonic() + timeout_s
    while len(records) < count and time.monotonic() < deadline:
        for batch in consumer.poll(timeout_ms=500).values():
            records += batch
    for batch in consumer.poll(timeout_ms=50).values():
        records += batch
    assert len(records) == count, f"expected {count} records, got {len(records)}"
    return records


def join(*consumers: KafkaConsumer, partitions: int, timeout_s: float = 30.0) -> None:
    """Poll all members of a group until together they hold `partitions` partitions, evenly, none twice.

    Each member polls in a thread of its own, as members do in life: taking turns in one thread, a member
    whose poll ends before the others joined starts over, and they can miss each other for ever.  Records
    that come are lost.
    """
    for consumer in consumers:
        # 3.0.12 can stay without partitions for ever where the leader assigns before it knows the topic
        for topic in consumer.subscription() or ():
            consumer.partitions_for_topic(topic)
    stop = threading.Event()

    failures: list[BaseException] = []

    def poll(consumer: KafkaConsumer) -> None:
        try:
            while not stop.is_set():
                consumer.poll(timeout_ms=200)
        except BaseException as failure:
            failures.append(failure)

    def settled() -> bool:
        assert not failures, f"polling failed: {failures}"
        held = [set(consumer.assignment()) for consumer in consumers]
        sizes = [len(part) for part in held]
        return sum(sizes) == len(set().union(*held)) == partitions and max(sizes) - min(sizes) <= 1

    threads = [threading.Thread(target=poll, args=[consumer], daemon=True) for consumer in consumers]
    for thread in threads:
        thread.start()
    try:
        until(settled, f"{len(consumers)} members share {partitions} partitions", timeout_s)
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


@pytest.fixture(scope="session")
def admin(broker: Broker) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    yield client
    client.close()


@pytest.fixture
def make_topic(admin: KafkaAdminClient) -> MakeTopic:
    def make(partitions: int = 1, configs: dict[str, str] | None = None, name: str = "") -> str:
        name = name or unique("topic")
        admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs or {})])

        def ready() -> bool:
            (found,) = admin.describe_topics([name])
            # 2.0.2 calls the leader "leader", later releases "leader_id"
            leaders = [p.get("leader", p.get("leader_id", -1)) for p in found["partitions"]]
            return found["error_code"] == 0 and len(leaders) == partitions and min(leaders) >= 0

        until(ready, f"{name} has {partitions} partitions with leaders")
        return name

    return make


@pytest.fixture
def topic(make_topic: MakeTopic) -> str:
    """A topic of one partition."""
    return make_topic()


@pytest.fixture
def make_producer(broker: Broker) -> Iterator[MakeProducer]:
    with contextlib.ExitStack() as stack:

        def make(**config: Any) -> KafkaProducer:
            producer = KafkaProducer(**{"bootstrap_servers": broker.bootstrap, **config})
            stack.callback(producer.close, timeout=5)
            return producer

        yield make


@pytest.fixture
def make_consumer(broker: Broker) -> Iterator[MakeConsumer]:
    """Makes consumers that start at the beginning and close without a commit, unless told otherwise."""
    with contextlib.ExitStack() as stack:

        def make(*topics: str, **config: Any) -> KafkaConsumer:
            defaults = {"bootstrap_servers": broker.bootstrap, "auto_offset_reset": "earliest"}
            consumer = KafkaConsumer(*topics, **{**defaults, **config})
            stack.callback(consumer.close, autocommit=False)
            return consumer

        yield make


@pytest.fixture
def producer(make_producer: MakeProducer) -> KafkaProducer:
    return make_producer()


@pytest.fixture
def fill(producer: KafkaProducer) -> Callable[..., list[bytes]]:
    """Write `count` numbered values to one partition, wait for the acknowledgements, return the values."""

    def write(topic: str, count: int, partition: int = 0, start: int = 0) -> list[bytes]:
        values = [b"%d" % number for number in range(start, start + count)]
        sent = [producer.send(topic, value, partition=partition) for value in values]
        producer.flush(timeout=20)
        assert all(future.succeeded() for future in sent)
        return values

    return write
