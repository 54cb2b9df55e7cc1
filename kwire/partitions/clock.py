"""Semantic time: what Kafka times (sessions, rebalances, retention, append times), on a clock that is handed
in.

Rules: nothing below `broker/` reads a clock of its own. `Clock.now_ms()` is milliseconds since 1970, as the
records carry them. Timers run as plain callbacks on the trio loop, in the order of their deadlines, never
early and never inside `schedule`. Transport time (a fetch's max wait, idle sockets) is trio's own and does
not pass here.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable
from typing import Protocol

import trio

logger = logging.getLogger("kwire.partitions")


class TimeSource(Protocol):
    """Where semantic time comes from; a test steps or scales it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        ...

    def seconds_until(self, at_ms: int) -> float:
        """How many seconds of trio's time pass until `at_ms`; not above 0 when it has come."""
        ...


class SystemTime:
    """The machine's clock: read once, then advanced by the clock that counts since boot.

    So a step of the wall clock expires no session, and a laptop's sleep is still counted.
    """

    __slots__ = ("_elapsed", "_offset_seconds")

    def __init__(self) -> None:
        self._elapsed: Callable[[], float] = time.monotonic
        if hasattr(time, "CLOCK_BOOTTIME"):
            boot_time = time.CLOCK_BOOTTIME
            self._elapsed = lambda: time.clock_gettime(boot_time)
        self._offset_seconds = time.time() - self._elapsed()

    def now_ms(self) -> int:
        return int((self._offset_seconds + self._elapsed()) * 1000)

    def seconds_until(self, at_ms: int) -> float:
        return at_ms / 1000 - self._offset_seconds - self._elapsed()


class TimerHandle:
    """A timer that has been set: `cancel()` makes sure that it does not run."""

    __slots__ = ("at_ms", "callback")

    def __init__(self, at_ms: int, callback: Callable[[], None] | None) -> None:
        self.at_ms = at_ms
        self.callback = callback

    def cancel(self) -> None:
        self.callback = None

    @property
    def active(self) -> bool:
        return self.callback is not None


class Clock:
    """A time source and the heap of timers that run on it.

    `run()` is a task that the owner of the cluster starts; until it runs, timers only pile up. Cancelled
    timers are dropped when they surface, and swept when they make up most of the heap (a heartbeat re-arms
    one each time).
    """

    __slots__ = ("_heap", "_sequence", "_source", "_sweep_above", "_wake")

    def __init__(self, source: TimeSource | None = None) -> None:
        self._source: TimeSource = source if source is not None else SystemTime()
        self._heap: list[tuple[int, int, TimerHandle]] = []
        self._sequence = 0
        self._sweep_above = 1024
        self._wake = trio.Event()

    def now_ms(self) -> int:
        return self._source.now_ms()

    def schedule(self, at_ms: int, callback: Callable[[], None]) -> TimerHandle:
        """Runs `callback()` once, at or after `at_ms`; gives the handle that cancels it."""
        handle = TimerHandle(at_ms, callback)
        heap = self._heap
        if len(heap) > self._sweep_above:
            self._sweep()
        self._sequence += 1
        heapq.heappush(heap, (at_ms, self._sequence, handle))
        if heap[0][2] is handle:
            self._wake.set()
        return handle

    async def sleep(self, duration_ms: int) -> None:
        """Waits until `duration_ms` of semantic time have passed."""
        rang = trio.Event()
        timer = self.schedule(self.now_ms() + duration_ms, rang.set)
        try:
            await rang.wait()
        finally:
            timer.cancel()

    def _sweep(self) -> None:
        self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
        heapq.heapify(self._heap)
        self._sweep_above = max(1024, 2 * len(self._heap))

    def changed(self) -> None:
        """Says that the time source was stepped or scaled: due timers run at the loop's next turn."""
        self._wake.set()

    def run_due(self) -> int:
        """Runs what is due now; gives the number of callbacks that ran. A callback's bug is logged, the rest
        run.
        """
        heap = self._heap
        now_ms = self.now_ms()
        ran = 0
        while heap and heap[0][0] <= now_ms:
            handle = heapq.heappop(heap)[2]
            callback, handle.callback = handle.callback, None
            if callback is None:
                continue
            ran += 1
            try:
                callback()
            except Exception:
                logger.exception("a timer failed")
        return ran

    async def run(self) -> None:
        """Runs timers as they come due, until cancelled."""
        while True:
            self.run_due()
            self._wake = trio.Event()
            heap = self._heap
            while heap and heap[0][2].callback is None:
                heapq.heappop(heap)
            if not heap:
                await self._wake.wait()
                continue
            seconds = self._source.seconds_until(heap[0][0])
            if seconds > 0:
                with trio.move_on_after(seconds):
                    await self._wake.wait()
            else:
                await trio.lowlevel.checkpoint()
