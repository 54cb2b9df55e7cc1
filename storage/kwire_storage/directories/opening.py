"""How a log of a node becomes a `SegmentedLog`: from its files, or where there are none, a new one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from ..engine import LogConfig
from ..segments import file_names, recovery
from ..segments.log import SegmentedLog
from ..segments.recovery import LoadedLog
from ..segments.shared import Shared
from .log_checkpoints import LogCheckpoints
from .log_directory import LogDirectory, Partition
from .partition_directory import make


class LogOpener:
    """Opens the logs of one node; what each must have written down at once, `checkpoints` writes."""

    def __init__(self, shared: Mapping[LogDirectory, Shared], checkpoints: LogCheckpoints) -> None:
        self._shared = shared
        self._checkpoints = checkpoints

    def begin(
        self, directory: LogDirectory, key: Partition, topic_id: UUID, config: LogConfig
    ) -> SegmentedLog:
        """A log of which nothing is on disk."""
        path = directory.file(file_names.partition_directory(*key))
        shared = self._shared[directory]
        return SegmentedLog(
            path,
            config,
            shared,
            make_directory=lambda: make(directory, path, topic_id, shared.alike),
            log_start_changed=lambda: self._checkpoints.log_start_changed(key),
            recovery_point_fell=lambda: self._checkpoints.recovery_point_fell(key),
            cleaned_to_changed=lambda offset: self._checkpoints.cleaned_to_changed(key, offset),
        )

    def load(
        self,
        directory: LogDirectory,
        key: Partition,
        topic_id: UUID,
        config: LogConfig,
        now_ms: int,
        *,
        is_whole: bool = False,
    ) -> SegmentedLog:
        """The log that lies there; `is_whole` says that all of its files are right. Raises StorageError."""
        path = directory.file(file_names.partition_directory(*key))
        shared = self._shared[directory]
        clean = directory.was_clean or is_whole
        with loaded_from(path, directory, key, shared, config, now_ms, clean=clean) as loaded:
            return SegmentedLog(
                path,
                config,
                shared,
                make_directory=lambda: make(directory, path, topic_id, shared.alike),
                loaded=loaded,
                clean=directory.was_clean and not is_whole,
                recovery_point=directory.recovery_points.get(key),
                now_ms=now_ms,
                log_start_changed=lambda: self._checkpoints.log_start_changed(key),
                recovery_point_fell=lambda: self._checkpoints.recovery_point_fell(key),
                cleaned_to=directory.cleaner_offsets.get(key),
                cleaned_to_changed=lambda offset: self._checkpoints.cleaned_to_changed(key, offset),
            )


@contextmanager
def loaded_from(
    path: str,
    directory: LogDirectory,
    key: Partition,
    shared: Shared,
    config: LogConfig,
    now_ms: int,
    *,
    clean: bool,
) -> Iterator[LoadedLog]:
    """What the files in a folder say, looked at as far as the directory's checkpoints do not vouch for them;
    no file of it stays open where no log comes of it. Raises StorageError.
    """
    loaded = recovery.load(
        path,
        shared,
        config,
        clean=clean,
        recovery_point=directory.recovery_points.get(key),
        log_start_offset=directory.log_start_offsets.get(key),
        now_ms=now_ms,
    )
    try:
        yield loaded
    except BaseException:
        loaded.close()
        raise
