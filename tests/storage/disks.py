"""Disks that misbehave, in place of the real one: they tear, fill up, fail, or forget what was not synced."""

import errno
import itertools
import os
from collections.abc import Callable, Sequence
from uuid import UUID

from kwire_storage.directories.interface import LogDirectories
from kwire_storage.files import Files

TOPIC_ID = UUID("00000000-0000-4000-8000-00000000beef")


def uuids() -> Callable[[], UUID]:
    """Ids, always the same ones in the same order."""
    numbers = itertools.count(1 << 100)
    return lambda: UUID(int=next(numbers))


def sweep(dirs: LogDirectories, now_ms: int = 1 << 60) -> int:
    """What housekeeping does about deleted files; gives how many files and directories went."""
    job = dirs.plan_sweep(now_ms)
    if job is None:
        return 0
    job.work()
    return job.removed


class StutteringDisk(Files):
    """Takes and gives at most `most` bytes a call."""

    def __init__(self, most: int) -> None:
        self.most = most

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        data = b"".join(buffers)[: self.most]
        return super().pwritev(descriptor, [data], position)

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        return super().preadv(descriptor, [buffers[0][: self.most]], position, nowait=nowait)


class FailingDisk(Files):
    """Writes `bytes_left` more bytes, then fails with `error` until given more. Truncation may fail too."""

    def __init__(self, error: int = errno.ENOSPC) -> None:
        self.bytes_left = 1 << 60
        self.error = error
        self.truncation_fails = False

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        data = b"".join(buffers)
        if data and self.bytes_left <= 0:
            raise OSError(self.error, os.strerror(self.error))
        wrote = super().pwritev(descriptor, [data[: self.bytes_left]], position)
        self.bytes_left -= wrote
        return wrote

    def truncate(self, descriptor: int, size: int) -> None:
        if self.truncation_fails:
            raise OSError(self.error, os.strerror(self.error))
        super().truncate(descriptor, size)


class FailingAt(Files):
    """Fails a call that opens, reads, writes or renames, after `left` more; None: none. That says
    nothing of the device.
    """

    left: int | None = None

    def __init__(self) -> None:
        self.opened: set[int] = set()

    def _count(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        self._count()
        descriptor = super().open(path, flags, mode)
        self.opened.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        self.opened.discard(descriptor)
        super().close(descriptor)

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        self._count()
        return super().pwritev(descriptor, buffers, position)

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        self._count()
        return super().preadv(descriptor, buffers, position, nowait=nowait)

    def rename(self, old: str, new: str) -> None:
        self._count()
        super().rename(old, new)

    def link(self, path: str, new: str) -> None:
        self._count()
        super().link(path, new)


class UnreadableDisk(Files):
    """Fails to read once `broken` is set, for a reason that says nothing of the device."""

    broken = False

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        if self.broken:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return super().preadv(descriptor, buffers, position, nowait=nowait)


class ForgetfulDisk(Files):
    """Knows what a power cut leaves: for each file, the bytes at its last sync.

    `cut_power` puts every file under the root back to that; files never synced end empty.
    """

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}
        self._durable: dict[str, bytes] = {}

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        descriptor = super().open(path, flags, mode)
        if not flags & os.O_DIRECTORY:
            self._paths[descriptor] = path
        return descriptor

    def close(self, descriptor: int) -> None:
        self._paths.pop(descriptor, None)
        super().close(descriptor)

    def _remember(self, descriptor: int) -> None:
        path = self._paths.get(descriptor)
        if path is not None:
            with open(path, "rb") as file:
                self._durable[path] = file.read()

    def fdatasync(self, descriptor: int) -> None:
        super().fdatasync(descriptor)
        self._remember(descriptor)

    def fsync(self, descriptor: int) -> None:
        super().fsync(descriptor)
        self._remember(descriptor)

    def rename(self, old: str, new: str) -> None:
        super().rename(old, new)
        self._durable[new] = self._durable.pop(old, b"")

    def link(self, path: str, new: str) -> None:
        super().link(path, new)
        self._durable[new] = self._durable.get(path, b"")

    def cut_power(self, root: str) -> None:
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "wb") as file:
                    file.write(self._durable.get(path, b""))


class BreakableDisk(Files):
    """Several disks, of which some fail: every call below a path in `broken` raises its error."""

    def __init__(self) -> None:
        self.broken: dict[str, int] = {}
        self.unsyncable: set[str] = set()
        """Below these only syncs fail."""
        self.full: set[str] = set()
        """Below these there is no room."""
        self._paths: dict[int, str] = {}

    def _reach(self, path: str) -> None:
        for root, error in self.broken.items():
            if path == root or path.startswith(root + "/"):
                raise OSError(error, os.strerror(error))

    def _is_below(self, descriptor: int, roots: set[str]) -> bool:
        path = self._paths.get(descriptor, "")
        return any(path.startswith(root + "/") for root in roots)

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        self._reach(path)
        descriptor = super().open(path, flags, mode)
        self._paths[descriptor] = path
        return descriptor

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        self._reach(self._paths[descriptor])
        if self._is_below(descriptor, self.full):
            wrote = super().pwritev(descriptor, [b"".join(buffers)[:1]], position)  # the last byte of room
            if sum(map(len, buffers)) > wrote:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return wrote
        return super().pwritev(descriptor, buffers, position)

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        self._reach(self._paths[descriptor])
        return super().preadv(descriptor, buffers, position, nowait=nowait)

    def fdatasync(self, descriptor: int) -> None:
        self._reach(self._paths[descriptor])
        if self._is_below(descriptor, self.unsyncable):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fsync(self, descriptor: int) -> None:
        """Nothing: nobody cuts the power of these disks, and to wait for a real one takes what it takes."""

    def listdir(self, path: str) -> list[str]:
        self._reach(path)
        return super().listdir(path)

    def rename(self, old: str, new: str) -> None:
        self._reach(old)
        super().rename(old, new)

    def mkdir(self, path: str) -> None:
        self._reach(path)
        super().mkdir(path)

    def makedirs(self, path: str) -> None:
        self._reach(path)
        super().makedirs(path)

    def link(self, path: str, new: str) -> None:
        self._reach(new)
        super().link(path, new)

    def disk_space(self, path: str) -> tuple[int, int]:
        self._reach(path)
        return super().disk_space(path)


class DyingDisk(BreakableDisk):
    """Some directories fail at a call that changes something. That all fail is the end of the process: what
    it writes from then on is nowhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.breaks: dict[int, Sequence[str]] = {}
        """What breaks at which call."""

    def count(self, breaks: dict[int, Sequence[str]]) -> None:
        """From now on."""
        self.calls, self.breaks = 0, breaks

    def _change(self, path: str) -> None:
        for broken in self.breaks.get(self.calls, ()):
            self.broken[broken] = errno.EIO
        self.calls += 1
        self._reach(path)

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        self._change(self._paths[descriptor])
        return super().pwritev(descriptor, buffers, position)

    def rename(self, old: str, new: str) -> None:
        self._change(old)
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._change(path)
        super().unlink(path)

    def rmdir(self, path: str) -> None:
        self._change(path)
        super().rmdir(path)

    def mkdir(self, path: str) -> None:
        self._change(path)
        super().mkdir(path)

    def link(self, path: str, new: str) -> None:
        self._change(new)
        super().link(path, new)

    def truncate(self, descriptor: int, size: int) -> None:
        self._change(self._paths[descriptor])
        super().truncate(descriptor, size)
