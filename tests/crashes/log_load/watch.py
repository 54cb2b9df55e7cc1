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
from pathlib import Path

import trio

ROLL, RETAIN, CLEAN, SWAP, CHECKPOINT, RECOVER = (
    "rolling",
    "retention",
    "cleaning",
    "swapping",
    "checkpoint",
    "recovery",
)
KINDS = (ROLL, RETAIN, CLEAN, SWAP, CHECKPOINT, RECOVER)
RECENT_SECONDS = 0.015
"""What happened so shortly before a kill was met by it."""

_CREATE, _MOVED_FROM, _MOVED_TO, _DELETE, _OPEN = 0x100, 0x40, 0x80, 0x200, 0x20
_IS_DIRECTORY = 0x40000000
_EVENT = struct.Struct("iIII")
_READ_BYTES = 65536


class Watch:
    """Watches a data directory and the partitions in it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, Path] = {}
        self._last: dict[str, float] = {}
        self._waiting: dict[trio.Event, str] = {}
        self.seen: Counter[str] = Counter()
        self._add(data)
        for folder in data.iterdir():
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
                if folder == self._data and mask & (_CREATE | _MOVED_TO):
                    self._add(folder / name)
                continue
            kind = _kind(name, mask, is_partition=folder != self._data)
            if kind is not None:
                self._last[kind] = trio.current_time()
                if kind != RECOVER:
                    self.seen[kind] += 1
                for event, wanted in self._waiting.items():
                    if wanted == kind:
                        event.set()


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
