"""How batches get to the end of a segment's file, and what may lie behind that end: methods of `Segment`.

Behind `size` lie the remains of an append that failed, a write that is under way, or room that was reserved
(`preallocate`). Whatever it is does not count, and is cut off before the next append where it is not zeros.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kwire_codecs.records.batch import BatchHeader

from ..engine import FileSlice, StorageError
from ..files import storage_error, storing

if TYPE_CHECKING:
    from .segment import Segment

log = logging.getLogger("kwire.storage")

Placed = tuple[memoryview, int, int, int, int, BatchHeader]
"""A batch that is appended: its bytes and how many, base offset, last offset, max timestamp, header. A plain
tuple: every append makes one, and takes it apart twice.
"""


def append(self: "Segment", batches: Sequence[Placed]) -> None:
    """Write batches at the end, in one gathered write. On StorageError the segment is as it was."""
    if self._torn:
        self._cut_back()
    descriptor = self._file.descriptor(True)
    position = self.size
    try:
        if len(batches) == 1:
            buffers = (batches[0][0],)
            if self._files.pwritev(descriptor, buffers, position) != batches[0][1]:
                self._files.write_all(descriptor, buffers, position)
        else:
            self._files.write_all(descriptor, [placed[0] for placed in batches], position)
    except OSError as error:
        self.forget_what_lies_behind()
        raise self.append_failed(error) from error
    self.take_in(batches)


def make_file(self: "Segment") -> None:
    """Make the segment's file now, though there is nothing in it yet, nor room reserved for it."""
    if self._torn:
        self._cut_back(reserve=False)
        self._torn = self._reserved_bytes > 0


def writable(self: "Segment") -> FileSlice:
    """The file, held open for a write behind the segment's end; nothing lies there."""
    if self._torn:
        self._cut_back()
    self._file.descriptor(create=True)
    return FileSlice(self._file, self.size, 0)


def append_failed(self: "Segment", error: OSError) -> StorageError:
    """What is said of a write that failed."""
    return storage_error("appending to", self._file.path, error)


def forget_what_lies_behind(self: "Segment") -> None:
    """A write did not become part of the segment: cut it off, now or before the next one."""
    self._torn = True
    try:
        self._cut_back()
    except StorageError as error:
        if not error.is_told:
            log.warning("what a failed append left in %s can't be cut off now", self._file.path)


def take_in(self: "Segment", batches: Sequence[Placed]) -> None:
    """Batches have been written at the end: from now on they count."""
    position = self.size
    last_offset = self.end_offset
    indexes = self._indexes or self.indexes
    if position == 0:
        self._first_timestamp = max(placed[4] for placed in batches)
        indexes.is_saved = False
    for _, size, _, last_offset, max_timestamp, _ in batches:
        # As `Indexes.add`, without the call.
        if max_timestamp > indexes.max_timestamp:
            indexes.max_timestamp, indexes.max_timestamp_offset = max_timestamp, last_offset
        if indexes.unindexed_bytes > self.index_interval_bytes:
            indexes.add_entries(last_offset, position)
        indexes.unindexed_bytes += size
        position += size
    self.size = position
    self.end_offset = last_offset + 1


def cut_back(self: "Segment", *, reserve: bool = True) -> None:
    files, file = self._shared.files, self._file
    with storing("cutting back", file.path):
        if self.size or file.is_open:
            files.truncate(file.descriptor(create=True), self.size)
        else:
            file.open_empty()
    if reserve and self._reserved_bytes > self.size:
        with storing("reserving room for", file.path):
            try:
                files.reserve(file.descriptor(), self._reserved_bytes)
            except OSError:
                files.truncate(file.descriptor(), self.size)
                raise
    self._torn = False


def trim(self: "Segment") -> bool:
    """Give room back that was reserved and not used: nothing is appended any more. Whether there was any
    (Kafka: FileRecords.trim).
    """
    reserved, self._reserved_bytes = self._reserved_bytes, 0
    if not reserved or (self._torn and not self.size):  # perhaps it has no file yet
        return False
    self._cut_back()
    return True
