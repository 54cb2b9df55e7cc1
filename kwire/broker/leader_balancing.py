"""Leadership returns to preferred replicas by itself: `auto.leader.rebalance.enable`.

As Kafka's KRaft controller does it (QuorumController.maybeScheduleNextBalancePartitionLeaders): some time,
`leader.imbalance.check.interval.seconds`, after a partition is found to be led by another than its first
replica, or by none, every first replica that is in sync leads again; and again after that time for as long
as any partition is not as it should be.
"""

from __future__ import annotations

import logging

import trio
from kwire_storage.engine import StorageError

from kwire.broker.controller import Controller
from kwire.coordinators.metadata.elections import balance, has_preferred_leader, is_imbalanced
from kwire.coordinators.metadata.image import ClusterImage
from kwire.partitions.clock import Clock

logger = logging.getLogger("kwire.broker")


class LeaderBalancing:
    """Moves leaders back; `run` goes on until it is cancelled."""

    def __init__(self, clock: Clock, controller: Controller, interval_ms: int) -> None:
        self._clock = clock
        self._controller = controller
        self._interval_ms = interval_ms
        self._imbalanced = trio.Event()

    async def run(self) -> None:
        """Waits for an imbalance, then for the interval, then balances."""
        controller = self._controller
        controller.subscribe(self._image_changed)
        while True:
            if not is_imbalanced(controller.image):
                await self._imbalanced.wait()
            await self._clock.sleep(self._interval_ms)
            try:
                while await controller.submit(balance):
                    await trio.lowlevel.checkpoint()
            except StorageError as error:
                logger.error("moving leaders back to preferred replicas failed: %s", error)
            self._imbalanced = trio.Event()

    def _image_changed(self, old: ClusterImage, new: ClusterImage) -> None:
        if old.topics is new.topics or self._imbalanced.is_set():
            return
        if any(
            not has_preferred_leader(partition)
            for name in new.changed_topics
            if (topic := new.topics.get(name)) is not None
            for partition in topic.partitions
        ):
            self._imbalanced.set()
