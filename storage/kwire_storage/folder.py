"""Small files beside a log that are not the log's own: snapshots and quorum state of the metadata log.

Rules: a file is put in place whole (a `.part` beside it, synced, then a rename) or not at all. `write`
touches nothing but its own two names, so a thread may do it. What a disk refuses is StorageError.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, Protocol

from .files import Files, storing

PART: Final = ".part"
"""Ends the name of a file that is still being written."""


class Folder(Protocol):
    """Files by name; `DiskFolder` on disk, `MemoryFolder` without."""

    @property
    def path(self) -> str:
        """Where it is, for messages."""
        ...

    def names(self) -> list[str]:
        """The names that are there, in order; none where the folder is not made yet."""
        ...

    def size(self, name: str) -> int:
        """Bytes of a file."""
        ...

    def read(self, name: str) -> bytes | None:
        """A whole file, None where there is none."""
        ...

    def write(self, name: str, parts: Iterable[bytes | bytearray]) -> None:
        """Put `parts`, one behind the other, in place of a file, durably."""
        ...

    def remove(self, name: str) -> None:
        """Take a file away; nothing happens where there is none."""
        ...


class DiskFolder:
    """A directory of the file system."""

    def __init__(self, path: str, files: Files) -> None:
        self.path = path
        self._files = files

    def names(self) -> list[str]:
        with storing("reading", self.path):
            try:
                return sorted(self._files.listdir(self.path))
            except FileNotFoundError:
                return []

    def size(self, name: str) -> int:
        path = f"{self.path}/{name}"
        with storing("looking at", path):
            return self._files.path_size(path)

    def read(self, name: str) -> bytes | None:
        path = f"{self.path}/{name}"
        with storing("reading", path):
            return self._files.read_file(path)

    def write(self, name: str, parts: Iterable[bytes | bytearray]) -> None:
        path = f"{self.path}/{name}"
        with storing("writing", path):
            descriptor = self._files.open(path + PART, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                position = 0
                for part in parts:
                    position += self._files.write_all(descriptor, [memoryview(part)], position)
                self._files.fsync(descriptor)
            finally:
                self._files.close(descriptor)
            self._files.rename(path + PART, path)
            self._files.sync_directory(self.path)

    def remove(self, name: str) -> None:
        path = f"{self.path}/{name}"
        with storing("removing", path):
            self._files.remove(path)


class MemoryFolder:
    """Files that exist in memory only."""

    path = "memory"

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def names(self) -> list[str]:
        return sorted(self._files)

    def size(self, name: str) -> int:
        return len(self._files[name])

    def read(self, name: str) -> bytes | None:
        return self._files.get(name)

    def write(self, name: str, parts: Iterable[bytes | bytearray]) -> None:
        self._files[name] = b"".join(parts)

    def remove(self, name: str) -> None:
        self._files.pop(name, None)
