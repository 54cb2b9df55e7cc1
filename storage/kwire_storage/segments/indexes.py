"""The offset index and the time index of one segment, which grow together as batches are added.

Rules
- An entry is added before the first batch that begins more than `index.interval.bytes` behind the last one
  that got an entry (Kafka: LogSegment.append).
- The largest timestamp is known whenever the indexes are: the time index of a sealed segment ends with it.
"""

from . import file_names
from .offset_index import OffsetIndex
from .time_index import TimeIndex


class Indexes:
    """Both indexes of one segment, and how far they have come."""

    __slots__ = (
        "is_saved",
        "max_timestamp",
        "max_timestamp_offset",
        "offsets",
        "times",
        "unindexed_bytes",
    )

    def __init__(self, offsets: OffsetIndex, times: TimeIndex, *, is_saved: bool) -> None:
        self.offsets = offsets
        self.times = times
        self.max_timestamp, self.max_timestamp_offset = times.last
        """The largest timestamp, and the last offset of the first batch that has it."""
        self.unindexed_bytes = 0
        """Bytes of the batches since the last entry."""
        self.is_saved = is_saved
        """Whether the files have all entries, but for the one that `end` adds."""

    @classmethod
    def empty(cls, base_offset: int, *, is_saved: bool = True) -> "Indexes":
        """The indexes of a segment without batches."""
        return cls(OffsetIndex(base_offset), TimeIndex(base_offset), is_saved=is_saved)

    @classmethod
    def decode(cls, offsets: bytes, times: bytes, base_offset: int, log_size: int) -> "Indexes | None":
        """The indexes in two files' bytes, for a log of `log_size` bytes; None where one can't be right."""
        offset_index = OffsetIndex.decode(offsets, base_offset, log_size)
        time_index = TimeIndex.decode(times, base_offset, log_size)
        if offset_index is None or time_index is None:
            return None
        return cls(offset_index, time_index, is_saved=True)

    @property
    def has_changed(self) -> bool:
        """Whether the files lack anything that they are to end with."""
        return not self.is_saved or self.max_timestamp > self.times.last[0]

    def add(
        self, position: int, size: int, last_offset: int, max_timestamp: int, interval_bytes: int
    ) -> None:
        """The segment gets a batch. ValueError where it does not lie behind the one of the last entry."""
        if max_timestamp > self.max_timestamp:
            self.max_timestamp, self.max_timestamp_offset = max_timestamp, last_offset
        if self.unindexed_bytes > interval_bytes:
            self.add_entries(last_offset, position)
        self.unindexed_bytes += size

    def add_entries(self, last_offset: int, position: int) -> None:
        """An entry for the batch at `position`, whose timestamp has been taken in."""
        self.offsets.append(last_offset, position)
        self.times.maybe_append(self.max_timestamp, self.max_timestamp_offset)
        self.is_saved = False
        self.unindexed_bytes = 0

    def end(self) -> None:
        """The time index gets the entry that it ends with."""
        self.times.maybe_append(self.max_timestamp, self.max_timestamp_offset)

    def truncate(self, offset: int) -> None:
        """Drop the entries at or above `offset`; the batches behind those that stay are to be added again."""
        self.offsets.truncate(offset)
        self.times.truncate(offset)
        self.is_saved = False

    def go_back(self) -> None:
        """Forget all that was added behind the last entries."""
        self.max_timestamp, self.max_timestamp_offset = self.times.last
        self.unindexed_bytes = 0

    def files(self) -> list[tuple[str, bytes]]:
        """The suffix and the bytes of each file."""
        return [
            (file_names.OFFSET_INDEX, self.offsets.encode()),
            (file_names.TIME_INDEX, self.times.encode()),
        ]
