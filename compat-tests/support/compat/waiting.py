"""Waiting for what a client must come to see: poll until it holds or a deadline passes, no bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE_S = 0.05


def until(probe: Callable[[], T], what: str, timeout_s: float = 20.0) -> T:
    """Call `probe` until it returns something true, and return that; fail with `what` at the deadline.

    A probe that polls a client brings its own wait; the short pause is for those that return at once.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what} (last answer: {answer!r})")
        time.sleep(PAUSE_S)
