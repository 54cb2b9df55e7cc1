"""One log directory: who may use it, whose it is, and its checkpoints (Kafka: LogManager,
MetaPropertiesEnsemble).

A directory belongs to one process at a time (`.lock`), and to one cluster and one node (`meta.properties`).
`LogDirs` puts several together. Taking one raises LockedError, ForeignDirectory or StorageError; each says
what to do.

One that fails goes offline: at the start, because it can't be read, or later, by what `DirectoryFiles` sees.
"""

import logging
import os
from collections.abc import Callable
from uuid import UUID

from .. import checkpoints, uuids
from ..engine import DirectoryOffline, StorageError
from ..files import Files, storing
from ..segments import file_names
from .directory_files import DirectoryFiles
from .interface import DirectoryUsage, FutureUsage, LogUsage
from .offset_checkpoints import OffsetCheckpoint, Partition

__all__ = ["METADATA_LOG", "ForeignDirectory", "LockedError", "LogDirectory", "Partition"]

log = logging.getLogger("kwire.storage")

METADATA_LOG = ("__cluster_metadata", 0)
NO_ID = UUID(int=0)


class LockedError(Exception):
    """Another process uses the directory."""


class ForeignDirectory(Exception):
    """The directory belongs to another cluster or node, or was written by something that can't be read
    here.
    """


