"""Semantic time that a test steps: `await time.step(ms)` runs what came due, and lets tasks settle.

`serving(clock=time.clock)` gives a whole broker on it: sockets go on in real time, sessions and rebalances
in this.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator

import trio
import trio.testing

from kwire.partitions import threads as threads_module
from kwire.partitions.clock import Clock

THREADS = (threads_module._limiter, threads_module._write_limiter, threads_module._sync_limiter)
START_MS = 1_700_000_000_000


class SteppedTime:
    """A time source that stands still; timers fire inside `step`."""

    def __init__(self) -> None:
        self._now_ms = START_MS
        self.clock = Clock(self)

    def now_ms(self) -> int:
        return self._now_ms

    def seconds_until(self, at_ms: int) -> float:
        return math.inf if at_ms > self._now_ms else 0

    async def step(self, ms: int) -> None:
        """Let `ms` pass at once."""
        self._now_ms += ms
        self.clock.run_due()
        await settle()

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Inside the block a millisecond passes whenever every task waits: a new group needs a few."""

        async def pass_on() -> None:
            while True:
                await self.step(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pass_on)
            yield
            nursery.cancel_scope.cancel()


async def settle() -> None:
    """Until every task waits for something, and none for a thread."""
    await trio.testing.wait_all_tasks_blocked()
    while _threads_at_work():
        await trio.sleep(0.001)  # whoever waits for it goes on in the loop
        await trio.testing.wait_all_tasks_blocked()


def _threads_at_work() -> int:
    used = trio.to_thread.current_default_thread_limiter().borrowed_tokens
    for kept in THREADS:
        with contextlib.suppress(LookupError):  # no such thread was ever needed
            used += kept.get().borrowed_tokens
    return used
