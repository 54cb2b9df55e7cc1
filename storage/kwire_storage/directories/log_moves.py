"""The logs of one node that are on their way to another of its directories (Kafka: LogManager's future logs,
replaceCurrentWithFutureLog; KIP-113, KIP-858).

Rules
- A log on its way is in `<topic>-<partition>.<32 hex digits>-future` of the directory that it goes to. It is
  nobody's but a `LogMove`'s until `finish` gives it its name; then the old directory stays under its own name
  until `retire`, which comes after the new one's name is on the device.
- So a start may find a log and a copy on its way: the log counts, and the copy goes on. Or two logs: the one
  that lies where the metadata say counts (they say so before `finish`), the other is set aside. Or nothing
  but the copy, which becomes the log if it lies there and every directory can be read.
- What is copied has files, a tail and descriptors of its own: no reader ever sees it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from ..deletions import Deletions
from ..engine import StorageError
from ..files import storing
from ..segments import file_names
from ..segments.log import SegmentedLog
from ..segments.shared import Shared
from .copies import Copies, Future
from .directory_set import DirectorySet
from .interface import FutureUsage
from .located import LocatedLogs, Placed
from .log_directory import LogDirectory, Partition
from .moving import LogMove
from .opening import LogOpener
from .partition_directory import make, set_aside, topic_id_in

log = logging.getLogger("kwire.storage")

MOST_PREFERRED = 10_000
"""Of so many partitions that do not exist it is remembered where they are wanted."""


class Loaded(NamedTuple):
    """A copy of an earlier run, and its log."""

    future: Future
    log: SegmentedLog


class Left(NamedTuple):
    """A copy that is nobody's any more, and for how long its files stay."""

    key: Partition
    future: Future
    delay_ms: int


class Retiring(NamedTuple):
    """What a log that was moved has left behind. `work`, in a thread, syncs the name of the new one."""

    key: Partition
    directory: LogDirectory
    source: LogDirectory
    delay_ms: int

    def work(self) -> None:
        with storing("syncing", self.directory.path):
            self.directory.files.sync_directory(self.directory.path)


