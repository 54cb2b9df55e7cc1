"""Semantic time that a test steps: `await time.step(ms)` runs what came due, and lets tasks settle.

`serving(clock=time.clock)` gives a whole broker on it: sockets go on in real time, sessions and rebalances
in this.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing

from kwire.partitions.clock import Clock

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

    @asynccontextmanager
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
    """Until every task waits for something."""
    await trio.testing.wait_all_tasks_blocked()
