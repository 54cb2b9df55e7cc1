"""What is looked up in a log's segments besides the batches themselves: times, aborted transactions.

Everywhere `segments` are those from the one that holds the first offset of interest, in order.
"""

from collections.abc import Callable, Iterable, Iterator

from ..engine import FileSlice, TimestampOffset
from ..timestamps import first_record_at_or_after, newest_from
from ..transaction_index import AbortedTransaction, TransactionIndex
from . import index_use
from .places import Place
from .segment import Segment


def _places_from(segment: Segment, offset: int) -> Iterator[Place]:
    return (place for place in index_use.places_from(segment, offset) if place.last_offset >= offset)


def first_at_or_after(
    segments: Iterable[Segment], start_offset: int, timestamp_ms: int
) -> TimestampOffset | None:
    """The first record from `start_offset` on whose timestamp is at least `timestamp_ms`."""
    for segment in segments:
        if not segment.size or segment.indexes.max_timestamp < timestamp_ms:
            continue
        for place in _places_from(segment, max(index_use.older_than(segment, timestamp_ms), start_offset)):
            if place.max_timestamp >= timestamp_ms and place.last_offset >= start_offset:
                buffer, header = segment.batch(place)
                found = first_record_at_or_after(buffer, header, timestamp_ms, start_offset)
                if found is not None:
                    return found
    return None


def first_newest(segments: Iterable[Segment], start_offset: int) -> TimestampOffset | None:
    """The first record from `start_offset` on that has the largest timestamp."""
    newest, holder = -1, None
    for segment in segments:
        if not segment.size:
            continue
        if segment.base_offset >= start_offset:
            timestamp = segment.indexes.max_timestamp
        else:
            timestamp = _newest_from(segment, start_offset)
        if timestamp > newest:
            newest, holder = timestamp, segment
    if holder is None:
        return None
    found = first_at_or_after([holder], start_offset, newest)
    if found is None:  # a header that lies, or whose records compaction has removed
        for place in _places_from(holder, max(index_use.older_than(holder, newest), start_offset)):
            if place.max_timestamp == newest:
                _, header = holder.batch(place)
                return TimestampOffset(newest, place.last_offset, header.partition_leader_epoch)
    return found


def _newest_from(segment: Segment, start_offset: int) -> int:
    """The largest timestamp from an offset in the middle of a segment on, -1 for none: what lies below it
    does not count, so that the time index is no help.
    """
    newest = -1
    for place in _places_from(segment, start_offset):
        if place.max_timestamp > newest:
            if place.base_offset >= start_offset:
                newest = place.max_timestamp
            else:
                newest = max(newest, newest_from(*segment.batch(place), start_offset))
    return newest


def bound_behind(segments: Iterable[Segment], last: FileSlice | int, log_end_offset: int) -> int:
    """An offset behind a part of a file, or behind an offset, that lies in one of `segments`: that of the
    next entry of the segment's index, else where the segment, or the log, ends (Kafka:
    fetchUpperBoundOffset).
    """
    following = iter(segments)
    for segment in following:
        bound = segment.bound_behind(last) if isinstance(last, FileSlice) else segment.bound_from(last)
        if bound is None:
            after = next(following, None)
            return log_end_offset if after is None else after.base_offset
        if bound >= 0:
            return bound
    return log_end_offset


def aborted_transactions(
    segments: Iterable[Segment],
    start_offset: int,
    end_offset: int,
    build: Callable[[Segment], TransactionIndex],
) -> list[AbortedTransaction]:
    """Those that have a part in [start_offset, end_offset), in the order of their markers; `build` makes the
    index of a segment whose file can't be right.
    """
    found: list[AbortedTransaction] = []
    for segment in segments:
        if segment.transactions.is_empty:
            continue
        index = segment.transactions.entries(segment.end_offset)
        if index is None:
            index = build(segment)
        if index.collect(start_offset, end_offset, found):
            break
    return found
