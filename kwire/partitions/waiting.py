"""Readers that wait until partitions have something for them. Nothing polls: the append that satisfies wakes.

A `Waiter` is put on the waiting list of every partition that its fetch reads. Each append takes its size off
what is still missing; at zero, or when a partition changes in a way that the reader must hear of (a new
leader, a deletion, a moved log start), the waiter's task wakes and looks again.
"""

from __future__ import annotations

import trio


class Waiter:
    """One fetch that waits for `missing_bytes` more, over any number of partitions."""

    __slots__ = ("event", "missing_bytes")

    def __init__(self, missing_bytes: int) -> None:
        self.missing_bytes = missing_bytes
        self.event = trio.Event()

    def arrived(self, size: int) -> None:
        """`size` bytes became readable in a watched partition."""
        self.missing_bytes -= size
        if self.missing_bytes <= 0:
            self.event.set()

    def wake(self) -> None:
        """Look again, however little arrived."""
        self.event.set()
