"""Which of a log's oldest segments may go: by age and by size (Kafka: UnifiedLog.deleteOldSegments).

A segment is as old as its newest record. Segments go from the oldest on, until the first that must stay; none
goes that reaches beyond what may be removed.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..engine import LogConfig
from .segment_list import SegmentList


class SegmentFacts(NamedTuple):
    """What decides about a segment. `newest_timestamp` is -1 when its records have none."""

    size: int
    end_offset: int
    newest_timestamp: int


def facts_of(segments: SegmentList) -> list[SegmentFacts]:
    """What decides about each of a log's segments."""
    return [
        SegmentFacts(segment.size, segment.end_offset, segment.load_max_timestamp() if segment.size else -1)
        for segment in segments
    ]


def segments_to_delete(segments: Sequence[SegmentFacts], config: LogConfig, now_ms: int, limit: int) -> int:
    """How many segments, counted from the oldest, may be deleted; `limit` is the high watermark."""
    deletable = sum(segment.end_offset <= limit for segment in segments)
    aged = 0
    if config.retention_ms >= 0:
        for segment in segments:
            age_ms = now_ms - segment.newest_timestamp
            if segment.newest_timestamp < 0 or age_ms <= config.retention_ms or not segment.size:
                break
            aged += 1
    crowded = 0
    if config.retention_bytes >= 0:
        excess = sum(segment.size for segment in segments) - config.retention_bytes
        for segment in segments:
            excess -= segment.size
            if excess < 0 or not segment.size:
                break
            crowded += 1
    return min(deletable, max(aged, crowded))
