"""A cluster's partitions, as far as they have logs: on which node each log lies, which of them are open, and
what becomes of the open ones.

Rules: the image decides what exists. A partition is opened when it is first asked for (all at the start when
the last stop was not clean, so that recovery comes before the first client), follows the image's leaders and
its topic's settings, and is closed and deleted when its topic goes.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from kwire_storage.engine import StorageError

from kwire.broker.log_settings import log_config
from kwire.broker.recovering import Opening, found_logs, recover
from kwire.coordinators.metadata.image import ClusterImage, TopicImage
from kwire.coordinators.metadata.topic_configs import TopicConfig
from kwire.partitions.partition import NEVER, Partition

if TYPE_CHECKING:
    from kwire_storage.directories.dormant import LookJob

    from kwire.broker.cluster import Cluster

logger = logging.getLogger("kwire.broker")

PartitionKey = tuple[str, int]


class OpenPartitions:
    """Those of one cluster. `opened`, `homes` and `topics` are for everyone to read; only these methods
    change them.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.opened: dict[PartitionKey, Partition] = {}
        self.homes: dict[PartitionKey, int] = {}
        """The node in whose directories each log is, or is to be made."""
        self.topics: dict[str, TopicImage] = {}
        """Those that have logs, as the open ones know them."""

    async def recover(self) -> None:
        """Notes the logs that a start finds, and opens those of nodes whose last stop was not clean."""
        directories = self._cluster.directories
        openings: list[Opening] = []
        for node_id, topic, index in found_logs(directories, self._cluster.image):
            self.homes[topic.name, index] = node_id
            self.topics[topic.name] = topic
            if not directories[node_id].was_clean:
                openings.append((f"{topic.name}-{index}", partial(self.open, topic, index)))
        if openings:
            await recover(openings)

    def open(self, topic: TopicImage, index: int) -> Partition:
        """Opens one that is not open. StorageError where its files cannot be opened."""
        cluster = self._cluster
        state = topic.partitions[index]
        home = self.homes.get((topic.name, index))
        if home is None:
            home = state.leader if state.leader in cluster.directories else next(iter(cluster.directories))
            self.homes[topic.name, index] = home
        directory_id = cluster.failed_directories.check(home, topic, state)
        log = cluster.directories[home].open(
            topic.name,
            index,
            topic.id,
            log_config(cluster.topic_config(topic.name), cluster.config),
            now_ms=cluster.clock.now_ms(),
            directory_id=directory_id,
        )
        partition = Partition(
            topic.name,
            topic.id,
            index,
            log,
            cluster.clock.now_ms,
            state=state,
            min_isr=cluster.topic_config(topic.name).min_insync_replicas,
        )
        self._flush_by(partition, cluster.topic_config(topic.name))
        self.opened[topic.name, index] = partition
        self.topics[topic.name] = topic
        cluster.failed_directories.opened(home, topic, state)
        return partition

    async def wake_due(self) -> None:
        """Opens what nobody has asked for and is to be retained or compacted."""
        from kwire.broker.dormant_logs import DormantLogs

        cluster = self._cluster
        dormant = DormantLogs(
            cluster.clock,
            lambda: [key for key in self.homes if key not in self.opened],
            self._plan_look,
            lambda topic: (config := cluster.topic_config(topic), log_config(config, cluster.config)),
            cluster.partition,
        )
        await dormant.wake_due()

    def _plan_look(self, topic: str, index: int) -> LookJob | None:
        home = self.homes.get((topic, index))
        return None if home is None else self._cluster.directories[home].plan_look(topic, index)

    def lose(self, keys: list[PartitionKey]) -> None:
        """Their directory has failed: they are out of reach until the next start."""
        for key in keys:
            partition = self.opened.pop(key, None)
            if partition is not None:
                partition.offline()

    def follow(self, image: ClusterImage) -> list[str]:
        """Leaders and in-sync replicas are as the image says from now on; gives the topics that have gone,
        with their logs.
        """
        gone = []
        for name in image.changed_topics:
            known = self.topics.get(name)
            topic = image.topics.get(name)
            if known is None or topic is known:
                continue
            if topic is None or topic.id != known.id:
                self._forget(known)
                gone.append(name)
                continue
            self.topics[name] = topic
            min_isr = self._cluster.topic_config(name).min_insync_replicas
            for state in topic.partitions:
                partition = self.opened.get((name, state.index))
                if partition is not None:
                    partition.follow(state, min_isr=min_isr)
        return gone

    def reconfigure(self, topic: TopicImage, before: TopicConfig, after: TopicConfig) -> int:
        """Has a topic's open partitions follow its settings; gives how many partitions were looked at."""
        config = log_config(after, self._cluster.config)
        for index in range(len(topic.partitions)):
            partition = self.opened.get((topic.name, index))
            if partition is not None:
                partition.log.configure(config)
                self._flush_by(partition, after)
                state = self._cluster.image.partition(topic.name, index)
                if state is not None and before.min_insync_replicas != after.min_insync_replicas:
                    partition.follow(state, min_isr=after.min_insync_replicas)
        return len(topic.partitions)

    def _flush_by(self, partition: Partition, topic: TopicConfig) -> None:
        """Takes over when the topic wants its records on the device."""
        partition.flush_messages, partition.flush_ms = topic.flush_messages, topic.flush_ms
        key = partition.topic, partition.index
        timed = self._cluster.housekeeping.timed
        if topic.flush_ms < NEVER:
            timed[key] = partition
        else:
            timed.pop(key, None)

    def _forget(self, topic: TopicImage) -> None:
        """Closes and deletes a topic's logs. Readers that wait on it are told that it is gone."""
        cluster = self._cluster
        del self.topics[topic.name]
        delay_ms = cluster.topic_config(topic.name).file_delete_delay_ms  # the broker's: its own are gone
        for state in topic.partitions:
            key = (topic.name, state.index)
            partition = self.opened.pop(key, None)
            cluster.housekeeping.timed.pop(key, None)
            if partition is not None:
                partition.gone()
            home = self.homes.pop(key, None)
            if home is not None:
                try:
                    cluster.directories[home].delete(*key, delay_ms=delay_ms)
                except StorageError as error:
                    # The topic is gone all the same; its id tells the next start that the log is nobody's.
                    logger.error("deleting %s-%d failed: %s", topic.name, state.index, error)
