"""How new a segment is, from the ends of its files: what retention asks, of segments that nobody reads any
more (Kafka: LogSegment.largestTimestamp).

Neither index is loaded for it. The newest entry of the time index counts together with the batches behind
the newest entry of the offset index, so that a time index which lost its end does not make a segment look
older than it is. Where either does not fit, all batches are looked at.
"""

from typing import TYPE_CHECKING

from ..engine import StorageError
from ..files import Files, storing
from ..open_files import OpenFile
from . import file_names, offset_index, time_index
from .places import walk
from .time_index import NO_TIMESTAMP

if TYPE_CHECKING:
    from .segment import Segment


def find_newest_ms(files: Files, segment: "Segment", file: OpenFile, descriptor: int | None) -> int:
    """The largest timestamp of a sealed segment; where no record has one, when its file was last written to.

    With the `descriptor` of `file` that a slice holds, this may be called in a thread. Raises StorageError.
    """
    newest_ms = _by_the_ends(files, segment, file, descriptor)
    if newest_ms is None:
        newest_ms = _newest(segment, file, 0, descriptor)
    if newest_ms < 0:
        newest_ms = segment.modified_ms()
    return newest_ms


def _by_the_ends(files: Files, segment: "Segment", file: OpenFile, descriptor: int | None) -> int | None:
    with storing("reading the indexes of", file.path):
        timestamp = time_index.last_timestamp(files, segment.path(file_names.TIME_INDEX))
        position = offset_index.last_position(files, segment.path(file_names.OFFSET_INDEX))
    if timestamp is None or position is None:
        return None
    try:
        return max(timestamp, _newest(segment, file, position, descriptor))
    except StorageError:
        return None


def _newest(segment: "Segment", file: OpenFile, position: int, descriptor: int | None) -> int:
    places = walk(file, position, segment.size, segment.base_offset, descriptor)
    return max((place.max_timestamp for _, _, place in places), default=NO_TIMESTAMP)
