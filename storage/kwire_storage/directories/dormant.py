"""Logs that nobody has asked for since the start: whether they have something to delete or to clean, as far
as the names, sizes and times of their files tell, and the newest entry of one time index.

Opening each would cost a start its time, and memory for each: so a log is opened when this says that it is
due. Where it is not sure, it is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..engine import LogConfig
from ..files import Files, storing
from ..segments import file_names, time_index

NEVER_MS = 0x7FFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class DormantLog:
    """What can be seen of a log from outside."""

    segments: Sequence[tuple[int, int]]
    """Base offset and bytes of each, oldest first."""
    newest_ms: int
    """Of the oldest segment: its newest record, or when its file was last written to."""
    log_start_offset: int
    cleaned_to: int

    def is_to_delete(self, config: LogConfig, now_ms: int, *, deletes: bool) -> bool:
        """Whether its oldest segment may go (`segments/retention.py` has the rules).

        :param deletes: whether cleanup.policy has `delete`.
        """
        if not self.segments:
            return False
        if len(self.segments) > 1 and self.segments[1][0] <= self.log_start_offset:
            return True
        oldest_bytes = self.segments[0][1]
        if not deletes or not oldest_bytes:
            return False
        others = sum(size for _, size in self.segments[1:])
        too_much = 0 <= config.retention_bytes <= others
        return too_much or 0 <= config.retention_ms < now_ms - self.newest_ms

    def is_to_clean(self, config: LogConfig, min_dirty_ratio: float) -> bool:
        """Whether so much of a compacted log is dirty, or may be overdue (`segments/compaction.py`)."""
        dirty_offset = max(self.cleaned_to, self.log_start_offset)
        dirty = clean = 0
        for (_, size), (following, _) in zip(self.segments, self.segments[1:], strict=False):
            if following > dirty_offset:
                dirty += size
            else:
                clean += size
        if not dirty:
            return False
        return dirty / (dirty + clean) > min_dirty_ratio or config.max_compaction_lag_ms < NEVER_MS


@dataclass(frozen=True, slots=True)
class LookJob:
    """A log that is to be looked at; `work` in a thread."""

    files: Files
    directory: str
    log_start_offset: int
    cleaned_to: int

    def work(self) -> DormantLog | None:
        """None where there is no log. Raises StorageError."""
        files = self.files
        with storing("looking at", self.directory):
            try:
                names = files.listdir(self.directory)
            except (FileNotFoundError, NotADirectoryError):
                return None
            bases = sorted(
                found[0]
                for name in names
                if (found := file_names.parse_segment_file(name)) is not None and found[1] == file_names.LOG
            )
            sizes = [files.path_size(self._file(base, file_names.LOG)) for base in bases]
            newest_ms = 0
            if bases:
                found_ms = time_index.last_timestamp(files, self._file(bases[0], file_names.TIME_INDEX))
                if found_ms is None or found_ms < 0:
                    found_ms = files.modified_ms(self._file(bases[0], file_names.LOG))
                newest_ms = found_ms
        return DormantLog(
            list(zip(bases, sizes, strict=True)), newest_ms, self.log_start_offset, self.cleaned_to
        )

    def _file(self, base: int, suffix: str) -> str:
        return f"{self.directory}/{file_names.segment_file(base, suffix)}"
