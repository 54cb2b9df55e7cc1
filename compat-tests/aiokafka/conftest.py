"""Fixtures of aiokafka's suite: test functions may be coroutines, each run in a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from compat.broker import Broker

PATIENCE_S = 60.0
SOON_S = 20.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function and, within the same loop, close the clients that it has opened."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def run() -> None:
        kafka = pyfuncitem.funcargs.get("kafka")
        async with asyncio.timeout(PATIENCE_S):
            try:
                await pyfuncitem.obj(**arguments)
            finally:
                if kafka is not None:
                    await kafka.close()

    asyncio.run(run())
    return True


class Kafka:
    """Makes aiokafka's clients for one broker; `close` stops them, the last one first."""

    def __init__(self, broker: Broker) -> None:
        self.bootstrap = broker.bootstrap
        self._stops: list[Callable[[], Awaitable[None]]] = []

    async def producer(self, **config: Any) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, **config)
        self._stops.append(producer.stop)
        await producer.start()
        return producer

    async def consumer(self, *topics: str, **config: Any) -> AIOKafkaConsumer:
        """A consumer that starts at the beginning and does not commit, unless told otherwise."""
        defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
        consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=self.bootstrap, heartbeat_interval_ms=200, **{**defaults, **config}
        )
        self._stops.append(consumer.stop)
        await consumer.start()
        return consumer

    async def admin(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        self._stops.append(admin.close)
        await admin.start()
        return admin

    async def topic(self, partitions: int = 1, **configs: str) -> str:
        """A new topic whose partitions all have leaders."""
        name = unique("topic")
        admin = await self.admin()
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
        assert [row[:2] for row in answer.topic_errors] == [(name, 0)]

        async def ready() -> bool:
            (found,) = await admin.describe_topics([name])
            leaders = [partition["leader"] for partition in found["partitions"]]
            return found["error_code"] == 0 and len(leaders) == partitions and min(leaders) >= 0

        await until(ready, f"{name} has {partitions} partitions with leaders")
        return name

    async def close(self) -> None:
        for stop in reversed(self._stops):
            with contextlib.suppress(Exception):
                await stop()


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


async def until(probe: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Ask until the answer is true; fail with `what` when it takes too long."""
    deadline = asyncio.get_running_loop().time() + SOON_S
    while not (answer := await probe()):
        assert asyncio.get_running_loop().time() < deadline, f"not within {SOON_S:.0f} s: {what}"
        await asyncio.sleep(0.05)
    return answer


async def take(consumer: AIOKafkaConsumer, count: int) -> list[Any]:
    """The next `count` records."""
    records: list[Any] = []
    async with asyncio.timeout(SOON_S):
        while len(records) < count:
            records.append(await consumer.getone())
    return records


@pytest.fixture
def kafka(broker: Broker) -> Kafka:
    return Kafka(broker)
