"""The files of one log directory, watched: one whose disk fails goes offline, one that is full says so.

Rules
- An I/O error of the device, a directory that is gone or can't be entered any more, and every sync that fails
  (what was written may be lost, and no later sync will tell) take the directory offline, for as long as the
  process lives. From then on each call fails at once, without touching the disk; descriptors are still closed
  (Kafka: LogDirFailureChannel).
- A full disk (ENOSPC, EDQUOT) is not a failed one: the call fails, the next one is tried again. That is said
  once a minute at most.
- Whatever else goes wrong concerns a file, and is told by whoever called.
"""

import errno
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..files import Files, Offline

log = logging.getLogger("kwire.storage")

FAILED: Final = frozenset(
    getattr(errno, name)
    for name in ("EIO", "EROFS", "ENODEV", "ENXIO", "ESTALE", "EREMOTEIO", "EUCLEAN", "ENOTCONN", "ETIMEDOUT")
    if hasattr(errno, name)
)
"""The device does not work, whatever file was asked for."""
FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT))
SUSPICIOUS: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM))
"""May be about the file, or about the directory: a look tells."""
SYNCS: Final = frozenset(("fdatasync", "fsync", "sync_file_system"))
NO_SYNC: Final = frozenset((errno.EBADF, errno.EINVAL, errno.EINTR))
"""A sync that was none."""
FULL_TOLD_SECONDS: Final = 60.0

Told = Callable[[OSError], None]


class DirectoryFiles(Files):
    """What `Files` does, by `inner`, for the files below `root`; `failed` is called when that has failed."""

    def __init__(self, inner: Files, root: str, failed: Told) -> None:
        self.inner = inner
        self.root = root
        self.failure: OSError | None = None
        """Why the directory is offline."""
        self.is_full = False
        """The last write found no room."""
        self._failed = failed
        self._full_told_at: float | None = None

    def fail(self, error: OSError) -> None:
        """Take the directory offline; it is told to whoever wanted to know, the first time."""
        if self.failure is None:
            # Not the error itself: its traceback would hold on to the files that were in use.
            self.failure = OSError(error.errno, error.strerror or str(error))
            self._failed(self.failure)

    def offline(self) -> Offline:
        """What is raised from now on."""
        return Offline(errno.EIO, f"the log directory {self.root} is offline")

    def _look(self, operation: str, error: OSError) -> None:
        """An operation failed: does that speak against the whole directory?"""
        number = error.errno
        if number in FAILED or (operation in SYNCS and number not in NO_SYNC):
            self.fail(error)
        elif number in FULL:
            self._tell_full(error)
        elif (
            number in SUSPICIOUS and operation != "link" and self._is_gone(number)
        ):  # not all disks have links
            self.fail(error)

    def _is_gone(self, number: int) -> bool:
        if number in (errno.ENOENT, errno.ENOTDIR):  # many a file is looked for that need not be there
            return not self.inner.is_directory(self.root)
        try:
            self.inner.listdir(self.root)
        except OSError:
            return True
        return False

    def _tell_full(self, error: OSError) -> None:
        self.is_full = True
        now = self.inner.now()
        if self._full_told_at is not None and now - self._full_told_at < FULL_TOLD_SECONDS:
            return
        self._full_told_at = now
        try:
            total, free = self.inner.disk_space(self.root)
            room = f"{free} of {total} bytes are free"
        except OSError:
            room = "how much is free can't be told"
        log.error(
            "the disk of %s is full (%s; %s): what clients write to it is refused until there is room; "
            "make some, or let topics keep less (retention.bytes, retention.ms)",
            self.root,
            error.strerror or error,
            room,
        )

    def has_room_again(self) -> bool:
        """A write has been done: whether it is the first since the disk was full."""
        was_full, self.is_full = self.is_full, False
        return was_full

    # What every batch does is written out; the rest is made below.

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        if self.failure is not None:
            raise self.offline()
        try:
            return self.inner.pwritev(descriptor, buffers, position)
        except OSError as error:
            self._look("pwritev", error)
            raise

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        if self.failure is not None:
            raise self.offline()
        try:
            return self.inner.preadv(descriptor, buffers, position, nowait=nowait)
        except OSError as error:
            self._look("preadv", error)
            raise

    def now(self) -> float:
        return self.inner.now()

    def close(self, descriptor: int) -> None:
        try:
            self.inner.close(descriptor)
        except OSError as error:
            self._look("close", error)
            raise

    def is_directory(self, path: str) -> bool:
        return self.failure is None and self.inner.is_directory(path)


def _watched(operation: str) -> Callable[..., Any]:
    def call(self: DirectoryFiles, *arguments: Any, **options: Any) -> Any:
        if self.failure is not None:
            raise self.offline()
        try:
            return getattr(self.inner, operation)(*arguments, **options)
        except OSError as error:
            self._look(operation, error)
            raise

    return call


for _operation in (
    "open", "truncate", "reserve", "written_ranges", "size", "path_size", "modified_ms", "fdatasync", "fsync",
    "sync_file_system", "rename",
    "link", "unlink", "rmdir", "mkdir", "makedirs", "listdir", "lock", "disk_space",
):  # fmt: skip
    setattr(DirectoryFiles, _operation, _watched(_operation))
