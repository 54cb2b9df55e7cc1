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
- Closing is the owner's: `close` closes the logs too, and ends the lock.
"""

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

from . import checkpoints, uuids
from .alike import AlikeFiles
from .checkpoints import BadCheckpoint
from .deletions import Deletions, SweepJob
from .engine import DirectoryUsage, ExistingLog, FlushJob, LogConfig, LogUsage, StorageError
from .files import Files, OpenFiles, storing
from .folder import DiskFolder
from .log_directory import ForeignDirectory, LockedError, LogDirectory, Partition
from .segments import file_names, recovery
from .segments.flush import FlushPlan
from .segments.log import SegmentedLog
from .segments.segment import Shared
from .tail import TailBudget
from .write_pressure import WritePressure

__all__ = ["ForeignDirectory", "LockedError", "LogDirs", "SealedFlush"]

log = logging.getLogger("kwire.storage")


class _Open:
    """A log that is open, and where."""

    __slots__ = ("directory", "log", "topic_id")

    def __init__(self, directory: LogDirectory, topic_id: UUID, opened: SegmentedLog) -> None:
        self.directory = directory
        self.topic_id = topic_id
        self.log = opened


class SealedFlush:
    """The sealed segments of some logs, to be synced; `LogDirs.plan_flush` makes it."""

    def __init__(self, plans: Sequence[tuple[SegmentedLog, FlushPlan]]) -> None:
        self.plans = plans

    def work(self) -> None:
        for _, plan in self.plans:
            plan.work()


class LogDirs:
    """The directories of one node. `LogDirectories` in engine.py says what the methods do.

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
        self._files = files if files is not None else Files()
        open_files = OpenFiles(self._files, max_open_files)
        self._alike = AlikeFiles(self._files)
        tails = tails if tails is not None else TailBudget()
        self._deletions = Deletions(self._files)
        pressure = WritePressure(self._files)
        self._shared = Shared(self._files, open_files, tails, self._alike, pressure, self._deletions)
        self._directories = [LogDirectory(path, self._files) for path in directories]
        self._open: dict[Partition, _Open] = {}
        try:
            for directory in self._directories:
                directory.take()
            self.cluster_id = self._identify(cluster_id)
            for directory in self._directories:
                directory.load()
            self._found = self._find()
        except BaseException:
            self.give_back()
            raise

    @property
    def directory_ids(self) -> list[UUID]:
        """The id of each directory, in the order in which they were named."""
        return [directory.directory_id for directory in self._directories]

    @property
    def files(self) -> Files:
        """What every file call goes through."""
        return self._files

    @property
    def was_clean(self) -> bool:
        """Whether the last stop was clean, in every directory."""
        return all(directory.was_clean for directory in self._directories)

    @property
    def previous_broker_epoch(self) -> int:
        """The broker epoch that the last clean stop wrote down, -1 when there was none (KIP-966)."""
        epochs = {directory.previous_broker_epoch for directory in self._directories}
        return epochs.pop() if len(epochs) == 1 else -1

    def _identify(self, wanted: str | None) -> str:
        for directory in self._directories:
            directory.identify(self.node_id)
        known = {d.cluster_id: d.path for d in self._directories if d.cluster_id is not None}
        if len(known) > 1:
            raise ForeignDirectory(
                "the log directories belong to different clusters: "
                + ", ".join(f"{path} to {cluster}" for cluster, path in known.items())
            )
        cluster_id = next(iter(known), None) or wanted or uuids.to_text(uuids.usable(self._new_uuid))
        if wanted is not None and cluster_id != wanted:
            raise ForeignDirectory(
                f"{known[cluster_id]} belongs to cluster {cluster_id}, and this one is {wanted}: "
                "start without a cluster id, or choose another data directory"
            )
        for directory in self._directories:
            if directory.cluster_id is None:
                directory.directory_id = uuids.usable(self._new_uuid)
                directory.cluster_id = cluster_id
                directory.write_identity(cluster_id, self.node_id)
        return cluster_id

    def _find(self) -> dict[Partition, LogDirectory]:
        found: dict[Partition, LogDirectory] = {}
        for directory in self._directories:
            with storing("reading", directory.path):
                names = self._files.listdir(directory.path)
            for name in names:
                if name.endswith(file_names.DELETE_DIRECTORY):
                    self._deletions.add(directory.file(name), 0)
                partition = file_names.parse_partition_directory(name)
                if partition is None:
                    continue
                if partition in found:
                    raise ForeignDirectory(
                        f"{found[partition].file(name)} and {directory.file(name)} are both there: "
                        "move one of them away"
                    )
                found[partition] = directory
                directory.logs += 1
        return found

    # The logs

    def existing(self) -> list[ExistingLog]:
        logs = []
        for (topic, partition), directory in self._found.items():
            opened = self._open.get((topic, partition))
            path = directory.file(file_names.partition_directory(topic, partition))
            topic_id = opened.topic_id if opened is not None else self._topic_id(path)
            logs.append(ExistingLog(topic, partition, topic_id, directory.directory_id))
        return logs

    def _topic_id(self, path: str) -> UUID | None:
        metadata = f"{path}/{file_names.PARTITION_METADATA}"
        with storing("reading", metadata):
            data = self._files.read_file(metadata)
        if data is None:
            return None
        try:
            return checkpoints.decode_partition_metadata(data)
        except BadCheckpoint as bad:
            log.warning("%s is not readable: %s", metadata, bad)
            return None

    def open(
        self, topic: str, partition: int, topic_id: UUID, config: LogConfig, *, now_ms: int = 0
    ) -> SegmentedLog:
        key = topic, partition
        opened = self._open.get(key)
        if opened is not None:
            if opened.topic_id == topic_id:
                opened.log.configure(config)
                return opened.log
            raise ValueError(f"{topic}-{partition} is open for topic id {uuids.to_text(opened.topic_id)}")
        directory = self._found.get(key)
        if directory is not None:
            path = directory.file(file_names.partition_directory(topic, partition))
            on_disk = self._topic_id(path)
            if on_disk is None:
                self._make(path, topic_id)
            elif on_disk != topic_id:
                self._set_aside(directory, key, path, on_disk)
                directory = None
        if directory is None:
            directory = self._emptiest()
            directory.logs += 1
            self._found[key] = directory
            made = self._new_log(directory, key, topic_id, config)
        else:
            made = self._load(directory, key, topic_id, config, now_ms)
        self._open[key] = _Open(directory, topic_id, made)
        return made

    def _emptiest(self) -> LogDirectory:
        return min(self._directories, key=lambda directory: directory.logs)

    def _set_aside(self, directory: LogDirectory, key: Partition, path: str, on_disk: UUID) -> None:
        name = file_names.set_aside_directory(*key, file_names.STRAY_DIRECTORY, self._new_uuid())
        log.warning(
            "%s belongs to topic id %s, which is not %s any more; renamed to %s",
            path,
            uuids.to_text(on_disk),
            key[0],
            name,
        )
        with storing("renaming", path):
            self._files.rename(path, directory.file(name))
        self._forget(key)

    def _new_log(
        self, directory: LogDirectory, key: Partition, topic_id: UUID, config: LogConfig
    ) -> SegmentedLog:
        path = directory.file(file_names.partition_directory(*key))
        return SegmentedLog(
            path,
            config,
            self._shared,
            make_directory=lambda: self._make(path, topic_id),
            log_start_changed=lambda: self._log_start_changed(directory, key),
            recovery_point_fell=lambda: self._checkpoint(directory, sync=True),
            cleaned_to_changed=lambda offset: self._cleaned_to_changed(directory, key, offset),
        )

    def _load(
        self, directory: LogDirectory, key: Partition, topic_id: UUID, config: LogConfig, now_ms: int
    ) -> SegmentedLog:
        path = directory.file(file_names.partition_directory(*key))
        recovery_point = directory.recovery_points.get(key, 0)
        loaded = recovery.load(
            path,
            self._shared,
            config,
            clean=directory.was_clean,
            recovery_point=recovery_point,
            log_start_offset=directory.log_start_offsets.get(key, 0),
            now_ms=now_ms,
        )
        try:
            return SegmentedLog(
                path,
                config,
                self._shared,
                make_directory=lambda: self._make(path, topic_id),
                loaded=loaded,
                clean=directory.was_clean,
                recovery_point=recovery_point,
                now_ms=now_ms,
                log_start_changed=lambda: self._log_start_changed(directory, key),
                recovery_point_fell=lambda: self._checkpoint(directory, sync=True),
                cleaned_to=directory.cleaner_offsets.get(key, 0),
                cleaned_to_changed=lambda offset: self._cleaned_to_changed(directory, key, offset),
            )
        except BaseException:
            loaded.close()
            raise

    def _make(self, path: str, topic_id: UUID) -> None:
        """Make a partition's directory and its `partition.metadata`, as far as they are missing."""
        metadata = f"{path}/{file_names.PARTITION_METADATA}"
        with storing("making", path):
            try:
                self._files.mkdir(path)
                is_nameless = True
            except (FileExistsError, FileNotFoundError):
                self._files.makedirs(path)
                is_nameless = self._topic_id(path) is None
            if is_nameless:
                self._alike.write(metadata, checkpoints.encode_partition_metadata(topic_id))

    def delete(self, topic: str, partition: int, *, delay_ms: int = 0) -> None:
        """Take a log away: its directory is renamed now, and removed by a sweep."""
        key = topic, partition
        directory = self._found.get(key)
        opened = self._open.pop(key, None)
        if opened is not None:
            opened.log.remove_files()
        if directory is None:
            return
        path = directory.file(file_names.partition_directory(topic, partition))
        name = file_names.set_aside_directory(*key, file_names.DELETE_DIRECTORY, self._new_uuid())
        with storing("renaming", path):
            if self._files.is_directory(path):
                self._files.rename(path, directory.file(name))
                self._deletions.add(directory.file(name), delay_ms)
        self._forget(key)

    def _forget(self, key: Partition) -> None:
        directory = self._found.pop(key)
        directory.logs -= 1
        directory.recovery_points.pop(key, None)
        directory.high_watermarks.pop(key, None)
        if directory.cleaner_offsets.pop(key, None) is not None:
            self._write_cleaner_offsets(directory)
        if directory.log_start_offsets.pop(key, None) is not None:
            self._write_log_start_offsets(directory)

    def plan_sweep(self, now_ms: int) -> SweepJob | None:
        return self._deletions.plan(now_ms)

    def directory_of(self, topic: str, partition: int) -> UUID:
        directory = self._found.get((topic, partition))
        return (directory if directory is not None else self._emptiest()).directory_id

    def beside(self, topic: str, partition: int) -> DiskFolder:
        directory = self._found.get((topic, partition)) or self._emptiest()
        return DiskFolder(directory.file(file_names.partition_directory(topic, partition)), self._files)

    def above(self, topic: str, partition: int) -> DiskFolder:
        directory = self._found.get((topic, partition)) or self._emptiest()
        return DiskFolder(directory.path, self._files)

    def usage(self) -> list[DirectoryUsage]:
        result = []
        for directory in self._directories:
            with storing("looking at", directory.path):
                total, usable = self._files.disk_space(directory.path)
            logs = [
                LogUsage(topic, partition, opened.topic_id, opened.log.size_bytes)
                for (topic, partition), opened in self._open.items()
                if opened.directory is directory
            ]
            result.append(DirectoryUsage(directory.path, total, usable, logs))
        return result

    # Checkpoints

    def _log_start_changed(self, directory: LogDirectory, *keys: Partition) -> None:
        """Write down where logs start, of those for which their files do not say it."""
        starts = dict(directory.log_start_offsets)
        for key in keys:
            opened = self._open.get(key)
            if opened is not None and opened.directory is directory:
                if opened.log.log_start_offset > opened.log.first_segment_offset:
                    starts[key] = opened.log.log_start_offset
                else:
                    starts.pop(key, None)
        if starts != directory.log_start_offsets:
            directory.log_start_offsets = starts
            self._write_log_start_offsets(directory)

    def _write_log_start_offsets(self, directory: LogDirectory) -> None:
        directory.write_offsets(file_names.LOG_START_OFFSETS, directory.log_start_offsets, sync=False)

    def _cleaned_to_changed(self, directory: LogDirectory, key: Partition, offset: int) -> None:
        directory.cleaner_offsets[key] = offset
        self._write_cleaner_offsets(directory)

    def _write_cleaner_offsets(self, directory: LogDirectory) -> None:
        try:
            directory.write_offsets(file_names.CLEANER_OFFSETS, directory.cleaner_offsets, sync=False)
        except StorageError as error:
            # Without it, or with an older one, what is clean is looked at once more: nothing is lost.
            log.warning("%s", error)

    def checkpoint(self) -> None:
        for directory in self._directories:
            self._checkpoint(directory, sync=False)

    def _checkpoint(self, directory: LogDirectory, *, sync: bool) -> None:
        for key, opened in self._open.items():
            if opened.directory is directory:
                directory.recovery_points[key] = opened.log.recovery_point
                directory.high_watermarks[key] = opened.log.log_end_offset
        directory.write_offsets(file_names.RECOVERY_POINTS, directory.recovery_points, sync=sync)
        directory.write_offsets(file_names.HIGH_WATERMARKS, directory.high_watermarks, sync=sync)

    def plan_flush(self) -> SealedFlush | None:
        plans = []
        for opened in self._open.values():
            plan = opened.log.plan_flush(sealed_only=True)
            if plan is not None:
                plans.append((opened.log, plan))
        return SealedFlush(plans) if plans else None

    def commit_flush(self, job: FlushJob) -> None:
        if isinstance(job, SealedFlush):
            for flushed, plan in job.plans:
                flushed.commit_flush(plan)

    # The end

    def close(self, *, clean: bool, broker_epoch: int = -1) -> None:
        """Close every log; a directory in which all of that went well is marked as cleanly stopped."""
        failed: set[LogDirectory] = set()
        for opened in self._open.values():
            try:
                opened.log.close(clean=clean)
            except StorageError as error:
                log.error("%s", error)
                failed.add(opened.directory)
        if clean:
            for directory in self._directories:
                try:
                    self._log_start_changed(directory, *self._open)
                    if directory.log_start_offsets:
                        directory.write_offsets(
                            file_names.LOG_START_OFFSETS, directory.log_start_offsets, sync=True
                        )
                    self._checkpoint(directory, sync=True)
                    if directory not in failed:
                        path = directory.file(file_names.CLEAN_SHUTDOWN)
                        with storing("writing", path):
                            epoch = broker_epoch if broker_epoch >= 0 else self.previous_broker_epoch
                            data = checkpoints.encode_clean_shutdown(epoch)
                            self._files.write_file(path, data, sync=True)
                except StorageError as error:
                    log.error("%s", error)
        self._open.clear()
        if clean:
            self._deletions.all().work()
        self._let_go()

    def give_back(self) -> None:
        """Undo the opening, before any log was opened: each directory is as it was, and free."""
        for directory in self._directories:
            try:
                directory.give_back()
            except StorageError as error:
                log.error("%s", error)
                directory.let_go()

    def _let_go(self) -> None:
        for directory in self._directories:
            directory.let_go()
