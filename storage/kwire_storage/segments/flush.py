"""Making a log durable without holding up the loop: what to sync is planned there, synced in a thread, and
noted there again.
"""

import os
from contextlib import suppress
from dataclasses import dataclass

from ..engine import FileSlice
from ..files import Files, storing


@dataclass(frozen=True, slots=True)
class FlushPlan:
    """What `plan_flush` decided: files to sync, held open, and up to where the log is then on the device."""

    files: Files
    slices: list[FileSlice]
    paths: list[str]
    """Files that may be gone by then."""
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
