"""A disk in memory: it fails, fills up, tears and forgets.

Rules. A `Disk` outlives processes; each process has its own `ProcessFiles` on it, the `Files` that storage is
given. Two kinds of end:
- The process is killed: what it wrote stays (the page cache survives it), but for a write in progress, which
  may be there in part.
- The machine loses power: of each file what was not synced may be lost, wholly, in part (a prefix of the
  writes, the last one torn, or single pages of them) or not at all. Names are made durable in the order in
  which they were changed, as by a journaling file system: some of the latest changes may be lost; a sync of
  any file or directory keeps all that came before.
Errors are raised on demand: EIO, or ENOSPC for a while.
"""

from __future__ import annotations

import errno
import os
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from kwire_storage.files import Files

from tests.simulation.trace import Trace

PAGE: Final = 4096
LARGE: Final = 128 * 1024
SIZE: Final = 1 << 40
PROCESS_ID: Final = "/.lock"
"""A file whose contents differ from run to run."""
OPERATIONS: Final = ("pwritev", "fdatasync", "fsync", "open", "rename", "preadv")
STEPS: Final = frozenset(("pwritev", "fdatasync", "fsync", "rename", "unlink", "truncate"))
"""Operations by which a file, or its name, becomes another."""
FILE_KINDS: Final = (
    ".deleted",
    ".cleaned",
    ".swap",
    ".snapshot",
    ".txnindex",
    ".timeindex",
    ".index",
    ".log",
    "-checkpoint",
)
"""By their names' ends, the first that fits."""
FUTURE: Final = "-future"
SWAP_OF_A_MOVE: Final = "the swap of a move"
DELETE: Final = "-delete"
MOVE_KINDS: Final = (FUTURE, SWAP_OF_A_MOVE, DELETE)
"""Of logs that move: a copy's files, or its name; that name just become the log's; a log's directory about
to become one to delete.
"""


class File:
    """An inode: what readers see, what is on the device, and the changes that lie between."""

    __slots__ = ("data", "durable", "holder", "modified_ms", "unsynced")

    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = bytearray()
        self.unsynced: list[tuple[int, bytes | None]] = []
        """Writes (position, bytes) and truncations (size, None) since the last sync."""
        self.modified_ms = 0
        self.holder: ProcessFiles | None = None

    def write(self, position: int, data: bytes) -> None:
        _apply(self.data, position, data)
        self.unsynced.append((position, data))

    def truncate(self, size: int) -> None:
        _apply(self.data, size, None)
        self.unsynced.append((size, None))

    def sync(self) -> None:
        for position, data in self.unsynced:
            _apply(self.durable, position, data)
        self.unsynced.clear()

    def lose(self, rng: random.Random) -> str:
        """The power goes. Says what became of what was not synced."""
        if not self.unsynced:
            return "nothing to lose"
        how = rng.choice(("kept", "lost", "prefix", "pages"))
        kept = self.unsynced
        if how == "lost":
            kept = []
        elif how == "prefix":
            kept = kept[: rng.randrange(len(kept) + 1)]
            if kept and (data := kept[-1][1]) is not None:
                kept[-1] = (kept[-1][0], data[: rng.randrange(len(data) + 1)])
        elif how == "pages":
            kept = [
                piece for change in kept for piece in _pages(change) if piece[1] is None or rng.random() < 0.7
            ]
        for position, data in kept:
            _apply(self.durable, position, data)
        self.data = bytearray(self.durable)
        self.unsynced = []
        return how


def _apply(content: bytearray, position: int, data: bytes | None) -> None:
    if data is None:
        if position < len(content):
            del content[position:]
        else:
            content.extend(bytes(position - len(content)))
        return
    if position > len(content):
        content.extend(bytes(position - len(content)))
    content[position : position + len(data)] = data


