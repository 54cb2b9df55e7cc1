"""Logs that nobody has asked for since the start are kept as their topics say, too: now and then each is
looked at from outside (`directories/dormant.py` of storage), and opened where something is to be deleted or
cleaned.
The rest is done by housekeeping and the cleaner, as for any open partition. (Kafka opens every log at its
start.)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import trio
from kwire_storage.directories.dormant import LookJob
from kwire_storage.engine import LogConfig, StorageError

from kwire.coordinators.metadata.topic_configs import TopicConfig
from kwire.partitions.clock import Clock
from kwire.partitions.threads import run_in_thread

logger = logging.getLogger("kwire.broker")

LOGS_A_TURN = 50
"""How many logs are looked at by one job of a thread."""

PartitionKey = tuple[str, int]
Settings = tuple[TopicConfig, LogConfig]


class DormantLogs:
    """The logs of one cluster that are not open.

    :param known: partitions that have a log, perhaps.
    :param plan: a look at a partition's log; None where that is open, or can't be looked at.
    :param settings: what counts for a topic now.
    :param wake: opens a partition. Raises StorageError.
    """

    def __init__(
        self,
        clock: Clock,
        known: Callable[[], Iterable[PartitionKey]],
        plan: Callable[[str, int], LookJob | None],
        settings: Callable[[str], Settings],
        wake: Callable[[str, int], object],
    ) -> None:
        self._clock = clock
        self._known = known
        self._plan = plan
        self._settings = settings
        self._wake = wake

    async def wake_due(self) -> None:
        """One round: a few logs at a time. What can't be read is named in the log, and left."""
        keys = iter(list(self._known()))
        while some := list(islice(keys, LOGS_A_TURN)):
            jobs = [(key, job) for key in some if (job := self._plan(*key)) is not None]
            if jobs:
                for topic, index in await self._due(jobs):
                    try:
                        self._wake(topic, index)
                    except StorageError as error:
                        logger.error("opening %s-%d failed: %s", topic, index, error)
            await trio.lowlevel.checkpoint()

    async def _due(self, jobs: Sequence[tuple[PartitionKey, LookJob]]) -> list[PartitionKey]:
        now_ms = self._clock.now_ms()
        settings = {topic: self._settings(topic) for (topic, _), _ in jobs}

        def look() -> list[PartitionKey]:
            due = []
            for key, job in jobs:
                config, log_config = settings[key[0]]
                try:
                    seen = job.work()
                except StorageError as error:
                    logger.error("%s-%d: %s", *key, error)
                    continue
                if seen is not None and (
                    seen.is_to_delete(log_config, now_ms, deletes=config.deletes)
                    or (config.compacts and seen.is_to_clean(log_config, config.min_cleanable_dirty_ratio))
                ):
                    due.append(key)
            return due

        return await run_in_thread(look)
