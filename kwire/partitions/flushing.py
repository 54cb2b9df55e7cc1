"""When what was appended to a partition has to be on the device: `flush.messages` and `flush.ms` (Kafka:
UnifiedLog.append, LogManager.flushDirtyLogs).

Rules: one sync of a log at a time, in a thread; whoever asks meanwhile waits for the next one, which is for
all of them together (group commit). Readers and other partitions wait for nobody. A sync that fails fails
everyone who waits for it, and whoever asks later: nobody knows what is on the device then.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import StorageError

from kwire.partitions.threads import sync_in_thread

if TYPE_CHECKING:
    from kwire_storage.engine import PartitionLog

    from kwire.partitions.partition import Partition

logger = logging.getLogger("kwire.partitions")


class Flushing:
    """One partition's syncs."""

    __slots__ = ("_failure", "_log", "_round", "flushed_at_ms", "syncs")

    def __init__(self, log: PartitionLog, now_ms: int) -> None:
        self._log = log
        self._round: trio.Event | None = None
        """Set when the sync that is being made has ended."""
        self.flushed_at_ms = now_ms
        """When the last sync of everything was planned."""
        self._failure: str | None = None
        self.syncs = 0
        """How many there have been."""

    async def up_to(self, offset: int, now_ms: int) -> None:
        """Returns when everything below `offset` is on the device, or is not in the log any more. Raises
        StorageError.
        """
        while self._log.recovery_point < offset:
            if self._failure is not None:
                raise StorageError(f"a sync has failed before: {self._failure}")
            if self._round is not None:
                await self._round.wait()
                continue
            log = self._log
            plan = log.plan_flush()
            if plan is None:  # it was cut off
                return
            self._round = trio.Event()
            self.flushed_at_ms = now_ms
            self.syncs += 1
            try:
                with trio.CancelScope(shield=True):
                    await sync_in_thread(plan.work)
                log.commit_flush(plan)
            except StorageError as error:
                # What the kernel could not write it may forget, and the next sync would say that all is well.
                # (The words: the error itself would hold the plan, and that the files.)
                self._failure = str(error)
                raise
            finally:
                self._round.set()
                self._round = None

    @property
    def is_busy(self) -> bool:
        """Whether a sync is being made."""
        return self._round is not None

    async def idle(self) -> None:
        """Returns when the sync that is being made has ended."""
        if self._round is not None:
            await self._round.wait()

    def follow(self, log: PartitionLog) -> None:
        """This is the partition's log from now on; no sync is being made."""
        self._log = log


async def flush_to(partition: Partition, offset: int) -> ErrorCode:
    """NONE once all below `offset` is on the device; KAFKA_STORAGE_ERROR and a log line where that failed."""
    try:
        await partition.flushing.up_to(offset, partition.now_ms())
    except StorageError as error:
        if partition.is_gone:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        logger.error("syncing %s up to offset %d failed: %s", partition, offset, error)
        return ErrorCode.KAFKA_STORAGE_ERROR
    return ErrorCode.NONE


async def flush_all(due: list[tuple[Partition, int]]) -> list[ErrorCode]:
    """The same for several partitions at once, in their order."""
    results = [ErrorCode.NONE] * len(due)

    async def flush(at: int) -> None:
        results[at] = await flush_to(*due[at])

    if len(due) == 1:
        await flush(0)
    else:
        async with trio.open_nursery() as nursery:
            for at in range(len(due)):
                nursery.start_soon(flush, at)
    return results
