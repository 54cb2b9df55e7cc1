"""Using a segment's indexes without believing them: they have no checksum, and users copy directories about.

Rules
- An entry says where a batch begins, or how new one is. Whoever acts on one reads that batch's header anyway,
  and compares. What does not fit makes the segment build both indexes again, from the log, and look again: a
  wrong index costs time, never a record.
- An entry that is missing costs a longer walk; only the time index must not lack its end. That is compared
  with the batches behind the newest entry of the offset index.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from ..engine import StorageError
from . import file_names
from .places import Place
from .time_index import NO_TIMESTAMP

if TYPE_CHECKING:
    from .segment import Segment

log = logging.getLogger("kwire.storage")


def ends_agree(segment: "Segment") -> bool:
    """Whether the newest entries of both indexes are of batches that are there, and no batch behind them is
    newer.
    """
    timestamp, offset = segment.indexes.times.last
    try:
        newest = max((place.max_timestamp for place in tail_places(segment)), default=NO_TIMESTAMP)
        return newest <= timestamp and has_time(segment, timestamp, offset)
    except StorageError:
        return False


def tail_places(segment: "Segment") -> Iterator[Place]:
    """Each batch from the newest entry of the offset index on. StorageError where none begins there."""
    position = segment.indexes.offsets.last[1]
    for place in segment.places(position):
        if place.position == position > 0 and not segment.indexes.offsets.agrees(position, place.base_offset):
            raise StorageError(f"{segment.path(file_names.OFFSET_INDEX)} is not the index of its log")
        yield place


def has_time(segment: "Segment", timestamp: int, offset: int) -> bool:
    """Whether the batch that holds `offset` is as new as the time index has it. StorageError where the
    offset index is wrong, or the log.
    """
    if timestamp < 0:
        return True
    for place in segment.places(segment.indexes.offsets.lookup(offset)):
        if place.last_offset >= offset:
            return place.base_offset <= offset and place.max_timestamp == timestamp
    return False


def places_at(segment: "Segment", position: int) -> Iterator[Place] | None:
    """Each batch from where the offset index has one begin (or from 0). None where none does: then the
    indexes have been built again.
    """
    places = segment.places(position)
    if not position:
        return places
    try:
        first = next(places)
    except StorageError:
        _distrust(segment)
        return None
    if segment.indexes.offsets.agrees(position, first.base_offset):
        return chain((first,), places)
    _distrust(segment)
    return None


def places_from(segment: "Segment", offset: int) -> Iterator[Place]:
    """Each batch from one on that the offset index finds at or before `offset`."""
    places = places_at(segment, segment.indexes.offsets.lookup(offset))
    return segment.places(segment.indexes.offsets.lookup(offset)) if places is None else places


def older_than(segment: "Segment", timestamp_ms: int) -> int:
    """An offset up to which all batches are older than `timestamp_ms`, by the time index; the segment's base
    when none is known.
    """
    entry = segment.indexes.times.last_before(timestamp_ms)
    if entry is not None:
        try:
            is_right = has_time(segment, *entry)
        except StorageError:
            is_right = False
        if not is_right:
            _distrust(segment)
            entry = segment.indexes.times.last_before(timestamp_ms)
    return segment.base_offset if entry is None else entry[1]


def checked(segment: "Segment", look: Callable[[], tuple[int, int] | None]) -> int | None:
    """The offset of the entry that `look` finds in the offset index, if it finds any."""
    entry = look()
    if entry is not None and places_at(segment, entry[1]) is None:
        entry = look()
    return None if entry is None else entry[0]


def _distrust(segment: "Segment") -> None:
    log.warning("the indexes of %s do not fit it; built again", segment.log_path)
    segment.rebuild_indexes(segment.places(0))
