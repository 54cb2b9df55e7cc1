"""The collector of garbage in a process that is a broker: how long it may hold everybody up.

Rules: Python's full collection looks through every object there is, and with thousands of topics that takes
tens of milliseconds, in which nobody is served. So what a full collection has found alive is frozen: the next
one looks only at what came since. What is frozen is let go of as before when its last reference goes; garbage
in a ring that was frozen while it lived waits until everything is looked through again, once in a long while.
Threads hand the interpreter back after half a millisecond, not five: what they hold up is the loop.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Final

SWITCH_SECONDS: Final = 0.0005
THOROUGH_SECONDS: Final = 600.0


class Freezer:
    """Freezes what full collections leave; `now` gives seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._thorough_at = now() + THOROUGH_SECONDS

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """What `gc.callbacks` calls around each collection."""
        if info["generation"] < 2:
            return
        if phase == "stop":
            gc.freeze()
        elif self._now() >= self._thorough_at:
            self._thorough_at = self._now() + THOROUGH_SECONDS
            gc.unfreeze()


def keep_pauses_short() -> None:
    """For the whole process, once the broker serves: collects again, if that was put off for the start."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.callbacks.append(Freezer())
    gc.enable()
