"""A log's segments, in the order of their offsets: which one holds an offset, and what comes and goes at both
ends.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from .segment import Segment


class SegmentList:
    """The segments of one log, oldest first. It touches none of their files."""

    __slots__ = ("_bases", "_segments")

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._segments = list(segments)
        self._bases = [segment.base_offset for segment in self._segments]

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def __getitem__(self, at: int) -> Segment:
        return self._segments[at]

    @property
    def in_order(self) -> list[Segment]:
        """All of them; to be looked at only."""
        return self._segments

    @property
    def bases(self) -> list[int]:
        """The base offset of each; to be looked at only."""
        return self._bases

    @property
    def size_bytes(self) -> int:
        """Bytes of all batches."""
        return sum(segment.size for segment in self._segments)

    def at(self, offset: int) -> int:
        """The place of the segment that holds an offset, the first one's for any offset before it."""
        return max(bisect_right(self._bases, offset) - 1, 0)

    def since(self, offset: int) -> Iterator[Segment]:
        """The segments from the one that holds `offset` on."""
        for at in range(self.at(offset), len(self._segments)):
            yield self._segments[at]

    def add(self, segment: Segment) -> None:
        """Another one at the end."""
        self._segments.append(segment)
        self._bases.append(segment.base_offset)

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        """`new` in the place of neighbours, of which it has the first one's base offset."""
        at = self.at(new.base_offset)
        self._segments[at : at + len(old)] = [new]
        self._bases[at : at + len(old)] = [new.base_offset]

    def take_out(self) -> Iterator[Segment]:
        """Every one, newest first; it is out of the list when the next is asked for."""
        while self._segments:
            yield self._segments[-1]
            del self._segments[-1], self._bases[-1]

    def drop(self, at: int) -> None:
        """Without the segment in that place."""
        del self._segments[at], self._bases[at]
