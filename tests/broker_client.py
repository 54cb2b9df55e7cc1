"""A broker in the test's own loop, and a small client on the same codecs that speaks any version of any
API.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import trio
from kwire_codecs import wire as w
from kwire_codecs.apis import api
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.produce import Produce
from kwire_codecs.compile import decoder
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import frame_request
from kwire_codecs.headers import read_response_header

from kwire.config import BrokerConfig
from kwire.coordinators.metadata.topics import NewTopic, create_topics
from kwire.server.launch import Running, Settings, run_broker

MAX_RESPONSE_BYTES = 200 * 1024 * 1024


@asynccontextmanager
async def serving(properties: dict[str, str] | None = None, **settings: Any) -> AsyncIterator[Running]:
    """A broker on a free loopback port, in memory unless `data=` is given; closed cleanly at the end."""
    chosen = Settings(
        host=settings.pop("host", "127.0.0.1"),
        port=settings.pop("port", 0),
        config=BrokerConfig(properties or {}),
        rng=settings.pop("rng", random.Random(1)),
        **settings,
    )
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(run_broker, chosen)
        yield running
        running.stop()


class Client:
    """One connection. `ask` sends a request and gives its response; `send` and `receive` do the halves."""

    def __init__(self, stream: trio.SocketStream, client_id: str | None = "test") -> None:
        self.stream = stream
        self.client_id = client_id
        self._received = bytearray()
        self.correlation_id = 0

    async def send(self, request: w.Struct, version: int) -> None:
        """Sends one request."""
        self.correlation_id += 1
        parts, _ = frame_request(request, version, self.correlation_id, self.client_id)
        await self.stream.send_all(b"".join(parts))

    async def send_bytes(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def receive_frame(self) -> memoryview | None:
        """The next frame, or None when the broker has closed."""
        while True:
            size = int.from_bytes(self._received[:4])
            assert size <= MAX_RESPONSE_BYTES
            # A response may be smaller than any request (Heartbeat v0 has 6 bytes), so Frames won't do.
            if len(self._received) >= max(4, 4 + size):
                frame = bytes(self._received[4 : 4 + size])
                del self._received[: 4 + size]
                return memoryview(frame)
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._received += data

    async def receive(self, declared: type[w.Api], version: int) -> tuple[int, Any]:
        """The next answer, read as `declared`'s response: its correlation id and the message."""
        frame = await self.receive_frame()
        assert frame is not None, "the broker closed the connection"
        return self.read(frame, declared, version)

    def read(self, frame: memoryview, declared: type[w.Api], version: int) -> tuple[int, Any]:
        """A frame's correlation id and message."""
        correlation_id, _, position = read_response_header(frame, declared.response_header_version(version))
        return correlation_id, decoder(declared.Response, version)(frame[position:])

    async def ask(self, request: w.Struct, version: int) -> Any:
        """Sends a request and gives its response."""
        root = type(request).__root__
        assert root is not None
        assert root.key is not None
        await self.send(request, version)
        correlation_id, response = await self.receive(api(root.key), version)
        assert correlation_id == self.correlation_id
        return response

    async def closed_by_broker(self) -> bool:
        """Whether the broker closes without another answer."""
        return await self.receive_frame() is None


@asynccontextmanager
async def connected(running: Running, node: int = 0, client_id: str | None = "test") -> AsyncIterator[Client]:
    """A client connected to a broker of `serving`."""
    host, _, port = running.addresses[node].rpartition(":")
    stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
    async with stream:
        yield Client(stream, client_id)


async def create_topic(
    running: Running, name: str, partitions: int = 1, configs: dict[str, str] | None = None
) -> None:
    """A topic, by the shortest way: no request."""
    cluster = running.cluster
    wanted = NewTopic(name=name, num_partitions=partitions, replication_factor=1, configs=configs or {})
    [created] = await cluster.controller.submit(
        lambda image: create_topics(
            image, [wanted], config=cluster.config, random=cluster.random, new_id=cluster.controller.new_uuid
        )
    )
    assert created.error.error_code == ErrorCode.NONE, created


def led_again(running: Running, topic: str, *, leader_epoch: int) -> None:
    """The topic's first partition is led by the same node in a later epoch."""
    state = running.cluster.image.partition(topic, 0)
    partition = running.cluster.partition(topic, 0)
    assert state is not None
    assert partition is not None
    partition.follow(replace(state, leader_epoch=leader_epoch), min_isr=1)


def produce_request(
    topic: str, data: bytes | bytearray | memoryview | None, *, partition: int = 0, acks: int = -1
) -> Produce.Request:
    """A Produce of one partition (up to version 12)."""
    asked = Produce.Request.Topic
    view = None if data is None else memoryview(data)
    return Produce.Request(
        acks=acks,
        timeout_ms=1000,
        topic_data=[asked(name=topic, partition_data=[asked.Partition(index=partition, records=view)])],
    )


def fetch_request(
    topic: str,
    offset: int,
    *,
    partition: int = 0,
    max_wait_ms: int = 0,
    min_bytes: int = 1,
    max_bytes: int = 1 << 20,
    **fields: Any,
) -> Fetch.Request:
    """A Fetch of one partition (up to version 12)."""
    asked = Fetch.Request.Topic
    return Fetch.Request(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        topics=[
            asked(
                topic=topic,
                partitions=[
                    asked.Partition(partition=partition, fetch_offset=offset, partition_max_bytes=max_bytes)
                ],
            )
        ],
        **fields,
    )


def one_partition(response: Any) -> Any:
    """The only partition of a Produce's or Fetch's answer."""
    [topic] = response.responses
    [partition] = topic.partition_responses if hasattr(topic, "partition_responses") else topic.partitions
    return partition
