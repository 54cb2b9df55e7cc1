"""The offset index of a segment (`.index`): where in the `.log` an offset is, sparsely (Kafka: OffsetIndex).

8 bytes an entry, big-endian: offset relative to the segment's base i32, position in the file i32. An entry
names the last offset of a batch and the position at which that batch (or the append that it ended) begins,
about every index.interval.bytes. Offsets rise strictly, positions too. There is no checksum: an index that
does not look right is built again from the log.

Held in memory whole; an entry costs what it costs in the file.
"""

import struct
import sys
from array import array
from bisect import bisect_left, bisect_right

from ..files import Files

ENTRY_BYTES = 8
MAX_RELATIVE_OFFSET = 0x7FFFFFFF

_ENTRY = struct.Struct(">ii")

if array("i").itemsize != 4:  # pragma: no cover
    raise ImportError("this platform's int has not 32 bits")


class OffsetIndex:
    """The entries of one segment."""

    __slots__ = ("_offsets", "_positions", "base_offset")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self._offsets = array("i")
        self._positions = array("i")

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def size_bytes(self) -> int:
        """Bytes that the entries take in a file."""
        return len(self._offsets) * ENTRY_BYTES

    @property
    def last(self) -> tuple[int, int]:
        """The newest entry's offset and position; the segment's base and 0 when there is none."""
        if not self._offsets:
            return self.base_offset, 0
        return self.base_offset + self._offsets[-1], self._positions[-1]

    def append(self, offset: int, position: int) -> None:
        """Add an entry; ValueError unless both are above those of the last one."""
        relative = offset - self.base_offset
        if not 0 <= relative <= MAX_RELATIVE_OFFSET:
            raise ValueError(f"offset {offset} can't be held by an index that begins at {self.base_offset}")
        if self._offsets and (relative <= self._offsets[-1] or position <= self._positions[-1]):
            raise ValueError(f"the entry ({offset}, {position}) does not follow {self.last}")
        self._offsets.append(relative)
        self._positions.append(position)

    def lookup(self, offset: int) -> int:
        """The position of the last entry whose offset is not above `offset`; 0 when there is none."""
        at = bisect_right(self._offsets, offset - self.base_offset)
        return self._positions[at - 1] if at else 0

    def position_at_or_before(self, position: int) -> int:
        """The last entry's position that is not above `position`: a batch begins there. 0 when there is
        none.
        """
        at = bisect_right(self._positions, position)
        return self._positions[at - 1] if at else 0

    def first_from_position(self, position: int) -> tuple[int, int] | None:
        """Offset and position of the first entry whose batch does not begin before `position` (Kafka:
        fetchUpperBoundOffset); None when there is none.
        """
        return self._entry(bisect_left(self._positions, position))

    def first_from(self, offset: int) -> tuple[int, int] | None:
        """Offset and position of the first entry that is not below `offset`; None when there is none."""
        return self._entry(bisect_left(self._offsets, offset - self.base_offset))

    def _entry(self, at: int) -> tuple[int, int] | None:
        if at == len(self._offsets):
            return None
        return self.base_offset + self._offsets[at], self._positions[at]

    def agrees(self, position: int, base_offset: int) -> bool:
        """Whether the entry with this position, which there is, may be of a batch that begins at
        `base_offset`: behind the entry before it, not behind its own offset.
        """
        at = bisect_left(self._positions, position)
        relative = base_offset - self.base_offset
        return relative <= self._offsets[at] and (not at or self._offsets[at - 1] < relative)

    def truncate(self, offset: int) -> None:
        """Drop the entries at or above `offset`."""
        keep = bisect_left(self._offsets, offset - self.base_offset)
        del self._offsets[keep:], self._positions[keep:]

    def encode(self) -> bytes:
        """The file's bytes."""
        flat = array("i", bytes(self.size_bytes))
        flat[0::2] = self._offsets
        flat[1::2] = self._positions
        if sys.byteorder == "little":
            flat.byteswap()
        return flat.tobytes()

    @classmethod
    def decode(cls, data: bytes, base_offset: int, log_size: int) -> "OffsetIndex | None":
        """The index in a file's bytes, for a log of `log_size` bytes; None when it can't be right."""
        if len(data) % ENTRY_BYTES:
            return None
        flat = array("i")
        flat.frombytes(data)
        if sys.byteorder == "little":
            flat.byteswap()
        index = cls(base_offset)
        index._offsets, index._positions = flat[0::2], flat[1::2]
        if not index._positions:
            return index
        # The first batch never gets an entry, so zeros (a file given room ahead, or a lost page) stand out.
        if index._offsets[0] < 0 or index._positions[0] <= 0:
            return None
        if not index._positions[0] <= index._positions[-1] < log_size:
            return None
        return index if index._rises(index._offsets) and index._rises(index._positions) else None

    @staticmethod
    def _rises(values: "array[int]") -> bool:
        return all(map(int.__lt__, values, values[1:]))


def last_position(files: Files, path: str) -> int | None:
    """The position of a file's last entry, 0 where it is empty; None where it is not there or can't be right.
    Raises OSError.
    """
    data = files.read_tail(path, ENTRY_BYTES, ENTRY_BYTES)
    if data is None:
        return None
    if not data:
        return 0
    offset, position = _ENTRY.unpack(data)
    return int(position) if offset >= 0 and position > 0 else None
