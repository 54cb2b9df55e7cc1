"""Taking a segment's files away, in an order that a crash may cut short: the log first.

An index without a log is known to be left over; a log without its transaction index would look as if nothing
in it had been aborted.
"""

import logging
from contextlib import suppress

from ..engine import StorageError
from ..files import Files, storing
from . import file_names
from .segment import Segment
from .shared import Shared

log = logging.getLogger("kwire.storage")

_LOG_FIRST = (
    file_names.LOG,
    file_names.OFFSET_INDEX,
    file_names.TIME_INDEX,
    file_names.TRANSACTION_INDEX,
)


def remove(segment: Segment, shared: Shared, delay_ms: int) -> None:
    """Rename a segment's files now, for a sweep to unlink `delay_ms` later; parts of them that are being sent
    stay readable. On StorageError the segment is as it was.
    """
    for suffix in _LOG_FIRST:
        path = segment.path(suffix)
        try:
            with storing("removing", path), suppress(FileNotFoundError):
                shared.files.rename(path, path + file_names.DELETED)
                shared.deletions.add(path + file_names.DELETED, delay_ms)
        except StorageError as error:
            if suffix is file_names.LOG:
                raise
            log.warning("%s; the next start removes it", error)
    segment.close()


def remove_empty(segment: Segment, files: Files) -> None:
    """Remove the files of a segment that nothing was ever read from."""
    with storing("removing", segment.log_path):
        for suffix in _LOG_FIRST:
            files.remove(segment.path(suffix))
    segment.close()
