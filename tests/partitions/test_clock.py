"""Timers on semantic time: when they run, in which order, and what does not make them run."""

import logging

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from kwire.partitions.clock import Clock, SystemTime


class SteppedTime:
    """Semantic time that a test moves; trio's clock has no part in it."""

    def __init__(self) -> None:
        self.ms = 1_000

    def now_ms(self) -> int:
        return self.ms

    def seconds_until(self, at_ms: int) -> float:
        return 3600.0 if at_ms > self.ms else 0.0


def stepped() -> tuple[Clock, SteppedTime]:
    time = SteppedTime()
    return Clock(time), time


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(0, 60))
def test_timers_run_in_the_order_of_their_deadlines_and_none_early(delays: list[int], step: int) -> None:
    clock, time = stepped()
    ran: list[int] = []
    for delay in delays:
        clock.schedule(time.ms + delay, lambda delay=delay: ran.append(delay))  # type: ignore[misc]
    time.ms += step
    assert clock.run_due() == len(ran)
    assert ran == sorted(delay for delay in delays if delay <= step)
    time.ms += 100
    clock.run_due()
    assert ran == sorted(delays)


def test_timers_of_one_moment_run_in_the_order_in_which_they_were_set() -> None:
    clock, time = stepped()
    ran: list[str] = []
    for name in "abc":
        clock.schedule(time.ms, lambda name=name: ran.append(name))  # type: ignore[misc]
    clock.run_due()
    assert ran == ["a", "b", "c"]


def test_a_cancelled_timer_does_not_run_even_if_it_is_cancelled_by_one_that_is_due_with_it() -> None:
    clock, time = stepped()
    ran: list[str] = []
    second = None

    def first() -> None:
        ran.append("first")
        assert second is not None
        second.cancel()

    clock.schedule(time.ms, first)
    second = clock.schedule(time.ms, lambda: ran.append("second"))
    assert second.active
    clock.run_due()
    assert ran == ["first"]
    assert not second.active


def test_timers_that_are_set_again_and_again_do_not_pile_up() -> None:
    clock, time = stepped()
    for _ in range(100_000):
        clock.schedule(time.ms + 30_000, lambda: None).cancel()
    assert len(clock._heap) < 5_000


def test_a_timer_with_a_bug_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    clock, time = stepped()
    ran: list[int] = []
    clock.schedule(time.ms, lambda: ran.append(1 // 0))
    clock.schedule(time.ms, lambda: ran.append(2))
    clock.run_due()
    assert ran == [2]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_step_of_the_time_source_wakes_the_task_that_runs_timers() -> None:
    clock, time = stepped()
    rang = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.run)
        clock.schedule(time.ms + 60_000, rang.set)
        await trio.testing.wait_all_tasks_blocked()
        assert not rang.is_set()
        time.ms += 60_000
        clock.changed()
        await rang.wait()
        nursery.cancel_scope.cancel()


async def test_a_nearer_timer_is_heard_of_while_a_later_one_is_waited_for() -> None:
    clock, time = stepped()
    rang = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.run)
        clock.schedule(time.ms + 60_000, lambda: None)
        await trio.testing.wait_all_tasks_blocked()
        clock.schedule(time.ms, rang.set)
        await rang.wait()
        nursery.cancel_scope.cancel()


def test_the_system_s_time_never_runs_backwards() -> None:
    time = SystemTime()
    readings = [time.now_ms() for _ in range(1000)]
    assert readings == sorted(readings)
    assert time.seconds_until(time.now_ms() + 10_000) <= 10.0
