"""The time index of a segment (`.timeindex`): up to where a timestamp was the largest (Kafka: TimeIndex).

12 bytes an entry, big-endian: timestamp i64 (ms), offset relative to the segment's base i32. An entry (t,
o) says: t is the largest timestamp of all batches up to the one that ends at o, and that one has it. So
everything before it is older than t. Timestamps rise strictly, offsets rise. The last entry, written when a
segment is sealed or closed, is the segment's largest timestamp.
"""

import struct
from array import array
from bisect import bisect_left
from itertools import pairwise

from ..files import Files

ENTRY_BYTES = 12
NO_TIMESTAMP = -1

_ENTRY = struct.Struct(">qi")


class TimeIndex:
    """The entries of one segment."""

    __slots__ = ("_offsets", "_timestamps", "base_offset")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self._timestamps = array("q")
        self._offsets = array("i")

    def __len__(self) -> int:
        return len(self._timestamps)

    @property
    def size_bytes(self) -> int:
        """Bytes that the entries take in a file."""
        return len(self._timestamps) * ENTRY_BYTES

    @property
    def last(self) -> tuple[int, int]:
        """The newest entry's timestamp and offset; -1 and the segment's base when there is none."""
        if not self._timestamps:
            return NO_TIMESTAMP, self.base_offset
        return self._timestamps[-1], self.base_offset + self._offsets[-1]

    def maybe_append(self, timestamp_ms: int, offset: int) -> None:
        """Add an entry if its timestamp is above the last one's."""
        if timestamp_ms > self.last[0]:
            self._timestamps.append(timestamp_ms)
            self._offsets.append(offset - self.base_offset)

    def last_before(self, timestamp_ms: int) -> tuple[int, int] | None:
        """The last entry below `timestamp_ms`, its timestamp and its offset: up to there, all is older. None
        when there is none.

        One that equals it says nothing: older releases of Kafka name any of the batches that share a time.
        """
        at = bisect_left(self._timestamps, timestamp_ms)
        return (self._timestamps[at - 1], self.base_offset + self._offsets[at - 1]) if at else None

    def truncate(self, offset: int) -> None:
        """Drop the entries at or above `offset`."""
        keep = bisect_left(self._offsets, offset - self.base_offset)
        del self._offsets[keep:], self._timestamps[keep:]

    def encode(self) -> bytes:
        """The file's bytes."""
        return b"".join(map(_ENTRY.pack, self._timestamps, self._offsets))

    @classmethod
    def decode(cls, data: bytes, base_offset: int, log_size: int) -> "TimeIndex | None":
        """The index in a file's bytes, for a log of `log_size` bytes; None when it can't be right.

        Sealing and closing always write an entry, so that a log with batches has none only if they have no
        time; such an index is built again too, since a lost one looks the same.
        """
        if len(data) % ENTRY_BYTES or (log_size and not data):
            return None
        index = cls(base_offset)
        if data and _ENTRY.unpack_from(data, len(data) - ENTRY_BYTES)[0] < _ENTRY.unpack_from(data)[0]:
            return None  # as with megabytes of zeros, the room that Kafka gives it ahead
        pairs = list(_ENTRY.iter_unpack(data))
        for (timestamp, offset), (next_timestamp, next_offset) in pairwise(pairs):
            if next_timestamp <= timestamp or next_offset < offset:
                return None
        if pairs and (pairs[0][0] < 0 or pairs[0][1] < 0):
            return None
        index._timestamps.extend(timestamp for timestamp, _ in pairs)
        index._offsets.extend(offset for _, offset in pairs)
        return index


def last_timestamp(files: Files, path: str) -> int | None:
    """The timestamp of a file's last entry, without reading the others; None where it can't be trusted: there
    is no entry, or the last two do not rise (as the zeros do that Kafka makes room with). Raises OSError.
    """
    entries = list(_ENTRY.iter_unpack(files.read_tail(path, 2 * ENTRY_BYTES, ENTRY_BYTES) or b""))
    if not entries or entries[-1][0] < 0 or entries[-1][1] < 0:
        return None
    if len(entries) > 1 and not (0 <= entries[0][0] < entries[1][0] and entries[0][1] <= entries[1][1]):
        return None
    return int(entries[-1][0])
