"""In which of its directories each log of a node lies, and those of them that are open.

Rules
- A log lies in one directory. A move that was interrupted may leave it in two: then it is not opened until it
  is settled which of them counts (`double_logs.py`). What else is there twice refuses the start.
- `LogDirectory.logs`, by which new logs find the emptiest one, is kept right here, and by `LogMoves` for what
  is on its way.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from .. import uuids
from ..engine import StorageError
from ..files import storing
from ..segments import file_names
from ..segments.log import SegmentedLog
from .interface import ExistingLog
from .log_directory import ForeignDirectory, LogDirectory, Partition
from .partition_directory import topic_id_in

log = logging.getLogger("kwire.storage")


class Placed(NamedTuple):
    """A log that is open, and where."""

    directory: LogDirectory
    topic_id: UUID
    log: SegmentedLog


class LocatedLogs:
    """The logs of one node. `directories` and `opened` are for everyone to read; only these methods, and
    whoever closes a log, change them.
    """

    def __init__(self, new_uuid: Callable[[], UUID]) -> None:
        self._new_uuid = new_uuid
        self.directories: dict[Partition, LogDirectory] = {}
        """Where each lies, or is to be made."""
        self.opened: dict[Partition, Placed] = {}
        self._twice: dict[Partition, LogDirectory] = {}
        """The other directory of a log that lies in two."""

    def note_found(self, key: Partition, directory: LogDirectory) -> None:
        """A directory has a log, at a start. ForeignDirectory where another has one of that name."""
        other = self.directories.get(key)
        if other is None:
            self.directories[key] = directory
        else:
            self._note_twice(key, other, directory)
        directory.logs += 1

    def _note_twice(self, key: Partition, one: LogDirectory, other: LogDirectory) -> None:
        from .double_logs import may_be_one

        if key in self._twice or not may_be_one(key, one, other):
            name = file_names.partition_directory(*key)
            raise ForeignDirectory(
                f"{one.file(name)} and {other.file(name)} are both there: move one of them away"
            )
        self._twice[key] = other

    def settle(self, assigned: Callable[[UUID, int], UUID | None]) -> None:
        """See `LogDirectories`."""
        if not self._twice:
            return
        from .double_logs import keep_one

        for key, other in list(self._twice.items()):
            self.directories[key] = keep_one(key, self.directories[key], other, assigned, self._new_uuid())
            del self._twice[key]

    def check_settled(self, key: Partition) -> None:
        """Raises StorageError where it is not known which of two directories has the log."""
        if key in self._twice:
            name = file_names.partition_directory(*key)
            raise StorageError(f"{name} lies in two directories: move one of them away")

    def add(self, key: Partition, directory: LogDirectory) -> None:
        """A log of which nothing is there is to be made in a directory."""
        directory.logs += 1
        self.directories[key] = directory

    def put(self, key: Partition, placed: Placed) -> None:
        """The log of a partition is this one from now on, there."""
        self.directories[key] = placed.directory
        self.opened[key] = placed

    def forget(self, key: Partition) -> None:
        """There is no such log any more."""
        directory = self.directories.pop(key)
        directory.logs -= 1
        for checkpoint in directory.checkpoints:
            checkpoint.drop(key)

    def set_aside(self, key: Partition, on_disk: UUID) -> None:
        """What lies there under the name belongs to a topic that was deleted, or is not this cluster's."""
        directory = self.directories[key]
        path = directory.file(file_names.partition_directory(*key))
        name = file_names.set_aside_directory(*key, file_names.STRAY_DIRECTORY, self._new_uuid())
        log.warning(
            "%s belongs to topic id %s, which is not %s any more; renamed to %s",
            path,
            uuids.to_text(on_disk),
            key[0],
            name,
        )
        with storing("renaming", path):
            directory.files.rename(path, directory.file(name))
        self.forget(key)

    def existing(self) -> list[ExistingLog]:
        """See `LogDirectories`."""
        logs = []
        for (topic, partition), directory in self.directories.items():
            if not directory.is_online:
                continue
            opened = self.opened.get((topic, partition))
            path = directory.file(file_names.partition_directory(topic, partition))
            try:
                topic_id = opened.topic_id if opened is not None else topic_id_in(directory, path)
            except StorageError as error:
                log.error("%s; it is left alone, and whoever asks for it hears KAFKA_STORAGE_ERROR", error)
                continue
            logs.append(ExistingLog(topic, partition, topic_id, directory.directory_id))
        return logs
