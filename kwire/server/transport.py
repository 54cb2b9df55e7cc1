"""What a connection runs on: sockets, or whatever else behaves like a non-blocking one.

Rules: a transport never waits in `recv_into`, `sendmsg` and `sendfile`; they raise BlockingIOError, and the
two waits are the only places where a connection's task sleeps. What else goes wrong is an OSError, as sockets
raise it. A transport belongs to one connection, which closes it. `Network` opens listeners; the simulation
has both in memory.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

import trio

if TYPE_CHECKING:
    from kwire_storage.engine import FileSlice

    from kwire.server.readiness import Readiness

Address = tuple[str, int]
_LEFT = getattr(select, "POLLRDHUP", 0)
"""With what is always reported: that the connection was reset, or has ended both ways."""
_CORK: int | None = getattr(socket, "TCP_CORK", None)


class Transport(Protocol):
    """One connected peer."""

    @property
    def peer(self) -> Address:
        """Host and port of the other side."""
        ...

    @property
    def local(self) -> Address:
        """The host and port that the other side dialled."""
        ...

    @property
    def recv_into(self) -> Callable[[memoryview], int]:
        """Fills the buffer with what is there; 0 when the peer sends no more."""
        ...

    @property
    def sendmsg(self) -> Callable[[Sequence[Any]], int]:
        """Sends of the buffers as much as fits; gives the bytes taken."""
        ...

    @property
    def wait_readable(self) -> Callable[[], Awaitable[None]]:
        """Until `recv_into` would not block."""
        ...

    @property
    def wait_writable(self) -> Callable[[], Awaitable[None]]:
        """Until `sendmsg` would not block."""
        ...

    def sendfile(self, part: FileSlice) -> int:
        """Sends of a file's bytes as many as fit; 0 when the file ends before them."""
        ...

    def cork(self, held: bool) -> None:
        """While `held`, what would not fill a packet may wait for what is sent next, for a fraction of a
        second at most.
        """
        ...

    def watch(self, on_ready: Callable[[bool], None]) -> bool:
        """From now on calls `on_ready` as `Readiness` does; False where only `wait_readable` tells."""
        ...

    def peer_has_left(self) -> bool:
        """Whether the other side will send no more, or is gone: asked while nobody reads, and without
        waiting.
        """
        ...

    def close(self) -> None:
        """Lets go of it; what was not sent is lost."""
        ...


class Listening(Protocol):
    """An address that is listened on."""

    @property
    def port(self) -> int:
        """The port that is bound."""
        ...

    async def wait_readable(self) -> None:
        """Until somebody may have connected."""
        ...

    def accept(self) -> Transport:
        """Takes one in; BlockingIOError when nobody is there, or another OSError."""
        ...

    def close(self) -> None:
        """Listens no more; whoever was not taken in is cut off."""
        ...


class Network(Protocol):
    """Where listeners are opened."""

    @property
    def now(self) -> Callable[[], float]:
        """Seconds, by which connections take turns; unrelated to any other clock."""
        ...

    async def attend(self) -> None:
        """What its transports need a task for, if anything; runs as long as connections are served."""
        ...

    def listen(self, host: str, port: int) -> Sequence[Listening]:
        """Every address of `host`, all on one port (0 takes a free one). Raises CannotListen."""
        ...


class SocketTransport:
    """A connected, non-blocking socket. Its methods are the socket's own: nothing is added to a call."""

    __slots__ = (
        "_readiness",
        "_socket",
        "local",
        "peer",
        "recv_into",
        "sendmsg",
        "wait_readable",
        "wait_writable",
    )

    def __init__(self, sock: socket.socket, readiness: Readiness | None = None) -> None:
        """Raises OSError when the peer has gone already."""
        self._readiness = readiness
        peer, local = sock.getpeername(), sock.getsockname()
        self._socket = sock
        self.peer: Address = (peer[0], peer[1])
        self.local: Address = (local[0], local[1])
        self.recv_into: Callable[[memoryview], int] = sock.recv_into
        self.sendmsg: Callable[[Sequence[Any]], int] = sock.sendmsg
        self.wait_readable: Callable[[], Awaitable[None]] = partial(trio.lowlevel.wait_readable, sock)
        self.wait_writable: Callable[[], Awaitable[None]] = partial(trio.lowlevel.wait_writable, sock)

    def sendfile(self, part: FileSlice) -> int:
        return os.sendfile(self._socket.fileno(), part.fileno(), part.position, part.size)

    def cork(self, held: bool) -> None:
        if _CORK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _CORK, held)

    def watch(self, on_ready: Callable[[bool], None]) -> bool:
        if self._readiness is None:
            return False
        self._readiness.watch(self._socket.fileno(), on_ready)
        return True

    def peer_has_left(self) -> bool:
        poll = select.poll()
        poll.register(self._socket, _LEFT)
        return bool(poll.poll(0))

    def close(self) -> None:
        if self._readiness is not None:
            self._readiness.forget(self._socket.fileno())
        self._socket.close()


class ListeningSocket:
    """A bound, listening, non-blocking socket."""

    __slots__ = ("_readiness", "_socket")

    def __init__(self, sock: socket.socket, readiness: Readiness | None = None) -> None:
        self._socket = sock
        self._readiness = readiness

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def wait_readable(self) -> None:
        await trio.lowlevel.wait_readable(self._socket)

    def accept(self) -> Transport:
        connected, _ = self._socket.accept()
        try:
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # pyright takes the socket's methods, kept as attributes, for methods of the class.
            return cast("Transport", SocketTransport(connected, self._readiness))
        except OSError as gone:
            # The client has gone in between.
            connected.close()
            raise ConnectionAbortedError(gone.errno, gone.strerror) from gone

    def close(self) -> None:
        self._socket.close()
