"""How batches get to the end of a log on disk, and when that is a new segment: methods of `SegmentedLog`.

An append is: roll if need be, write down a new leader epoch, one gathered write, then producers, tail and
indexes in memory. One of many bytes can be made in three steps, so that a thread waits for the disk; whatever
changes the log's end in between makes it void.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engine import AppendJob, Overtaken, ValidBatch
from ..timestamps import check_ascending
from ..write_pressure import LARGE_BYTES
from . import file_names, removal, rolling
from .append_job import SegmentAppend
from .offset_index import MAX_RELATIVE_OFFSET
from .segment import Segment
from .writing import Placed

if TYPE_CHECKING:
    from .log import SegmentedLog


def append(self: "SegmentedLog", batches: Sequence[ValidBatch], now_ms: int) -> None:
    if not batches:
        return
    segment, placed, size, end = self._place(batches, now_ms)
    if size < LARGE_BYTES:
        segment.append(placed)
    else:
        files = self._shared.files
        began = files.now()
        segment.append(placed)
        self._shared.pressure.wrote(size, files.now() - began)
    self._take_in(placed, size, end)


def place(
    self: "SegmentedLog", batches: Sequence[ValidBatch], now_ms: int
) -> tuple[Segment, Sequence[Placed], int, int]:
    """The segment that batches go to, made ready; their places, their size, and the log's end then."""
    if self._job is not None:
        self._stop_job()
    end, size, newest_timestamp, epoch, last_offset = self.log_end_offset, 0, -1, 0, -1
    placed: list[Placed] = []
    for buffer, header in batches:
        base_offset, _, epoch, _, _, _, delta, _, max_timestamp, _, _, _, _ = header
        if base_offset < end:
            check_ascending(batches, self.log_end_offset)
        last_offset = base_offset + delta
        end = last_offset + 1
        batch_size = len(buffer)
        size += batch_size
        if max_timestamp > newest_timestamp:
            newest_timestamp = max_timestamp
        placed.append((buffer, batch_size, base_offset, last_offset, max_timestamp, header))
    room = self._room
    if (
        room is not None
        and room.segment.size + size <= room.size
        and end - 1 <= room.last_offset
        and newest_timestamp <= room.timestamp
    ):
        segment = room.segment
    else:
        segment = self._segment_for(size, end - 1, newest_timestamp, now_ms)
    # Epochs come first, as in Kafka: an epoch without a record does no harm, a record without its epoch
    # does.
    if epoch > self.epochs.latest:
        for _, header in batches:
            if header.partition_leader_epoch > self.epochs.latest:
                self.epochs.assign(header.partition_leader_epoch, header.base_offset)
    if not self._epoch_file.is_saved:
        self._save_epochs()
    return segment, placed, size, end


def take_in(self: "SegmentedLog", placed: Sequence[Placed], size: int, end: int) -> None:
    """The last segment has taken batches in: from now on they can be read."""
    self._size_bytes += size
    self.log_end_offset = end
    tail, producers = self._tail, self.producers
    for buffer, _, base_offset, last_offset, _, header in placed:
        tail.append(base_offset, last_offset, buffer)
        done = producers.append(header, buffer)
        if done is not None and (aborted := done.aborted) is not None:
            self._segments[-1].transactions.append(aborted, end)
            self.has_aborted = True
    self._tails.grown(tail)


def plan_append(self: "SegmentedLog", batches: Sequence[ValidBatch], now_ms: int) -> SegmentAppend:
    segment, placed, size, end = self._place(batches, now_ms)
    self._job = SegmentAppend(self._shared.files, segment, placed, size, end)
    return self._job


def commit_append(self: "SegmentedLog", job: AppendJob, *, keep: bool = True) -> None:
    assert isinstance(job, SegmentAppend)
    job.stop()
    is_void = self._job is not job
    if not is_void:
        self._job = None
        if keep and job.is_done and job.error is None:
            self._shared.pressure.wrote(job.size, job.seconds)
            job.segment.take_in(job.placed)
            self._take_in(job.placed, job.size, job.end_offset)
            return
        job.segment.forget_what_lies_behind()
    if keep:
        if job.error is not None:
            raise job.segment.append_failed(job.error) from job.error
        raise Overtaken(f"{self.directory} was changed while batches were written to it")


def stop_job(self: "SegmentedLog") -> None:
    """The log's end is about to change: an append that is being written does not count."""
    job, self._job = self._job, None
    if job is not None:
        job.stop()
        job.segment.forget_what_lies_behind()


def segment_for(
    self: "SegmentedLog", size: int, last_offset: int, newest_timestamp: int, now_ms: int
) -> Segment:
    """The segment that an append beyond the `_room` goes to, a new one if the last is full or old (Kafka:
    UnifiedLog.maybeRoll).
    """
    if self._segments:
        last = self._segments[-1]
        if not rolling.is_due(last, self.config, size, last_offset, newest_timestamp, now_ms):
            self._room = rolling.room(last, self.config)
            return last
    return self._roll(max(self.log_end_offset, last_offset - MAX_RELATIVE_OFFSET), now_ms)


def roll(self: "SegmentedLog", now_ms: int) -> None:
    """Seal the last segment, if it holds anything, and begin a new one."""
    if self._segments and self._segments[-1].size:
        self._roll(self.log_end_offset, now_ms)


def begin_segment(self: "SegmentedLog", base_offset: int, now_ms: int) -> Segment:
    """Seal the last segment, or remove it where it is empty, and begin one at `base_offset`."""
    self._stop_job()
    self._room = None
    if not self._on_disk:
        self._make_directory()
        self._on_disk = True
        self._durability.file_changed(f"{self.directory}/{file_names.PARTITION_METADATA}")
    if self._segments:
        last = self._segments[-1]
        if last.trim():
            self._durability.file_changed(last.log_path)
        if last.size:
            for path in last.save_indexes():
                self._durability.file_changed(path)
            last.end_offset = max(last.end_offset, self.log_end_offset)
            self._take_snapshot()
        else:
            removal.remove_empty(last, self._shared.files)
            self._segments.drop(-1)
    segment = Segment.new(
        self.directory,
        base_offset,
        self._shared,
        index_interval_bytes=self.config.index_interval_bytes,
        now_ms=now_ms,
        reserved_bytes=self.config.segment_bytes if self.config.preallocate else 0,
    )
    self._segments.add(segment)
    self._durability.name_added()
    return segment
