"""The lines between a worker in Python and the test: README.md has their meaning."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

_one_line = threading.Lock()


def say(line: str) -> None:
    with _one_line:
        print(line, flush=True)


def orders() -> Iterator[tuple[int, int]]:
    """The numbers to send, from the first to before the last, until the test says `end` or is gone."""
    for line in sys.stdin:
        word, *numbers = line.split()
        if word == "end":
            return
        yield int(numbers[0]), int(numbers[1])
