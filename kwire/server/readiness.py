"""Tells connections that they may be read from: one edge-triggered epoll for all, one task that looks.

Rules: a connection is told in the loop's thread, outside of its own task, and must not wait there. It is told
once for what came since it was last told, so it reads until there is no more, or remembers that there may be.
A wait of its own for each request would cost a system call and a turn of the scheduler; many connections that
are ready together share them here.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable

import trio

TURN_SECONDS = 0.001
"""How long connections are told, one after the other, before other tasks get a turn."""
MOST_AT_ONCE = 256


class Readiness:
    """The sockets that are watched."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Callable[[bool], None]] = {}

    def watch(self, descriptor: int, on_ready: Callable[[bool], None]) -> None:
        """From now on calls `on_ready(ended)` when more can be read; `ended`: or has ended, or failed."""
        self._watched[descriptor] = on_ready
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def forget(self, descriptor: int) -> None:
        """Watches it no more; before it is closed."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    async def run(self) -> None:
        """Looks until cancelled."""
        watched = self._watched
        descriptor = self._epoll.fileno()
        try:
            while True:
                await trio.lowlevel.wait_readable(descriptor)
                began = time.perf_counter()
                for ready, events in self._epoll.poll(0, MOST_AT_ONCE):
                    on_ready = watched.get(ready)
                    if on_ready is not None:
                        on_ready(events != select.EPOLLIN)
                        if time.perf_counter() - began > TURN_SECONDS:
                            await trio.lowlevel.checkpoint()
                            began = time.perf_counter()
        finally:
            self._epoll.close()
