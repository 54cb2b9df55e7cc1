"""Every file call that storage makes, in one class that tests replace with a disk that tears, fills up,
fails or forgets.

`Files` is thin: each method is one system call (or the few that make one step, such as an atomic write).
What goes wrong leaves it as OSError; `storing` and `OpenFile` turn that into StorageError, with the path in
the message.
"""

import errno
import fcntl
import os
import time
from collections.abc import Sequence

from .engine import DirectoryOffline, DiskFull, StorageError

IOV_MAX = 1024
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
_PREADV_MAX = 0x7FFFF000  # Linux moves no more in one call


class Offline(OSError):
    """A call on a log directory that has failed before, and is not tried any more."""


def storage_error(doing: str, path: str, error: OSError) -> StorageError:
    """What is raised for an OSError: it says what failed on which file."""
    kind = StorageError
    if isinstance(error, Offline):
        kind = DirectoryOffline
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        kind = DiskFull
    return kind(f"{doing} {path} failed: {error.strerror or error}")


class storing:
    """Turns an OSError within into a StorageError that says what failed on which file."""

    __slots__ = ("_doing", "_path")

    def __init__(self, doing: str, path: str) -> None:
        self._doing = doing
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise storage_error(self._doing, self._path, error) from error


MOST_STRETCHES = 1000
"""That `written_ranges` tells apart, so that a file in very many pieces costs no more memory."""


