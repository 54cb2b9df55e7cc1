"""The `.txnindex` file of one segment, and what it says.

Rules
- Held in memory once it was asked for. It reaches its file, with the other indexes, when the segment is
  sealed, flushed or closed: before anything says that the segment need not be looked at again. A segment that
  recovery looks at gets its index anew, whatever the file holds.
- What can't be right is not known (`entries` gives None): `producer_replay.py` builds it again from the log.
- A segment in which nothing was aborted has no file: that a file is gone can't be seen (nor in Kafka), but
  where the offset index is gone too.
"""

import logging

from ..engine import StorageError
from ..files import Files, storing
from ..transaction_index import AbortedTransaction, TransactionIndex

log = logging.getLogger("kwire.storage")


class TransactionFile:
    """One segment's aborted transactions. `exists` is whether there may be a file."""

    __slots__ = ("_base_offset", "_files", "_index", "_is_in_file", "_unsaved", "path")

    def __init__(self, path: str, base_offset: int, files: Files, *, exists: bool) -> None:
        self.path = path
        self._base_offset = base_offset
        self._files = files
        self._index: TransactionIndex | None = None if exists else TransactionIndex()
        self._is_in_file = exists
        self._unsaved = False

    @property
    def is_unknown(self) -> bool:
        """Whether it has to be built from the log."""
        return self._index is None and not self._is_in_file

    @property
    def is_empty(self) -> bool:
        """Whether it is known that nothing was aborted."""
        return self._index is not None and not len(self._index)

    def entries(self, end_offset: int) -> TransactionIndex | None:
        """The index of the segment, which ends at `end_offset`; None when it has to be built from the log."""
        if self._index is None and self._is_in_file:
            with storing("reading", self.path):
                data = self._files.read_file(self.path)
            self._is_in_file = False
            if data:  # an empty one may be all that a power cut left
                self._index = TransactionIndex.decode(data, self._base_offset, end_offset)
            if self._index is None:
                log.warning("%s is empty or can't be right; built again from the log", self.path)
        return self._index

    def must_be_built(self) -> None:
        """Nothing that is known counts any more."""
        self._index, self._is_in_file = None, False

    def start_over(self) -> TransactionIndex:
        """An empty index, to be filled."""
        self._index, self._is_in_file, self._unsaved = TransactionIndex(), False, True
        return self._index

    def append(self, aborted: AbortedTransaction, end_offset: int) -> None:
        """Add what was aborted just now."""
        index = self._to_be_changed(end_offset)
        if index is not None:
            index.append(aborted)
            self._unsaved = True

    def truncate(self, offset: int, end_offset: int) -> None:
        """The log is about to end at `offset`; the segment ended at `end_offset`."""
        index = self._to_be_changed(end_offset)
        if index is not None and index.truncate(offset):
            self._unsaved = True

    def _to_be_changed(self, end_offset: int) -> TransactionIndex | None:
        """The index, loaded; None where it has to be built from the log, which says all of it."""
        try:
            return self.entries(end_offset)
        except StorageError as error:
            log.warning("%s", error)
            self.must_be_built()
            return None

    def save(self) -> bool:
        """Write it to its file, if it has changed; gives whether it had."""
        if not self._unsaved or self._index is None:
            return False
        with storing("writing", self.path):
            if len(self._index):
                self._files.write_in_place(self.path, self._index.encode(), sync=False)
            else:
                self._files.remove(self.path)
        self._unsaved = False
        return True
