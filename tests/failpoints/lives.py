"""What happens in the tests here: a broker that dies, clients that notice, the next one."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from kwire_codecs import wire as w
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client
from tests.failpoints.brokers import Brokers


class Life:
    """One life of the broker on a folder."""

    def __init__(self, brokers: Brokers, pid: int, port: int) -> None:
        self._brokers = brokers
        self._pid = pid
        self.port = port
        self.ended = False

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            yield Client(stream)

    def died_at_its_point(self) -> None:
        """It has ended by SIGKILL, and not by ours."""
        if self._brokers.wait(self._pid) != -signal.SIGKILL:
            self.kill()
            raise AssertionError("the point was never reached")
        self.ended = True

    def kill(self) -> None:
        """The end of one that was to live."""
        if not self.ended:
            self._brokers.kill(self._pid)
            self.ended = True


class Folder:
    """A folder of data, and its brokers one after the other."""

    def __init__(self, brokers: Brokers, data: Path) -> None:
        self._brokers = brokers
        self._data = data

    @asynccontextmanager
    async def broker(self, point: str | None = None, nth: int = 1) -> AsyncIterator[Life]:
        """A broker that dies at this point, or lives as long as the context."""
        pid, port = await trio.to_thread.run_sync(self._brokers.start, self._data, point, nth)
        life = Life(self._brokers, pid, port)
        assert point is not None or port
        try:
            yield life
        except BaseException:
            life.kill()
            raise
        if point is None:
            life.kill()
        else:
            life.died_at_its_point()


async def ask(client: Client, request: w.Struct, version: int) -> Any:
    """The answer; None when the broker has gone."""
    try:
        return await client.ask(request, version)
    except (AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
        return None


async def create_topic(client: Client, name: str, partitions: int) -> None:
    """A topic, by a request."""
    topic = CreateTopics.Request.Topic(
        name=name, num_partitions=partitions, replication_factor=1, assignments=[], configs=[]
    )
    answer = await client.ask(CreateTopics.Request(topics=[topic], timeout_ms=10_000), 4)
    assert answer.topics[0].error_code is ErrorCode.NONE
