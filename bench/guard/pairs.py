"""A network of socket pairs: the broker's real transports, with the client in the same process and task.

Rules: bytes that one end sends are there for the other at once, so nothing depends on when the kernel
delivers them. The client acts inside the broker's own wait (`wait_readable` of the transport): it needs no
task of its own, whose cost would be counted with the broker's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import cast

import trio

from kwire.server.transport import Address, Listening, SocketTransport, Transport

HOST = "127.0.0.1"
PORT = 9092
BUFFER_BYTES = 4 * 1024 * 1024


class _End(socket.socket):
    """One end of a pair; it has addresses, as a TCP socket has."""

    def getpeername(self) -> Address:
        return HOST, 50_000

    def getsockname(self) -> Address:
        return HOST, PORT


class _Listening:
    def __init__(self) -> None:
        self.port = PORT
        self._came = trio.Event()
        self._waiting: list[Transport] = []

    def connect(self, transport: Transport) -> None:
        self._waiting.append(transport)
        self._came.set()

    async def wait_readable(self) -> None:
        await self._came.wait()
        self._came = trio.Event()

    def accept(self) -> Transport:
        if not self._waiting:
            raise BlockingIOError
        return self._waiting.pop()

    def close(self) -> None:
        pass


class PairNetwork:
    """What a broker listens on. Its clock, by which connections take turns, stands still."""

    def __init__(self) -> None:
        self.now: Callable[[], float] = repeat(1.0).__next__
        self._listening = _Listening()

    async def attend(self) -> None:
        """Nothing: its clients act inside of the broker's waits."""

    def listen(self, host: str, port: int) -> Sequence[Listening]:
        return [self._listening]

    def connect(self, act: Callable[[socket.socket], None]) -> None:
        """Connects a client: `act(client's socket)` is called each time that the broker is about to wait for
        it, and must send the next request, or keep silent for good.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        broker_end = _End(fileno=theirs.detach())
        broker_end.setblocking(False)
        transport = SocketTransport(broker_end)
        wait_readable = transport.wait_readable

        async def client_acts() -> None:
            act(ours)
            await wait_readable()

        transport.wait_readable = client_acts
        self._listening.connect(cast("Transport", transport))
