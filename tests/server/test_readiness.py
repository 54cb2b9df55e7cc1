"""A connection that is told when it may read, by whoever watches its transport: nothing that comes is missed,
whatever it does when it is told.
"""

import gc
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.framing import Frames, frame_request
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from kwire.server.connection import Connection
from kwire.server.requests import Requests
from tests.broker_client import connected, create_topic, fetch_request, produce_request, serving


def hello(correlation_id: int, padding: int = 0) -> bytes:
    """A request for ApiVersions with bytes behind it, which are passed over."""
    request = ApiVersions.Request(client_software_name="tests", client_software_version="1")
    whole = b"".join(bytes(part) for part in frame_request(request, 3, correlation_id, "tests")[0])
    return struct.pack(">i", len(whole) - 4 + padding) + whole[4:] + bytes(padding)


class Told:
    """A peer whose transport is watched: `comes` makes data readable and tells of it once."""

    peer = local = ("127.0.0.1", 1)
    connection: Connection

    def __init__(self) -> None:
        self.there = bytearray()
        self.has_ended = False
        self.answered: list[int] = []
        """The correlation ids of what was answered, an answer a send."""

    def comes(self, data: bytes, *, and_ends: bool = False) -> None:
        self.there += data
        self.has_ended = and_ends
        self.on_ready(and_ends)

    def recv_into(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self.there))
        buffer[:count] = self.there[:count]
        del self.there[:count]
        if not count and not self.has_ended:
            raise BlockingIOError
        return count

    def sendmsg(self, buffers: Sequence[Any]) -> int:
        data = b"".join(buffers)
        at = 0
        while at < len(data):
            size, correlation_id = struct.unpack_from(">ii", data, at)
            self.answered.append(correlation_id)
            at += 4 + size
        return len(data)

    def sendfile(self, part: Any) -> int:
        raise AssertionError("there are no files here")

    def cork(self, held: bool) -> None:
        raise AssertionError("there are no files here")

    async def wait_readable(self) -> None:
        raise AssertionError("it is told")

    async def wait_writable(self) -> None:
        raise AssertionError("there is always room")

    def watch(self, on_ready: Callable[[bool], None]) -> bool:
        self.on_ready = on_ready
        return True

    def peer_has_left(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def told() -> AsyncIterator[tuple[Any, Told, trio.Event]]:
    """A broker, a peer that is served by it and waited for, and what is set when its connection has ended."""
    async with serving() as running:
        [node] = running.cluster.nodes.values()
        [endpoint] = node.endpoints.values()
        peer, ended = Told(), trio.Event()
        requests = Requests(running.cluster)
        connection = Connection(peer, requests, node, endpoint, Frames(100 << 20), lambda: 0.0)
        peer.connection = connection

        async def served() -> None:
            await connection.run()
            ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(served)
            await trio.testing.wait_all_tasks_blocked()
            yield running, peer, ended
            nursery.cancel_scope.cancel()


def nothing_to_read(correlation_id: int) -> bytes:
    """A Fetch of a topic that is not there, whose answer has not to be waited for."""
    whole, _ = frame_request(fetch_request("nowhere", 0), 4, correlation_id, "tests")
    return b"".join(bytes(part) for part in whole)


async def test_what_can_be_answered_at_once_is_answered_while_it_is_told() -> None:
    async with told() as (_, peer, _ended):
        peer.comes(nothing_to_read(1))
        assert peer.answered == [1]
        peer.comes(nothing_to_read(2) + nothing_to_read(3))
        assert peer.answered == [1, 2, 3]


async def test_what_takes_the_connection_s_own_task_is_answered_in_order_with_the_rest() -> None:
    async with told() as (_, peer, _ended):
        peer.comes(nothing_to_read(1) + hello(2) + nothing_to_read(3))
        peer.comes(hello(4))
        await trio.testing.wait_all_tasks_blocked()
        assert peer.answered == [1, 2, 3, 4]


@pytest.mark.parametrize("cut", [1, 4, 20])
async def test_a_request_that_comes_in_two_parts_is_answered_with_the_second(cut: int) -> None:
    async with told() as (_, peer, _ended):
        data = nothing_to_read(1)
        peer.comes(data[:cut])
        assert peer.answered == []
        peer.comes(data[cut:])
        assert peer.answered == [1]


async def test_what_comes_while_a_request_is_worked_on_is_not_missed() -> None:
    async with told() as (running, peer, _), connected(running) as producer:
        await create_topic(running, "t")
        waits, _ = frame_request(fetch_request("t", 0, max_wait_ms=60_000), 4, 1, "tests")
        peer.comes(b"".join(bytes(part) for part in waits))
        await trio.testing.wait_all_tasks_blocked()
        peer.comes(hello(2))
        assert peer.answered == []
        await producer.ask(produce_request("t", batch.build([Record(None, b"x", timestamp=1)])), 9)
        await trio.testing.wait_all_tasks_blocked()
        assert peer.answered == [1, 2]


@pytest.mark.parametrize("first", [hello(1), nothing_to_read(1)], ids=["by its task", "at once"])
async def test_what_is_answered_goes_out_before_a_request_that_waits(first: bytes) -> None:
    async with told() as (running, peer, _):
        await create_topic(running, "t")
        waits, _ = frame_request(fetch_request("t", 0, max_wait_ms=60_000), 4, 2, "tests")
        peer.comes(first + b"".join(bytes(part) for part in waits))
        await trio.testing.wait_all_tasks_blocked()
        assert peer.answered == [1]


async def test_more_than_one_read_takes_is_read_to_its_end() -> None:
    async with told() as (_, peer, _ended):
        peer.comes(hello(1, padding=200_000) + hello(2, padding=200_000) + hello(3))
        await trio.testing.wait_all_tasks_blocked()
        assert peer.answered == [1, 2, 3]


async def test_the_end_that_comes_with_the_last_bytes_is_seen() -> None:
    async with told() as (_, peer, ended):
        peer.comes(hello(1), and_ends=True)
        await trio.testing.wait_all_tasks_blocked()
        assert peer.answered == [1]
        assert ended.is_set()


async def test_a_failure_while_it_is_told_ends_that_connection_only() -> None:
    async with told() as (running, peer, ended), connected(running) as other:

        def reset(_: memoryview) -> int:
            raise ConnectionResetError

        peer.recv_into = reset  # type: ignore[method-assign, assignment]
        peer.comes(hello(1))
        await trio.testing.wait_all_tasks_blocked()
        assert ended.is_set()
        assert await other.ask(ApiVersions.Request(client_software_name="t", client_software_version="1"), 3)


async def test_a_connection_that_is_ended_while_it_is_told_leaves_nothing_unfinished() -> None:
    async with told() as (_, peer, ended):
        receive = peer.recv_into

        def ends(buffer: memoryview) -> int:
            peer.connection.scope.cancel()
            return receive(buffer)

        peer.recv_into = ends  # type: ignore[method-assign]
        peer.comes(hello(1))
        gc.collect()  # which would warn of a coroutine that nobody awaited
        await trio.testing.wait_all_tasks_blocked()
        assert ended.is_set()
