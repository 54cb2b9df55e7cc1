"""One segment of a log on disk: a `.log` file of batches, one after the other, its two indexes, and its
transaction index if it has one (Kafka: LogSegment).

Rules
- `size` is the truth about how much of the file counts; whatever lies behind it is the remains of an append
  that failed, and is cut off before the next one.
- Index entries of the segment that is appended to are in memory and reach their files when it is sealed,
  flushed or closed. A crash loses them and recovery builds them again, from the log. Indexes of sealed
  segments are loaded when first asked for.
"""

import logging
from collections.abc import Iterator

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import BatchHeader, CorruptBatch

from ..engine import FileSlice, StorageError
from ..files import storing
from ..open_files import OpenFile
from . import ages, file_names, index_use, writing
from .indexes import Indexes
from .overlap import size_before_next
from .places import Place, read, walk
from .shared import Shared
from .time_index import NO_TIMESTAMP
from .transaction_file import TransactionFile
from .zeros import are_zeros

log = logging.getLogger("kwire.storage")


class Segment:
    """One segment. The log owns it, and closes it."""

    def __init__(
        self,
        directory: str,
        base_offset: int,
        shared: Shared,
        *,
        index_interval_bytes: int,
        created_ms: int,
        size: int = 0,
        end_offset: int | None = None,
        has_aborted: bool = False,
        reserved_bytes: int = 0,
    ) -> None:
        self.base_offset = base_offset
        self.end_offset = base_offset if end_offset is None else end_offset
        """The offset after the last batch; of a sealed segment, the next one's base offset will do."""
        self.size = size
        self.created_ms = created_ms
        self.index_interval_bytes = index_interval_bytes
        self._directory = directory
        self._shared = shared
        self._files = shared.files
        self._file = OpenFile(self.path(file_names.LOG), shared.open_files)
        self._indexes: Indexes | None = None
        self.transactions = TransactionFile(
            self.path(file_names.TRANSACTION_INDEX), base_offset, shared.files, exists=has_aborted
        )
        self._torn = False
        self._reserved_bytes = reserved_bytes
        """How long its file is made before the first append; zeros behind `size` until it is trimmed."""
        self._end_is_known = end_offset is None
        """Whether it is known that `size` ends before the next segment begins."""
        self.overlaps = False
        """Whether its file has batches with offsets of the next segment, which `size` leaves out."""
        self._newest: tuple[int, int] | None = None
        """What `newest_ms` found, and the size that the segment had then."""
        self._first_timestamp: int | None = None
        self.following: dict[int, Place] = {}
        """What some reads came upon and had no room for, by the base offset: what readers ask for next."""

    @classmethod
    def new(
        cls,
        directory: str,
        base_offset: int,
        shared: Shared,
        *,
        index_interval_bytes: int,
        now_ms: int,
        reserved_bytes: int = 0,
    ) -> "Segment":
        """A segment that begins empty; its file is made at the first append, `reserved_bytes` long."""
        segment = cls(
            directory,
            base_offset,
            shared,
            index_interval_bytes=index_interval_bytes,
            created_ms=now_ms,
            reserved_bytes=reserved_bytes,
        )
        segment._indexes = Indexes.empty(base_offset)
        segment._torn = True  # whatever a file of that name holds does not count
        return segment

    def path(self, suffix: str) -> str:
        """The path of one of the segment's files."""
        return f"{self._directory}/{file_names.segment_file(self.base_offset, suffix)}"

    @property
    def log_path(self) -> str:
        """The path of the `.log` file."""
        return self._file.path

    # Indexes

    @property
    def indexes(self) -> Indexes:
        """The indexes, loaded or, where one is missing or wrong, built again."""
        if self._indexes is None:
            self._end_before_next()
            if not self.indexes_look_right() or not index_use.ends_agree(self):
                log.info("the indexes of %s are missing or wrong; built again", self.log_path)
                self.rebuild_indexes(self.places(0))
            assert self._indexes is not None
        return self._indexes

    def indexes_look_right(self) -> bool:
        """Load the indexes from their files, if they are there and can be right."""
        with storing("reading the indexes of", self.log_path):
            offsets = self._files.read_file(self.path(file_names.OFFSET_INDEX))
            times = self._files.read_file(self.path(file_names.TIME_INDEX))
        if offsets is not None and times is not None:
            self._indexes = Indexes.decode(offsets, times, self.base_offset, self.size)
        return self._indexes is not None

    def rebuild_indexes(self, places: Iterator[Place]) -> None:
        """Build both indexes from the segment's batches."""
        indexes = self._indexes = Indexes.empty(self.base_offset, is_saved=False)
        for place in places:
            self._index(indexes, place)
        indexes.end()

    def _index(self, indexes: Indexes, place: Place) -> None:
        indexes.add(
            place.position, place.size, place.last_offset, place.max_timestamp, self.index_interval_bytes
        )

    @property
    def knows_newest_ms(self) -> bool:
        """Whether `newest_ms` gives an answer without a look at a file."""
        if self._newest is not None and self._newest[0] == self.size:
            return True
        return self._indexes is not None and self._indexes.max_timestamp >= 0

    def newest_ms(self) -> int:
        """How new the segment is: the largest timestamp of its records, or where these have none, when the
        file was last written to (Kafka: LogSegment.largestTimestamp).
        """
        if self._indexes is not None and self._indexes.max_timestamp >= 0:
            return self._indexes.max_timestamp
        found = self._newest
        if found is None or found[0] != self.size:
            found = self._newest = self.size, self.find_newest_ms(None)
        return found[1]

    def note_newest_ms(self, newest_ms: int) -> None:
        """What `find_newest_ms` gave: a thread found it, for a sealed segment."""
        self._newest = self.size, newest_ms

    def find_newest_ms(self, descriptor: int | None) -> int:
        """Look into the files for what `newest_ms` is to give; in a thread with the `descriptor` that a slice
        holds.
        """
        return ages.find_newest_ms(self._files, self, self._file, descriptor)

    def modified_ms(self) -> int:
        """When the file was last written to."""
        with storing("looking at", self.log_path):
            return self._files.modified_ms(self.log_path)

    def resume(self) -> None:
        """Become the segment that is appended to: take in the batches behind the last index entry.

        StorageError when there is something that is no batch, or that the indexes do not fit.
        """
        if self._indexes is None and not self.size:
            self._indexes = Indexes.empty(self.base_offset)
        indexes = self.indexes
        timestamp, offset = indexes.times.last
        has_time = None
        self.end_offset = self.base_offset
        for place in index_use.tail_places(self):
            if place.base_offset <= offset <= place.last_offset:
                has_time = place.max_timestamp == timestamp
            try:
                self._index(indexes, place)
            except ValueError as wrong:
                raise StorageError(f"{self.path(file_names.OFFSET_INDEX)} can't go on: {wrong}") from wrong
            self.end_offset = place.last_offset + 1
        if len(indexes.offsets) and indexes.offsets.last[0] >= self.end_offset:
            raise StorageError(f"{self.path(file_names.OFFSET_INDEX)} goes beyond its log")
        if timestamp >= 0 and not (
            index_use.has_time(self, timestamp, offset) if has_time is None else has_time
        ):
            raise StorageError(f"{self.path(file_names.TIME_INDEX)} is not the index of its log")

    def save_indexes(self) -> list[str]:
        """Write the indexes to their files, the largest timestamp included, if they have changed; gives the
        files that were written, which must be synced before nobody looks at the segment any more.
        """
        saved = [self.transactions.path] if self.transactions.save() else []
        indexes = self._indexes
        if indexes is None or not indexes.has_changed:
            return saved
        indexes.end()
        with storing("writing the indexes of", self._file.path):
            for suffix, data in indexes.files():
                # In place: an index that a crash leaves half written is seen to be wrong, and is built again.
                # But one that lacks whole entries at its end may look right.
                path = self.path(suffix)
                self._files.write_in_place(path, data, sync=False)
                saved.append(path)
        indexes.is_saved = True
        return saved

    # Appending: see `writing.py`

    def first_timestamp(self) -> int:
        """The largest timestamp of the first batch, -1 if there is none."""
        if self._first_timestamp is None and self.size:
            self._first_timestamp = next(self.places(0)).max_timestamp
        return NO_TIMESTAMP if self._first_timestamp is None else self._first_timestamp

    append = writing.append
    make_file = writing.make_file
    writable = writing.writable
    append_failed = writing.append_failed
    forget_what_lies_behind = writing.forget_what_lies_behind
    take_in = writing.take_in
    trim = writing.trim
    _cut_back = writing.cut_back

    # Reading

    def places(self, position: int) -> Iterator[Place]:
        """Each batch from the one that begins at `position`, up to the segment's end."""
        return (place for _, _, place in self._walk(position))

    def headers(self, position: int) -> Iterator[tuple[Place, BatchHeader]]:
        """As `places`, with the whole header of each batch."""
        for chunk, at, place in self._walk(position):
            yield place, self._header(chunk, at, place)

    def _walk(self, position: int) -> Iterator[tuple[memoryview, int, Place]]:
        if not self._end_is_known:
            self._end_before_next()
        return walk(self._file, position, self.size, self.base_offset)

    def _end_before_next(self) -> None:
        """Before its first use: a segment that was found sealed may reach into the next one."""
        if self._end_is_known:
            return
        self._end_is_known = True
        if self.size:
            size, self.overlaps = size_before_next(self._files, self, self._file)
            if size < self.size:
                self.size = size
                self._torn = True  # if it should come to be appended to

    def are_zeros_behind(self, position: int) -> bool:
        """Whether nothing but zeros lies from `position` on."""
        return are_zeros(self._file, position, self.size)

    def take_whole(self) -> None:
        """The whole file counts, whatever the next segment has: recovery is about to decide."""
        self._end_is_known = True
        if self._torn:
            with storing("looking at", self.log_path):
                self.size = self._files.path_size(self.log_path)
            self.overlaps = self._torn = False

    def read(self, position: int, size: int) -> memoryview:
        """At most `size` bytes of the file, fewer at its end."""
        return read(self._file, position, size)

    def find(self, offset: int) -> Place | None:
        """The first batch that ends at or after `offset`; None when the segment has none."""
        if offset >= self.end_offset:
            return None
        places = index_use.places_from(self, offset)
        return next((place for place in places if place.last_offset >= offset), None)

    def bound_behind(self, part: FileSlice) -> int | None:
        """The offset of the first entry of the offset index behind a part of this file; None where there is
        none, -1 for a part of another file.
        """
        if part.file is not self._file:
            return -1
        end = part.position + part.size
        return index_use.checked(self, lambda: self.indexes.offsets.first_from_position(end))

    def bound_from(self, offset: int) -> int | None:
        """The first offset in the offset index that is not below `offset`; None where there is none."""
        return index_use.checked(self, lambda: self.indexes.offsets.first_from(offset))

    def slice(self, position: int, size: int) -> FileSlice:
        """A part of the file, held open."""
        return FileSlice(self._file, position, size)

    def batch_bytes(self, place: Place) -> memoryview:
        """A batch, read now."""
        return self._file.read(place.position, place.size)

    def batch(self, place: Place) -> tuple[memoryview, BatchHeader]:
        """A batch and its header, read now."""
        buffer = self.batch_bytes(place)
        return buffer, self._header(buffer, 0, place)

    def _header(self, buffer: memoryview, at: int, place: Place) -> BatchHeader:
        try:
            return record_batch.read_header(buffer, at, whole=False)
        except CorruptBatch as corrupt:
            raise StorageError(
                f"{self.log_path} has no batch at byte {place.position}: {corrupt.detail}"
            ) from corrupt

    # Cutting, syncing, closing

    def truncate(self, place: Place | None) -> None:
        """Cut off from where `place`'s batch begins (None: nowhere), and become the one appended to."""
        self.following.clear()
        self._newest = None
        self._reserved_bytes = 0
        indexes = self.indexes
        if place is None and self.overlaps:
            self._cut_back()
        self.overlaps = False
        if place is not None:
            self._file = self._file.cut(place.position)
            self.transactions.truncate(place.base_offset, self.end_offset)
            indexes.truncate(place.base_offset)
            self.size = place.position
            self._torn = False
            self._first_timestamp = None
        indexes.go_back()
        self.resume()

    def cut(self, size: int) -> None:
        """Keep the first `size` bytes, up to which the indexes have been built. Nobody reads yet."""
        self.size, self._reserved_bytes = size, 0
        self._cut_back()

    def sync(self) -> None:
        """The batches are on the device when this returns, and nothing else."""
        if self.size or self._file.is_open:
            with storing("syncing", self._file.path):
                self._shared.files.fdatasync(self._file.descriptor())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