class Files:
    """The real file system."""

    def now(self) -> float:
        """Seconds on a clock that only says how long a call took."""
        return time.monotonic()

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        """One write call; gives how many bytes it took, which may be fewer than there are."""
        return os.pwritev(descriptor, buffers, position)

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        """One read call; `nowait` raises BlockingIOError rather than wait for the disk (where the system
        can tell).
        """
        return os.preadv(descriptor, buffers, position, _NOWAIT if nowait else 0)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def reserve(self, descriptor: int, size: int) -> None:
        """Make a file that long, with room for it on the disk; what was not written reads as zeros. Nothing
        happens where the file system has no such thing.
        """
        posix_fallocate = getattr(os, "posix_fallocate", None)  # not on macOS
        if posix_fallocate is None:
            return
        try:
            posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV):
                raise

    def written_ranges(self, descriptor: int, begin: int, end: int) -> list[tuple[int, int]]:
        """The stretches of a file between two positions outside of which all is zeros because there are holes
        or room that was reserved and never written; all of it where the system can't tell.
        """
        found: list[tuple[int, int]] = []
        seek_data = getattr(os, "SEEK_DATA", None)  # not everywhere
        if seek_data is None:
            return [(begin, end)]
        try:
            while begin < end:
                if len(found) == MOST_STRETCHES:
                    return [*found, (begin, end)]
                data = os.lseek(descriptor, begin, seek_data)
                if data >= end:
                    break
                begin = os.lseek(descriptor, data, os.SEEK_HOLE)
                found.append((data, min(begin, end)))
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                return [*found, (begin, end)]
            if error.errno != errno.ENXIO:  # there is nothing from there on
                raise
        return found

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def path_size(self, path: str) -> int:
        return os.stat(path).st_size

    def modified_ms(self, path: str) -> int:
        """When the file was last written to, in ms since 1970."""
        return os.stat(path).st_mtime_ns // 1_000_000

    def set_modified_ms(self, path: str, time_ms: int) -> None:
        """As if the file had last been written to then."""
        os.utime(path, ns=(time_ms * 1_000_000, time_ms * 1_000_000))

    def fdatasync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def sync_file_system(self, descriptor: int, directories: Sequence[str]) -> bool:
        """Make all that was written to the file system of an open file durable, names too; False, and
        nothing done, where that can't be believed for what lies in `directories`. What failed since the
        file was opened is an error.
        """
        from . import file_system  # asked for by those with very many logs, when they close them

        return file_system.sync(descriptor, directories)

    def sync_directory(self, path: str) -> None:
        """Make the names in a directory durable."""
        descriptor = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.fsync(descriptor)
        finally:
            self.close(descriptor)

    def rename(self, old: str, new: str) -> None:
        os.replace(old, new)

    def link(self, path: str, new: str) -> None:
        """Another name for a file; FileExistsError where `new` is there already."""
        os.link(path, new)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def mkdir(self, path: str) -> None:
        os.mkdir(path)

    def makedirs(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def listdir(self, path: str) -> list[str]:
        return os.listdir(path)

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def lock(self, descriptor: int) -> bool:
        """Take the file's exclusive lock without waiting; False when somebody else holds it.

        Two locks: flock's, which holds within a process too, and lockf's, which is the one that Java takes.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def disk_space(self, path: str) -> tuple[int, int]:
        """Bytes of the disk that holds `path`, and how many of them are free for us."""
        status = os.statvfs(path)
        return status.f_frsize * status.f_blocks, status.f_frsize * status.f_bavail

    # Steps made of the calls above.

    def read_file(self, path: str) -> bytes | None:
        """A whole file, None when there is none."""
        try:
            descriptor = self.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            buffer = bytearray(self.size(descriptor))
            with memoryview(buffer) as view:
                filled = self.read_up_to(descriptor, view, 0)
            del buffer[filled:]
            return bytes(buffer)
        finally:
            self.close(descriptor)

    def read_tail(self, path: str, most: int, entry_bytes: int) -> bytes | None:
        """The last bytes of a file of entries, at most `most`; None where it is not there, or has not whole
        entries.
        """
        try:
            descriptor = self.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            size = self.size(descriptor)
            if size % entry_bytes:
                return None
            buffer = bytearray(min(size, most))
            with memoryview(buffer) as view:
                filled = self.read_up_to(descriptor, view, size - len(buffer))
            return bytes(buffer) if filled == len(buffer) else None
        finally:
            self.close(descriptor)

    def read_up_to(self, descriptor: int, view: memoryview, position: int) -> int:
        """Fill `view` from `position`; gives how many bytes there were before the file's end."""
        filled = 0
        while filled < len(view):
            got = self.preadv(descriptor, [view[filled : filled + _PREADV_MAX]], position + filled)
            if got == 0:
                break
            filled += got
        return filled

    def write_all(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        """Write all of `buffers`, going on where a call took only a part; gives the bytes written."""
        size = len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))
        rest, left = buffers, size
        while left:
            wrote = self.pwritev(descriptor, rest if len(rest) <= IOV_MAX else rest[:IOV_MAX], position)
            if not wrote:
                raise OSError(errno.EIO, "nothing was written")
            left -= wrote
            if left:
                position += wrote
                rest = _behind(rest, wrote)
        return size

    def write_file(self, path: str, data: bytes, *, sync: bool) -> None:
        """Put `data` in place of a file, whole or not at all: a temporary file beside it, then a rename."""
        temporary = path + ".tmp"
        descriptor = self.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            self.write_all(descriptor, [data], 0)
            if sync:
                self.fsync(descriptor)
        finally:
            self.close(descriptor)
        self.rename(temporary, path)
        if sync:
            self.sync_directory(os.path.dirname(path))

    def write_in_place(self, path: str, data: bytes, *, sync: bool) -> None:
        """Put `data` into a file, which is made if need be; a crash may leave it half written."""
        descriptor = self.open(path, os.O_WRONLY | os.O_CREAT)
        try:
            self.write_all(descriptor, [data] if data else [], 0)
            self.truncate(descriptor, len(data))
            if sync:
                self.fdatasync(descriptor)
        finally:
            self.close(descriptor)

    def remove(self, path: str) -> bool:
        """Unlink a file if it is there; gives whether it was."""
        try:
            self.unlink(path)
        except FileNotFoundError:
            return False
        return True


def _behind(buffers: Sequence[memoryview | bytes], done: int) -> Sequence[memoryview | bytes]:
    """`buffers` without their first `done` bytes."""
    for at, buffer in enumerate(buffers):
        if done < len(buffer):
            return [memoryview(buffer)[done:], *buffers[at + 1 :]]
        done -= len(buffer)
    return []