def _pages(change: tuple[int, bytes | None]) -> list[tuple[int, bytes | None]]:
    position, data = change
    if data is None:
        return [change]
    pieces: list[tuple[int, bytes | None]] = []
    at = 0
    while at < len(data):
        end = min(len(data), at + PAGE - (position + at) % PAGE)
        pieces.append((position + at, data[at:end]))
        at = end
    return pieces


class Directory:
    """Names and what they stand for, in the order in which they were made."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[str, File | Directory] = {}


@dataclass(slots=True)
class DiskFault:
    """Calls of these kinds, on paths that begin so, fail with `error` while `times` is above zero."""

    operations: Sequence[str]
    prefix: str
    error: int
    times: int
    happened: int = field(default=0)


class Disk:
    """The device: all directories and files, and what may go wrong with them."""

    def __init__(self, rng: random.Random, trace: Trace, now_ms: Callable[[], int]) -> None:
        self.rng = rng
        self.trace = trace
        self.now_ms = now_ms
        self.root = Directory()
        self.faults: list[DiskFault] = []
        self.counted: Counter[str] = Counter()
        self.short_writes = rng.choice((0.0, 0.0, 0.02))
        self.cold_reads = rng.choice((0.0, 0.1, 0.5))
        """How often a read finds its bytes out of the page cache."""
        self.slow_writes = 0.0
        """How often a large write takes long."""
        self.waited = 0.0
        """How long writes have taken."""
        self.crash_in_writes: int | None = None
        """So many more writes, then `on_crash` is called in the middle of one."""
        self.crash_at: tuple[str, int] | None = None
        """A kind of file, and after how many steps on such files `on_crash` is called, before the next."""
        self.crashed_at: str | None = None
        """The kind of file at which the last crash came, if it was such a one."""
        self.steps: Counter[str] = Counter()
        """How many steps there were, by kind of file."""
        self.on_crash: Callable[[], None] = lambda: None
        self._undo: list[Callable[[], None]] = []
        """How each change of names since the last sync is taken back, oldest first."""

    def process(self) -> ProcessFiles:
        """The view of a new process."""
        return ProcessFiles(self)

    def fail(self, operations: Sequence[str], prefix: str, error: int, times: int) -> DiskFault:
        """Makes the next `times` matching calls fail."""
        fault = DiskFault(operations, prefix, error, times)
        self.faults.append(fault)
        return fault

    @property
    def errors(self) -> int:
        """How many calls have failed so far."""
        return sum(count for kind, count in self.counted.items() if " fails " in kind)

    def heal(self) -> None:
        """No errors from now on."""
        self.faults.clear()
        self.crash_in_writes = None
        self.crash_at = None

    def lose_power(self) -> None:
        """Forgets of what was not synced as much as the seed says. Every process is dead by now."""
        kept = self.rng.randint(0, len(self._undo)) if self.rng.random() < 0.7 else len(self._undo)
        lost_names = len(self._undo) - kept
        for undo in reversed(self._undo[kept:]):
            undo()
        self._undo.clear()
        lost = Counter[str]()
        # A file that has several names is lost once.
        for each in {id(file): file for file in self._files(self.root)}.values():
            lost[each.lose(self.rng)] += 1
        self.trace.note(f"power lost: {lost_names} names, files {sorted(lost.items())}")

    def _files(self, directory: Directory) -> list[File]:
        found: list[File] = []
        for entry in directory.entries.values():
            found += self._files(entry) if isinstance(entry, Directory) else [entry]
        return found

    def directories(self) -> list[str]:
        """The paths of all directories."""
        return list(_directories("", self.root))

    # -- names

    def look_up(self, path: str) -> File | Directory:
        entry: File | Directory = self.root
        for name in _names(path):
            if not isinstance(entry, Directory):
                raise _error(errno.ENOTDIR, path)
            found = entry.entries.get(name)
            if found is None:
                raise _error(errno.ENOENT, path)
            entry = found
        return entry

    def parent(self, path: str) -> tuple[Directory, str]:
        names = _names(path)
        entry = self.look_up("/" + "/".join(names[:-1]))
        if not isinstance(entry, Directory):
            raise _error(errno.ENOTDIR, path)
        return entry, names[-1]

    def put(self, directory: Directory, name: str, entry: File | Directory) -> None:
        before = directory.entries.get(name)
        directory.entries[name] = entry
        self._undo.append(lambda: _put_back(directory, name, before))

    def take_away(self, directory: Directory, name: str) -> None:
        before = directory.entries.pop(name)
        self._undo.append(lambda: _put_back(directory, name, before))

    def keep_names(self) -> None:
        """A file was synced: all changes of names are durable."""
        self._undo.clear()

    def keep_all_names(self) -> None:
        """The whole file system was synced."""
        self._undo.clear()


def kind_of_file(path: str) -> str | None:
    """One of `FILE_KINDS` or `MOVE_KINDS`, or None; of a file that is about to be put in place, that of its
    place.
    """
    if path.endswith(FUTURE) or f"{FUTURE}/" in path:
        return FUTURE
    if path.endswith(DELETE):
        return DELETE
    name = path.removesuffix(".tmp")
    return next((kind for kind in FILE_KINDS if name.endswith(kind)), None)


def _directories(path: str, directory: Directory) -> Iterator[str]:
    for name, entry in directory.entries.items():
        if isinstance(entry, Directory):
            yield f"{path}/{name}"
            yield from _directories(f"{path}/{name}", entry)


def _put_back(directory: Directory, name: str, entry: File | Directory | None) -> None:
    if entry is None:
        directory.entries.pop(name, None)
    else:
        directory.entries[name] = entry


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


class ProcessFiles(Files):
    """The disk as one process sees it, until it dies: then every call fails, and does nothing."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.dead = False
        self._open: dict[int, tuple[File | Directory, str]] = {}
        self._next = 3

    def die(self) -> None:
        """The process is gone, with its descriptors and locks."""
        self.dead = True
        for entry, _ in self._open.values():
            if isinstance(entry, File) and entry.holder is self:
                entry.holder = None

    def now(self) -> float:
        """For who measures how long a call takes: only large writes may take any time, and nobody waits."""
        return self.disk.now_ms() / 1000 + self.disk.waited

    @property
    def open_paths(self) -> list[str]:
        """What is open, for a look for leaks."""
        return sorted(path for _, path in self._open.values())

    def _enter(self, operation: str, path: str) -> None:
        if self.dead:
            raise _error(errno.EIO, path)
        if operation in STEPS:
            self._step(path)
        for fault in self.disk.faults:
            if fault.times > 0 and operation in fault.operations and path.startswith(fault.prefix):
                fault.times -= 1
                fault.happened += 1
                kind = f"{operation} fails with {errno.errorcode[fault.error]}"
                self.disk.counted[kind] += 1
                self.disk.trace.note(f"{kind}: {path}")
                raise _error(fault.error, path)

    def _step(self, path: str) -> None:
        """Something becomes another; or the process dies before it does."""
        kind = kind_of_file(path)
        if kind is not None:
            self._step_of(kind, path)

    def _step_of(self, kind: str, path: str) -> None:
        disk = self.disk
        disk.steps[kind] += 1
        if disk.crash_at is None or disk.crash_at[0] != kind:
            return
        left = disk.crash_at[1] - 1
        disk.crash_at = kind, left
        if left < 0:
            disk.crash_at, disk.crashed_at = None, kind
            disk.counted["crash at a file"] += 1
            disk.trace.note(f"crash at {path}")
            disk.on_crash()
            raise _error(errno.EIO, path)

    def _file(self, descriptor: int) -> tuple[File, str]:
        found = self._open.get(descriptor)
        if found is None:
            raise _error(errno.EBADF, f"descriptor {descriptor}")
        entry, path = found
        if not isinstance(entry, File):
            raise _error(errno.EISDIR, path)
        return entry, path

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        self._enter("open", path)
        disk = self.disk
        try:
            entry = disk.look_up(path)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            directory, name = disk.parent(path)
            entry = File()
            entry.modified_ms = disk.now_ms()
            disk.put(directory, name, entry)
            disk.trace.note(f"creat {path}")
        if flags & os.O_TRUNC and isinstance(entry, File) and entry.data:
            entry.truncate(0)
        self._next += 1
        self._open[self._next] = entry, path
        return self._next

    def close(self, descriptor: int) -> None:
        entry, _ = self._open.pop(descriptor)
        if isinstance(entry, File) and entry.holder is self:
            entry.holder = None

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        file, path = self._file(descriptor)
        self._enter("pwritev", path)
        data = b"".join(buffers)
        disk = self.disk
        if path.endswith(PROCESS_ID):
            file.write(position, data)
            return len(data)
        if disk.crash_in_writes is not None:
            disk.crash_in_writes -= 1
            if disk.crash_in_writes < 0:
                disk.crash_in_writes = None
                torn = data[: disk.rng.randrange(len(data) + 1)]
                file.write(position, torn)
                disk.counted["torn write"] += 1
                disk.trace.note(f"torn write {path} {len(torn)} of {len(data)}")
                disk.on_crash()
                raise _error(errno.EIO, path)
        if len(data) > 1 and disk.short_writes and disk.rng.random() < disk.short_writes:
            data = data[: disk.rng.randint(1, len(data))]
        file.write(position, data)
        file.modified_ms = disk.now_ms()
        if len(data) >= LARGE and disk.slow_writes and disk.rng.random() < disk.slow_writes:
            disk.waited += 0.1
        disk.trace.note(f"write {path} {position} {len(data)} {zlib.crc32(data):08x}")
        return len(data)

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        file, path = self._file(descriptor)
        self._enter("preadv", path)
        if nowait and self.disk.cold_reads and self.disk.rng.random() < self.disk.cold_reads:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        read = 0
        for buffer in buffers:
            part = file.data[position + read : position + read + len(buffer)]
            buffer[: len(part)] = part
            read += len(part)
        return read

    def truncate(self, descriptor: int, size: int) -> None:
        file, path = self._file(descriptor)
        self._enter("truncate", path)
        if size != len(file.data):
            file.truncate(size)
            self.disk.trace.note(f"truncate {path} {size}")

    def reserve(self, descriptor: int, size: int) -> None:
        file, path = self._file(descriptor)
        self._enter("pwritev", path)
        if size > len(file.data):
            file.truncate(size)
            self.disk.trace.note(f"reserve {path} {size}")

    def written_ranges(self, descriptor: int, begin: int, end: int) -> list[tuple[int, int]]:
        return [(begin, end)]

    def size(self, descriptor: int) -> int:
        file, path = self._file(descriptor)
        self._enter("size", path)
        return len(file.data)

    def path_size(self, path: str) -> int:
        self._enter("path_size", path)
        entry = self.disk.look_up(path)
        return len(entry.data) if isinstance(entry, File) else PAGE

    def modified_ms(self, path: str) -> int:
        self._enter("modified_ms", path)
        entry = self.disk.look_up(path)
        return entry.modified_ms if isinstance(entry, File) else 0

    def set_modified_ms(self, path: str, time_ms: int) -> None:
        self._enter("set_modified_ms", path)
        entry = self.disk.look_up(path)
        if isinstance(entry, File):
            entry.modified_ms = time_ms

    def fdatasync(self, descriptor: int) -> None:
        self._sync("fdatasync", descriptor)

    def fsync(self, descriptor: int) -> None:
        self._sync("fsync", descriptor)

    def sync_file_system(self, descriptor: int, directories: Sequence[str]) -> bool:
        _, path = self._open[descriptor]
        self._enter("sync_file_system", path)
        for file in self.disk._files(self.disk.root):
            file.sync()
        self.disk.keep_all_names()
        return True

    def _sync(self, operation: str, descriptor: int) -> None:
        entry, path = self._open[descriptor]
        self._enter(operation, path)
        if isinstance(entry, File):
            entry.sync()
        self.disk.keep_names()

    def rename(self, old: str, new: str) -> None:
        self._enter("rename", old)
        if kind_of_file(new) != kind_of_file(old):
            self._step(new)
        disk = self.disk
        entry = disk.look_up(old)
        directory, name = disk.parent(old)
        target, new_name = disk.parent(new)
        there = target.entries.get(new_name)
        if isinstance(there, Directory) and there.entries:
            raise _error(errno.ENOTEMPTY, new)
        # One change: a power cut takes back both halves or neither.
        before = target.entries.get(new_name)
        del directory.entries[name]
        target.entries[new_name] = entry

        def undo() -> None:
            _put_back(target, new_name, before)
            _put_back(directory, name, entry)

        disk._undo.append(undo)
        for descriptor, (opened, path) in self._open.items():
            if path == old or path.startswith(old + "/"):
                self._open[descriptor] = opened, new + path[len(old) :]
        disk.trace.note(f"rename {old} {new}")
        if old.endswith(FUTURE) and not new.endswith(FUTURE):
            self._step_of(SWAP_OF_A_MOVE, new)

    def link(self, path: str, new: str) -> None:
        self._enter("link", path)
        entry = self.disk.look_up(path)
        if isinstance(entry, Directory):
            raise _error(errno.EPERM, path)
        directory, name = self.disk.parent(new)
        if name in directory.entries:
            raise _error(errno.EEXIST, new)
        self.disk.put(directory, name, entry)
        self.disk.trace.note(f"link {path} {new}")

    def unlink(self, path: str) -> None:
        self._enter("unlink", path)
        if isinstance(self.disk.look_up(path), Directory):
            raise _error(errno.EISDIR, path)
        self.disk.take_away(*self.disk.parent(path))
        self.disk.trace.note(f"unlink {path}")

    def rmdir(self, path: str) -> None:
        self._enter("rmdir", path)
        entry = self.disk.look_up(path)
        if not isinstance(entry, Directory):
            raise _error(errno.ENOTDIR, path)
        if entry.entries:
            raise _error(errno.ENOTEMPTY, path)
        self.disk.take_away(*self.disk.parent(path))

    def mkdir(self, path: str) -> None:
        self._enter("mkdir", path)
        directory, name = self.disk.parent(path)
        if name in directory.entries:
            raise _error(errno.EEXIST, path)
        self.disk.put(directory, name, Directory())

    def makedirs(self, path: str) -> None:
        self._enter("mkdir", path)
        names = _names(path)
        for count in range(1, len(names) + 1):
            part = "/" + "/".join(names[:count])
            try:
                entry = self.disk.look_up(part)
            except FileNotFoundError:
                self.mkdir(part)
            else:
                if not isinstance(entry, Directory):
                    raise _error(errno.EEXIST, part)

    def listdir(self, path: str) -> list[str]:
        self._enter("listdir", path)
        entry = self.disk.look_up(path)
        if not isinstance(entry, Directory):
            raise _error(errno.ENOTDIR, path)
        return list(entry.entries)

    def is_directory(self, path: str) -> bool:
        if self.dead:
            return False
        try:
            return isinstance(self.disk.look_up(path), Directory)
        except OSError:
            return False

    def lock(self, descriptor: int) -> bool:
        file, path = self._file(descriptor)
        self._enter("lock", path)
        if file.holder is not None:
            return False
        file.holder = self
        return True

    def disk_space(self, path: str) -> tuple[int, int]:
        self._enter("disk_space", path)
        return SIZE, SIZE // 2
