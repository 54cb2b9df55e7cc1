"""A connection that always has work leaves the others their turns: while it sends, and while it receives."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import trio
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.framing import Frames, frame_request

from kwire.server.connection import Connection
from kwire.server.readiness import TURN_SECONDS
from kwire.server.requests import Requests
from tests.broker_client import serving

BYTES_A_SEND = 10
BYTES_A_RECEIVE = 4096


def hello(padding: int = 0) -> bytes:
    """A request for ApiVersions with bytes behind it, which are passed over."""
    request = ApiVersions.Request(client_software_name="tests", client_software_version="1")
    whole = b"".join(bytes(part) for part in frame_request(request, 3, 1, "tests")[0])
    return struct.pack(">i", len(whole) - 4 + padding) + whole[4:] + bytes(padding)


class Tireless:
    """A peer that is never waited for: it takes what is sent and has more to say, a little at a time, and
    each time takes a turn's length.
    """

    peer = local = ("127.0.0.1", 1)

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.calls = 0

    def now(self) -> float:
        return self.calls * TURN_SECONDS * 1.5

    def recv_into(self, buffer: memoryview) -> int:
        self.calls += 1
        count = min(len(buffer), len(self._data), BYTES_A_RECEIVE)
        buffer[:count], self._data = self._data[:count], self._data[count:]
        return count

    def sendmsg(self, buffers: Sequence[Any]) -> int:
        self.calls += 1
        return min(sum(map(len, buffers)), BYTES_A_SEND)

    def sendfile(self, part: Any) -> int:
        raise AssertionError("there are no files here")

    def cork(self, held: bool) -> None:
        raise AssertionError("there are no files here")

    async def wait_readable(self) -> None:
        raise AssertionError("there is always something")

    async def wait_writable(self) -> None:
        raise AssertionError("there is always room")

    def watch(self, on_ready: Callable[[bool], None]) -> bool:
        return False

    def peer_has_left(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to close."""


async def turns_of_others(peer: Tireless) -> int:
    """How many turns another task has while the connection is served."""
    turns = 0
    async with serving() as running:
        [node] = running.cluster.nodes.values()
        [endpoint] = node.endpoints.values()
        frames = Frames(100 << 20)
        connection = Connection(peer, Requests(running.cluster), node, endpoint, frames, peer.now)

        async def others() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            await trio.lowlevel.checkpoint()
            turns = 0
            await connection.run()
            nursery.cancel_scope.cancel()
    return turns


async def test_a_client_that_takes_as_fast_as_it_is_given_is_left_after_a_turn() -> None:
    peer = Tireless(hello())
    turns = await turns_of_others(peer)
    assert peer.calls > 30
    assert turns >= peer.calls // 2


async def test_a_large_frame_that_comes_as_fast_as_it_is_received_leaves_others_their_turns() -> None:
    peer = Tireless(hello(padding=200 * BYTES_A_RECEIVE))
    turns = await turns_of_others(peer)
    assert peer.calls > 200
    assert turns >= peer.calls // 2


class Slow(Tireless):
    """A peer whose requests come all at once, and each take a turn's length; it takes what it is given."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.looks = 0
        self.sent: list[int] = []
        """How many answers went out at a time."""

    def now(self) -> float:
        self.looks += 1
        return self.looks * TURN_SECONDS * 1.5

    def recv_into(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._data))
        buffer[:count], self._data = self._data[:count], self._data[count:]
        return count

    def sendmsg(self, buffers: Sequence[Any]) -> int:
        self.sent.append(len(buffers))
        return sum(map(len, buffers))


async def test_an_answer_does_not_wait_for_the_turn_of_others() -> None:
    fetch = Fetch.Request(max_wait_ms=0, min_bytes=0, topics=[], forgotten_topics_data=[])
    peer = Slow(3 * b"".join(bytes(part) for part in frame_request(fetch, 12, 1, "tests")[0]))
    await turns_of_others(peer)
    assert peer.sent == [1, 1, 1]


async def test_requests_that_are_answered_by_a_task_that_never_waits_leave_others_their_turns() -> None:
    peer = Slow(6 * hello())
    turns = await turns_of_others(peer)
    assert peer.sent == [1] * 6
    assert turns >= 6
