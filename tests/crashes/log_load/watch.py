"""What happens in a data directory, told by the kernel (inotify): so that a kill can be aimed at it, and so
that it is known what a kill has met.

Rules: an event counts from when the kernel tells it, which is at once while this process runs. Names are
those of Kafka's files; the kinds below are what a log does to them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import trio

ROLL, RETAIN, CLEAN, SWAP, CHECKPOINT, RECOVER, MOVE, MOVED = (
    "rolling",
    "retention",
    "cleaning",
    "swapping",
    "checkpoint",
    "recovery",
    "move",
    "swap of a move",
)
FUTURE = "-future"
"""How the directory of a log ends that is on its way to another one."""
DELETE = "-delete"
RECENT_SECONDS = 0.015
"""What happened so shortly before a kill was met by it."""

_CREATE, _MOVED_FROM, _MOVED_TO, _DELETE, _OPEN = 0x100, 0x40, 0x80, 0x200, 0x20
_IS_DIRECTORY = 0x40000000
_EVENT = struct.Struct("iIII")
_READ_BYTES = 65536


class Watch:
    """Watches data directories and the partitions in them."""

    def __init__(self, data: Sequence[Path]) -> None:
        self._data = data
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, Path] = {}
        self._last: dict[str, float] = {}
        self._waiting: dict[trio.Event, str] = {}
        self.seen: Counter[str] = Counter()
        for each in data:
            self._add(each)
            for folder in each.iterdir():
                if folder.is_dir():
                    self._add(folder)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            self.look()

    def look(self) -> None:
        """Takes what the kernel has told."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._descriptor, _READ_BYTES):
                self._take(data)

    async def next(self, kind: str, timeout_seconds: float) -> bool:
        """Waits until that happens; False if it does not."""
        event = trio.Event()
        self._waiting[event] = kind
        with trio.move_on_after(timeout_seconds):
            await event.wait()
        del self._waiting[event]
        return event.is_set()

    def met(self) -> set[str]:
        """What a kill at this moment meets: what happened just now, and work whose files lie about."""
        self.look()
        now = trio.current_time()
        met = {kind for kind, at in self._last.items() if now - at <= RECENT_SECONDS}
        names = [name for folder in self._folders.values() for name in _names(folder)]
        if any(name.endswith(".cleaned") for name in names):
            met.add(CLEAN)
        if any(name.endswith(".swap") for name in names):
            met.add(SWAP)
        places = [name for each in self._data for name in _names(each)]
        if any(name.endswith(FUTURE) for name in places):
            met.add(MOVE)
        if any("-" in name and "-checkpoint" not in name and places.count(name) > 1 for name in places):
            met.add(MOVED)  # the old place is there beside the new one
        return met

    def happens(self, kind: str) -> bool:
        """Whether it has happened at all."""
        return self.seen[kind] > 0

    def since(self, kind: str, moment: float) -> bool:
        """Whether that has happened since."""
        self.look()
        return self._last.get(kind, -1.0) >= moment

    def close(self) -> None:
        os.close(self._descriptor)

    def _add(self, folder: Path) -> None:
        mask = _CREATE | _MOVED_FROM | _MOVED_TO | _DELETE | _OPEN
        number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask)
        if number >= 0:  # it may be gone again
            self._folders[number] = folder

    def _take(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            number, mask, _, size = _EVENT.unpack_from(data, position)
            position += _EVENT.size
            name = data[position : position + size].rstrip(b"\0").decode()
            position += size
            folder = self._folders.get(number)
            if folder is None:
                continue
            if mask & _IS_DIRECTORY:
                if folder in self._data and mask & (_CREATE | _MOVED_TO):
                    self._add(folder / name)
                kind = _kind_of_move(name, mask)
            elif folder.name.endswith((FUTURE, DELETE)):
                kind = None  # what happens to a copy, or to what is gone, is nothing that a log does
            else:
                kind = _kind(name, mask, is_partition=folder not in self._data)
            if kind is not None:
                self._last[kind] = trio.current_time()
                if kind != RECOVER:
                    self.seen[kind] += 1
                for event, wanted in self._waiting.items():
                    if wanted == kind:
                        event.set()


def _kind_of_move(name: str, mask: int) -> str | None:
    if not name.endswith(FUTURE):
        return None
    if mask & _CREATE:
        return MOVE
    return MOVED if mask & _MOVED_FROM else None


def _kind(name: str, mask: int, *, is_partition: bool) -> str | None:
    if mask & _OPEN:
        # Only who starts is asked about this: it reads a log to find its end.
        return RECOVER if is_partition and name.endswith(".log") else None
    if not is_partition:
        return CHECKPOINT if name.endswith("-checkpoint") and mask & _MOVED_TO else None
    if name.endswith(".cleaned"):
        return CLEAN
    if name.endswith(".swap"):
        return SWAP
    if name.endswith(".log") and mask & _CREATE:
        return ROLL
    if name.endswith((".log", ".log.deleted")) and mask & (_DELETE | _MOVED_FROM | _MOVED_TO):
        return RETAIN
    return None


def _names(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(folder)
    return []
