"""Leaders for partitions that nobody may lead, where their topic would rather lose records than wait.

A broker that stops or starts settles that at once (`coordinators/metadata/brokers.py`). This looks again
every `unclean.leader.election.interval.ms`, for topics that were given `unclean.leader.election.enable` since
(Kafka: QuorumController.registerElectUnclean).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kwire_storage.engine import StorageError

from kwire.broker.controller import Controller
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.elections import unclean_elections
from kwire.coordinators.metadata.image import NO_LEADER, ClusterImage
from kwire.coordinators.outcome import Outcome
from kwire.partitions.clock import Clock

logger = logging.getLogger("kwire.broker")


async def run_unclean_elections(
    clock: Clock, controller: Controller, is_allowed: Callable[[str], bool], interval_ms: int
) -> None:
    """Goes on until it is cancelled. `is_allowed` says of a topic whether its leader may come from outside
    the ISR.
    """

    def elect(image: ClusterImage) -> Outcome[None, m.Record]:
        topics = [
            topic
            for topic in image.topics.values()
            if any(partition.leader == NO_LEADER for partition in topic.partitions) and is_allowed(topic.name)
        ]
        return Outcome(None, unclean_elections(image, topics))

    while True:
        await clock.sleep(interval_ms)
        try:
            await controller.submit(elect)
        except StorageError as error:
            logger.error("electing leaders from outside the ISR failed: %s", error)
