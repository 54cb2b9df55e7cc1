"""Waits end when they are woken, when their time is over, or with their task; one task ends them for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

import trio
import trio.testing

from kwire.partitions.waiting import SWEPT_FROM, Deadlines, Waiter


def in_its_own_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Time passes when everybody waits for it, up to an hour: who waits longer waits for good."""

    async def within_an_hour() -> None:
        with trio.fail_after(3600):
            await test()

    @wraps(test)
    def run() -> None:
        trio.run(within_an_hour, clock=trio.testing.MockClock(autojump_threshold=0))

    del run.__wrapped__  # or it would be taken for the coroutine that it runs
    return run


async def ended(waiter: Waiter, deadlines: Deadlines, deadline: float, at: list[tuple[float, bool]]) -> None:
    await waiter.wait(deadlines, deadline)
    at.append((trio.current_time(), waiter.is_woken))


@in_its_own_time
async def test_each_wait_ends_at_its_own_time_whatever_the_order_they_came_in() -> None:
    deadlines = Deadlines()
    at: list[tuple[float, bool]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deadlines.run)
        now = trio.current_time()
        async with trio.open_nursery() as waiting:
            for seconds in (3, 1, 2, 1):
                await trio.testing.wait_all_tasks_blocked()
                waiting.start_soon(ended, Waiter(1), deadlines, now + seconds, at)
        nursery.cancel_scope.cancel()
    assert [(round(time - now, 3), woken) for time, woken in at] == [
        (1, False),
        (1, False),
        (2, False),
        (3, False),
    ]
    assert len(deadlines) == 0


@in_its_own_time
async def test_a_wait_is_woken_once_all_that_was_missing_is_there() -> None:
    deadlines, waiter = Deadlines(), Waiter(100)
    at: list[tuple[float, bool]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ended, waiter, deadlines, trio.current_time() + 5, at)
        await trio.testing.wait_all_tasks_blocked()
        waiter.arrived(99)
        await trio.testing.wait_all_tasks_blocked()
        assert not at
        waiter.arrived(1)
        waiter.wake()
    assert [woken for _, woken in at] == [True]


async def test_what_woke_before_the_wait_is_not_forgotten() -> None:
    waiter = Waiter(1)
    waiter.arrived(1)
    with trio.move_on_after(0) as no_wait:
        await waiter.wait(Deadlines(), trio.current_time() + 60)
    assert not no_wait.cancelled_caught


@in_its_own_time
async def test_a_cancelled_wait_may_still_be_woken_and_its_time_may_still_come() -> None:
    deadlines, waiter = Deadlines(), Waiter(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deadlines.run)
        with trio.move_on_after(1):
            await waiter.wait(deadlines, trio.current_time() + 2)
        waiter.arrived(1)
        await trio.sleep(2)
        assert len(deadlines) == 0
        nursery.cancel_scope.cancel()


async def test_waits_that_were_woken_do_not_pile_up() -> None:
    deadlines = Deadlines()
    at: list[tuple[float, bool]] = []
    later = trio.current_time() + 3600
    for _ in range(2):
        waiters = [Waiter(1) for _ in range(SWEPT_FROM)]
        async with trio.open_nursery() as nursery:
            for waiter in waiters:
                nursery.start_soon(ended, waiter, deadlines, later, at)
            await trio.testing.wait_all_tasks_blocked()
            for waiter in waiters:
                waiter.wake()
    assert len(at) == 2 * SWEPT_FROM
    assert len(deadlines) <= SWEPT_FROM
