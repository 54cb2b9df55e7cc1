"""A cluster: nodes, the controller's image, open partitions, groups. What handlers reach everything through.

Rules: nothing mutable lives at module level, so a process may hold many clusters. The image decides what
exists; what is open of it, and follows it, is in open_partitions.py.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import trio
from kwire_codecs.errors import ErrorCode
from kwire_storage.directories.interface import LogDirectories
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import MayBeOffline, StorageError
from kwire_storage.files import Files
from kwire_storage.produce_rules import ProduceRules

from kwire.broker.background import start_tasks
from kwire.broker.cleaner_settings import CleanerSettings
from kwire.broker.cleaning import LogCleaner
from kwire.broker.cleaning_process import CleaningHere, CleaningProcess
from kwire.broker.controller import Controller
from kwire.broker.encoded_topics import EncodedTopics
from kwire.broker.failed_directories import FailedDirectories
from kwire.broker.fetch_sessions import FetchSessions
from kwire.broker.housekeeping import Housekeeping
from kwire.broker.log_settings import produce_rules
from kwire.broker.moving_logs import MovingLogs
from kwire.broker.node import Node
from kwire.broker.open_partitions import OpenPartitions
from kwire.broker.reconfiguring import Reconfiguring
from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.metadata.topic_configs import TopicConfig, topic_config
from kwire.coordinators.metadata.topic_names import is_internal
from kwire.partitions.clock import Clock
from kwire.partitions.partition import Partition
from kwire.partitions.threads import run_in_thread, together
from kwire.partitions.waiting import Deadlines
from kwire.runtime.group_host import group_settings
from kwire.runtime.groups import GroupCoordinatorService
from kwire.runtime.transaction_host import retries, transaction_settings
from kwire.runtime.transactions import TransactionCoordinatorService

if TYPE_CHECKING:
    from kwire.broker.replica_selection import Selector
    from kwire.config import BrokerConfig

logger = logging.getLogger("kwire.broker")

FETCH_SESSION_EVICTION_MS = 120_000
"""How long a session must have been unused before another may take its slot (Kafka's
MinIncrementalFetchSessionEvictionMs).
"""


class Cluster:
    """One cluster. `start` loads it; `close` writes what makes the next start quick. Owns its logs."""

    def __init__(
        self,
        config: BrokerConfig,
        nodes: Sequence[Node],
        directories: Mapping[int, LogDirectories],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.config = config
        self.nodes: dict[int, Node] = {node.id: node for node in nodes}
        self.directories = directories
        self.clock = clock
        self.random = rng
        self.fetch_max_bytes = config.integer("fetch.max.bytes")
        """The most that one Fetch is answered, but for a first batch that is larger."""
        self.encoded_topics = EncodedTopics()
        self.replica_selector = _replica_selector(config.text("replica.selector.class"))
        self.fetch_deadlines = Deadlines()
        for node in nodes:
            node.fetch_sessions = self._no_sessions()
        self.controller = Controller(self)
        self.groups = GroupCoordinatorService(self, group_settings(config))
        self.transactions = TransactionCoordinatorService(self, transaction_settings(config), retries(config))
        self.open_partitions = opening = OpenPartitions(self)
        self._partitions = opening.opened
        self._is_loaded = False
        self._rules: dict[tuple[str, int], ProduceRules] = {}
        self._rule_versions: set[int] = set()
        self.failed_directories = FailedDirectories(directories, self.controller, clock, opening.lose)
        self.housekeeping = Housekeeping(
            clock,
            directories,
            self._partitions.values,
            lambda topic: self.topic_config(topic).deletes,
        )
        self.moving = MovingLogs(self)
        self.housekeeping.wake_due = opening.wake_due
        self.reconfiguring = Reconfiguring(config, lambda: self.image, opening.topics, opening.reconfigure)
        self.cleaner = self._cleaner()

    # -- what there is

    @property
    def image(self) -> ClusterImage:
        return self.controller.image

    def topic_name(self, topic_id: UUID) -> str | None:
        """The name of the topic that has this id."""
        return self.controller.image.topic_names.get(topic_id)

    def is_internal(self, topic: str) -> bool:
        """Whether the topic is the broker's own (`__consumer_offsets` and the like)."""
        return is_internal(topic)

    def partition(self, topic_name: str, index: int) -> Partition | None:
        """The open partition, opened now if this is the first that anyone asks of it; None where there is
        none. StorageError where its files cannot be opened.
        """
        found = self._partitions.get((topic_name, index))
        if found is None:
            image = self.controller.image.topics.get(topic_name)
            if image is None or not 0 <= index < len(image.partitions):
                return None
            found = self.open_partitions.open(image, index)
        return found

    def opened(self, topic_name: str, index: int) -> Partition | None:
        """The partition, if someone has asked for it before."""
        return self._partitions.get((topic_name, index))

    def reach(self, topic_name: str, index: int) -> Partition | ErrorCode:
        """The partition for a client's request, or why there is none: UNKNOWN_TOPIC_OR_PARTITION,
        NOT_LEADER_OR_FOLLOWER where it may lie in a directory that was offline at the start, or
        KAFKA_STORAGE_ERROR and one log line where its files cannot be opened.
        """
        try:
            found = self.partition(topic_name, index)
        except MayBeOffline:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        except StorageError as error:
            if not error.is_told:
                logger.error("opening %s-%d failed: %s", topic_name, index, error)
            return ErrorCode.KAFKA_STORAGE_ERROR
        return found if found is not None else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    def home_of(self, topic_name: str, index: int) -> int | None:
        """The node in whose directories a partition's log is; None where it has none yet."""
        return self.open_partitions.homes.get((topic_name, index))

    def found_on_disk(self, topic_name: str) -> list[int]:
        """The partitions of a topic that have a log, or had one opened: at the start, those on disk."""
        return sorted(index for name, index in self.open_partitions.homes if name == topic_name)

    def topic_config(self, topic: str) -> TopicConfig:
        """The topic's effective settings."""
        return topic_config(self.controller.image, self.config, topic)

    def produce_rules(self, topic: str, version: int) -> ProduceRules:
        """What a Produce request of `version` must keep to on this topic."""
        key = (topic, version)
        found = self._rules.get(key)
        if found is None:
            self._rule_versions.add(version)
            found = self._rules[key] = produce_rules(self.topic_config(topic), version)
        return found

    # -- where nodes are

    def advertised(
        self, node_id: int, listener_name: str, dialled: tuple[str, int]
    ) -> tuple[str, int] | None:
        """Where a client of `listener_name` reaches a node; None when it is down or has no such listener."""
        node = self.nodes.get(node_id)
        if node is None or not node.up:
            return None
        endpoint = node.endpoints.get(listener_name)
        if endpoint is None:
            return None
        return endpoint.advertised if endpoint.advertised is not None else (dialled[0], endpoint.port)

    def rack(self, node_id: int) -> str | None:
        node = self.nodes.get(node_id)
        return None if node is None else node.rack

    # -- nodes that stop and start

    def hurry(self, *node_ids: int) -> None:
        """These nodes are about to stop: what waits there is answered with what there is."""
        for node_id in node_ids:
            self.nodes[node_id].stopping = True
        for partition in self._partitions.values():
            partition.wake_all()

    async def begin_controlled_shutdown(self, node_id: int) -> None:
        """Moves what the node leads to other nodes, while it still answers. Raises StorageError."""
        await self.controller.begin_controlled_shutdown(node_id)
        self.hurry(node_id)

    async def node_stopped(self, node_id: int) -> None:
        """A node's listeners are closed: it is fenced, at once, and its fetch sessions are forgotten.

        :raises StorageError: the metadata log could not be written; call again.
        """
        node = self.nodes[node_id]
        node.up = False
        node.fetch_sessions.close()
        node.fetch_sessions = self._no_sessions()
        await self.controller.set_fenced(node_id, True)

    async def node_started(self, node_id: int) -> None:
        """A node's listeners are open again: it registers, is in sync at once, and leads what nobody led.

        :raises StorageError: the metadata log could not be written; call again.
        """
        await self.controller.register_again(node_id)
        self.nodes[node_id].up = True
        self.nodes[node_id].stopping = False

    def _no_sessions(self) -> FetchSessions:
        slots = self.config.integer("max.incremental.fetch.session.cache.slots")
        return FetchSessions(self.clock.now_ms, self.random, slots, FETCH_SESSION_EVICTION_MS)

    # -- life

    async def start(self, nursery: trio.Nursery) -> None:
        """Loads the metadata, recovers what an unclean stop left, and starts the cluster's tasks in
        `nursery`.
        """
        await self.controller.start()
        self._is_loaded = True
        self.controller.subscribe(self._image_changed)
        self.failed_directories.begin()
        await self.open_partitions.recover()
        nursery.start_soon(self.failed_directories.watch)
        nursery.start_soon(self.moving.run)
        nursery.start_soon(self.reconfiguring.run)
        self.groups.start(nursery)
        self.transactions.start(nursery)
        start_tasks(self, nursery)

    async def close(self, *, clean: bool = True) -> None:
        """Closes every log; `clean` leaves the marks by which the next start needs no recovery, and so does
        the end of a start that was refused before it changed anything. What the disk refuses is logged, and
        the rest closed.
        """
        clean = clean or (
            not self._is_loaded and all(directories.was_clean for directories in self.directories.values())
        )
        await self.cleaner.close()
        self.transactions.close()
        self.groups.close()
        try:
            await self.controller.close()
        except StorageError as error:
            logger.error("that the brokers have stopped could not be written down: %s", error)
        for partition in self._partitions.values():
            partition.wake_all()
        self._partitions.clear()
        for node_id, directories in self.directories.items():
            closing = partial(
                directories.close,
                clean=clean,
                broker_epoch=self.nodes[node_id].epoch,
                together=together(),
            )
            try:
                await run_in_thread(closing)
            except StorageError as error:
                logger.error("closing the data of broker %d failed: %s", node_id, error)

    def _cleaner(self) -> LogCleaner:
        own = [each.files for each in self.directories.values() if isinstance(each, LogDirs)]
        is_real = all(type(files) is Files for files in own)
        return LogCleaner(
            self.clock,
            self._partitions.values,
            lambda partition: self._partitions.get((partition.topic, partition.index)) is partition,
            lambda partition: self.moving.is_moving(partition.topic, partition.index),
            self.topic_config,
            CleanerSettings(lambda: self.controller.image, self.config),
            CleaningProcess if is_real else partial(CleaningHere, own[0]),
        )

    def save_log_starts(self) -> None:
        """Writes down what DeleteRecords has done, which does not outlive a crash before. Raises
        StorageError.
        """
        for directories in self.directories.values():
            directories.save_log_starts()

    def _image_changed(self, old: ClusterImage, new: ClusterImage) -> None:
        """Follows the image: leaders, settings, and the end of topics. Called at once after each change."""
        if old.configs is not new.configs:
            self._rules.clear()
            self.reconfiguring.image_changed(old, new)
            self.failed_directories.settings_changed()
        if old.topics is new.topics:
            return
        for name in self.open_partitions.follow(new):
            for version in self._rule_versions:
                self._rules.pop((name, version), None)


def _replica_selector(class_name: str | None) -> Selector | None:
    if not class_name:
        return None
    from kwire.broker.replica_selection import replica_selector

    return replica_selector(class_name)
