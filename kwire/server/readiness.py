"""Tells connections that they may be read from: one edge-triggered epoll for all, one task that looks.

Rules: a connection is told in the loop's thread, outside of its own task, and must not wait there. It is told
once for what came since it was last told, so it reads until there is no more, or remembers that there may be.
A wait of its own for each request would cost a system call and a turn of the scheduler; many connections that
are ready together share them here. A client that asks, takes its answer and asks again does so within a
fraction of a millisecond: while no other task can run, that is waited for here, which is cheaper by far than
to go through the scheduler. Whatever the scheduler alone knows of, a timer or a thread that is done, waits
TURN_SECONDS at most.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable

import trio

TURN_SECONDS = 0.001
"""How long a connection that always has work, or the telling of many, may hold the loop before the others get
a turn.
"""
MOST_AT_ONCE = 256
LINGER_SECONDS = 0.0002
"""How long the next request is waited for while nothing else is to be done."""
MOST_FOR_SELECT = 1023
"""The highest descriptor that select(2) takes; its timeouts, unlike epoll's, are finer than a millisecond."""


class _Others(trio.abc.Instrument):
    """Whether there is, or may be, another task than `task` that can run."""

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self.can_run = True
        self._task = task

    def before_io_wait(self, timeout: float) -> None:
        self.can_run = timeout <= 0

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        if task is not self._task:
            self.can_run = True


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
        if self._watched.pop(descriptor, None) is not None and not self._epoll.closed:
            self._epoll.unregister(descriptor)

    async def run(self) -> None:
        """Looks until cancelled."""
        descriptor = self._epoll.fileno()
        others = _Others(trio.lowlevel.current_task())
        trio.lowlevel.add_instrument(others)
        try:
            while True:
                await trio.lowlevel.wait_readable(descriptor)
                await self._tell(others)
        finally:
            trio.lowlevel.remove_instrument(others)
            self._epoll.close()

    async def _tell(self, others: _Others) -> None:
        """Tells of what is there, and of what comes right behind it, until it is others' turn."""
        watched = self._watched
        waited_for = [self._epoll.fileno()]
        may_linger = waited_for[0] <= MOST_FOR_SELECT
        began = time.perf_counter()
        while True:
            for ready, events in self._epoll.poll(0, MOST_AT_ONCE):
                on_ready = watched.get(ready)
                if on_ready is not None:
                    on_ready(events != select.EPOLLIN)
                    if time.perf_counter() - began > TURN_SECONDS:
                        await trio.lowlevel.checkpoint()
                        began = time.perf_counter()
            if others.can_run or not may_linger:
                return
            if not select.select(waited_for, (), (), LINGER_SECONDS)[0]:
                return
