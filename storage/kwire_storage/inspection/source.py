"""A file that is looked at: read from front to back, in pieces, as it was when it was opened."""

import os
from types import TracebackType
from typing import Self

from ..files import Files

CHUNK_BYTES = 1 << 20
LARGEST_BYTES = 256 << 20
"""What is needed whole, such as a compressed batch, may take so much."""


class Unreadable(Exception):
    """A file, or the rest of it, that can't be read: what it should be, and what is there instead.

    `position` is the byte where that begins, None where no byte is to blame.
    """

    def __init__(self, path: str, reason: str, position: int | None = None) -> None:
        where = "" if position is None else f" at byte {position}"
        super().__init__(f"{path}{where}: {reason}")
        self.path = path
        self.reason = reason
        self.position = position


class Source:
    """An open file. Bytes that are appended later are not looked at. Raises Unreadable; closes itself as a
    context manager.
    """

    def __init__(self, path: str, files: Files) -> None:
        self.path = path
        self._files = files
        self._view = memoryview(b"")
        self._start = 0
        try:
            self._descriptor = files.open(path, os.O_RDONLY)
        except OSError as error:
            raise Unreadable(path, f"it can't be opened: {error.strerror or error}") from None
        try:
            self.size = files.size(self._descriptor)
        except OSError as error:
            self.close()
            raise Unreadable(path, f"its size can't be read: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._files.close(self._descriptor)

    def view(self, position: int, size: int) -> memoryview:
        """`size` bytes at `position`, fewer at the file's end; good until the next call."""
        size = max(0, min(size, self.size - position))
        at = position - self._start
        if not 0 <= at <= len(self._view) - size:
            wanted = min(max(size, CHUNK_BYTES), self.size - position)
            buffer = memoryview(bytearray(wanted))
            try:
                filled = self._files.read_up_to(self._descriptor, buffer, position)
            except OSError as error:
                raise Unreadable(
                    self.path, f"it can't be read: {error.strerror or error}", position
                ) from None
            self._view, self._start, at = buffer[:filled], position, 0
        return self._view[at : at + size]


def small_file(path: str, files: Files) -> bytes:
    """All of a file that is never large. Raises Unreadable."""
    with Source(path, files) as source:
        if source.size > LARGEST_BYTES:
            raise Unreadable(path, f"it has {source.size} bytes; such a file is small")
        return bytes(source.view(0, source.size))
