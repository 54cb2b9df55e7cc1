"""Every file call that storage makes, in one class that tests replace with a disk that tears, fills up,
fails or forgets.

`Files` is thin: each method is one system call (or the few that make one step, such as an atomic write).
What goes wrong leaves it as OSError; `storing` and `OpenFile` turn that into StorageError, with the path in
the message. `OpenFile` is a file that is opened when it is used and may be closed again when it is not
(`OpenFiles` bounds how many are open), so that many thousands of partitions need not have a descriptor
each.
"""

import errno
import fcntl
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from .engine import DirectoryOffline, DiskFull, StorageError

IOV_MAX = 1024
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
_PROBE_BYTES = 128 * 1024  # what Linux reads ahead, unless told otherwise
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

    def side_by_side(self, works: Sequence[Callable[[], None]]) -> None:
        """Do some things that wait for the disk, each in a thread; they raise nothing."""
        if len(works) == 1:
            works[0]()
            return
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

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


class OpenFile:
    """A file that is open when it must be.

    Slices pin it: a pinned file's descriptor stays open, and its bytes stay in place (whoever would cut it
    asks `pinned`). A descriptor belongs to this object; `close` ends it, at once or when the last slice
    lets go.
    """

    __slots__ = ("_closing", "_descriptor", "_files", "_open_files", "_used", "path", "pinned")

    def __init__(self, path: str, open_files: "OpenFiles") -> None:
        self.path = path
        self.pinned = 0
        self._open_files = open_files
        self._used = open_files.used
        self._files = open_files.files
        self._descriptor = -1
        self._closing = False

    def descriptor(self, create: bool = False) -> int:
        """The descriptor, opening the file if need be."""
        descriptor = self._descriptor
        if descriptor < 0:
            self._open(os.O_RDWR | (os.O_CREAT if create else 0))
            return self._descriptor
        self._used(self)
        return descriptor

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    def open_empty(self) -> None:
        """Open the file, which is not open, without what it holds; it is made if need be."""
        self._open(os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def _open(self, flags: int) -> None:
        with storing("opening", self.path):
            self._descriptor = self._files.open(self.path, flags)
        self._closing = False
        self._open_files.opened(self)

    def pin(self) -> None:
        self.pinned += 1

    def unpin(self) -> None:
        self.pinned -= 1
        if self._closing and not self.pinned:
            self.close()

    def close(self) -> None:
        """Close the descriptor, now or when nothing pins it any more. The file may be opened again by
        `descriptor`.
        """
        if self._descriptor < 0:
            return
        if self.pinned:
            self._closing = True
            return
        self._open_files.closed(self)
        descriptor, self._descriptor = self._descriptor, -1
        self._closing = False
        self._files.close(descriptor)

    def size(self) -> int:
        with storing("looking at", self.path):
            return self._files.size(self.descriptor())

    def read(self, position: int, size: int, descriptor: int | None = None) -> memoryview:
        """Exactly `size` bytes at `position`; StorageError when there are fewer.

        With the descriptor that a slice holds, this may be called in a thread.
        """
        view = memoryview(bytearray(size))
        if self.read_up_to(view, position, descriptor) < size:
            raise StorageError(f"{self.path} ends before byte {position + size}, which it held before")
        return view

    def read_up_to(self, view: memoryview, position: int, descriptor: int | None = None) -> int:
        """Fill `view` as far as the file goes; gives the bytes read."""
        with storing("reading", self.path):
            if descriptor is None:
                descriptor = self.descriptor()
            return self._files.read_up_to(descriptor, view, position)

    def try_read(self, position: int, size: int, descriptor: int) -> memoryview | None:
        """As `read`, but None at once when a byte of it is not in the page cache."""
        view = memoryview(bytearray(size))
        filled = 0
        while filled < size:
            try:
                got = self._files.preadv(descriptor, [view[filled:]], position + filled, nowait=True)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    return None  # a file system that can't tell: a thread reads
                raise storage_error("reading", self.path, error) from error
            if got == 0:
                raise StorageError(f"{self.path} ends before byte {position + size}, which it held before")
            filled += got
        return view

    def is_cached(self, position: int, size: int, descriptor: int) -> bool:
        """Whether these bytes can be read without waiting for the disk, as far as a look at a byte every
        128 KiB tells. A file system that can't say is taken to wait.
        """
        view = memoryview(bytearray(1))
        end = position + size
        try:
            for at in range(position, end, _PROBE_BYTES):
                self._files.preadv(descriptor, [view], at, nowait=True)
            self._files.preadv(descriptor, [view], end - 1, nowait=True)
        except OSError:
            return False
        return True


class OpenFiles:
    """The open files of a node's logs: at most `limit` descriptors at once, the least recently used closed
    first.

    Pinned files are passed over, so the limit may be exceeded by as many as are being sent.
    """

    def __init__(self, files: Files, limit: int = 4096) -> None:
        self.files = files
        self.limit = limit
        self._open: OrderedDict[OpenFile, None] = OrderedDict()
        self.used: Callable[[OpenFile], None] = self._open.move_to_end
        """To be told of an open file that it is used."""

    def through(self, files: Files) -> "OpenFiles":
        """The same open files and their limit, for logs whose calls go through `files`."""
        same = OpenFiles(files, self.limit)
        same._open, same.used = self._open, self.used
        return same

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, file: OpenFile) -> None:
        self._open[file] = None
        if len(self._open) > self.limit:
            for candidate in self._open:
                if candidate is not file and not candidate.pinned:
                    candidate.close()
                    break

    def closed(self, file: OpenFile) -> None:
        self._open.pop(file, None)
