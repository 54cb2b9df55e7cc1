"""What a cluster does for its logs now and then: sync and checkpoint, let old records go, forget idle
producers.

Rules: paced by semantic time, so that a test can step it; what waits for a disk is done in a thread; a disk's
refusal is logged and tried again the next time. Without syncing, a restart after a kill would read every log
from the last clean stop on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

import trio
from kwire_storage.directories.interface import LogDirectories
from kwire_storage.engine import StorageError

from kwire.partitions.clock import Clock
from kwire.partitions.flushing import flush_all
from kwire.partitions.partition import Partition
from kwire.partitions.threads import run_in_thread

logger = logging.getLogger("kwire.broker")

FLUSH_INTERVAL_MS = 1_000
SWEEP_INTERVAL_MS = 5_000
"""How often it is looked whether deleted files are due; they go so much later than they may."""

PARTITIONS_A_TURN = 100
"""How many partitions are looked after before others get their turn."""


class Housekeeping:
    """The housekeeping tasks of one cluster; `run_...` go on until they are cancelled."""

    def __init__(
        self,
        clock: Clock,
        directories: Mapping[int, LogDirectories],
        partitions: Callable[[], Iterable[Partition]],
        deletes_old: Callable[[str], bool],
    ) -> None:
        self._clock = clock
        self._directories = directories
        self._partitions = partitions
        self._deletes_old = deletes_old
        self.wake_due: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        """Opens partitions that nobody has asked for and in which something is to be done."""
        self.timed: dict[tuple[str, int], Partition] = {}
        """The open partitions that are to be synced as time goes by."""

    async def run_checkpoints(self, interval_ms: int) -> None:
        """Syncs what was written and writes the checkpoints, every `interval_ms`."""
        while True:
            await self._clock.sleep(max(1, interval_ms))
            for node_id, directories in self._directories.items():
                try:
                    await self.checkpoint(directories)
                except StorageError as error:
                    logger.error("checkpoint of broker %d failed: %s", node_id, error)

    async def checkpoint(self, directories: LogDirectories) -> None:
        """One round for one node's directories. Raises StorageError."""
        for job in directories.plan_flushes():
            if job is not None:
                await run_in_thread(job.work)
                directories.commit_flush(job)
            else:
                await trio.lowlevel.checkpoint()
        for _ in directories.checkpoint_steps():
            await trio.lowlevel.checkpoint()

    async def run_flushes(self, interval_ms: int) -> None:
        """Syncs the logs of topics with a `flush.ms`, once that time is over since the last sync. Looks
        every `interval_ms`, or every second if that is longer: Kafka's default is never.
        """
        while True:
            await self._clock.sleep(max(1, min(interval_ms, FLUSH_INTERVAL_MS)))
            await self.flush_overdue()

    async def flush_overdue(self) -> None:
        """One round of that."""
        now_ms = self._clock.now_ms()
        due = [
            (partition, partition.log_end_offset)
            for partition in self.timed.values()
            if partition.log.recovery_point < partition.log_end_offset
            and now_ms - partition.flushing.flushed_at_ms >= partition.flush_ms
        ]
        if due:
            await flush_all(due)

    async def run_retention(self, interval_ms: int) -> None:
        """Lets go of what topics no longer keep, and of idle producers, every `interval_ms`."""
        while True:
            await self._clock.sleep(interval_ms)
            await self.retain()

    async def retain(self) -> None:
        """One round over all partitions, a few at a time."""
        await self.wake_due()
        now_ms = self._clock.now_ms()
        for position, partition in enumerate(list(self._partitions())):
            if position % PARTITIONS_A_TURN == PARTITIONS_A_TURN - 1:
                await trio.lowlevel.checkpoint()
            partition.log.producers.expire(now_ms)
            try:
                await self._retain(partition, now_ms)
            except StorageError as error:
                logger.error("retention of %s failed: %s", partition, error)

    async def _retain(self, partition: Partition, now_ms: int) -> None:
        """One partition's round: some segments at a time, however many there are."""
        more = True
        while more and not partition.is_gone:
            log = partition.log
            deletes = self._deletes_old(partition.topic)
            if deletes and (job := log.plan_ages()) is not None:
                await run_in_thread(job.work)
                if partition.is_gone:
                    return
                if partition.log is not log:
                    continue  # it was moved
            before = partition.log_start_offset
            try:
                more = log.retain(now_ms, limit=partition.high_watermark, deletes=deletes)
            finally:
                if partition.log_start_offset != before:
                    logger.info("%s starts at offset %d now: retention", partition, log.log_start_offset)
                    partition.wake_all()
            if more:
                await trio.lowlevel.checkpoint()

    async def run_sweeps(self) -> None:
        """Gives the space back of what was deleted, once that was long enough ago."""
        while True:
            await self._clock.sleep(SWEEP_INTERVAL_MS)
            for directories in self._directories.values():
                await self.sweep(directories)

    async def sweep(self, directories: LogDirectories) -> None:
        """One round for one node's directories."""
        job = directories.plan_sweep(self._clock.now_ms())
        if job is not None:
            await run_in_thread(job.work)
