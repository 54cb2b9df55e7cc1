"""Whether writing waits for the disk at present.

A write goes to the page cache, and takes as long as copying does, until the kernel has more unwritten pages
than it allows itself: then it makes whoever writes wait for the disk, some 10 to 200 ms a megabyte (Linux:
balance_dirty_pages). One such wait on the loop makes every client wait. So large writes are timed, and after
a slow one they are made in threads for a while (`PartitionLog.plan_append`).
"""

from .files import Files

LARGE_BYTES = 128 * 1024
"""Writes of fewer bytes are not made in a thread: the kernel's waits are in proportion to what is written."""
SLOW_SECONDS = 0.004
COPIED_BYTES_A_SECOND = 1e9
"""A write that took SLOW_SECONDS longer than this has waited."""
REMEMBERED_SECONDS = 10.0


class WritePressure:
    """What the logs of one node have seen of it."""

    __slots__ = ("_files", "_until")

    def __init__(self, files: Files) -> None:
        self._files = files
        self._until = 0.0

    def wrote(self, size: int, seconds: float) -> None:
        """A write of `size` bytes took `seconds`."""
        if seconds > SLOW_SECONDS + size / COPIED_BYTES_A_SECOND:
            self._until = self._files.now() + REMEMBERED_SECONDS

    @property
    def is_high(self) -> bool:
        """Whether a large write is to be expected to wait."""
        return self._until > 0.0 and self._files.now() < self._until
