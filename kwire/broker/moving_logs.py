"""Logs that are moved to another directory of their node, on AlterReplicaLogDirs (KIP-113, KIP-858; Kafka:
ReplicaManager.alterReplicaLogDirs, ReplicaAlterLogDirsThread).

Rules
- A log is copied a megabyte at a time, those that move in turn, of a broker as many side by side as
  `num.replica.alter.log.dirs.threads` says, together no faster than its limit; disks are waited for in
  threads. It is used as ever meanwhile, but it is not compacted, and at the very end clients' appends wait
  for some milliseconds.
- Once the copy has all, and is on the device, it is written down in the metadata that the replica lies there,
  then the copy takes the log's place: a start that finds both knows which of them counts.
- Wherever the metadata say that a replica lies, there is its log, or a copy on its way there, or nothing was
  ever written to it. So a move is called off in the metadata first, and then its copy goes: what may lie in a
  directory that is away is known not to be missing, and is not begun anew.
- A move that fails is named in the log and called off, but for want of room: then it is tried again. One that
  a stop has interrupted is gone on with.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import trio
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import DirectoryOffline, DiskFull, StorageError

from kwire.broker.move_limits import MoveLimits
from kwire.coordinators.metadata.topic_names import is_internal
from kwire.partitions.threads import run_in_thread, sync_in_thread, write_in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwire_storage.directories.interface import LogDirectories
    from kwire_storage.directories.log_moves import LogMoves
    from kwire_storage.directories.moving import CopyJob, LogMove

    from kwire.broker.cluster import Cluster
    from kwire.partitions.partition import Partition

logger = logging.getLogger("kwire.broker")

AGAIN_MS = 5_000
"""When a move is gone on with that found no room, or whose metadata could not be written."""
LONGEST_WAIT_MS = 1_000
LONGEST_NAME = 255
UNIQUE_CHARACTERS = 40
"""What a log's directory has behind its name while it is on its way."""
ROUNDS = 50
"""How often it is looked at the end of a move whether the copy has all, before clients have their turn."""

PartitionKey = tuple[str, int]


@dataclass(slots=True, eq=False)
class _Moving:
    """One move that is being worked on."""

    node_id: int
    partition: Partition
    moves: LogMoves
    move: LogMove
    directory_id: UUID
    is_assigned: bool = False
    """Whether the metadata say that the replica lies where it goes."""
    not_before_ms: int = 0


