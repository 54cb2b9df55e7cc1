"""A cleaned segment while it is written: `.log.cleaned` with its indexes, by the rules of `Segment`."""

import os

from ..files import Files, storing
from ..segments import file_names
from ..segments.indexes import Indexes
from ..transaction_index import AbortedTransaction, TransactionIndex

GATHERED_BYTES = 1 << 20


class CleanedSegment:
    """The files of one cleaned segment. Raises StorageError; `close` in any case, `remove` if it came to
    nothing.
    """

    def __init__(self, directory: str, base_offset: int, files: Files, index_interval_bytes: int) -> None:
        self._directory = directory
        self._base_offset = base_offset
        self._files = files
        self._index_interval_bytes = index_interval_bytes
        self._indexes = Indexes.empty(base_offset)
        self._transactions = TransactionIndex()
        self._gathered = bytearray()
        self._written = 0
        self.size = 0
        self.end_offset = base_offset
        path = self._path(file_names.LOG)
        with storing("making", path):
            self._descriptor = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def _path(self, suffix: str) -> str:
        name = file_names.segment_file(self._base_offset, suffix)
        return f"{self._directory}/{name}{file_names.CLEANED}"

    @property
    def has_aborted(self) -> bool:
        """Whether it has a transaction index."""
        return len(self._transactions) > 0

    def append(self, batch: memoryview | bytearray, last_offset: int, max_timestamp: int) -> None:
        """Add a batch; its bytes are copied."""
        self._indexes.add(self.size, len(batch), last_offset, max_timestamp, self._index_interval_bytes)
        self.size += len(batch)
        self.end_offset = last_offset + 1
        self._gathered += batch
        if len(self._gathered) >= GATHERED_BYTES:
            self._write()

    def _write(self) -> None:
        if self._gathered:
            with storing("writing", self._path(file_names.LOG)), memoryview(self._gathered) as gathered:
                self._written += self._files.write_all(self._descriptor, [gathered], self._written)
            self._gathered.clear()

    def add_aborted(self, aborted: AbortedTransaction) -> None:
        """A transaction of which there is data left, and the marker."""
        self._transactions.append(aborted)

    def finish(self, modified_ms: int) -> None:
        """Everything is on the device when this returns, the log as if last written at `modified_ms`."""
        self._write()
        files = self._files
        self._indexes.end()
        indexes = self._indexes.files()
        if self.has_aborted:
            indexes.append((file_names.TRANSACTION_INDEX, self._transactions.encode()))
        for suffix, data in indexes:
            with storing("writing", self._path(suffix)):
                files.write_in_place(self._path(suffix), data, sync=True)
        with storing("syncing", self._path(file_names.LOG)):
            files.set_modified_ms(self._path(file_names.LOG), modified_ms)
            files.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            self._gathered.clear()
            self._files.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Delete what there is of it."""
        self.close()
        remove_cleaned(self._directory, self._base_offset, self._files)


def remove_cleaned(directory: str, base_offset: int, files: Files) -> None:
    """Delete the files of a cleaned segment that is not wanted. Raises StorageError."""
    for suffix in file_names.SEGMENT_SUFFIXES:
        path = f"{directory}/{file_names.segment_file(base_offset, suffix)}{file_names.CLEANED}"
        with storing("removing", path):
            files.remove(path)
