"""Making a log durable without holding up the loop: what to sync is planned there, synced in a thread, and
noted there again.
"""

import os
from contextlib import suppress
from dataclasses import dataclass

from ..engine import FileSlice
from ..files import Files, storing
from .segment_list import SegmentList


@dataclass(frozen=True, slots=True)
class FlushPlan:
    """What `plan_flush` decided: files to sync, held open, and up to where the log is then on the device."""

    files: Files
    slices: list[FileSlice]
    paths: list[str]
    """Files that may be gone by then."""
    changed: dict[str, int]
    """Those of them that were changed, and which of their changes it was."""
    directories: list[str]
    end_offset: int
    generation: int
    names_version: int

    def work(self) -> None:
        """Sync the files, and the directories that name them; in a thread."""
        files = self.files
        for part in self.slices:
            with storing("syncing", part.file.path):
                files.fdatasync(part.descriptor)
        for path in self.paths:
            with storing("syncing", path), suppress(FileNotFoundError):
                descriptor = files.open(path, os.O_RDWR)
                try:
                    files.fdatasync(descriptor)
                finally:
                    files.close(descriptor)
        for directory in self.directories:
            with storing("syncing", directory):
                files.sync_directory(directory)


class Durability:
    """How far one log is on the device: its bytes, and the names of its files."""

    __slots__ = (
        "_changed",
        "_directory",
        "_files",
        "_generation",
        "_names_synced",
        "_names_version",
        "recovery_point",
    )

    def __init__(self, directory: str, files: Files, recovery_point: int) -> None:
        self._directory = directory
        self._files = files
        self._generation = 0
        self._names_version = 0
        self._names_synced = 0
        self._changed: dict[str, int] = {}
        self.recovery_point = recovery_point
        """Everything below is on the device."""

    @property
    def generation(self) -> int:
        """Another number each time that the log was cut."""
        return self._generation

    def name_added(self) -> None:
        """There is a new file in the directory."""
        self._names_version += 1

    def file_changed(self, path: str) -> None:
        """A small file that belongs to the log was put in place: what it says has to be on the device before
        the recovery point passes what it is about.
        """
        self._names_version += 1
        self._changed[path] = self._names_version

    def cut(self, offset: int) -> bool:
        """The log is about to end at `offset`: flushes that are being worked on count for nothing. Gives
        whether the recovery point fell.
        """
        self._generation += 1
        fell = self.recovery_point > offset
        self.recovery_point = min(self.recovery_point, offset)
        return fell

    def is_behind(self, end_offset: int) -> bool:
        """Whether anything below `end_offset`, or a small file, is not known to be on the device."""
        return self.recovery_point < end_offset or bool(self._changed)

    def all_is_synced(self, end_offset: int) -> None:
        """Everything that was written is on the device: the log up to `end_offset`, files and names."""
        self._names_synced = self._names_version
        self._changed.clear()
        self.recovery_point = max(self.recovery_point, end_offset)

    def plan(self, segments: SegmentList, end_offset: int, *, small_files: bool) -> FlushPlan | None:
        """What must be synced for all below `end_offset` to be on the device; None when it is.

        `small_files` makes these a reason of their own: all that there is now is to be on the device.
        """
        if self.recovery_point >= end_offset and not (small_files and self._changed):
            return None
        unsynced = [
            segment
            for segment in segments.since(self.recovery_point)
            if segment.size and segment.base_offset < end_offset
        ]
        for segment in unsynced:
            segment.transactions.save()
        paths = [each.transactions.path for each in unsynced if not each.transactions.is_empty]
        named = self._names_version == self._names_synced and not paths
        paths += self._changed
        return FlushPlan(
            files=self._files,
            slices=[segment.slice(0, segment.size) for segment in unsynced],
            paths=paths,
            changed=dict(self._changed),
            directories=[] if named else [self._directory, os.path.dirname(self._directory)],
            end_offset=end_offset,
            generation=self._generation,
            names_version=self._names_version,
        )

    def commit(self, plan: FlushPlan) -> None:
        """The plan's work is done: note how far the log is on the device, unless it was cut since."""
        self._names_synced = max(self._names_synced, plan.names_version)
        for path, change in plan.changed.items():
            if self._changed.get(path) == change:
                del self._changed[path]
        if plan.generation == self._generation:
            self.recovery_point = max(self.recovery_point, plan.end_offset)
