"""Where a sealed segment ends whose file was found on the disk, and may say too much: it reaches into the
next one, or zeros lie behind its last batch. Looked at when it is first read, since a clean stop leaves
nobody else to look (recovery does it where there was none).

Of segments that overlap the later one counts from where it begins, as in recovery; Kafka reads such offsets
twice. Nothing is cut off: the file stays as it is, and only what lies before the overlap is served. Zeros are
room that was reserved (preallocate), where a loss of power undid that it was given back. A gap before the
next segment is not looked for: compaction leaves them, and reads pass over them.
"""

import logging
from typing import TYPE_CHECKING

from ..engine import StorageError
from ..files import Files
from ..open_files import OpenFile
from . import file_names, offset_index
from .places import Place, walk
from .zeros import are_zeros

if TYPE_CHECKING:
    from .segment import Segment

log = logging.getLogger("kwire.storage")


def size_before_next(files: Files, segment: "Segment", file: OpenFile) -> tuple[int, bool]:
    """How many bytes of a sealed segment's file are batches that end below the next one's base offset, its
    `end_offset`; and whether there are others behind them.

    One look at the file's end, from the newest index entry on; all headers where that shows an overlap.
    What is no batch is for whoever reads it to name: then the answer is the whole size.
    """
    try:
        position = offset_index.last_position(files, segment.path(file_names.OFFSET_INDEX)) or 0
    except OSError:
        position = 0
    size = segment.size
    found: Place | None = None
    for begin in dict.fromkeys((position, 0)):
        try:
            beyond, end = _look(segment, file, begin)
        except StorageError:
            continue  # the index lies, or the log does
        size = end
        if beyond is None:
            break
        found = beyond
    if found is not None:
        log.warning(
            "%s holds offset %d at byte %d, and the next segment begins at %d: from that byte on it is not "
            "served, and stays as it is",
            file.path,
            found.last_offset,
            found.position,
            segment.end_offset,
        )
    return size, found is not None


def _look(segment: "Segment", file: OpenFile, position: int) -> tuple[Place | None, int]:
    """The first batch from `position` on that reaches the next segment's base offset; and where it begins,
    or the last batch ends. StorageError for what is no batch.
    """
    end, seen = position, not position
    try:
        for _, _, place in walk(file, position, segment.size, segment.base_offset):
            if place.last_offset >= segment.end_offset:
                return place, place.position
            end, seen = place.end, True
    except StorageError:
        if not seen or not are_zeros(file, end, segment.size):
            raise
    return None, end
