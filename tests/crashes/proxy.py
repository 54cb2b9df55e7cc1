"""What stands between clients and the broker: passes everything on, and knows which requests are on the way.

Rules: clients know the proxy's address alone, so that a broker that comes back on another port is still
theirs. A request is on the way from the moment when it is handed to the broker's socket until its answer
came from there. While there is no broker, connections are closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple

import trio
from kwire_codecs.apis import API_MODULES, api

RECEIVED_BYTES = 64 * 1024
WRITES = frozenset(
    (
        "Produce",
        "InitProducerId",
        "AddPartitionsToTxn",
        "AddOffsetsToTxn",
        "TxnOffsetCommit",
        "EndTxn",
        "JoinGroup",
        "SyncGroup",
        "LeaveGroup",
        "OffsetCommit",
        "ConsumerGroupHeartbeat",
    )
)
"""Requests by which something becomes another. A Fetch or a Heartbeat is nearly always on the way."""


class OnTheWay(NamedTuple):
    """A request whose answer is not there yet."""

    client: str
    api: str
    version: int


Moment = Callable[[OnTheWay], bool]


class Proxy:
    """Serves on a port of its own from `run` on. `broker` is where everything goes; None while there is
    nothing.
    """

    def __init__(self) -> None:
        self.port = 0
        self.broker: int | None = None
        self.on_the_way: dict[tuple[int, int], OnTheWay] = {}
        self.seen: dict[tuple[str, int], int] = {}
        """How often each API was asked in each version."""
        self._connections = 0
        self._waiting: dict[trio.Event, Moment] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._serve, [listener])

    async def next_request(self, moment: Moment, timeout_seconds: float) -> bool:
        """Waits until a request for which `moment` holds is handed to the broker; False if none is."""
        event = trio.Event()
        self._waiting[event] = moment
        with trio.move_on_after(max(0.0, timeout_seconds)):
            await event.wait()
        del self._waiting[event]
        return event.is_set()

    def writes_on_the_way(self, clients: Collection[str] | None = None) -> dict[tuple[int, int], OnTheWay]:
        """Requests on the way that change something, of these clients or all."""
        return {
            key: each
            for key, each in self.on_the_way.items()
            if each.api in WRITES and (clients is None or each.client in clients)
        }

    async def _serve(self, client: trio.SocketStream) -> None:
        self._connections += 1
        number = self._connections
        try:
            if self.broker is None:
                return
            async with client, await trio.open_tcp_stream("127.0.0.1", self.broker) as broker:
                await self._pass_on(number, client, broker)
        except* OSError:
            pass
        finally:
            await trio.aclose_forcefully(client)
            for key in [key for key in self.on_the_way if key[0] == number]:
                del self.on_the_way[key]

    async def _pass_on(self, number: int, client: trio.SocketStream, broker: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:

            async def until_closed(copy: Callable[[], Awaitable[None]]) -> None:
                await copy()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_closed, lambda: self._requests(number, client, broker))
            nursery.start_soon(until_closed, lambda: self._answers(number, broker, client))

    async def _requests(self, number: int, client: trio.SocketStream, broker: trio.SocketStream) -> None:
        held = bytearray()
        try:
            while received := await client.receive_some(RECEIVED_BYTES):
                held += received
                while (frame := _cut(held)) is not None:
                    key = number, int.from_bytes(frame[8:12])
                    request = _request(frame)
                    self.on_the_way[key] = request
                    await broker.send_all(frame)
                    asked = request.api, request.version
                    self.seen[asked] = self.seen.get(asked, 0) + 1
                    for event, moment in self._waiting.items():
                        if moment(request):
                            event.set()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _answers(self, number: int, broker: trio.SocketStream, client: trio.SocketStream) -> None:
        held = bytearray()
        try:
            while received := await broker.receive_some(RECEIVED_BYTES):
                held += received
                while (frame := _cut(held)) is not None:
                    self.on_the_way.pop((number, int.from_bytes(frame[4:8])), None)
                    await client.send_all(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


def _cut(held: bytearray) -> bytes | None:
    """The first whole frame, with its size, taken out of what is held."""
    if len(held) < 4:
        return None
    size = 4 + int.from_bytes(held[:4])
    if len(held) < size:
        return None
    frame = bytes(held[:size])
    del held[:size]
    return frame


def _request(frame: bytes) -> OnTheWay:
    key, version = int.from_bytes(frame[4:6]), int.from_bytes(frame[6:8])
    size = int.from_bytes(frame[12:14], signed=True)
    name = api(key).name if key in API_MODULES else str(key)
    return OnTheWay(frame[14 : 14 + max(size, 0)].decode("utf-8", "replace"), name, version)
