"""Compaction of a cluster's logs: the dirtiest first, as many at a time as `log.cleaner.threads` says (Kafka:
LogCleaner, LogCleanerManager).

Rules: a log is due when the share of its dirty bytes is above min.cleanable.dirty.ratio, or a dirty record
is older than max.compaction.lag.ms. When none is due, the next look is after `log.cleaner.backoff.ms` of
semantic time. A log of which a cleaning failed is passed over for a while, longer each time, and named in
the log once; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import trio
from kwire_storage.compaction import Compaction
from kwire_storage.engine import StorageError
from kwire_storage.segments.compaction import CleaningResources

from kwire.coordinators.metadata.topic_configs import TopicConfig
from kwire.partitions.clock import Clock
from kwire.partitions.partition import Partition
from kwire.partitions.threads import run_in_thread

from .cleaning_process import CleaningFailed, CleaningWorker

if TYPE_CHECKING:
    from kwire_storage.cleaner.job import CleaningResult

logger = logging.getLogger("kwire.broker")

PARTITIONS_A_TURN = 100
"""How many partitions are looked at before others get their turn."""
FIRST_PAUSE_MS = 60_000
LONGEST_PAUSE_MS = 3_600_000


@dataclass(slots=True)
class _Failed:
    until_ms: int
    pause_ms: int


class CleaningSettings(Protocol):
    """What the brokers' settings say now."""

    @property
    def resources(self) -> CleaningResources: ...

    @property
    def backoff_ms(self) -> int: ...

    @property
    def threads(self) -> int:
        """How many logs may be cleaned at a time."""
        ...


