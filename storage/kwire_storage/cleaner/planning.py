"""Which segments become one when they are cleaned; pure (Kafka: Cleaner.groupSegmentsBySize).

Cleaning leaves small segments; so neighbours are cleaned into one as long as they could fill it even if
nothing were removed, by size, by index entries, and by offsets relative to its base.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..segments.offset_index import MAX_RELATIVE_OFFSET

MOST_SEGMENTS_A_GROUP = 100
"""So that putting a group in place, some renames for each segment, is soon done."""


class SegmentSizes(NamedTuple):
    """A segment's size, and those of its indexes, in bytes."""

    base_offset: int
    end_offset: int
    size: int
    offset_index_bytes: int
    time_index_bytes: int


def group(
    segments: Sequence[SegmentSizes], segment_bytes: int, segment_index_bytes: int
) -> list[list[SegmentSizes]]:
    """Neighbours that are cleaned into one segment, in order."""
    groups: list[list[SegmentSizes]] = []
    size = offset_index_bytes = time_index_bytes = 0
    for segment in segments:
        size += segment.size
        offset_index_bytes += segment.offset_index_bytes
        time_index_bytes += segment.time_index_bytes
        if (
            groups
            and len(groups[-1]) < MOST_SEGMENTS_A_GROUP
            and size <= segment_bytes
            and offset_index_bytes <= segment_index_bytes
            and time_index_bytes <= segment_index_bytes
            and (
                not segment.size or segment.end_offset - 1 - groups[-1][0].base_offset <= MAX_RELATIVE_OFFSET
            )
        ):
            groups[-1].append(segment)
        else:
            groups.append([segment])
            size, offset_index_bytes, time_index_bytes = segment[2:]
    return groups
