"""The log directories of one node: who may use them, what is in them, and the files that speak for all logs
(Kafka: LogManager).

Rules
- A directory belongs to one process at a time (`.lock`), to one cluster and one node (`meta.properties`).
- A log is in one directory; a new one goes where the fewest are. Nothing is made for it before its first
  append.
- `.kafka_cleanshutdown` is there only between a clean close and the next start; without it every log is
  recovered when it is opened.
- What a directory holds and nobody asked for stays: a partition that belongs to another topic id is renamed
  (`-stray`), not removed.
- A directory that can't be read at the start, or fails later, is offline while others go on (Kafka: KIP-112):
  what is in it raises DirectoryOffline, new logs avoid it. `on_failure` is called when that happens, from
  whatever thread saw it; `release` lets go of its files.
- Closing is the owner's: `close` closes the logs too, and ends the lock.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from .. import uuids
from ..alike import AlikeFiles
from ..deletions import Deletions, SweepJob
from ..engine import FlushJob, LogConfig, StorageError
from ..files import Files, storing
from ..folder import DiskFolder
from ..open_files import OpenFiles
from ..segments import file_names
from ..segments.log import SegmentedLog
from ..segments.shared import Shared
from ..tail import TailBudget
from ..write_pressure import WritePressure
from .closing import close_all, close_clean
from .directory_set import DirectorySet
from .interface import (
    DirectoryUsage,
    ExistingLog,
    FutureUsage,
    LogUsage,
    Together,
    one_after_the_other,
)
from .located import LocatedLogs, Placed
from .log_checkpoints import LogCheckpoints
from .log_directory import METADATA_LOG, ForeignDirectory, LockedError, LogDirectory, Partition
from .log_moves import LogMoves
from .opening import LogOpener
from .partition_directory import make, topic_id_in
from .sealed_flush import SealedFlush, plan_sealed

if TYPE_CHECKING:
    from .dormant import LookJob

__all__ = ["ForeignDirectory", "LockedError", "LogDirs"]

log = logging.getLogger("kwire.storage")


def _nothing() -> None:
    pass


class LogDirs:
    """The directories of one node. `LogDirectories` says what the methods do.

    Opening raises LockedError, ForeignDirectory or StorageError; each says what to do. `cluster_id` None
    takes the one that is there, or a new one. Ids come from `new_uuid`.
    """

    def __init__(
        self,
        directories: Sequence[str],
        *,
        node_id: int,
        new_uuid: Callable[[], UUID],
        cluster_id: str | None = None,
        files: Files | None = None,
        max_open_files: int = 4096,
        tails: TailBudget | None = None,
    ) -> None:
        if not directories:
            raise ValueError("a node needs a log directory")
        self.node_id = node_id
        self._new_uuid = new_uuid
        self.on_failure: Callable[[], None] = _nothing
        files = files if files is not None else Files()
        self._files = files
        open_files = OpenFiles(files, max_open_files)
        tails = tails if tails is not None else TailBudget()
        self._deletions = Deletions(files)
        self._directories = DirectorySet(directories, files, lambda: self.on_failure())
        self._shared = {
            directory: Shared(
                directory.files,
                open_files.through(directory.files),
                tails,
                AlikeFiles(directory.files),
                WritePressure(directory.files),
                self._deletions,
            )
            for directory in self._directories
        }
        self._logs = LocatedLogs(new_uuid)
        self._checkpoints = LogCheckpoints(
            self._logs.opened, self._directories, lambda: self.moves.open_logs()
        )
        self._opener = LogOpener(self._shared, self._checkpoints)
        self.moves = LogMoves(
            self._logs, self._directories, self._opener, self._shared, self._deletions, new_uuid
        )
        self._directories.open(node_id, cluster_id, new_uuid, self._find)
        self.cluster_id = self._directories.cluster_id

    @property
    def directory_ids(self) -> list[UUID]:
        """The id of each directory that works, in the order in which they were named."""
        return [directory.directory_id for directory in self._directories.online]

    @property
    def offline(self) -> list[str]:
        """The paths of the directories that do not."""
        return self._directories.offline

    @property
    def metadata_is_offline(self) -> bool:
        """Whether the metadata log lies in a directory that does not work."""
        home = self._logs.directories.get(METADATA_LOG)
        return home is not None and not home.is_online

    def cordon(self, paths: Collection[str]) -> None:
        self._directories.cordon(paths)

    @property
    def cordoned(self) -> list[UUID]:
        own = self._directories
        return [each.directory_id for each in own.online if each.path in own.cordoned]

    def plan_look(self, topic: str, partition: int) -> "LookJob | None":
        key = topic, partition
        directory = self._logs.directories.get(key)
        if directory is None or not directory.is_online or key in self._logs.opened:
            return None
        from .dormant import LookJob  # serving does not need it to start

        return LookJob(
            directory.files,
            directory.file(file_names.partition_directory(*key)),
            directory.log_start_offsets.get(key),
            directory.cleaner_offsets.get(key),
        )

    def refuse_new(self, why: str) -> None:
        for directory in self._directories.online:
            if not directory.logs:
                directory.refuse(why)

    @property
    def files(self) -> Files:
        """What every file call goes through."""
        return self._files

    @property
    def was_clean(self) -> bool:
        """Whether the last stop was clean, in every directory that can be read."""
        return self._directories.was_clean

    @property
    def previous_broker_epoch(self) -> int:
        """The broker epoch that the last clean stop wrote down, -1 when there was none (KIP-966)."""
        return self._directories.previous_broker_epoch

    def _find(self, directory: LogDirectory) -> None:
        with storing("reading", directory.path):
            names = directory.files.listdir(directory.path)
        for name in names:
            if name.endswith(file_names.DELETE_DIRECTORY):
                self._deletions.add(directory.file(name), 0)
            partition = file_names.parse_partition_directory(name)
            if partition is None:
                self.moves.note_found(directory, name)
            else:
                self._logs.note_found(partition, directory)

    def settle(self, assigned: Callable[[UUID, int], UUID | None]) -> list[Partition]:
        self._logs.settle(assigned)
        some_are_new = any(directory.is_new for directory in self._directories.online)
        waiting = []
        for key, future in self.moves.abandoned():
            if self.offline or future.topic_id is None:
                continue  # the log may lie in a directory that nobody can read
            if assigned(future.topic_id, key[1]) != future.directory.directory_id:
                continue
            if some_are_new:
                waiting.append(key)
            else:
                self._logs.directories[key] = self.moves.promote(key)
        return waiting

    # The logs

    def existing(self) -> list[ExistingLog]:
        return self._logs.existing()

    def open(
        self,
        topic: str,
        partition: int,
        topic_id: UUID,
        config: LogConfig,
        *,
        now_ms: int = 0,
        directory_id: UUID | None = None,
    ) -> SegmentedLog:
        key = topic, partition
        opened = self._logs.opened.get(key)
        if opened is not None:
            opened.directory.check_online()
            if opened.topic_id == topic_id:
                opened.log.configure(config)
                return opened.log
            raise ValueError(f"{topic}-{partition} is open for topic id {uuids.to_text(opened.topic_id)}")
        self._logs.check_settled(key)
        directory = self._logs.directories.get(key)
        if directory is not None:
            directory.check_online()
            path = directory.file(file_names.partition_directory(topic, partition))
            on_disk = topic_id_in(directory, path)
            if on_disk is None:
                make(directory, path, topic_id, self._shared[directory].alike)
            elif on_disk != topic_id:
                self._logs.set_aside(key, on_disk)
                directory = None
        if directory is None:
            self.moves.set_aside(key)
            directory = self._home_for(key, self.moves.preferred(key) or directory_id)
            self._logs.add(key, directory)
            made = self._opener.begin(directory, key, topic_id, config)
        else:
            made = self._opener.load(directory, key, topic_id, config, now_ms)
        self._logs.put(key, Placed(directory, topic_id, made))
        return made

    def _home_for(self, key: Partition, directory_id: UUID | None) -> LogDirectory:
        """The directory that a new log is to lie in: the one that is meant, else the emptiest."""
        if key == METADATA_LOG:
            if self.offline:
                raise StorageError(
                    f"the cluster's metadata ({file_names.partition_directory(*key)}) is in none of the log "
                    f"directories that can be read, and {', '.join(self.offline)} can not be: mend it, and "
                    "start again"
                )
            return self._directories.first  # where Kafka looks for it
        return self._directories.emptiest(directory_id)

    def find_directory(self, path: str) -> UUID | None:
        for directory in self._directories:
            if directory.path == path:
                directory.check_online()
                return directory.directory_id
        return None

    def delete(self, topic: str, partition: int, *, delay_ms: int = 0) -> None:
        """Take a log away: its directory is renamed now, and removed by a sweep."""
        key = topic, partition
        self.moves.cancel(*key)
        self.moves.retire_now(key)
        directory = self._logs.directories.get(key)
        opened = self._logs.opened.pop(key, None)
        if opened is not None:
            opened.log.remove_files()
        if directory is None:
            return
        path = directory.file(file_names.partition_directory(topic, partition))
        name = file_names.set_aside_directory(*key, file_names.DELETE_DIRECTORY, self._new_uuid())
        if directory.is_online:  # else the next start finds that it is nobody's
            with storing("renaming", path):
                if directory.files.is_directory(path):
                    directory.files.rename(path, directory.file(name))
                    self._deletions.add(directory.file(name), delay_ms)
        self._logs.forget(key)

    def plan_sweep(self, now_ms: int) -> SweepJob | None:
        return self._deletions.plan(now_ms)

    def directory_of(self, topic: str, partition: int) -> UUID | None:
        directory = self._logs.directories.get((topic, partition))
        return None if directory is None else directory.directory_id

    def beside(self, topic: str, partition: int) -> DiskFolder:
        directory = self._logs.directories.get((topic, partition)) or self._directories.first
        return DiskFolder(directory.file(file_names.partition_directory(topic, partition)), directory.files)

    def above(self, topic: str, partition: int) -> DiskFolder:
        directory = self._logs.directories.get((topic, partition)) or self._directories.first
        return DiskFolder(directory.path, directory.files)

    def usage(self) -> list[DirectoryUsage]:
        logs: dict[LogDirectory, list[LogUsage]] = {directory: [] for directory in self._directories}
        for (topic, partition), opened in self._logs.opened.items():
            used = LogUsage(topic, partition, opened.topic_id, opened.log.size_bytes)
            logs[opened.directory].append(used)
        futures: dict[LogDirectory, list[FutureUsage]] = {directory: [] for directory in self._directories}
        for directory, future in self.moves.usage():
            futures[directory].append(future)
        return [
            each.usage(logs[each], futures[each])._replace(
                is_cordoned=each.path in self._directories.cordoned
            )
            for each in self._directories
        ]

    def release(self) -> list[Partition]:
        """Let go of what is open in directories that are offline; gives the partitions that were."""
        self.moves.release()
        gone = [key for key, opened in self._logs.opened.items() if not opened.directory.is_online]
        for key in gone:
            opened = self._logs.opened.pop(key)
            try:
                opened.log.close(clean=False)
            except StorageError as error:
                log.error("%s", error)
        self._directories.let_go(offline_only=True)
        return gone

    # Checkpoints

    def save_log_starts(self) -> None:
        self._checkpoints.save_log_starts()

    def checkpoint(self) -> None:
        for _ in self._checkpoints.write_steps():
            pass

    def checkpoint_steps(self) -> Iterator[None]:
        return self._checkpoints.write_steps()

    def plan_flushes(self) -> Iterator[SealedFlush | None]:
        return plan_sealed(self._logs.opened, self.moves.open_logs())

    def commit_flush(self, job: FlushJob) -> None:
        if isinstance(job, SealedFlush):
            for flushed, plan in job.plans:
                flushed.commit_flush(plan)

    # The end

    def close(self, *, clean: bool, broker_epoch: int = -1, together: Together = one_after_the_other) -> None:
        """Close every log; a directory in which all of that went well is marked as cleanly stopped."""
        if clean:
            self.moves.retire_all()
        failed = self.moves.close(clean=clean)
        for directory in self._directories:
            in_it = {
                key: opened for key, opened in self._logs.opened.items() if opened.directory is directory
            }
            if not self._close_logs(directory, in_it, together if clean and directory.is_online else None):
                failed.add(directory)
        if clean:
            epoch = broker_epoch if broker_epoch >= 0 else self.previous_broker_epoch
            for directory in self._directories.online:
                try:
                    directory.save_checkpoints()
                    if directory not in failed:
                        directory.mark_clean(epoch)
                except StorageError as error:
                    log.error("%s", error)
        self._logs.opened.clear()
        if clean:
            self._deletions.all().work()
        self._directories.let_go()

    def _close_logs(
        self, directory: LogDirectory, logs: dict[Partition, Placed], together: Together | None
    ) -> bool:
        """Close the logs of one directory, cleanly with `together`; gives whether all went well."""
        every = [opened.log for opened in logs.values()]
        if together is not None:
            refused = close_clean(every, directory.files, directory.path, directory.descriptor, together)
        else:
            refused = close_all(every)
        for message in dict.fromkeys(refused.values()):
            if message:
                log.error("%s", message)
        for key, opened in logs.items():
            if opened.log not in refused:
                self._checkpoints.note(key, opened)
        return not refused

    def give_back(self) -> None:
        """Undo the opening, before any log was opened: each directory is as it was, and free."""
        self._directories.give_back()