class LogCleaner:
    """The compaction of one cluster; `run` goes on until it is cancelled.

    :param partitions: the open ones.
    :param is_open: whether a partition is one of them still.
    :param is_moving: whether its log is on its way to another directory: it is not cleaned then.
    """

    def __init__(
        self,
        clock: Clock,
        partitions: Callable[[], Iterable[Partition]],
        is_open: Callable[[Partition], bool],
        is_moving: Callable[[Partition], bool],
        topic_config: Callable[[str], TopicConfig],
        settings: CleaningSettings,
        new_worker: Callable[[], CleaningWorker],
    ) -> None:
        self._clock = clock
        self._partitions = partitions
        self._is_open = is_open
        self._is_moving = is_moving
        self._topic_config = topic_config
        self._settings = settings
        self._new_worker = new_worker
        self._workers = [new_worker()]
        self._choosing = trio.Lock()
        self._busy: set[Partition] = set()
        """Those that are being cleaned."""
        self._failed: dict[Partition, _Failed] = {}

    @property
    def uncleanable(self) -> list[Partition]:
        """Those that are passed over for now (Kafka: uncleanable-partitions)."""
        return list(self._failed)

    async def close(self) -> None:
        """Nothing is cleaned any more."""
        for worker in self._workers:
            await worker.rest()

    async def run(self) -> None:
        """Cleans what is due, for ever: as many logs at a time as the settings say at that moment."""
        try:
            async with trio.open_nursery() as nursery:
                begun = 0
                while True:
                    for number in range(begun, self._settings.threads):
                        nursery.start_soon(self._go_on, number)
                        begun = number + 1
                    await self._wait()
        finally:
            await self.close()

    async def _go_on(self, number: int) -> None:
        """One of those who clean; it waits where there are to be fewer."""
        while True:
            if number >= self._settings.threads or not await self.clean_dirtiest(number):
                await self._worker(number).rest()
                await self._wait()

    async def _wait(self) -> None:
        await self._clock.sleep(max(1, self._settings.backoff_ms))

    def _worker(self, number: int) -> CleaningWorker:
        while len(self._workers) <= number:
            self._workers.append(self._new_worker())
        return self._workers[number]

    async def clean_dirtiest(self, number: int = 0) -> bool:
        """Clean the dirtiest log that is due and that nobody else cleans; False where there is none, or it is
        as dirty as before.
        """
        async with self._choosing:
            partition = await self._dirtiest()
            if partition is None:
                return False
            self._busy.add(partition)
        try:
            done = await self._clean(partition, self._worker(number))
        except (CleaningFailed, StorageError) as error:
            if self._is_open(partition):
                self._note_failure(partition, error)
            return True
        finally:
            self._busy.discard(partition)
        self._failed.pop(partition, None)
        return done

    async def _dirtiest(self) -> Partition | None:
        now_ms = self._clock.now_ms()
        self._failed = {each: failed for each, failed in self._failed.items() if self._is_open(each)}
        found: Partition | None = None
        most = -1.0
        for position, partition in enumerate(list(self._partitions())):
            if position % PARTITIONS_A_TURN == PARTITIONS_A_TURN - 1:
                await trio.lowlevel.checkpoint()
            config = self._topic_config(partition.topic)
            if not config.compacts or partition in self._busy or not self._may_clean(partition):
                continue
            failed = self._failed.get(partition)
            if failed is not None and now_ms < failed.until_ms:
                continue
            try:
                dirt = partition.log.compaction.dirt(partition.last_stable_offset, now_ms)
            except StorageError as error:
                self._note_failure(partition, error)
                continue
            is_due = dirt.ratio > config.min_cleanable_dirty_ratio or (
                dirt.is_overdue and dirt.dirty_bytes > 0
            )
            if is_due and dirt.ratio > most:
                found, most = partition, dirt.ratio
        return found

    async def _clean(self, partition: Partition, worker: CleaningWorker) -> bool:
        """Clean one log; whether more of it is clean than before. What it needs memory or time for is the
        worker's, the rest is planned and committed here.
        """
        compaction = partition.log.compaction
        limit, now_ms = partition.last_stable_offset, self._clock.now_ms()
        cleaning = compaction.plan(limit, now_ms, self._settings.resources)
        if cleaning is None:
            return False
        from kwire_storage.memory_compaction import CleaningInMemory  # late: a start cleans nothing

        if isinstance(cleaning, CleaningInMemory):
            await run_in_thread(cleaning.work)
            return cleaning.commit()
        start = partition.log_start_offset
        try:
            result = await worker.clean(cleaning.job)
        except CleaningFailed:
            if partition.log_start_offset > start and self._is_open(partition):
                return True  # retention took segments before they were read; the others are planned anew
            raise
        for group in result.groups:
            if self._has_still(partition, compaction) and self._may_clean(partition):
                compaction.commit(cleaning, group, now_ms)
                await trio.lowlevel.checkpoint()
            else:
                with suppress(StorageError):
                    compaction.throw_away(group)
        if not self._has_still(partition, compaction) or not self._may_clean(partition):
            return False
        if result.groups:
            await run_in_thread(compaction.sync)
        compaction.end(cleaning, result.dirty_offset)
        self._tell(partition, result)
        return not cleaning.is_void

    def _may_clean(self, partition: Partition) -> bool:
        return self._is_open(partition) and not self._is_moving(partition)

    def _has_still(self, partition: Partition, compaction: Compaction) -> bool:
        """Whether it is the partition's log that is being cleaned, which may have been deleted or moved."""
        return self._is_open(partition) and partition.log.compaction is compaction

    def _tell(self, partition: Partition, result: CleaningResult) -> None:
        logger.info(
            "compacted %s up to offset %d: %d of %d records and %.1f of %.1f MB are left, in %.1f s",
            partition,
            result.dirty_offset,
            result.records_kept,
            result.records_read,
            result.bytes_written / 1e6,
            result.bytes_read / 1e6,
            result.seconds,
        )

    def _note_failure(self, partition: Partition, error: Exception) -> None:
        failed = self._failed.get(partition)
        pause_ms = FIRST_PAUSE_MS if failed is None else min(2 * failed.pause_ms, LONGEST_PAUSE_MS)
        self._failed[partition] = _Failed(self._clock.now_ms() + pause_ms, pause_ms)
        if failed is None:
            logger.error(
                "compacting %s failed, the log is as it was and is tried again now and then: %s",
                partition,
                error,
            )
