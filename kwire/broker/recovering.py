"""Opening the logs that an unclean stop left, and telling how far that is when it takes a while.

Rules: the logs are opened in a thread, one after the other: checking a batch is a checksum, faster than the
disk, and the rest holds the interpreter's lock. A line a second says what is being done; `kwire serve` shows
it whatever else is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import trio
from kwire_storage.engine import StorageError

from kwire.partitions.threads import run_in_thread

if TYPE_CHECKING:
    from kwire.partitions.partition import Partition

logger = logging.getLogger(__name__)

TOLD_EVERY_SECONDS = 1.0

Opening = tuple[str, Callable[[], "Partition"]]
"""A log's name, and what opens it."""


async def recover(openings: Sequence[Opening]) -> None:
    """Opens each; one that can't be is told and left for whoever asks for it."""
    progress = Progress(len(openings))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(progress.tell)
        for name, opening in openings:
            progress.name = name
            try:
                partition = await run_in_thread(opening)
            except StorageError as error:
                logger.error("recovering %s failed: %s", name, error)
            else:
                progress.size_bytes += partition.log.size_bytes
            progress.done += 1
        nursery.cancel_scope.cancel()
    progress.finish()


class Progress:
    """How far a recovery is."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.size_bytes = 0
        self.name = ""
        self._was_told = False

    def __str__(self) -> str:
        return f"{self.done} of {self.total} logs, {self.size_bytes / 1e9:.1f} GB"

    async def tell(self) -> None:
        """Until cancelled."""
        while True:
            await trio.sleep(TOLD_EVERY_SECONDS)
            self._was_told = True
            logger.info("the last stop was not clean: recovered %s; now %s", str(self), self.name)

    def finish(self) -> None:
        """The last line, if there was one before."""
        if self._was_told:
            logger.info("recovered %s", str(self))
