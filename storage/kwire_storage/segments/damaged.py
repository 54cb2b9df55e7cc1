"""What recovery takes out of a log, but somebody may miss: kept beside it under a name that no log has.

Rules
- A write that a crash cut off is the usual end of a log, and goes. What holds a whole batch, or lies below
  what was on the device, was perhaps acknowledged: it is kept as `<base offset>.log.<position>.damaged`, a
  later segment as `<base offset>.log.damaged`; a line in the log says so.
- Nothing here is ever removed by kwire; the topic's deletion takes it along.
"""

import logging
import os

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import HEADER_SIZE, MAGIC_POSITION, CorruptBatch

from ..files import Files, storing
from . import file_names
from .removal import remove_empty
from .segment import Segment

log = logging.getLogger("kwire.storage")

_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC
COPIED_BYTES = 1 << 20
MOST_TRIES = 200
"""Places that look like a batch, until that is enough to keep the bytes."""


def set_aside(segment: Segment, files: Files, why: str) -> None:
    """Take a segment out of its log, and keep its batches if it has any. Raises StorageError."""
    path = segment.log_path
    if not segment.size:
        remove_empty(segment, files)
        return
    kept = _unused(path + file_names.DAMAGED, files)
    with storing("setting aside", path):
        files.rename(path, kept)
    log.warning("%s %s; kept as %s, which is not served: remove it if nobody misses it", path, why, kept)
    remove_empty(segment, files)


def keep_tail(segment: Segment, position: int, files: Files) -> None:
    """Copy what lies behind `position`, before it is cut off. Raises StorageError."""
    path = segment.log_path
    kept = _unused(f"{path}.{position}{file_names.DAMAGED}", files)
    with storing("keeping the end of", path):
        copy = files.open(kept, _NEW)
        try:
            at = position
            while at < segment.size:
                chunk = segment.read(at, min(COPIED_BYTES, segment.size - at))
                if not chunk:
                    break
                files.write_all(copy, [chunk], at - position)
                at += len(chunk)
            files.fdatasync(copy)
        finally:
            files.close(copy)
    log.warning(
        "what followed byte %d of %s is kept as %s, which is not served: remove it if nobody misses it",
        position,
        path,
        kept,
    )


def holds_a_batch(segment: Segment, position: int) -> bool:
    """Whether a whole batch with the right checksum begins somewhere behind `position`; if very many places
    look like one, so be it.
    """
    if segment.size - position < HEADER_SIZE:
        return False
    data = segment.read(position, segment.size - position)
    raw, tries, at = data.tobytes(), 0, 0
    while (found := raw.find(b"\x02", at)) >= 0:
        at = found + 1
        start = found - MAGIC_POSITION
        if start < 0:
            continue
        try:
            header = record_batch.read_header(data, start)
        except CorruptBatch:
            continue
        if header.base_offset < segment.base_offset or header.magic != 2:
            continue
        tries += 1
        if tries == MOST_TRIES or record_batch.crc_is_valid(data, start, header):
            return True
    return False


def _unused(path: str, files: Files) -> str:
    """The path, or one like it that is not taken."""
    tried, number = path, 1
    while True:
        try:
            files.path_size(tried)
        except FileNotFoundError:
            return tried
        number += 1
        tried = f"{path.removesuffix(file_names.DAMAGED)}.{number}{file_names.DAMAGED}"
