"""What goes from a log on disk, at its end or its beginning: methods of `SegmentedLog`.

What is cut off the end is gone when the call returns, also after a loss of power: it would else come back
beside what is written from then on. At the beginning whole segments go, a few at once, so that a call stays
short; what is left below the log's start goes with the next ones.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from ..engine import DiskFull, OffsetOutOfRange
from ..files import storing
from . import removal
from .damaged import set_aside
from .retention import MOST_AT_ONCE, segments_to_delete

if TYPE_CHECKING:
    from .log import SegmentedLog


def truncate_to(self: "SegmentedLog", offset: int) -> None:
    if offset >= self.log_end_offset:
        return
    self._stop_job()
    offset = max(offset, self.log_start_offset)
    self._room = None
    # First what says too much about the log if only a part of this gets done.
    if self._durability.cut(offset):
        self._recovery_point_fell()
    self._snapshots.drop_above(offset)
    self._tail.truncate(offset)
    self._shared.tails.shrunk(self._tail)
    while len(self._segments) > 1 and self._segments.bases[-1] >= offset:
        self._drop(len(self._segments) - 1)
    if self._segments:
        self._segments[-1].truncate(self._segments[-1].find(offset))
        while len(self._segments) > 1 and not self._segments[-1].size:
            self._drop(len(self._segments) - 1)
            self._segments[-1].truncate(None)
    self._size_bytes = self._segments.size_bytes
    end = self._segments[-1].end_offset if self._size_bytes else 0
    self.log_end_offset = max(end, self.log_start_offset)
    self.lowest_end_offset = min(self.lowest_end_offset, self.log_end_offset)
    if self._durability.cut(self.log_end_offset):  # a batch that held the offset went too
        self._recovery_point_fell()
    if self._on_disk:
        # Else a loss of power brings back what was removed, beside what is written from now on.
        if self._segments:
            self._segments[-1].sync()
        with storing("syncing", self.directory):
            self._shared.files.sync_directory(self.directory)
    self.compaction.truncated()
    self.epochs.truncate_from_end(self.log_end_offset)
    self._save_epochs()
    self._rebuild_producers(0, trust_absence=False)


def start_over_at(self: "SegmentedLog", offset: int) -> None:
    """See `PartitionLog`. What the log had is kept aside, the newest first: a crash leaves a shorter log,
    with which the same is to be done.
    """
    self._stop_job()
    self._room = None
    if self._durability.cut(0):
        self._recovery_point_fell()
    self._snapshots.drop_above(-1)
    self._tail.clear()
    self._shared.tails.shrunk(self._tail)
    why = f"is of no use to a log that begins at offset {offset}"
    for segment in self._segments.take_out():
        set_aside(segment, self._shared.files, why)
    self._size_bytes = 0
    self.log_start_offset = self.log_end_offset = offset
    self.epochs.clear()
    self.producers.clear(offset)
    self.has_aborted = False
    self.compaction.truncated()
    self._roll(offset, 0).make_file()
    self._save_epochs()
    with storing("syncing", self.directory):
        self._shared.files.sync_directory(self.directory)
    self._log_start_changed()


def advance_log_start(self: "SegmentedLog", offset: int) -> None:
    if offset <= self.log_start_offset:
        return
    if offset > self.log_end_offset:
        raise OffsetOutOfRange(offset, self.log_start_offset, self.log_end_offset)
    self.log_start_offset = offset
    self._log_start_changed()
    self.epochs.truncate_from_start(offset)
    self._drop_below(offset)
    self._save_epochs_if_there_is_room()


def drop_below(self: "SegmentedLog", offset: int) -> None:
    """Remove whole segments that end at or below `offset`, some at once; `retain` removes the others."""
    segments = self._segments
    count = min(segments.at(offset), MOST_AT_ONCE)
    if count and count == len(segments) - 1:
        # What is appended next goes into the last one: where the log ends must be written on the disk.
        segments[-1].make_file()
    try:
        for _ in range(count):
            self._drop(0)
    finally:
        self._size_bytes = segments.size_bytes
    self._snapshots.drop_up_to(self.first_segment_offset)


def save_epochs_if_there_is_room(self: "SegmentedLog") -> None:
    """What makes room must not need any: an old file says no more than that there was more before."""
    with suppress(DiskFull):
        self._save_epochs()


def retain(self: "SegmentedLog", now_ms: int, *, limit: int | None = None, deletes: bool = True) -> bool:
    """See `PartitionLog`. A last segment that goes too is followed by a new one."""
    segments = self._segments
    count = segments_to_delete(
        segments.in_order,
        self.config,
        now_ms,
        limit=self.log_end_offset if limit is None else limit,
        log_start_offset=self.log_start_offset,
        deletes=deletes,
    )
    if not count:
        return False
    if count == len(segments):
        self.roll(now_ms)
    try:
        self._drop_below(segments.bases[count])
    finally:
        # Not written down: a log starts where its oldest segment does, which may be one that stays.
        if segments.bases[0] > self.log_start_offset:
            self.log_start_offset = segments.bases[0]
            self.epochs.truncate_from_start(self.log_start_offset)
    self._save_epochs_if_there_is_room()
    return count == MOST_AT_ONCE


def drop(self: "SegmentedLog", at: int) -> None:
    self._room = None
    removal.remove(self._segments[at], self._shared, self.config.file_delete_delay_ms)
    self._segments.drop(at)
