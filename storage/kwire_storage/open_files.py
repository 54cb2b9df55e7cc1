"""Files that are opened when they are used and may be closed again when they are not, so that many thousands
of partitions need not have a descriptor each. What goes wrong raises StorageError, with the path.
"""

import errno
import os
from collections import OrderedDict
from collections.abc import Callable

from .engine import StorageError
from .files import Files, storage_error, storing
from .segments import file_names

_PROBE_BYTES = 128 * 1024  # what Linux reads ahead, unless told otherwise
_COPIED_BYTES = 1 << 20


class OpenFile:
    """A file that is open when it must be.

    Slices pin it: a pinned file's descriptor stays open, and its bytes stay in place (see `cut`). A
    descriptor belongs to this object; `close` ends it, at once or when the last slice lets go.
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

    def cut(self, size: int) -> "OpenFile":
        """Cut the file off at `size`. Gives this one, or, where slices pin it, a copy in its place: the bytes
        that they have are then under no name any more.
        """
        with storing("truncating", self.path):
            if not self.pinned:
                self._files.truncate(self.descriptor(), size)
                return self
            copy = self._files.open(self.path + file_names.TEMPORARY, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            try:
                position = 0
                while position < size:
                    chunk = self.read(position, min(_COPIED_BYTES, size - position))
                    position += self._files.write_all(copy, [chunk], position)
            finally:
                self._files.close(copy)
            self._files.rename(self.path + file_names.TEMPORARY, self.path)
        self.close()
        return OpenFile(self.path, self._open_files)

    def size(self) -> int:
        with storing("looking at", self.path):
            return self._files.size(self.descriptor())

    def written_ranges(self, begin: int, end: int) -> list[tuple[int, int]]:
        """See `Files`."""
        with storing("looking at", self.path):
            return self._files.written_ranges(self.descriptor(), begin, end)

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
