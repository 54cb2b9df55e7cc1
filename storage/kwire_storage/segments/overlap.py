"""A sealed segment that reaches into the next one: found when it is first read, since a clean stop leaves
nobody else to look (recovery does it where there was none).

The later segment counts from where it begins, as in recovery; Kafka reads such offsets twice. Nothing is cut
off: the file stays as it is, and only what lies before the overlap is served. A gap before the next segment
is not looked for: compaction leaves them, and reads pass over them.
"""

import logging
from typing import TYPE_CHECKING

from ..engine import StorageError
from ..files import Files
from ..open_files import OpenFile
from . import file_names, offset_index
from .places import Place, walk

if TYPE_CHECKING:
    from .segment import Segment

log = logging.getLogger("kwire.storage")


def size_before_next(files: Files, segment: "Segment", file: OpenFile) -> int:
    """How many bytes of a sealed segment's file end below the next one's base offset, its `end_offset`.

    One look at the file's end, from the newest index entry on; all headers where that shows an overlap.
    What is no batch is for whoever reads it to name: then the answer is the whole size.
    """
    try:
        position = offset_index.last_position(files, segment.path(file_names.OFFSET_INDEX)) or 0
    except OSError:
        position = 0
    found: Place | None = None
    for begin in dict.fromkeys((position, 0)):
        try:
            reaching = _first_beyond(segment, file, begin)
        except StorageError:
            continue  # the index lies, or the log does
        if reaching is None:
            break
        found = reaching
    if found is None:
        return segment.size
    log.warning(
        "%s holds offset %d at byte %d, and the next segment begins at %d: from that byte on it is not "
        "served, and stays as it is",
        file.path,
        found.last_offset,
        found.position,
        segment.end_offset,
    )
    return found.position


def _first_beyond(segment: "Segment", file: OpenFile, position: int) -> Place | None:
    """The first batch from `position` on that reaches the next segment's base offset."""
    places = (place for _, _, place in walk(file, position, segment.size, segment.base_offset))
    return next((place for place in places if place.last_offset >= segment.end_offset), None)
