"""Readers that wait until partitions have something for them. Nothing polls: the append that satisfies wakes.

A `Waiter` is put on the waiting list of every partition that its fetch reads, or is told by its session,
whose partitions are on those lists. Each append takes its size off what is still missing; at zero, or
when a partition changes in a way that the reader must hear of (a new leader, a deletion, a moved log start, a
last stable offset that moves), the waiter's task wakes and looks again. Who reads committed data is not
told of what open transactions hold back. One task ends the waits whose time is over, for all: a wait needs no
scope of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, Protocol

import trio

if TYPE_CHECKING:
    from kwire.broker.fetch_sessions import FetchedPartition

SWEPT_FROM: Final = 1_000
"""Fewer waits that are over are left where they are until their time comes."""


class Watcher(Protocol):
    """Who may be on a partition's waiting list."""

    @property
    def is_waiting(self) -> bool:
        """Whether a fetch waits there now."""
        ...

    def arrived(self, size: int) -> None:
        """`size` bytes became readable."""
        ...

    def arrived_undecided(self, size: int) -> None:
        """`size` bytes became readable, but not for readers of committed data."""
        ...

    def wake(self) -> None:
        """Something else changed that a waiting reader must hear of."""
        ...

    def stir(self) -> None:
        """Something changed that a waiting reader need not hear of."""
        ...


def tell_of_append(
    watchers: Iterable[Watcher],
    size: int,
    first_offset: int,
    undecided: int | None,
    now_undecided: int | None,
) -> None:
    """Who waits hears of `size` bytes from `first_offset` on, as far as they concern him.

    :param undecided: where the oldest open transaction began before; `now_undecided`: where it does now.
    """
    if undecided is None and now_undecided is None:
        for watcher in tuple(watchers):
            watcher.arrived(size)
    elif now_undecided == (first_offset if undecided is None else undecided):
        for watcher in tuple(watchers):
            watcher.arrived_undecided(size)
    else:  # how much that is for a reader of committed data he sees when he looks
        wake_all(watchers)


def wake_all(watchers: Iterable[Watcher]) -> None:
    """Something other than new records changed: every waiting reader looks again."""
    for watcher in tuple(watchers):
        watcher.wake()


class Waiter:
    """One fetch that waits for `missing_bytes` more, over any number of partitions. Used for one wait."""

    __slots__ = ("_is_over", "_task", "is_woken", "left_with", "missing_bytes")

    def __init__(self, missing_bytes: int) -> None:
        self.missing_bytes = missing_bytes
        self.is_woken = False
        self.left_with: list[FetchedPartition] | None = None
        """What it reads, once it can no longer leave that to its session."""
        self._task: trio.lowlevel.Task | None = None
        self._is_over = False

    @property
    def is_waiting(self) -> bool:
        return not self._is_over

    def arrived(self, size: int) -> None:
        """`size` bytes became readable in a watched partition."""
        self.missing_bytes -= size
        if self.missing_bytes <= 0:
            self.wake()

    def arrived_undecided(self, size: int) -> None:
        """`size` bytes became readable for those who take what may yet be aborted."""
        self.arrived(size)

    def wake(self) -> None:
        """Look again, however little arrived."""
        self.is_woken = True
        self._go_on()

    def stir(self) -> None:
        """Nothing to wake for."""

    async def wait(self, deadlines: Deadlines, deadline: float) -> None:
        """Until it is woken, or `deadline` (trio's time) has come: then it `is_woken` no more than before."""
        if self.is_woken:
            return
        self._task = trio.lowlevel.current_task()
        deadlines.add(deadline, self)
        try:
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        finally:
            self._is_over = True
            deadlines.one_is_over()

    def _go_on(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


class CommittedWaiter(Waiter):
    """One that reads committed data only."""

    __slots__ = ()

    def arrived_undecided(self, size: int) -> None:
        """Nothing, yet."""


class Deadlines:
    """When waits end at the latest. What is over before stays until its time comes, or is swept."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Waiter]] = []
        self._added = 0
        self._over = 0
        self._sleeping = trio.CancelScope()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, deadline: float, waiter: Waiter) -> None:
        """The wait ends at `deadline`, if it is not over by then."""
        self._added += 1
        heappush(self._heap, (deadline, self._added, waiter))
        if deadline < self._sleeping.deadline:
            self._sleeping.deadline = deadline

    def one_is_over(self) -> None:
        """A wait has ended."""
        self._over += 1
        if self._over > SWEPT_FROM and 2 * self._over > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2]._is_over]
            heapify(self._heap)
            self._over = 0

    async def run(self) -> None:
        """Ends what is due, until cancelled."""
        while True:
            self._end_what_is_due(trio.current_time())
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else math.inf) as self._sleeping:
                await trio.sleep_forever()

    def _end_what_is_due(self, now: float) -> None:
        heap = self._heap
        while heap and (heap[0][0] <= now or heap[0][2]._is_over):
            _, _, waiter = heappop(heap)
            self._over -= 1  # it is over, or counts as such once it ends
            if not waiter._is_over:
                waiter._go_on()
