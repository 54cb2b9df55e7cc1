"""Sockets that accept: opening them on every address of a listener, and taking connections in.

Rules: `localhost` is both loopbacks on one port; a port of 0 takes a free one. When the machine runs out of
file descriptors or memory for sockets, accepting pauses and goes on (the four errnos of trio's
serve_listeners); over `max.connections`, or with no more descriptors left than files need, it waits until a
connection ends. Either is told once a minute, however many try.
"""

from __future__ import annotations

import errno
import logging
import resource
import select
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

import trio

from kwire.broker.listeners import LOCALHOST
from kwire.server.readiness import Readiness
from kwire.server.transport import Listening, ListeningSocket, Transport

logger = logging.getLogger("kwire.server")

BACKLOG = 1024
ACCEPT_AT_ONCE = 64
OVERLOADED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
NOT_LISTENING = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP})
"""The socket's own fault. Any other error is of the connection that would have been next: accept(2)."""
PAUSE_SECONDS = 0.1
TOLD_AGAIN_SECONDS = 60.0
LEAST_DESCRIPTORS_FOR_FILES = 32
MOST_DESCRIPTORS_FOR_FILES = 5000
FREE_PORT_TRIES = 20


def descriptors_for_connections() -> tuple[int, int]:
    """How many of this process's file descriptors connections may take, and how many there are: a quarter is
    kept for files, or every client would find its topics unwritable.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return 2**31, limit
    files = min(max(limit // 4, LEAST_DESCRIPTORS_FOR_FILES), MOST_DESCRIPTORS_FOR_FILES)
    return max(1, limit - files), limit


class Crowded:
    """Tells the log that accepting has to wait; one for all listeners."""

    def __init__(self) -> None:
        self._told_at: float | None = None

    def tell(self, message: str, *arguments: object) -> None:
        """Logs it, unless something of the kind was logged within the last minute."""
        now = trio.current_time()
        if self._told_at is None or now - self._told_at >= TOLD_AGAIN_SECONDS:
            self._told_at = now
            logger.warning(message, *arguments)


class CannotListen(OSError):
    """An address could not be bound; the message names it, the cause and what to do."""


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Bound, listening, non-blocking sockets, all on one port. Raises CannotListen; the caller closes
    them.
    """
    if host == LOCALHOST:
        addresses: list[tuple[int, str]] = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    else:
        addresses = _resolve(host)
    for attempt in range(FREE_PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for family, address in addresses:
                wanted = sockets[0].getsockname()[1] if sockets else port
                try:
                    sockets.append(_bind(family, address, wanted))
                except OSError as error:
                    # A machine without IPv6 has no ::1; the other loopback is enough.
                    if (
                        sockets
                        and family == socket.AF_INET6
                        and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
                    ):
                        continue
                    raise
            return sockets
        except OSError as error:
            for opened in sockets:
                opened.close()
            if error.errno == errno.EADDRINUSE and port == 0 and attempt + 1 < FREE_PORT_TRIES:
                continue
            raise CannotListen(error.errno, _explain(host, port, error)) from error
    raise AssertionError("unreachable")


def _resolve(host: str) -> list[tuple[int, str]]:
    if host in ("", "*"):
        return [(socket.AF_INET6, "::")] if socket.has_dualstack_ipv6() else [(socket.AF_INET, "0.0.0.0")]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise CannotListen(
            errno.EADDRNOTAVAIL,
            f"the host {host!r} to listen on is unknown ({error.strerror}); use an address of this machine",
        ) from error
    unique = dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found)
    return list(unique)


def _bind(family: int, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
        sock.setblocking(False)
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _explain(host: str, port: int, error: OSError) -> str:
    where = f"port {port} on {host or 'every address'}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is taken by another process; stop it, or listen elsewhere with --port {port + 1} "
            "(--port 0 takes a free one)"
        )
    if error.errno == errno.EACCES:
        return f"{where} needs privileges; use a port above 1023, e.g. --port 9092"
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"{host} is not an address of this machine; use --host localhost, "
            "or --host 0.0.0.0 for every address"
        )
    return f"{where} cannot be opened: {error.strerror}"


class SocketNetwork:
    """Listeners on sockets."""

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.perf_counter
        self._readiness = Readiness() if hasattr(select, "epoll") else None

    async def attend(self) -> None:
        if self._readiness is not None:
            await self._readiness.run()

    def listen(self, host: str, port: int) -> Sequence[Listening]:
        return [ListeningSocket(sock, self._readiness) for sock in open_sockets(host, port)]


async def accept_forever(
    listening: Listening,
    take: Callable[[Transport], None],
    wait_for_room: Callable[[], Awaitable[None]],
    crowded: Crowded,
) -> None:
    """Accepts on `listening` until cancelled, handing each connected transport to `take`."""
    while True:
        await listening.wait_readable()
        for _ in range(ACCEPT_AT_ONCE):
            await wait_for_room()
            try:
                connected = listening.accept()
            except BlockingIOError:
                break
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno in NOT_LISTENING:
                    raise
                if error.errno not in OVERLOADED:
                    continue
                crowded.tell("accepting pauses, and goes on when connections end: %s", error.strerror)
                await trio.sleep(PAUSE_SECONDS)
                break
            take(connected)
