"""Semantic time that a test steps: `await time.step(ms)` runs what came due, and lets tasks settle."""

from __future__ import annotations

import trio
import trio.testing

from kwire.partitions.clock import Clock

START_MS = 1_700_000_000_000


class SteppedTime:
    """A time source that stands still; nothing runs `clock.run()`, so timers fire inside `step`."""

    def __init__(self) -> None:
        self._now_ms = START_MS
        self.clock = Clock(self)

    def now_ms(self) -> int:
        return self._now_ms

    def seconds_until(self, at_ms: int) -> float:
        return (at_ms - self._now_ms) / 1000

    async def step(self, ms: int) -> None:
        """Let `ms` pass at once."""
        self._now_ms += ms
        self.clock.run_due()
        await settle()


async def settle() -> None:
    """Until every task waits for something."""
    await trio.testing.wait_all_tasks_blocked()