class MovingLogs:
    """The moves of a cluster's logs. `run` goes on until it is cancelled."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._moving: dict[PartitionKey, _Moving] = {}
        """In the order in which they have their turns."""
        self._at_work: dict[PartitionKey, int] = {}
        """Those of them that are taking a step, and their nodes."""
        self._limits = MoveLimits(cluster)
        self._something = trio.Event()
        self._altering = trio.Lock()
        """Held by whoever begins a move or calls one off."""

    @property
    def _directories(self) -> Mapping[int, LogDirectories]:
        return self._cluster.directories

    def is_moving(self, topic: str, index: int) -> bool:
        """Whether a partition's log is on its way, or was at the last stop."""
        home = self._cluster.home_of(topic, index)
        moves = None if home is None else self._directories[home].moves
        return moves is not None and moves.destination(topic, index) is not None

    # What is asked for

    async def alter(self, node_id: int, topic: str, index: int, path: str) -> ErrorCode:
        """A node's replica is to lie in the directory of that path: NONE, and it is on its way there, or
        there already.

        INVALID_TOPIC_EXCEPTION for a name too long for a directory on its way, LOG_DIR_NOT_FOUND,
        INVALID_REPLICA_ASSIGNMENT for a directory that is cordoned, KAFKA_STORAGE_ERROR,
        UNKNOWN_TOPIC_OR_PARTITION, REPLICA_NOT_AVAILABLE where the node has none, or does not know where:
        a partition that is made later is made there.
        """
        if len(f"{topic}-{index}") + UNIQUE_CHARACTERS > LONGEST_NAME:
            return ErrorCode.INVALID_TOPIC_EXCEPTION
        directories = self._directories[node_id]
        try:
            directory_id = directories.find_directory(path)
        except DirectoryOffline:
            return ErrorCode.KAFKA_STORAGE_ERROR
        if directory_id is None:
            return ErrorCode.LOG_DIR_NOT_FOUND
        if directory_id in directories.cordoned:
            return ErrorCode.INVALID_REPLICA_ASSIGNMENT
        state = self._cluster.image.partition(topic, index)
        if state is None or node_id not in state.replicas:
            if directories.moves is not None:
                directories.moves.prefer(topic, index, directory_id)
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if state is None else ErrorCode.REPLICA_NOT_AVAILABLE
        partition = self._cluster.reach(topic, index)
        if partition is ErrorCode.NOT_LEADER_OR_FOLLOWER:
            return ErrorCode.REPLICA_NOT_AVAILABLE
        if isinstance(partition, ErrorCode):
            return partition
        try:
            if self._cluster.home_of(topic, index) != node_id:
                # It follows another node's log, and has no files: all there is of its place is what is said.
                await self._cluster.controller.assign_directory(node_id, topic, index, directory_id)
                return ErrorCode.NONE
            if directories.moves is None:
                return ErrorCode.NONE
            async with self._altering:
                return await self._alter(node_id, partition, directories, directories.moves, directory_id)
        except StorageError as error:
            if not error.is_told:
                logger.error("moving %s to %s failed: %s", partition, path, error)
            return ErrorCode.KAFKA_STORAGE_ERROR

    async def _alter(
        self,
        node_id: int,
        partition: Partition,
        directories: LogDirectories,
        moves: LogMoves,
        directory_id: UUID,
    ) -> ErrorCode:
        key = partition.topic, partition.index
        destination = moves.destination(*key)
        if destination is not None and destination != directory_id:
            await self._call_off(key, node_id, moves)
            destination = None
        if self._cluster.opened(*key) is not partition:  # it has gone, or failed, meanwhile
            return ErrorCode.KAFKA_STORAGE_ERROR
        if directory_id in (destination, directories.directory_of(*key)):
            return ErrorCode.NONE
        if directories.offline:  # there may be a copy already, in a directory that nobody can read
            return ErrorCode.KAFKA_STORAGE_ERROR
        # What coordinators append can't be paused, so their partitions are moved as if written to.
        if not is_internal(partition.topic) and not moves.has_files(*key):
            async with partition.paused():
                code = await self._place_empty(node_id, partition, directories, moves, directory_id)
            if code is not None:
                return code
        moves.begin(*key, directory_id)
        self._go_on(key, node_id, partition, moves, directory_id)
        return ErrorCode.NONE

    async def _place_empty(
        self,
        node_id: int,
        partition: Partition,
        directories: LogDirectories,
        moves: LogMoves,
        directory_id: UUID,
    ) -> ErrorCode | None:
        """A partition that nobody has written to, nor does meanwhile, is to lie there from now on; None where
        somebody has.
        """
        key = partition.topic, partition.index
        if not moves.has_files(*key):
            await self._cluster.controller.assign_directory(node_id, *key, directory_id)
        if self._cluster.opened(*key) is not partition or directories.offline:
            self._note_place(node_id, key)
            return ErrorCode.KAFKA_STORAGE_ERROR
        if moves.has_files(*key):
            return None
        partition.moved(moves.place(*key, directory_id))
        return ErrorCode.NONE

    def _go_on(
        self, key: PartitionKey, node_id: int, partition: Partition, moves: LogMoves, directory_id: UUID
    ) -> None:
        move = moves.get(*key)
        assert move is not None
        self._moving[key] = _Moving(node_id, partition, moves, move, directory_id)
        self._something.set()
        logger.info("%s is moved to %s, beside its use", partition, move.future.directory)

    async def _call_off(self, key: PartitionKey, node_id: int, moves: LogMoves) -> None:
        """The log stays where it is. StorageError where that could not be written down, and the move goes on;
        or where the copy could not be removed.
        """
        moving = self._moving.pop(key, None)
        try:
            await self._cluster.controller.assign_directories(node_id, [key])
        except StorageError:
            if moving is not None and moves.get(*key) is moving.move:
                self._moving[key] = moving
            raise
        self._moving.pop(key, None)  # one of an earlier run, gone on with meanwhile
        moves.cancel(*key)

    def _note_place(self, node_id: int, key: PartitionKey) -> None:
        """The metadata are to say where the log is, if they say something else."""
        topic, state = self._cluster.image.topics.get(key[0]), self._cluster.image.partition(*key)
        if topic is not None and state is not None:
            self._cluster.failed_directories.opened(node_id, topic, state)

    # The work

    async def run(self) -> None:
        """Moves what is asked for, and what the last stop interrupted."""
        await self._resume()
        async with trio.open_nursery() as nursery:
            while True:
                self._something = trio.Event()
                wait_ms = self._begin_steps(nursery)
                timer = None
                if self._moving:
                    timer = self._cluster.clock.schedule(
                        self._cluster.clock.now_ms() + wait_ms, self._something.set
                    )
                await self._something.wait()
                if timer is not None:
                    timer.cancel()

    def _begin_steps(self, nursery: trio.Nursery) -> int:
        """As many moves as may at a time take a step; gives for how long none of the others can, in ms."""
        now_ms, wait_ms = self._cluster.clock.now_ms(), LONGEST_WAIT_MS
        room = {node_id: self._limits.threads(node_id) for node_id in self._directories}
        for node_id in self._at_work.values():
            room[node_id] -= 1
        for key, moving in self._moving.items():
            if max(room.values()) <= 0:
                break
            if key in self._at_work or room[moving.node_id] <= 0:
                continue
            left_ms = max(moving.not_before_ms, self._limits.throttled_until_ms(moving.node_id)) - now_ms
            if left_ms > 0:
                wait_ms = min(wait_ms, left_ms)
                continue
            room[moving.node_id] -= 1
            self._at_work[key] = moving.node_id
            nursery.start_soon(self._turn, key, moving)
        return wait_ms

    async def _turn(self, key: PartitionKey, moving: _Moving) -> None:
        try:
            await self._try(key, moving)
        finally:
            del self._at_work[key]
            if self._moving.get(key) is moving:
                self._moving[key] = self._moving.pop(key)  # the others come first now
            self._something.set()

    async def _resume(self) -> None:
        for node_id, directories in self._directories.items():
            moves = directories.moves
            for key in moves.interrupted() if moves is not None else ():
                assert moves is not None
                if self._cluster.home_of(*key) != node_id:
                    logger.warning(
                        "%s-%d was on its way, and the log itself is not here: the copy is left alone", *key
                    )
                    continue
                partition = self._cluster.reach(*key)
                directory_id = moves.destination(*key)
                if isinstance(partition, ErrorCode) or directory_id is None:
                    continue
                try:
                    loaded = await run_in_thread(moves.load, *key, self._cluster.clock.now_ms())
                    is_on = loaded is not None and moves.resume(*key, loaded)
                except StorageError as error:
                    self._give_up(key, moves, error)
                    continue
                if is_on:
                    self._go_on(key, node_id, partition, moves, directory_id)

    def _give_up(self, key: PartitionKey, moves: LogMoves, error: StorageError) -> None:
        """One of an earlier run can't be gone on with: the start has written down where the log is."""
        logger.error("moving %s-%d failed, it stays where it is: %s", *key, error)
        try:
            moves.cancel(*key)
        except StorageError as again:
            logger.error("what was copied of %s-%d could not be removed: %s", *key, again)

    def _is_current(self, key: PartitionKey, moving: _Moving) -> bool:
        """Whether it is not called off, nor the partition gone."""
        return (
            self._moving.get(key) is moving
            and moving.moves.get(*key) is moving.move
            and self._cluster.opened(*key) is moving.partition
        )

    async def _try(self, key: PartitionKey, moving: _Moving) -> None:
        try:
            if self._is_current(key, moving):
                await self._step(key, moving)
            elif self._moving.get(key) is moving:
                del self._moving[key]
        except DiskFull:
            moving.not_before_ms = self._cluster.clock.now_ms() + AGAIN_MS
        except StorageError as error:
            if self._is_current(key, moving):
                await self._fail(key, moving, error)

    async def _fail(self, key: PartitionKey, moving: _Moving, error: StorageError) -> None:
        logger.error("moving %s failed, it stays where it is: %s", moving.partition, error)
        moving.not_before_ms = self._cluster.clock.now_ms() + AGAIN_MS
        try:
            async with self._altering:
                if self._is_current(key, moving):
                    await self._call_off(key, moving.node_id, moving.moves)
        except StorageError as again:
            logger.error("calling off the move of %s failed: %s", moving.partition, again)

    async def _step(self, key: PartitionKey, moving: _Moving) -> None:
        """A megabyte more, or one of the last steps."""
        job = moving.move.plan(self._cluster.clock.now_ms())
        if job is not None:
            await self._copy(key, moving, job)
        elif not moving.is_assigned:
            await self._sync(moving)
            if not self._is_current(key, moving):
                return
            try:
                await self._cluster.controller.assign_directory(moving.node_id, *key, moving.directory_id)
            except StorageError as error:
                logger.error("where %s is to lie could not be written down: %s", moving.partition, error)
                moving.not_before_ms = self._cluster.clock.now_ms() + AGAIN_MS
                return
            moving.is_assigned = True
            if not self._is_current(key, moving):
                self._note_place(moving.node_id, key)
        else:
            await self._finish(key, moving)

    async def _copy(self, key: PartitionKey, moving: _Moving, job: CopyJob) -> None:
        await run_in_thread(job.work)
        if not self._is_current(key, moving):
            return
        written = moving.move.write(job, self._cluster.clock.now_ms())
        if written is None:
            return
        keep = False
        try:
            with trio.CancelScope(shield=True):
                await write_in_thread(written.work)
            keep = self._is_current(key, moving)
        finally:
            moving.move.commit(written, keep=keep)
        self._limits.copied(moving.node_id, job.size)

    async def _sync(self, moving: _Moving) -> None:
        copied = moving.move.future
        plan = copied.plan_flush()
        if plan is not None:
            with trio.CancelScope(shield=True):
                await sync_in_thread(plan.work)
            copied.commit_flush(plan)

    async def _finish(self, key: PartitionKey, moving: _Moving) -> None:
        """The copy takes the log's place, unless it does not come to have all, or be as far on the device."""
        partition, move, moves = moving.partition, moving.move, moving.moves
        await self._sync(moving)
        async with partition.paused():
            for _ in range(ROUNDS):
                if not self._is_current(key, moving):
                    return
                job = move.plan(self._cluster.clock.now_ms())
                if job is not None:
                    await self._copy(key, moving, job)
                elif partition.flushing.is_busy:
                    await partition.flushing.idle()
                elif move.future.recovery_point < partition.log.recovery_point:
                    await self._sync(moving)
                elif move.is_caught_up:
                    break
            else:
                return
            partition.moved(moves.finish(*key, self._cluster.clock.now_ms()))
        del self._moving[key]
        logger.info("%s lies in %s now", partition, move.future.directory.rpartition("/")[0])
        left = moves.retiring(*key)
        if left is not None:
            try:
                await sync_in_thread(left.work)
                moves.retire(left)
            except StorageError as error:
                logger.error("the old files of %s could not be removed: %s", partition, error)
