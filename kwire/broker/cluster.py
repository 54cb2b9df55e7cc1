"""A cluster: nodes, the controller's image, open partitions, groups. What handlers reach everything through.

Rules: nothing mutable lives at module level, so a process may hold many clusters. The image decides what
exists; partitions are opened when first asked for (all at start when the last stop was not clean, so that
recovery comes before the first client), follow the image's leaders, and are closed and deleted when their
topic goes.
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
from kwire.broker.log_settings import log_config, produce_rules
from kwire.broker.moving_logs import MovingLogs
from kwire.broker.node import Node
from kwire.broker.reconfiguring import Reconfiguring
from kwire.broker.recovering import Opening, found_logs, recover
from kwire.broker.replica_selection import replica_selector
from kwire.coordinators.metadata.image import ClusterImage, TopicImage
from kwire.coordinators.metadata.topic_configs import TopicConfig, topic_config
from kwire.coordinators.metadata.topic_names import is_internal
from kwire.partitions.clock import Clock
from kwire.partitions.partition import NEVER, Partition
from kwire.partitions.threads import run_in_thread, together
from kwire.partitions.waiting import Deadlines
from kwire.runtime.group_host import group_settings
from kwire.runtime.groups import GroupCoordinatorService
from kwire.runtime.transaction_host import retries, transaction_settings
from kwire.runtime.transactions import TransactionCoordinatorService

if TYPE_CHECKING:
    from kwire_storage.directories.dormant import LookJob

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
        self.replica_selector = replica_selector(config.text("replica.selector.class"))
        self.fetch_deadlines = Deadlines()
        for node in nodes:
            node.fetch_sessions = self._no_sessions()
        self.controller = Controller(self)
        self.groups = GroupCoordinatorService(self, group_settings(config))
        self.transactions = TransactionCoordinatorService(self, transaction_settings(config), retries(config))
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._homes: dict[tuple[str, int], int] = {}
        self._known: dict[str, TopicImage] = {}
        self._is_loaded = False
        self._rules: dict[tuple[str, int], ProduceRules] = {}
        self._rule_versions: set[int] = set()
        self.failed_directories = FailedDirectories(directories, self.controller, clock, self._lose)
        self.housekeeping = Housekeeping(
            clock,
            directories,
            self._partitions.values,
            lambda topic: self.topic_config(topic).deletes,
        )
        self.moving = MovingLogs(self)
        self.housekeeping.wake_due = self._wake_due
        self.reconfiguring = Reconfiguring(config, lambda: self.image, self._known, self._reconfigure)
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
            found = self._open(image, index)
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
        return self._homes.get((topic_name, index))

    def found_on_disk(self, topic_name: str) -> list[int]:
        """The partitions of a topic that have a log, or had one opened: at the start, those on disk."""
        return sorted(index for name, index in self._homes if name == topic_name)

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
        await self._recover()
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

    async def _recover(self) -> None:
        openings: list[Opening] = []
        for node_id, topic, index in found_logs(self.directories, self.image):
            self._homes[topic.name, index] = node_id
            self._known[topic.name] = topic
            if not self.directories[node_id].was_clean:
                openings.append((f"{topic.name}-{index}", partial(self._open, topic, index)))
        if openings:
            await recover(openings)

    def _open(self, topic: TopicImage, index: int) -> Partition:
        state = topic.partitions[index]
        home = self._homes.get((topic.name, index))
        if home is None:
            home = state.leader if state.leader in self.directories else next(iter(self.directories))
            self._homes[topic.name, index] = home
        directory_id = self.failed_directories.check(home, topic, state)
        log = self.directories[home].open(
            topic.name,
            index,
            topic.id,
            log_config(self.topic_config(topic.name), self.config),
            now_ms=self.clock.now_ms(),
            directory_id=directory_id,
        )
        partition = Partition(
            topic.name,
            topic.id,
            index,
            log,
            self.clock.now_ms,
            state=state,
            min_isr=self.topic_config(topic.name).min_insync_replicas,
        )
        self._flush_by(partition, self.topic_config(topic.name))
        self._partitions[topic.name, index] = partition
        self._known[topic.name] = topic
        self.failed_directories.opened(home, topic, state)
        return partition

    async def _wake_due(self) -> None:
        """Opens what nobody has asked for and is to be retained or compacted."""
        from kwire.broker.dormant_logs import DormantLogs

        dormant = DormantLogs(
            self.clock,
            lambda: [key for key in self._homes if key not in self._partitions],
            self._plan_look,
            lambda topic: (config := self.topic_config(topic), log_config(config, self.config)),
            self.partition,
        )
        await dormant.wake_due()

    def _plan_look(self, topic: str, index: int) -> LookJob | None:
        home = self._homes.get((topic, index))
        return None if home is None else self.directories[home].plan_look(topic, index)

    def _lose(self, partitions: list[tuple[str, int]]) -> None:
        """Their directory has failed: they are out of reach until the next start."""
        for key in partitions:
            partition = self._partitions.pop(key, None)
            if partition is not None:
                partition.offline()

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
        for name in new.changed_topics:
            known = self._known.get(name)
            topic = new.topics.get(name)
            if known is None or topic is known:
                continue
            if topic is None or topic.id != known.id:
                self._forget(known)
                continue
            self._known[name] = topic
            min_isr = self.topic_config(name).min_insync_replicas
            for state in topic.partitions:
                partition = self._partitions.get((name, state.index))
                if partition is not None:
                    partition.follow(state, min_isr=min_isr)

    def _reconfigure(self, topic: TopicImage, before: TopicConfig, after: TopicConfig) -> int:
        """Has a topic's open partitions follow its settings; gives how many partitions were looked at."""
        config = log_config(after, self.config)
        for index in range(len(topic.partitions)):
            partition = self._partitions.get((topic.name, index))
            if partition is not None:
                partition.log.configure(config)
                self._flush_by(partition, after)
                state = self.image.partition(topic.name, index)
                if state is not None and before.min_insync_replicas != after.min_insync_replicas:
                    partition.follow(state, min_isr=after.min_insync_replicas)
        return len(topic.partitions)

    def _flush_by(self, partition: Partition, topic: TopicConfig) -> None:
        """Takes over when the topic wants its records on the device."""
        partition.flush_messages, partition.flush_ms = topic.flush_messages, topic.flush_ms
        key = partition.topic, partition.index
        if topic.flush_ms < NEVER:
            self.housekeeping.timed[key] = partition
        else:
            self.housekeeping.timed.pop(key, None)

    def _forget(self, topic: TopicImage) -> None:
        """Closes and deletes a topic's logs. Readers that wait on it are told that it is gone."""
        del self._known[topic.name]
        delay_ms = self.topic_config(topic.name).file_delete_delay_ms  # the broker's: its own are gone
        for state in topic.partitions:
            key = (topic.name, state.index)
            partition = self._partitions.pop(key, None)
            self.housekeeping.timed.pop(key, None)
            if partition is not None:
                partition.gone()
            home = self._homes.pop(key, None)
            if home is not None:
                try:
                    self.directories[home].delete(*key, delay_ms=delay_ms)
                except StorageError as error:
                    # The topic is gone all the same; its id tells the next start that the log is nobody's.
                    logger.error("deleting %s-%d failed: %s", topic.name, state.index, error)
        for version in self._rule_versions:
            self._rules.pop((topic.name, version), None)
