"""Finding the logs that are there at a start, and opening those that an unclean stop left; telling how far
that is when it takes a while.

Rules: the logs are opened in a thread, one after the other: checking a batch is a checksum, faster than the
disk, and the rest holds the interpreter's lock. A line a second says what is being done; `kwire serve` shows
it whatever else is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import trio
from kwire_storage.directories.interface import ExistingLog, LogDirectories
from kwire_storage.engine import StorageError

from kwire.coordinators.metadata.image import ClusterImage, TopicImage
from kwire.coordinators.metadata.topic_names import CLUSTER_METADATA
from kwire.partitions.threads import run_in_thread

if TYPE_CHECKING:
    from kwire.partitions.partition import Partition

logger = logging.getLogger(__name__)

TOLD_EVERY_SECONDS = 1.0

Opening = tuple[str, Callable[[], "Partition"]]
"""A log's name, and what opens it."""


def found_logs(
    directories: Mapping[int, LogDirectories], image: ClusterImage
) -> Iterator[tuple[int, TopicImage, int]]:
    """The logs that a start finds: the node that has each, its topic and its partition. Those of topics that
    the cluster does not know are named in the log, and left alone.
    """
    existing = [(node_id, log) for node_id, own in directories.items() for log in own.existing()]
    named = {
        (topic.name, log.partition)
        for _, log in existing
        if log.topic_id is not None and (topic := _topic_of(log, image)) is not None
    }
    for node_id, log in existing:
        if log.topic == CLUSTER_METADATA:
            continue
        topic = _topic_of(log, image)
        if topic is None or log.partition >= len(topic.partitions):
            logger.warning(
                "node %d has a log %s-%d of a topic that the cluster does not know; it is left alone",
                node_id,
                log.topic,
                log.partition,
            )
            continue
        if log.topic_id is None and (topic.name, log.partition) in named:
            continue  # what an interrupted beginning left, beside the log itself
        yield node_id, topic, log.partition


def _topic_of(log: ExistingLog, image: ClusterImage) -> TopicImage | None:
    """The topic that a log belongs to: by its id, or by name where it has none yet."""
    if log.topic_id is None:
        return image.topics.get(log.topic)
    return image.topic_by_id(log.topic_id)


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
