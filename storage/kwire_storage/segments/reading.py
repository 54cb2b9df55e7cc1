"""Reading whole batches from a log's segments (Kafka: LocalLog.read)."""

from ..engine import LogRead, Slice
from . import index_use
from .places import Place
from .segment import Segment
from .segment_list import SegmentList

READERS_REMEMBERED = 16
"""Of so many reads it is kept where the next one begins: of readers who go on from where they were."""


def read_files(segments: SegmentList, offset: int, max_bytes: int, limit: int, at_least_one: bool) -> LogRead:
    """Whole batches from the one that holds `offset` on that end below the offset `limit`: at most
    `max_bytes`, but with `at_least_one` the first comes whole.
    """
    parts: list[Slice] = []
    size = 0
    first_base_offset = offset
    for segment in segments.since(offset):
        found = _extent(segment, offset, max_bytes - size, limit)
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


def _extent(segment: Segment, offset: int, max_bytes: int, limit: int) -> tuple[Place, int] | None:
    """The first batch that ends at or after `offset`, and where whole batches from it on end that take
    at most `max_bytes` and lie below the offset `limit`: the batch's own position when it does not fit
    itself.

    None when the segment has no such batch.
    """
    if offset >= segment.end_offset:
        return None
    first = segment.following.get(offset)
    if first is not None:
        places = segment.places(first.end)
    else:
        places = index_use.places_from(segment, offset)
        first = next((place for place in places if place.last_offset >= offset), None)
        if first is None:
            return None
    farthest = first.position + max_bytes
    end = first.position
    if first.last_offset >= limit or first.end > farthest:
        return first, end
    if farthest >= segment.size and limit >= segment.end_offset:
        return first, segment.size
    end = first.end
    # An index entry below both bounds says where to go on looking.
    offsets = segment.indexes.offsets
    known = min(offsets.position_at_or_before(farthest), offsets.lookup(limit))
    if known > end and (behind := index_use.places_at(segment, known)) is not None:
        end = known
        places = behind
    for place in places:
        if place.last_offset >= limit or place.end > farthest:
            _remember(segment, place)
            break
        end = place.end
    return first, end


def _remember(segment: Segment, place: Place) -> None:
    following = segment.following
    if len(following) == READERS_REMEMBERED and place.base_offset not in following:
        del following[next(iter(following))]
    following[place.base_offset] = place
