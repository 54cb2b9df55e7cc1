"""A network of socket pairs: the broker's real transports, watched by its real epoll, with the client in the
same process and task.

Rules: bytes that one end sends are there for the other at once, so nothing depends on when the kernel
delivers them. The client acts as soon as the broker has sent, within the broker's own call: it needs no task
of its own, whose cost would be counted with the broker's. The epoll's turns never end, as no clock does.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, cast

import trio

from kwire.server import readiness
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
        readiness.TURN_SECONDS = float("inf")
        self._readiness = readiness.Readiness()

    async def attend(self) -> None:
        await self._readiness.run()

    def listen(self, host: str, port: int) -> Sequence[Listening]:
        return [self._listening]

    def connect(self, act: Callable[[socket.socket], None]) -> None:
        """Connects a client: `act(client's socket)` is called now, and each time that the broker has sent an
        answer; it must send the next request, or keep silent for good.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        broker_end = _End(fileno=theirs.detach())
        broker_end.setblocking(False)
        transport = SocketTransport(broker_end, self._readiness)
        send = transport.sendmsg

        def send_and_let_act(buffers: Sequence[Any]) -> int:
            sent = send(buffers)
            act(ours)
            return sent

        transport.sendmsg = send_and_let_act
        act(ours)
        self._listening.connect(cast("Transport", transport))
