"""Reading whole batches from a log's segments (Kafka: LocalLog.read)."""

from ..engine import LogRead, Slice
from .segment_list import SegmentList


def read_files(segments: SegmentList, offset: int, max_bytes: int, limit: int, at_least_one: bool) -> LogRead:
    """Whole batches from the one that holds `offset` on that end below the offset `limit`: at most
    `max_bytes`, but with `at_least_one` the first comes whole.
    """
    parts: list[Slice] = []
    size = 0
    first_base_offset = offset
    for segment in segments.since(offset):
        found = segment.extent(offset, max_bytes - size, limit)
        if found is None:  # a gap at the segment's end
            continue
        first, end = found
        if first.last_offset >= limit:
            break
        if end <= first.position and at_least_one and not parts:
            end = first.end
        if end > first.position:
            if not parts:
                first_base_offset = first.base_offset
            parts.append(segment.slice(first.position, end - first.position))
            size += end - first.position
        if end < segment.size or size >= max_bytes:
            break
    return LogRead(parts, size, first_base_offset)
