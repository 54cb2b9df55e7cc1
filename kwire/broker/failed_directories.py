"""Log directories that fail while the broker runs, or were offline at its start (KIP-112, KIP-858).

Rules
- What lies in such a directory answers KAFKA_STORAGE_ERROR until the next start; its partitions are led by
  nobody, and the registration of the node loses the directory (Kafka: ReplicaManager.handleLogDirFailure).
  What would lie in one that was offline at the start answers NOT_LEADER_OR_FOLLOWER, since no log is known.
- A broker without the cluster's metadata, or without any directory, stops (Kafka: Exit.halt).
- While a directory has been offline since the start, nobody knows what is in it: no log is begun for a
  partition that was there before and may lie in it (Kafka: LogManager.getOrCreateLog, !isNew). Nor does a
  log count that is elsewhere than the metadata say: it may be what a move has left behind, and lack the end.
- Where a log was made is written down soon after, for a node that has a choice (Kafka: AssignmentsManager).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from uuid import UUID

import trio
from kwire_storage.directories.interface import LogDirectories
from kwire_storage.engine import DirectoryOffline, MayBeOffline, StorageError

from kwire.broker.controller import Controller
from kwire.coordinators.metadata.directories import directory_of, is_named
from kwire.coordinators.metadata.image import UNASSIGNED_DIRECTORY, PartitionImage, TopicImage
from kwire.partitions.clock import Clock

logger = logging.getLogger("kwire.broker")

AGAIN_MS = 5_000
"""When it is tried again to write down what could not be."""

PartitionKey = tuple[str, int]


class FailedDirectories:
    """The directories of a cluster's nodes, as far as they may fail. `watch` runs for as long as it lives."""

    def __init__(
        self,
        directories: Mapping[int, LogDirectories],
        controller: Controller,
        clock: Clock,
        lost: Callable[[list[PartitionKey]], None],
    ) -> None:
        self._directories = directories
        self._controller = controller
        self._clock = clock
        self._lost = lost
        self._something_new = trio.Event()
        self._unsure: Mapping[UUID, int] = {}
        """The topics of which a log may lie where nobody can look, and how many partitions they had then."""
        self._made: dict[int, dict[PartitionKey, None]] = {}
        self.fatal = trio.Event()
        """Set where the broker can't go on; `reason` says why."""
        self.reason = ""

    def begin(self) -> None:
        """The cluster's metadata are loaded; called in the loop, before any partition is opened."""
        token = trio.lowlevel.current_trio_token()

        def tell() -> None:
            try:
                is_here = trio.lowlevel.current_trio_token() is token
            except RuntimeError:
                is_here = False
            if is_here:
                self._something_new.set()
            else:
                token.run_sync_soon(self._something_new.set)

        for directories in self._directories.values():
            directories.on_failure = tell
            if directories.offline:
                self._something_new.set()
                topics = self._controller.image.topics.values()
                self._unsure = {topic.id: len(topic.partitions) for topic in topics}

    def is_log_dir(self, node_id: int, path: str) -> bool:
        """Whether a node has a log directory of that path, which may be offline."""
        try:
            return self._directories[node_id].find_directory(path) is not None
        except DirectoryOffline:
            return True

    def check(self, node_id: int, topic: TopicImage, state: PartitionImage) -> UUID | None:
        """The directory in which a log that is not there yet shall be made, if somebody has said so.

        :raises MayBeOffline: it may be there already, in a directory that nobody can read.
        :raises DirectoryOffline: so it may, in one of another node, or a move there had begun.
        """
        known = directory_of(state, node_id)
        directories = self._directories[node_id]
        found = directories.directory_of(topic.name, state.index)
        if found is not None:
            is_away = is_named(known) and known not in directories.directory_ids
            if found != known and is_away and directories.offline and self._is_unsure(topic, state):
                raise MayBeOffline(_may_lie_in(directories.offline, topic, state))
            return known
        self._check_others(node_id, topic, state)
        if not directories.offline or _is_settled(directories, known, topic, state):
            return known
        if self._is_unsure(topic, state) or known != UNASSIGNED_DIRECTORY:
            is_led = known in directories.directory_ids
            why = _may_lie_in(directories.offline, topic, state)
            raise DirectoryOffline(why) if is_led else MayBeOffline(why)
        return None

    def _check_others(self, node_id: int, topic: TopicImage, state: PartitionImage) -> None:
        """A partition has one log, which may be another node's: that of whoever led when it was begun."""
        if not self._is_unsure(topic, state):
            return
        for other_id, directories in self._directories.items():
            if other_id == node_id or not directories.offline:
                continue
            if not _is_settled(directories, directory_of(state, other_id), topic, state):
                raise DirectoryOffline(_may_lie_in(directories.offline, topic, state))

    def _is_unsure(self, topic: TopicImage, state: PartitionImage) -> bool:
        return state.index < self._unsure.get(topic.id, 0)

    def opened(self, node_id: int, topic: TopicImage, state: PartitionImage) -> None:
        """A log has been opened, or begun: where it lies is written down if that is news."""
        found = self._directories[node_id].directory_of(topic.name, state.index)
        if node_id in state.replicas and state.directories and found != directory_of(state, node_id):
            self._made.setdefault(node_id, {})[topic.name, state.index] = None
            self._something_new.set()

    def settings_changed(self) -> None:
        """Other directories may be cordoned now."""
        self._something_new.set()

    async def watch(self) -> None:
        """Follows what fails and what is made."""
        while True:
            await self._something_new.wait()
            self._something_new = trio.Event()
            try:
                for node_id, directories in self._directories.items():
                    await self._look(node_id, directories)
            except StorageError as error:
                if self._something_new.is_set():
                    continue  # it is that very disk
                logger.error("the state of the log directories could not be written down: %s", error)
                await self._clock.sleep(AGAIN_MS)
                self._something_new.set()

    async def _look(self, node_id: int, directories: LogDirectories) -> None:
        working = list(directories.directory_ids)
        if directories.offline:
            self._lost(directories.release())
            if directories.metadata_is_offline or not directories.directory_ids:
                what = "of the cluster's metadata " if directories.metadata_is_offline else ""
                self.reason = (
                    f"broker {node_id} stops: its log directory {what}has failed "
                    f"({', '.join(directories.offline)}); the lines before say how. Mend it and start again"
                )
                self.fatal.set()
                return
            self._note_moving(node_id, working)
        made = self._made.get(node_id)
        if made:
            some = list(made)
            await self._controller.assign_directories(node_id, some)
            for key in some:
                made.pop(key, None)
        await self._controller.cordon(node_id)
        # Those that have failed meanwhile come next: nobody is without a leader before he is out of reach.
        await self._controller.directories_failed(node_id, working)

    def _note_moving(self, node_id: int, working: list[UUID]) -> None:
        """A log that was moved from or to a directory that has just failed lies where it lay; the metadata
        may say that it is there already.
        """
        image = self._controller.image
        registered = image.brokers[node_id].log_dirs
        if all(directory in working for directory in registered):
            return
        directories = self._directories[node_id]
        for topic in image.topics.values():
            for state in topic.partitions:
                is_here = directories.directory_of(topic.name, state.index) is not None
                if is_here and directory_of(state, node_id) in registered:
                    self.opened(node_id, topic, state)


def _is_settled(
    directories: LogDirectories, known: UUID | None, topic: TopicImage, state: PartitionImage
) -> bool:
    """Whether a node's log can be nowhere but in the directory that the metadata name, which works. They name
    the one that it is moved to while it lies where it came from still.
    """
    moves = directories.moves
    is_moving = moves is not None and moves.destination(topic.name, state.index) is not None
    return known in directories.directory_ids and not is_moving


def _may_lie_in(offline: list[str], topic: TopicImage, state: PartitionImage) -> str:
    return f"{topic.name}-{state.index} may lie in {' or '.join(offline)}, which is offline"
