"""The copies of logs that are on their way to another directory: how one is made, opened again after a stop,
and thrown away. Each has files, a tail and descriptors of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from ..alike import AlikeFiles
from ..deletions import Deletions
from ..files import storing
from ..open_files import OpenFiles
from ..segments import file_names
from ..segments.log import SegmentedLog
from ..segments.recovery import LoadedLog
from ..segments.shared import Shared
from ..tail import TailBudget
from ..write_pressure import WritePressure
from .located import Placed
from .log_checkpoints import note_log_start
from .log_directory import LogDirectory, Partition
from .moving import LogMove
from .opening import loaded_from
from .partition_directory import make

OPEN_FILES = 8
"""Of one copy: it is written at its end."""


@dataclass(slots=True, eq=False)
class Future:
    """A log on its way: where it is, and what is known of it."""

    directory: LogDirectory
    name: str
    topic_id: UUID | None
    move: LogMove | None = None
    """None until it is gone on with."""

    @property
    def path(self) -> str:
        return self.directory.file(self.name)


class Copies:
    """Makes the copies of one node. What fails raises StorageError."""

    def __init__(
        self, shared: Mapping[LogDirectory, Shared], deletions: Deletions, new_uuid: Callable[[], UUID]
    ) -> None:
        self._shared = shared
        self._deletions = deletions
        self._new_uuid = new_uuid

    def begin(self, key: Partition, future: Future, placed: Placed, start_offset: int) -> SegmentedLog:
        """An empty copy that starts at an offset, in place of what there may be of one."""
        if future.move is not None:
            future.move.future.remove_files()
        if future.directory.files.is_directory(future.path):
            self.throw_away(key, future, 0)
            future.name = file_names.future_directory(*key, self._new_uuid())
        for checkpoint in future.directory.checkpoints:
            checkpoint.drop(key)
        make(future.directory, future.path, placed.topic_id, self._shared[future.directory].alike)
        loaded = LoadedLog([], start_offset, start_offset, [], [])
        copied = _log(key, future, placed, self._own(future.directory), loaded, start_offset, 0)
        copied.begin_like(placed.log)
        return copied

    def load(self, key: Partition, future: Future, placed: Placed, now_ms: int) -> SegmentedLog:
        """The copy that a stop has interrupted."""
        directory, config = future.directory, placed.log.config
        shared, recovery_point = self._own(directory), directory.recovery_points.get(key)
        clean = directory.was_clean
        with loaded_from(future.path, directory, key, shared, config, now_ms, clean=clean) as loaded:
            return _log(key, future, placed, shared, loaded, recovery_point, now_ms)

    def throw_away(self, key: Partition, future: Future, delay_ms: int) -> None:
        """Rename a copy, to be removed by a sweep."""
        files, path = future.directory.files, future.path
        name = file_names.set_aside_directory(*key, file_names.DELETE_DIRECTORY, self._new_uuid())
        with storing("renaming", path):
            if files.is_directory(path):
                files.rename(path, future.directory.file(name))
                self._deletions.add(future.directory.file(name), delay_ms)

    def _own(self, directory: LogDirectory) -> Shared:
        files = directory.files
        return Shared(
            files,
            OpenFiles(files, OPEN_FILES),
            TailBudget(0, 0),
            AlikeFiles(files),
            WritePressure(files),
            self._deletions,
        )


def _log(
    key: Partition,
    future: Future,
    placed: Placed,
    shared: Shared,
    loaded: LoadedLog,
    recovery_point: int,
    now_ms: int,
) -> SegmentedLog:
    directory = future.directory
    copied = SegmentedLog(
        future.path,
        placed.log.config,
        shared,
        make_directory=lambda: None,
        loaded=loaded,
        clean=False,
        recovery_point=recovery_point,
        now_ms=now_ms,
        log_start_changed=lambda: note_log_start(key, directory, copied),
        recovery_point_fell=lambda: directory.recovery_points.put(key, copied.recovery_point),
    )
    return copied
