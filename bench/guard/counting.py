"""Instruction counts of single pieces of work, from inside the program that callgrind runs.

Rules: callgrind is told to write what it has counted, and to begin at zero, whenever the C function
`getpriority` is entered (`DUMP_BEFORE`). Nothing else calls it, and the file is complete when it returns, so
each mark is exact and the program can read its own counts. Work is done N times and then 2 N times: the
difference is N times the work, without the mark, the loop's beginning and whatever is done but once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any, Final, NamedTuple

DUMP_BEFORE: Final = "getpriority"
PART: Final = "part"
COUNTS: Final = "counts.json"
PROBE_STEPS: Final = 100


class Repetitions(NamedTuple):
    """How often work is done: uncounted at first (caches are filled, Python specialises its bytecode), then
    `counted` times, then twice as often.
    """

    warm: int
    counted: int

    @property
    def in_all(self) -> int:
        return self.warm + 3 * self.counted

    @property
    def marks(self) -> tuple[int, int, int]:
        """After how many a section ends."""
        return self.warm, self.warm + self.counted, self.in_all


FUNCTION: Final = Repetitions(120, 200)
WHOLE: Final = Repetitions(60, 80)


class Counter:
    """Counts under callgrind, which writes its parts into `folder`; without a folder all counts are 0."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._marks = 0

    def mark(self) -> None:
        """Ends one section and begins the next."""
        os.getpriority(os.PRIO_PROCESS, 0)
        self._marks += 1

    def result(self, repetitions: Repetitions) -> float:
        """Instructions of one repetition, from the last two sections."""
        if self._folder is None:
            return 0.0
        once, twice = (
            instructions((self._folder / f"{PART}.{mark}").read_text(encoding="ascii", errors="replace"))
            for mark in (self._marks - 1, self._marks)
        )
        return (twice - once) / repetitions.counted

    def count(self, work: Callable[[int], object], repetitions: Repetitions) -> float:
        """Instructions of `work(1)`."""
        for times in (repetitions.warm, repetitions.counted, 2 * repetitions.counted):
            work(times)
            self.mark()
        return self.result(repetitions)


def instructions(part: str) -> int:
    """The total that one of callgrind's files holds. Raises ValueError if there is none in it."""
    for line in reversed(part.splitlines()):
        if line.startswith("totals:"):
            return int(line.split()[1])
    raise ValueError("a file of callgrind's without totals")


def slowed(function: Callable[..., Any], steps: int) -> Callable[..., Any]:
    """`function`, after so many turns of an empty loop."""

    def slow(*arguments: Any) -> Any:
        for _ in repeat(None, steps):
            pass
        return function(*arguments)

    return slow


def steps_for(plain: float, no_steps: float, probe_steps: float, factor: float) -> int:
    """How many steps make the count `factor` times the plain one, from what 0 and PROBE_STEPS steps cost.

    0 where calling `slowed` alone costs as much.
    """
    step = (probe_steps - no_steps) / PROBE_STEPS
    return max(0, round((plain * factor - no_steps) / step)) if step else 0
