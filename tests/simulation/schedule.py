"""One loop, one order: runs trio so that a seed decides everything that trio leaves to chance.

This is the only file that touches trio's inside. Trio shuffles the tasks that are ready with a generator of
its own (`trio._core._run._r`), and sorts them first only where it was told that somebody wants the same order
again. `test_schedule.py` notices when a newer trio does it another way. Time is trio's MockClock, which jumps
to the next deadline when nobody has anything to do; semantic time is the same one. Nothing may depend on
when garbage is collected, so it is collected between runs only.
"""

from __future__ import annotations

import gc
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import trio
import trio.testing
from trio._core import _run as trio_inside

from kwire.partitions.threads import instead_of_threads

T = TypeVar("T")

START_MS = 1_700_000_000_000
"""The semantic time at which every run begins."""


jobs_done: Final[trio.lowlevel.RunVar[Counter[str]]] = trio.lowlevel.RunVar("simulated thread jobs")
"""What threads would have done in a run, by the function's name."""


class SimulatedTime:
    """Semantic time that follows trio's."""

    def __init__(self) -> None:
        self._began = trio.current_time()

    def now_ms(self) -> int:
        # A deadline that trio has just reached must be seen as reached, whatever floats make of it.
        return START_MS + int((trio.current_time() - self._began) * 1000 + 0.01)

    def seconds_until(self, at_ms: int) -> float:
        return (at_ms - START_MS) / 1000 - (trio.current_time() - self._began)


@contextmanager
def pinned(seed: int) -> Iterator[None]:
    """Within, trio runs its tasks in an order that follows from the seed."""
    inside: Any = trio_inside
    before = inside._ALLOW_DETERMINISTIC_SCHEDULING
    state = inside._r.getstate()
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    inside._ALLOW_DETERMINISTIC_SCHEDULING = True
    inside._r.seed(f"{seed}/scheduling")
    try:
        yield
    finally:
        inside._ALLOW_DETERMINISTIC_SCHEDULING = before
        inside._r.setstate(state)
        if collecting:
            gc.enable()


def run(main: Callable[[], Awaitable[T]], seed: int) -> T:
    """`trio.run` on a clock that jumps, in an order that the seed decides, without threads."""
    delays = random.Random(f"{seed}/threads")

    async def started() -> T:
        instead_of_threads.set(partial(_job, delays))
        jobs_done.set(Counter())
        return await main()

    with pinned(seed):
        return trio.run(started, clock=trio.testing.MockClock(autojump_threshold=0))


async def _job(delays: random.Random, job: Callable[[], Any], limiter: trio.CapacityLimiter | None) -> Any:
    """What a thread would do: after a while, all at once, and after another while the answer.

    As with trio's threads, whoever waits for it can't be cancelled.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    jobs_done.get()[getattr(getattr(job, "func", job), "__qualname__", "")] += 1
    with trio.CancelScope(shield=True):
        if limiter is None:
            return await _in_between(delays, job)
        async with limiter:
            return await _in_between(delays, job)


async def _in_between(delays: random.Random, job: Callable[[], Any]) -> Any:
    await trio.sleep(delays.choice((0, 0, 0.001, 0.02)))
    try:
        return job()
    finally:
        await trio.sleep(delays.choice((0, 0, 0.001, 0.02)))
