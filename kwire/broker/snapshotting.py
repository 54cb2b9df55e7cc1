"""When a snapshot of the metadata is written: after so many bytes, and after so much time with changes.

As Kafka's SnapshotGenerator: `metadata.log.max.record.bytes.between.snapshots`, and
`metadata.log.max.snapshot.interval.ms` (0: not by time). One that fails is tried again after a minute.
"""

from __future__ import annotations

import logging
from typing import Final

import trio
from kwire_storage.engine import StorageError

from kwire.broker.controller import Controller
from kwire.coordinators.metadata.image import ClusterImage
from kwire.partitions.clock import Clock

logger = logging.getLogger("kwire.broker")

_TRIED_AGAIN_MS: Final = 60_000


class Snapshotting:
    """Has snapshots written; `run` goes on until it is cancelled."""

    def __init__(self, clock: Clock, controller: Controller, max_bytes: int, interval_ms: int) -> None:
        self._clock = clock
        self._controller = controller
        self._max_bytes = max_bytes
        self._interval_ms = interval_ms
        self._due = trio.Event()

    async def run(self) -> None:
        """Waits for the bytes or for the interval; where nothing has changed, no snapshot is written."""
        self._controller.subscribe(self._image_changed)
        while True:
            self._due = trio.Event()
            if self._controller.bytes_since_snapshot >= self._max_bytes:
                self._due.set()
            timer = None
            if self._interval_ms:
                timer = self._clock.schedule(self._clock.now_ms() + self._interval_ms, self._due.set)
            await self._due.wait()
            if timer is not None:
                timer.cancel()
            try:
                await self._controller.snapshot()
            except StorageError as error:
                logger.error("a snapshot of the metadata could not be written: %s", error)
                await self._clock.sleep(_TRIED_AGAIN_MS)

    def _image_changed(self, old: ClusterImage, new: ClusterImage) -> None:
        if self._controller.bytes_since_snapshot >= self._max_bytes:
            self._due.set()
