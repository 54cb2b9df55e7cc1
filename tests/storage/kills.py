"""A process that ends at a call of the file system: what was done before stays, and nothing comes after."""

import os

from kwire_storage.files import Files


class Killed(BaseException):
    """The process ends here."""


class KilledAt(Files):
    """Ends the process before one of the calls that change a directory or a file: the one after `left`."""

    left: int | None = None

    def __init__(self) -> None:
        self._open: set[int] = set()

    def close_all(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        super().close(descriptor)

    def _count(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        if flags & (os.O_CREAT | os.O_TRUNC):
            self._count()
        descriptor = super().open(path, flags, mode)
        self._open.add(descriptor)
        return descriptor

    def fdatasync(self, descriptor: int) -> None:
        pass  # a kill loses nothing of what was written

    def fsync(self, descriptor: int) -> None:
        pass

    def lock(self, descriptor: int) -> bool:
        return True  # those who were killed hold none

    def pwritev(self, *arguments: object) -> int:
        self._count()
        return super().pwritev(*arguments)  # type: ignore[arg-type]

    def mkdir(self, path: str) -> None:
        self._count()
        super().mkdir(path)

    def link(self, path: str, new: str) -> None:
        self._count()
        super().link(path, new)

    def rename(self, old: str, new: str) -> None:
        self._count()
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._count()
        super().unlink(path)
