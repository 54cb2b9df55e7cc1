"""The controller: the newest image of the cluster, and the one place where it changes.

Rules:
- A change is an operation: a function of the newest image that returns records and a response (`Outcome`).
  The records are replayed first, on an image that nobody sees yet; then they are written; then the new image
  is published and subscribers are told; then the response is given. So a record that can't be replayed is
  never written, and nobody sees what is not in the log.
- Subscribers are called in the order in which they subscribed, with the image before and after; what one of
  them raises is logged and does not undo the change.
- An answer waits until its records are on the device, as Kafka's controller syncs before it commits: a topic,
  an epoch or a block of producer ids that somebody was told of outlives a loss of power.
- Broker epochs are offsets of this log, leader epochs only rise, producer ids come from blocks whose records
  are written before the first id is given out: none of them ever goes back or is used again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, TypeVar
from uuid import UUID

import trio
from kwire_storage.engine import StorageError
from kwire_storage.uuids import usable

from kwire.broker.metadata_loading import ClusterError, refuse_newer, replay_log
from kwire.broker.metadata_log import MetadataLog
from kwire.broker.metadata_snapshots import SnapshotId
from kwire.broker.node_directories import all_assigned, follow_cordoned, settle
from kwire.broker.registration import registration
from kwire.broker.surroundings import ClusterNode, Surroundings
from kwire.coordinators.metadata import brokers, directories, features, internal_topics, producer_ids
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import (
    METADATA_VERSION_FEATURE,
    ClusterImage,
    ControllerImage,
)
from kwire.coordinators.metadata.replay import Replayer, image_records
from kwire.coordinators.metadata.topic_configs import topic_config
from kwire.coordinators.metadata.topic_names import CONSUMER_OFFSETS
from kwire.coordinators.metadata.topics import create_topics
from kwire.coordinators.outcome import Outcome, Ticket

logger = logging.getLogger("kwire.broker")

R = TypeVar("R")
Operation = Callable[[ClusterImage], Outcome[R, m.Record]]
Subscriber = Callable[[ClusterImage, ClusterImage], None]

_UNLISTED_VERSION: Final = features.METADATA_VERSION


class Controller:
    """Loads the cluster's metadata in `start`, holds it as `image`, changes it through `submit`.

    It owns no files: the directories close the log.
    """

    def __init__(self, cluster: Surroundings) -> None:
        self._cluster = cluster
        self._replayer = Replayer(ClusterImage())
        self._log: MetadataLog | None = None
        self._subscribers: list[Subscriber] = []
        self._blocks: dict[int, tuple[int, int]] = {}
        self._syncing = trio.Lock()
        self._synced_to = 0
        self._snapshotting = trio.Lock()
        self.node_id = -1
        """The node whose directory holds the metadata log."""

    @property
    def image(self) -> ClusterImage:
        """The newest image. Hold on to it for as long as one answer needs it, no longer."""
        return self._replayer.image

    def subscribe(self, callback: Subscriber) -> None:
        """Have `callback(old, new)` called after every change."""
        self._subscribers.append(callback)

    def new_uuid(self) -> UUID:
        """A random id that Kafka's tools can take as an argument (its text does not begin with a dash)."""
        return usable(lambda: UUID(int=self._cluster.random.getrandbits(128), version=4))

    async def submit(self, operation: Operation[R]) -> R:
        """Decide on the newest image, write the records, publish the image, answer.

        :raises StorageError: the records could not be written, and nothing has changed; or not be synced, and
            it is open whether the change outlives a loss of power.
        :raises ReplayError: the operation has a bug: its records contradict the image; nothing has changed.
        """
        response = self._decide(operation)
        await self._synced()
        return response

    async def submit_each(self, operations: Iterable[Operation[R]]) -> list[R]:
        """Submit one operation after the other, with a turn for the others in between; the answers wait for
        the device together.

        :raises StorageError: as `submit`; what was decided before has changed.
        """
        responses: list[R] = []
        for operation in operations:
            if responses:
                await trio.lowlevel.checkpoint()
            responses.append(self._decide(operation))
        await self._synced()
        return responses

    def _decide(self, operation: Operation[R]) -> R:
        outcome = operation(self.image)
        assert not isinstance(outcome.response, Ticket)  # a change of metadata waits for nobody
        if outcome.records:
            self._commit(outcome.records)
            try:
                self._make_internal_topics()
            except ClusterError as refused:
                logger.warning("%s", refused)
        return outcome.response

    async def _synced(self) -> None:
        """Until all that is written by now is on the device. Those who wait together share a sync."""
        log = self._log
        if log is None or self._synced_to >= log.next_offset:
            return
        end = log.next_offset
        async with self._syncing:
            if self._synced_to < end:
                self._synced_to = await log.sync()

    async def next_producer_id(self, node_id: int | None = None) -> int:
        """An id that no producer has had, from the block of the node that asks.

        :raises StorageError: a new block could not be written.
        :raises ProducerIdsExhausted: there are none left.
        """
        broker_id = self.node_id if node_id is None else node_id
        following, end = self._blocks.get(broker_id, (0, 0))
        if following == end:
            block = await self.submit(lambda image: producer_ids.next_block(image, broker_id))
            following, end = block.first, block.first + block.size
        self._blocks[broker_id] = following + 1, end
        return following

    async def set_fenced(self, node_id: int, fenced: bool) -> None:
        """Fence a node (its leaders move to others in sync, or away) or bring it back.

        :raises StorageError: it could not be written down; asking again is safe.
        """
        await self._change_broker(lambda image: brokers.fence(image.brokers[node_id], fenced=fenced))

    async def directories_failed(self, node_id: int, working: Collection[UUID]) -> None:
        """Only some of a node's log directories work: who lay in another and led leads no longer.

        :raises StorageError: it could not be written down; asking again is safe.
        """
        if all(directory in working for directory in self.image.brokers[node_id].log_dirs):
            return
        await self._change_broker(lambda image: directories.left(image.brokers[node_id], working))

    async def cordon(self, node_id: int) -> None:
        """Settings have changed, perhaps those of which log directories of a node are cordoned.

        :raises StorageError: it could not be written down; asking again is safe.
        """
        cordoned = set(follow_cordoned(self._cluster, self.image, node_id))
        broker = self.image.brokers[node_id]
        if cordoned != set(broker.cordoned_log_dirs or ()):
            change = m.broker_change_record(node_id, broker.epoch, cordoned_log_dirs=sorted(cordoned))
            await self.submit(lambda image: Outcome(None, [change]))

    async def assign_directories(self, node_id: int, partitions: Sequence[tuple[str, int]]) -> None:
        """Logs have been made in directories of a node: write down in which.

        :raises StorageError: it could not be written down; the next start does.
        """
        located = self._cluster.directories[node_id].directory_of
        await self.submit(lambda image: directories.assign(image, node_id, partitions, located))

    async def assign_directory(self, node_id: int, topic: str, index: int, directory_id: UUID) -> None:
        """A node's replica is to lie in a directory: write that down (Kafka: AssignReplicasToDirs).

        :raises StorageError: it could not be written down; asking again is safe.
        """
        await self.submit(
            lambda image: directories.assign(image, node_id, [(topic, index)], lambda *_: directory_id)
        )

    async def begin_controlled_shutdown(self, node_id: int) -> None:
        """A node is about to stop: others in sync lead from now on, while it still answers.

        :raises StorageError: it could not be written down; asking again is safe.
        """
        await self._change_broker(lambda image: brokers.begin_shutdown(image.brokers[node_id]))

    async def register_again(self, node_id: int) -> None:
        """A node has started: a registration with a higher epoch, and whatever it may lead and be in sync
        with.

        :raises StorageError: it could not be written down; asking again is safe.
        """
        self._register(self._cluster.nodes[node_id], fenced=True)
        await self.set_fenced(node_id, False)

    async def _change_broker(self, change: Callable[[ClusterImage], Sequence[m.Record]]) -> None:
        def all_of_it(image: ClusterImage) -> Outcome[None, m.Record]:
            """The change and what follows from it, in one batch: neither is ever without the other."""
            records = change(image)
            after = Replayer(image).replay(
                records, last_offset=image.offset + len(records), epoch=image.epoch
            )
            return Outcome(None, [*records, *brokers.leadership_changes(after, self._may_lose)])

        self._decide(all_of_it)
        try:
            await self._synced()
        except StorageError as error:
            # It holds all the same, and the next answer waits for it.
            logger.error("that a broker stopped or started is not on the device yet: %s", error)

    def _may_lose(self, topic: str) -> bool:
        """Whether a topic's leader may come from outside the ISR."""
        return topic_config(self.image, self._cluster.config, topic).unclean_leader_election_enable

    async def start(self) -> None:
        """Read the log, or begin one; register controller and nodes; elect leaders; make internal topics.

        :raises ClusterError: the cluster is of a newer Kafka than kwire knows.
        :raises StorageError: the log can't be read or written.
        :raises ReplayError: the log contradicts itself.
        """
        cluster = self._cluster
        self.node_id = min(cluster.nodes)
        home = cluster.directories[self.node_id]
        now_ms = cluster.clock.now_ms()
        log = MetadataLog(
            home,
            segment_bytes=cluster.config.integer("metadata.log.segment.bytes"),
            segment_ms=cluster.config.integer("metadata.log.segment.ms"),
            now_ms=now_ms,
        )
        self._replayer = Replayer(ClusterImage(cluster_id=home.cluster_id))
        replay_log(log, self._replayer)
        self._log = log  # from here on it is written to, also by a close

        offset = log.begin_epoch(self.node_id, home.directory_ids[0], now_ms)
        self._replayer.replay((), last_offset=offset, epoch=log.epoch)
        if self._replayer.in_transaction:  # its writer died in the midst of it
            self._commit([m.abort_transaction_record("the controller changed")])
        if METADATA_VERSION_FEATURE not in self.image.features:
            bootstrap = log.snapshots.bootstrap()
            if bootstrap is not None:  # formatted by Kafka's tool, and never started
                refuse_newer(bootstrap.records)
                self._commit(bootstrap.records)
        if METADATA_VERSION_FEATURE not in self.image.features:
            self._commit([m.feature_level_record(name, level) for name, level in features.INITIAL.items()])
        settle(cluster.directories, self.image)
        self._register_nodes()
        for node_id, opened in cluster.directories.items():  # before anybody is elected
            self._commit(all_assigned(self.image, node_id, opened))
        if not all(directories.was_clean for directories in cluster.directories.values()):
            self._commit(brokers.new_leader_epochs(self.image.topics.values()))
        self._commit(brokers.leadership_changes(self.image, self._may_lose))
        self._make_internal_topics()
        await self._synced()

    # Snapshots

    @property
    def bytes_since_snapshot(self) -> int:
        """Bytes of the metadata log that no snapshot holds yet."""
        return 0 if self._log is None else self._log.bytes_written

    async def snapshot(self) -> SnapshotId | None:
        """Write down what the cluster is now; let go of old snapshots and of the log that only they needed.

        :return: None where the newest snapshot has it all, or the cluster has stopped.
        :raises StorageError: the snapshot is not there, or what is old could not be removed.
        """
        async with self._snapshotting:
            return await self._snapshot()

    async def _snapshot(self) -> SnapshotId | None:
        log, image = self._log, self.image
        if log is None or self._replayer.in_transaction:
            return None
        snapshot_id = SnapshotId(image.offset + 1, image.epoch)
        config, now_ms = self._cluster.config, self._cluster.clock.now_ms()
        if snapshot_id not in log.snapshots.ids:
            await self._synced()
            level = image.features.get(METADATA_VERSION_FEATURE, _UNLISTED_VERSION)
            await log.snapshot(snapshot_id, image_records(image), level, now_ms)
        if self._log is log:
            await log.let_go(
                retention_bytes=config.integer("metadata.max.retention.bytes"),
                retention_ms=config.integer("metadata.max.retention.ms"),
                now_ms=now_ms,
            )
        return snapshot_id

    async def close(self) -> None:
        """Leave the nodes fenced in the log, as a stopped Kafka does: another process can take over."""
        if self._log is None:
            return
        running = [
            self.image.brokers[node_id] for node_id in self._cluster.nodes if node_id in self.image.brokers
        ]
        self._subscribers.clear()
        self._commit([record for broker in running for record in brokers.fence(broker, fenced=True)])
        self._log = None

    def _commit(self, records: Sequence[m.Record]) -> None:
        if not records:
            return
        log = self._log
        assert log is not None, "the controller has not been started"
        before = self.image
        trial = self._replayer.copy()
        last_offset = log.next_offset + len(records) - 1
        after = trial.replay(records, last_offset=last_offset, epoch=log.epoch)
        level = after.features.get(METADATA_VERSION_FEATURE, _UNLISTED_VERSION)
        written = log.append(records, level, self._cluster.clock.now_ms())
        assert written == last_offset
        self._replayer = trial
        for subscriber in list(self._subscribers):
            try:
                subscriber(before, after)
            except Exception:
                logger.exception("a subscriber of the cluster image failed at offset %d", last_offset)

    def _register_nodes(self) -> None:
        cluster = self._cluster
        log = self._log
        assert log is not None
        supported = features.supported_ranges()
        controller = ControllerImage(self.node_id, self.new_uuid(), features=supported)
        self._commit([m.register_controller_record(controller)])
        others = sorted(self.image.brokers.keys() - cluster.nodes.keys())
        if others:
            logger.warning(
                "the cluster has brokers that do not run here (%s): what they alone were in sync with has no "
                "leader, and this directory must not go back to them once it was changed",
                ", ".join(map(str, others)),
            )
        gone = brokers.absent(self.image, list(cluster.nodes))
        self._commit([record for broker in gone for record in brokers.fence(broker, fenced=True)])
        for node in sorted(cluster.nodes.values(), key=lambda node: node.id):
            self._register(node, fenced=False)

    def _register(self, node: ClusterNode, *, fenced: bool) -> None:
        log = self._log
        assert log is not None
        epoch = log.next_offset
        directory_ids = self._cluster.directories[node.id].directory_ids
        cordoned = follow_cordoned(self._cluster, self.image, node.id)
        broker = registration(node, epoch, self.new_uuid(), directory_ids, cordoned)
        self._commit([m.register_broker_record(broker)])
        node.epoch = epoch
        if not fenced:
            self._commit(brokers.fence(broker, fenced=False))

    def _make_internal_topics(self) -> None:
        """Make the topics that clients look for from the start; again, and empty, where one was deleted.

        :raises ClusterError: they can't be made; while the cluster runs, `submit` tries at the next change.
        """
        if CONSUMER_OFFSETS in self.image.topics:
            return
        cluster = self._cluster
        wanted = internal_topics.consumer_offsets(self.image, cluster.config)
        outcome = create_topics(
            self.image, [wanted], config=cluster.config, random=cluster.random, new_id=self.new_uuid
        )
        assert not isinstance(outcome.response, Ticket)
        error = outcome.response[0].error
        if error.failed:
            raise ClusterError(f"{wanted.name} can't be made: {error.message}")
        self._commit(outcome.records)