class LogDirectory:
    """One log directory. Whoever takes it lets it go."""

    def __init__(self, path: str, files: Files, went_offline: Callable[[], None] = lambda: None) -> None:
        self.path = os.path.abspath(path)
        self.files = DirectoryFiles(files, self.path, self._failed)
        self._went_offline = went_offline
        self.directory_id = NO_ID
        self.cluster_id: str | None = None
        self.logs = 0
        """How many logs are, or will be, in it."""
        self.was_clean = False
        self.previous_broker_epoch = -1
        self.recovery_points = self._checkpoint(file_names.RECOVERY_POINTS)
        self.high_watermarks = self._checkpoint(file_names.HIGH_WATERMARKS)
        self.log_start_offsets = self._checkpoint(file_names.LOG_START_OFFSETS)
        self.cleaner_offsets = self._checkpoint(file_names.CLEANER_OFFSETS)
        self.is_ready = False
        """Whether it has been opened: before, what fails is told by whoever opens it."""
        self._lock = -1
        self._made = False
        self._named = False

    def _checkpoint(self, name: str) -> OffsetCheckpoint:
        return OffsetCheckpoint(self.file(name), self.files)

    @property
    def checkpoints(self) -> tuple[OffsetCheckpoint, ...]:
        """The files that have a line for each log."""
        return self.recovery_points, self.high_watermarks, self.log_start_offsets, self.cleaner_offsets

    def file(self, name: str) -> str:
        return f"{self.path}/{name}"

    @property
    def is_online(self) -> bool:
        """Whether nothing has failed that speaks against the whole directory."""
        return self.files.failure is None

    def check_online(self) -> None:
        """Raises DirectoryOffline where it is."""
        if self.files.failure is not None:
            raise DirectoryOffline(f"the log directory {self.path} is offline")

    def _failed(self, error: OSError) -> None:
        if not self.is_ready:
            return
        log.error(
            "the log directory %s is offline: %s. Its partitions are not served. Look at the "
            "disk (mounted? permissions? dmesg), mend it and restart the broker; or take it out of log.dirs, "
            "which gives up what it holds",
            self.path,
            error.strerror or error,
        )
        self._went_offline()

    def start_offline(self, refusal: StorageError) -> None:
        """It can't be read at a start; others can."""
        self.is_ready = True
        self.files.failure = None  # what it failed with is told now
        self.files.fail(OSError(0, str(refusal)))
        self.let_go()

    @property
    def is_new(self) -> bool:
        """Whether it got its name at this start, and has no logs: perhaps the mount point of a disk."""
        return self._named and not self.logs

    def refuse(self, why: str) -> None:
        """Not to be used if it was new at this start: it is so at the next one too. Raises StorageError."""
        if self._named:
            path = self.file(file_names.META_PROPERTIES)
            with storing("removing", path):
                self.files.remove(path)
            self.files.fail(OSError(0, why))
            self.let_go()

    def _missing(self) -> list[str]:
        """Of the directory and those that it lies in, those that are not there: names to be synced."""
        found = []
        path = self.path
        while path != os.path.dirname(path) and not self.files.is_directory(path):
            found.append(path)
            path = os.path.dirname(path)
        return found

    def take(self) -> None:
        """Make the directory if need be, and lock it."""
        with storing("making", self.path):
            made = self._missing()
            self._made = bool(made)
            self.files.makedirs(self.path)
            for each in made:
                self.files.sync_directory(os.path.dirname(each))
        path = self.file(file_names.LOCK)
        with storing("locking", path):
            self._lock = self.files.open(path, os.O_RDWR | os.O_CREAT)
            if self.files.lock(self._lock):
                self.files.truncate(self._lock, 0)
                self.files.write_all(self._lock, [f"{os.getpid()}\n".encode()], 0)
                return
            holder = self.files.read_file(path) or b""
            self.let_go()
        pid = holder.decode(errors="replace").strip()
        who = f"process {pid}" if pid.isdecimal() else "another broker"
        raise LockedError(f"{self.path} is in use by {who}: stop it, or choose another data directory")

    @property
    def descriptor(self) -> int:
        """A file of the directory, open since it was taken."""
        return self._lock

    def let_go(self) -> None:
        if self._lock >= 0:
            descriptor, self._lock = self._lock, -1
            try:
                self.files.close(descriptor)
            except OSError as error:
                log.warning("closing %s failed: %s", self.file(file_names.LOCK), error)

    def give_back(self) -> None:
        """Let go, and leave the directory as it was before it was taken: another one was refused."""
        if self._lock < 0 or not self.is_online:
            self.let_go()
            return
        with storing("giving back", self.path):
            if self._named:
                self.files.remove(self.file(file_names.META_PROPERTIES))
            if self.was_clean:
                self.mark_clean(self.previous_broker_epoch)
            if self._made:
                self.files.remove(self.file(file_names.LOCK))
                self.files.rmdir(self.path)
        self.let_go()

    def identify(self, node_id: int) -> None:
        """Read `meta.properties`, if there is one; the node must be this one.

        As in Kafka's MetaPropertiesEnsemble, one that can't be understood speaks for a broken disk
        (StorageError), and one that is understood for another owner (ForeignDirectory).
        """
        path = self.file(file_names.META_PROPERTIES)
        with storing("reading", path):
            data = self.files.read_file(path)
        if data is None:
            return
        found = checkpoints.decode_properties(data)
        version = found.get("version")
        if version in (None, "0"):
            raise ForeignDirectory(
                f"{path} has version {version!r}, and only version 1 (KRaft) can be used: "
                "choose another data directory"
            )
        if version != str(checkpoints.META_VERSION):
            raise StorageError(
                f"{path} has version {version!r}, and only version 1 (KRaft) can be used: "
                "choose another data directory, or the release that wrote it"
            )
        node, cluster = found.get("node.id"), found.get("cluster.id")
        if not node or not cluster:
            raise StorageError(
                f"{path} names no {'cluster.id' if node else 'node.id'}: bring it back from a copy"
            )
        if node != str(node_id):
            raise ForeignDirectory(
                f"{path} belongs to node {node}, and this is node {node_id}: "
                "start with that node id, or choose another data directory"
            )
        if "directory.id" in found:  # Kafka writes it since 3.7
            try:
                self.directory_id = uuids.from_text(found["directory.id"])
            except ValueError as wrong:
                raise StorageError(f"{path} has no usable directory.id: {wrong}") from None
        self.cluster_id = cluster

    @property
    def is_identified(self) -> bool:
        """Whether its `meta.properties` says all that it has to."""
        return self.cluster_id is not None and self.directory_id != NO_ID

    def write_identity(self, cluster_id: str, node_id: int, directory_id: UUID) -> None:
        """It is that directory of that node from now on."""
        is_new = self.cluster_id is None
        self.directory_id = directory_id
        data = checkpoints.encode_meta_properties(cluster_id, node_id, self.directory_id)
        path = self.file(file_names.META_PROPERTIES)
        with storing("writing", path):
            self.files.write_file(path, data, sync=True)
        self.cluster_id = cluster_id
        self._named = is_new

    def load(self) -> None:
        """Read the checkpoints, and whether the last stop was clean; that is true once."""
        path = self.file(file_names.CLEAN_SHUTDOWN)
        with storing("reading", path):
            data = self.files.read_file(path)
            if data is not None:
                self.was_clean = True
                self.previous_broker_epoch = checkpoints.decode_clean_shutdown(data)
                self.files.remove(path)
                # Else a loss of power brings it back, beside logs that were written to since.
                self.files.sync_directory(self.path)
        for checkpoint in self.checkpoints:
            checkpoint.load()

    def save_checkpoints(self) -> None:
        """Write those that have anything to say, to the device."""
        for checkpoint in self.checkpoints:
            if checkpoint.offsets or checkpoint.is_changed:
                checkpoint.write(sync=True)

    def mark_clean(self, broker_epoch: int) -> None:
        """All that was written is on the device: the next start need not look."""
        path = self.file(file_names.CLEAN_SHUTDOWN)
        with storing("writing", path):
            self.files.write_file(path, checkpoints.encode_clean_shutdown(broker_epoch), sync=True)

    def usage(self, logs: list[LogUsage], futures: list[FutureUsage]) -> DirectoryUsage:
        """What is told of the directory, beside what lies in it."""
        try:
            with storing("looking at", self.path):
                total, usable = self.files.disk_space(self.path)
        except StorageError:
            return DirectoryUsage(self.path, -1, -1, [], is_offline=True)
        return DirectoryUsage(self.path, total, usable, logs, futures=futures)
