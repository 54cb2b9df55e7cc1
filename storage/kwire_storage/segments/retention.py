"""Which of a log's oldest segments may go: by the log's start, by size and by age (Kafka:
UnifiedLog.deleteOldSegments).

A segment is as old as its newest record. Segments go from the oldest on, until the first that must stay; none
goes that reaches beyond what may be removed. How old one is, is asked only where nothing else decides: that
may mean a look at a file, which `AgesJob` does in a thread.
"""

from collections.abc import Sequence
from typing import Protocol

from ..engine import LogConfig
from .segment import Segment

MOST_AT_ONCE = 16
"""Segments that are removed before others get their turn: each means a few renames."""


class Ageing(Protocol):
    """What decides about a segment."""

    @property
    def size(self) -> int: ...

    @property
    def end_offset(self) -> int:
        """Of a sealed segment, the next one's base offset."""
        ...

    def newest_ms(self) -> int:
        """The largest timestamp of its records, or what stands for it."""
        ...


def segments_to_delete(
    segments: Sequence[Ageing],
    config: LogConfig,
    now_ms: int,
    *,
    limit: int,
    log_start_offset: int = 0,
    deletes: bool = True,
) -> int:
    """How many segments, counted from the oldest, may go now; at most `MOST_AT_ONCE`.

    :param limit: the high watermark.
    :param deletes: whether cleanup.policy has `delete`: if not, only what lies below the log start goes.
    """
    excess = -1
    if deletes and config.retention_bytes >= 0:
        excess = sum(segment.size for segment in segments) - config.retention_bytes
    last = len(segments) - 1
    for at, segment in enumerate(segments[:MOST_AT_ONCE]):
        if segment.end_offset > limit or (at == last and not segment.size):
            return at
        excess -= segment.size
        if excess >= 0 or (at < last and segment.end_offset <= log_start_offset):
            continue
        if not (deletes and 0 <= config.retention_ms < now_ms - segment.newest_ms()):
            return at
    return min(len(segments), MOST_AT_ONCE)


class AgesJob:
    """How new some sealed segments are, to be found out; in a thread."""

    __slots__ = ("_unknown",)

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._unknown = [(segment, segment.slice(0, segment.size)) for segment in segments]

    def work(self) -> None:
        for segment, part in self._unknown:
            segment.note_newest_ms(segment.find_newest_ms(part.descriptor))


def unknown_ages(sealed: Sequence[Segment], config: LogConfig) -> AgesJob | None:
    """What has to be done before `segments_to_delete` can decide without a look at a file; None: nothing."""
    oldest = sealed[:MOST_AT_ONCE]
    if config.retention_ms < 0 or not oldest or oldest[0].knows_newest_ms:
        return None
    return AgesJob([segment for segment in oldest if not segment.knows_newest_ms])
