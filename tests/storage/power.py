"""A disk that loses power: stricter than the simulation's, on which it is built.

- Of each file what was not synced may be lost: all of it, none, a prefix, or single pages.
- Names are lost too: a change of a name is durable when its directory was synced, and not because some file
  was. The latest changes of each directory may be undone, in the reverse order, as a journal would.
- The power goes before any call that a test chooses.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation.disk import Directory, Disk, File, ProcessFiles
from tests.simulation.trace import Trace


class PowerCut(Exception):
    """There was no more power at this call."""


class _NoTrace(Trace):
    def note(self, text: str) -> None:
        pass


class PowerDisk(Disk):
    """The device, and which names in which directory are not durable yet."""

    def __init__(self, seed: int) -> None:
        super().__init__(random.Random(seed), _NoTrace(), lambda: 0)
        self.short_writes = self.cold_reads = 0.0
        self.calls = 0
        self.cut_at: int | None = None
        """The power goes before this call."""
        self._unsynced: list[tuple[Directory, Callable[[], None]]] = []

    def process(self) -> PowerFiles:
        return PowerFiles(self)

    def put(self, directory: Directory, name: str, entry: File | Directory) -> None:
        super().put(directory, name, entry)
        self.changed(directory)

    def take_away(self, directory: Directory, name: str) -> None:
        super().take_away(directory, name)
        self.changed(directory)

    def changed(self, directory: Directory) -> None:
        """What the base class has just noted was in this directory."""
        self._unsynced.append((directory, self._undo.pop()))

    def keep_names(self) -> None:
        """That a file was synced says nothing about names."""

    def keep_names_of(self, directory: Directory) -> None:
        self._unsynced = [(changed, undo) for changed, undo in self._unsynced if changed is not directory]

    def keep_all_names(self) -> None:
        self._unsynced.clear()

    def lose_power(self) -> None:
        by_directory: dict[int, list[int]] = {}
        for at, (directory, _) in enumerate(self._unsynced):
            by_directory.setdefault(id(directory), []).append(at)
        lost: list[int] = []
        for changes in by_directory.values():
            lost += changes[self.rng.randint(0, len(changes)) :]
        for at in sorted(lost, reverse=True):
            self._unsynced[at][1]()
        self._unsynced.clear()
        super().lose_power()
        self.cut_at = None


class PowerFiles(ProcessFiles):
    """The disk as one process sees it."""

    disk: PowerDisk

    def _enter(self, operation: str, path: str) -> None:
        disk = self.disk
        if disk.cut_at is not None and disk.calls >= disk.cut_at:
            raise PowerCut(f"before call {disk.calls}: {operation} {path}")
        disk.calls += 1
        super()._enter(operation, path)

    def _sync(self, operation: str, descriptor: int) -> None:
        super()._sync(operation, descriptor)
        entry, _ = self._open[descriptor]
        if isinstance(entry, Directory):
            self.disk.keep_names_of(entry)

    def rename(self, old: str, new: str) -> None:
        super().rename(old, new)
        self.disk.changed(self.disk.parent(new)[0])


def contents(disk: Disk) -> dict[str, bytes]:
    """What every file holds, by path."""

    def walk(directory: Directory, path: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name, entry in directory.entries.items():
            if isinstance(entry, Directory):
                found.update(walk(entry, f"{path}/{name}"))
            else:
                found[f"{path}/{name}"] = bytes(entry.data)
        return found

    return walk(disk.root, "")


def holding(files: dict[str, bytes]) -> PowerDisk:
    """A disk with these files."""
    disk = PowerDisk(0)
    for path, data in files.items():
        directory = disk.root
        *parents, name = [part for part in path.split("/") if part]
        for parent in parents:
            below = directory.entries.setdefault(parent, Directory())
            assert isinstance(below, Directory)
            directory = below
        file = directory.entries[name] = File()
        file.data, file.durable = bytearray(data), bytearray(data)
    return disk