class LogMoves:
    """The moves of one node's logs; LogDirs owns it. What fails raises StorageError."""

    def __init__(
        self,
        logs: LocatedLogs,
        directories: DirectorySet,
        opener: LogOpener,
        shared: Mapping[LogDirectory, Shared],
        deletions: Deletions,
        new_uuid: Callable[[], UUID],
    ) -> None:
        self._logs = logs
        self._directories = directories
        self._opener = opener
        self._copies = Copies(shared, deletions, new_uuid)
        self._shared = shared
        self._deletions = deletions
        self._new_uuid = new_uuid
        self._futures: dict[Partition, Future] = {}
        self._retiring: dict[Partition, Retiring] = {}
        self._preferred: dict[Partition, UUID] = {}
        self._left: list[Left] = []

    # What there is

    def note_found(self, directory: LogDirectory, name: str) -> None:
        """A directory has a log on its way: at a start."""
        key = file_names.parse_future_directory(name)
        if key is None:
            return
        path = directory.file(name)
        topic_id = topic_id_in(directory, path)
        if key in self._futures:
            log.warning("%s and %s are on their way at once", self._futures[key].path, path)
            self._set_aside(key, directory, name)
            return
        self._futures[key] = Future(directory, name, topic_id)
        directory.logs += 1

    def destination(self, topic: str, partition: int) -> UUID | None:
        """Where a log is on its way to; None where it is not."""
        future = self._futures.get((topic, partition))
        return None if future is None else future.directory.directory_id

    def get(self, topic: str, partition: int) -> LogMove | None:
        """The move of a log that is being worked on."""
        future = self._futures.get((topic, partition))
        return None if future is None else future.move

    def interrupted(self) -> list[Partition]:
        """The logs that were on their way at the last stop, and are not gone on with yet."""
        return [key for key, future in self._futures.items() if future.move is None]

    def usage(self) -> Iterator[tuple[LogDirectory, FutureUsage]]:
        """What each takes where it goes."""
        for (topic, partition), future in self._futures.items():
            if future.move is not None:
                copied = future.move.future
                yield (
                    future.directory,
                    FutureUsage(topic, partition, copied.size_bytes, future.move.offset_lag),
                )

    def open_logs(self) -> Iterator[tuple[Partition, LogDirectory, SegmentedLog]]:
        """The copies, for who writes checkpoints and syncs."""
        for key, future in list(self._futures.items()):
            if future.move is not None:
                yield key, future.directory, future.move.future

    # Where a log is to be made

    def prefer(self, topic: str, partition: int, directory_id: UUID) -> None:
        """A partition that does not exist is wanted there (Kafka: maybeUpdatePreferredLogDir)."""
        self._preferred.pop((topic, partition), None)
        if len(self._preferred) >= MOST_PREFERRED:
            del self._preferred[next(iter(self._preferred))]
        self._preferred[topic, partition] = directory_id

    def preferred(self, key: Partition) -> UUID | None:
        """Where a log that is about to be made is wanted; that is forgotten."""
        return self._preferred.pop(key, None)

    # A move

    def has_files(self, topic: str, partition: int) -> bool:
        """Whether anything of an open log is on disk."""
        return self._placed((topic, partition)).log.is_on_disk

    def _prepared(self, key: Partition, directory_id: UUID) -> tuple[Placed, LogDirectory]:
        placed, directory = self._placed(key), self._directories.with_id(directory_id)
        if directory is None or directory is placed.directory or key in self._futures:
            raise ValueError(f"{key[0]}-{key[1]} can't be moved to {directory_id}")
        self.retire_now(key)
        return placed, directory

    def place(self, topic: str, partition: int, directory_id: UUID) -> SegmentedLog:
        """An open log of which nothing is on disk is to be made in a directory that works, where it is not.
        Gives the log that takes its place.
        """
        key = topic, partition
        placed, directory = self._prepared(key, directory_id)
        if placed.log.is_on_disk:
            raise ValueError(f"{placed.log.directory} has files")
        # A making of it that failed may have left a directory; two of them would end the next start.
        self._retiring[key] = Retiring(key, directory, placed.directory, 0)
        self.retire_now(key)
        made = self._opener.begin(directory, key, placed.topic_id, placed.log.config)
        made.take_over(placed.log)
        self._put(key, directory, placed, made)
        directory.logs += 1
        return made

    def begin(self, topic: str, partition: int, directory_id: UUID) -> None:
        """Begin to move an open log to a directory that works, where it is not."""
        key = topic, partition
        placed, directory = self._prepared(key, directory_id)
        name = file_names.future_directory(*key, self._new_uuid())
        future = Future(directory, name, placed.topic_id)
        self._futures[key] = future
        directory.logs += 1
        try:
            future.move = LogMove(
                placed.log, None, lambda start: self._copies.begin(key, future, self._placed(key), start)
            )
        except StorageError:
            self.cancel(*key)
            raise

    def load(self, topic: str, partition: int, now_ms: int) -> "Loaded | None":
        """Open the copy of an open log, which a stop has interrupted, for `resume`: perhaps in a thread,
        since it may have to be looked at whole. None where it has been called off or let go of, where
        another one has begun since, and, set aside, where it is no copy of that log.
        """
        key = topic, partition
        future, placed = self._futures.get(key), self._logs.opened.get(key)
        if future is None or placed is None or future.move is not None:
            return None
        if future.directory is placed.directory or future.topic_id not in (None, placed.topic_id):
            log.warning("%s is no copy of %s", future.path, placed.log.directory)
            self._futures.pop(key)
            future.directory.logs -= 1
            self._set_aside(key, future.directory, future.name)
            return None
        return Loaded(future, self._copies.load(key, future, placed, now_ms))

    def resume(self, topic: str, partition: int, loaded: "Loaded") -> bool:
        """Go on with a move; False where it has been called off since."""
        key = topic, partition
        future, found = loaded
        if self._futures.get(key) is not future:
            found.remove_files()
            return False
        placed = self._placed(key)
        if future.topic_id is None:  # a crash has left it without
            make(future.directory, future.path, placed.topic_id, self._shared[future.directory].alike)
        future.move = LogMove(
            placed.log, found, lambda start: self._copies.begin(key, future, self._placed(key), start)
        )
        return True

    def cancel(self, topic: str, partition: int) -> None:
        """The log stays where it is; nothing happens where it does not move. On StorageError that is so, but
        the copy is there still, until a `remove_left`.
        """
        key = topic, partition
        future = self._futures.pop(key, None)
        if future is None:
            return
        directory = future.directory
        directory.logs -= 1
        if future.move is not None:
            future.move.future.remove_files()
        for checkpoint in directory.checkpoints:
            checkpoint.drop(key)
        placed = self._logs.opened.get(key)
        left = Left(key, future, 0 if placed is None else placed.log.config.file_delete_delay_ms)
        self._left.append(left)
        self._remove(left)

    def _remove(self, left: Left) -> None:
        if left.future.directory.is_online:
            self._copies.throw_away(*left)
        self._left.remove(left)

    def remove_left(self) -> None:
        """Copies that could not be removed when they were called off go, as far as they can."""
        for left in list(self._left):
            with suppress(StorageError):  # told then
                self._remove(left)

    def finish(self, topic: str, partition: int, now_ms: int) -> SegmentedLog:
        """The copy, which has all, becomes the log; gives it. What is left behind goes with `retire`, after
        `Retiring.work`. On StorageError all is as before, but for the copy, which must be cancelled.
        """
        key = topic, partition
        future, placed = self._futures[key], self._placed(key)
        move, directory = future.move, future.directory
        if move is None or not move.is_caught_up:
            raise ValueError(f"{future.path} has not all of {placed.log.directory}")
        self.retire_now(key)
        copied = move.future
        copied.take_over(placed.log)
        copied.park(now_ms)
        directory.recovery_points.offsets[key] = copied.recovery_point
        if directory.log_start_offsets.is_changed:
            directory.log_start_offsets.write(sync=False)
        if placed.log.compaction.cleaned_to:
            directory.cleaner_offsets.put(key, placed.log.compaction.cleaned_to)
        path = directory.file(file_names.partition_directory(*key))
        with storing("renaming", future.path):
            directory.files.rename(future.path, path)
        try:
            made = self._opener.load(
                directory, key, placed.topic_id, placed.log.config, now_ms, is_whole=True
            )
        except StorageError:
            with suppress(OSError):
                directory.files.rename(path, future.path)
            raise
        made.take_over(placed.log)
        del self._futures[key]
        self._put(key, directory, placed, made)
        self._retiring[key] = Retiring(
            key, directory, placed.directory, placed.log.config.file_delete_delay_ms
        )
        return made

    def _put(self, key: Partition, directory: LogDirectory, placed: Placed, made: SegmentedLog) -> None:
        self._logs.put(key, Placed(directory, placed.topic_id, made))
        placed.log.remove_files()
        placed.directory.logs -= 1
        for checkpoint in placed.directory.checkpoints:
            checkpoint.drop(key)

    def retiring(self, topic: str, partition: int) -> Retiring | None:
        """What the last `finish` has left behind, if it is there still."""
        return self._retiring.get((topic, partition))

    def retire(self, left: Retiring) -> None:
        """The new place of a log is on the device: the old one goes."""
        if self._retiring.get(left.key) is left:
            self.retire_now(left.key)

    def retire_now(self, key: Partition) -> None:
        """The same, whatever is on the device: the name is needed, or the log goes."""
        left = self._retiring.pop(key, None)
        if left is None or not left.source.is_online:
            return
        files, path = left.source.files, left.source.file(file_names.partition_directory(*key))
        name = file_names.set_aside_directory(*key, file_names.DELETE_DIRECTORY, self._new_uuid())
        with storing("renaming", path):
            if files.is_directory(path):
                files.rename(path, left.source.file(name))
                self._deletions.add(left.source.file(name), left.delay_ms)

    def retire_all(self) -> None:
        """No broker runs any more."""
        for key, left in list(self._retiring.items()):
            try:
                left.work()
                self.retire_now(key)
            except StorageError as error:
                log.error("%s", error)

    # What a start finds, and a failure leaves

    def promote(self, key: Partition) -> LogDirectory:
        """There is nothing of a log but its copy, which counts from now on."""
        future = self._futures.pop(key)
        path = future.directory.file(file_names.partition_directory(*key))
        with storing("renaming", future.path):
            future.directory.files.rename(future.path, path)
            future.directory.files.sync_directory(future.directory.path)
        log.warning("%s was on its way there, and is the only one: it is the log now", path)
        return future.directory

    def abandoned(self) -> list[tuple[Partition, Future]]:
        """The copies of logs that are nowhere."""
        found = self._logs.directories
        return [(key, future) for key, future in self._futures.items() if key not in found]

    def set_aside(self, key: Partition) -> None:
        """A log is begun anew: what was on its way is no copy of it."""
        future = self._futures.pop(key, None)
        if future is not None:
            future.directory.logs -= 1
            if future.directory.is_online:
                self._set_aside(key, future.directory, future.name)

    def _set_aside(self, key: Partition, directory: LogDirectory, name: str) -> None:
        set_aside(key, directory, directory.file(name), self._new_uuid())

    def release(self) -> None:
        """Let go of the moves from or to a directory that is offline. Their files stay."""
        for key, future in list(self._futures.items()):
            placed = self._logs.opened.get(key)
            from_there = placed is not None and not placed.directory.is_online
            if not future.directory.is_online or from_there:
                del self._futures[key]
                future.directory.logs -= 1
                if future.move is not None:
                    with suppress(StorageError):
                        future.move.future.close(clean=False)

    def close(self, *, clean: bool) -> set[LogDirectory]:
        """Close the copies: the next start goes on with them. Gives the directories where that failed."""
        failed = set()
        for key, future in self._futures.items():
            if future.move is not None:
                directory, copied = future.directory, future.move.future
                try:
                    copied.close(clean=clean and directory.is_online)
                except StorageError as error:
                    log.error("%s", error)
                    failed.add(directory)
                else:
                    directory.recovery_points.offsets[key] = copied.recovery_point
        self._futures.clear()
        return failed

    def _placed(self, key: Partition) -> Placed:
        placed = self._logs.opened.get(key)
        if placed is None:
            raise ValueError(f"{file_names.partition_directory(*key)} is not open")
        return placed
