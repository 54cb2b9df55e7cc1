"""A partition's log on disk, in Kafka's files: the segment engine (Kafka: UnifiedLog and LocalLog).

Rules
- Nothing is made on disk before the first append: a broker may have many thousands of partitions that
  nobody writes to.
- An append goes to the page cache through one gathered write. It survives the process; `flush` makes it
  survive the machine.
- The last segment is appended to; the others are sealed and do not change but for being removed from the
  front, or cut by `truncate_to`.
- Whoever made the log closes it. `log_start_changed` and `recovery_point_fell` are called when these must be
  written down at once.
"""

import logging
from collections.abc import Callable

from ..batch_blocks import BatchBlocks
from ..engine import (
    FileSlice,
    FlushJob,
    LogConfig,
    LogRead,
    OffsetOutOfRange,
    Slice,
    TimestampOffset,
)
from ..producer_state import ProducerState
from ..transaction_index import AbortedTransaction
from . import appending, cutting, file_names, lookups
from .append_job import SegmentAppend
from .compaction import LogCompaction
from .epoch_file import EpochFile
from .flush import Durability, FlushPlan
from .producer_replay import build, rebuild
from .reading import read_files
from .recovery import LoadedLog
from .retention import AgesJob, unknown_ages
from .rolling import Room
from .segment_list import SegmentList
from .shared import Shared
from .snapshots import Snapshots

log = logging.getLogger("kwire.storage")


def _nothing() -> None:
    pass


class SegmentedLog:
    """One partition's log on disk. `PartitionLog` says what the methods do."""

    def __init__(
        self,
        directory: str,
        config: LogConfig,
        shared: Shared,
        *,
        make_directory: Callable[[], None],
        loaded: LoadedLog | None = None,
        clean: bool = True,
        recovery_point: int = 0,
        now_ms: int = 0,
        log_start_changed: Callable[[], None] = _nothing,
        recovery_point_fell: Callable[[], None] = _nothing,
        cleaned_to: int = 0,
        cleaned_to_changed: Callable[[int], None] = lambda offset: None,
    ) -> None:
        self.directory = directory
        self.config = config
        self._shared = shared
        self._make_directory = make_directory
        self._log_start_changed = log_start_changed
        self._recovery_point_fell = recovery_point_fell
        self._on_disk = loaded is not None
        loaded = loaded or LoadedLog([], 0, 0, [], [])
        self._segments = SegmentList(loaded.segments)
        self._snapshots = Snapshots(directory, shared.files, loaded.snapshots)
        # To be read by everyone, to be changed by this class only; every append asks for them many times.
        self.log_start_offset = loaded.log_start_offset
        self.log_end_offset = loaded.log_end_offset
        self._size_bytes = self._segments.size_bytes
        self.lowest_end_offset = self.log_end_offset
        """The lowest that `truncate_to` has brought the end to since whoever copies the log set this."""
        self.is_left = False
        """Whether its files are somebody else's business now: its directory is removed, or moved."""
        self._tail = BatchBlocks()
        self._tails = shared.tails
        self._room: Room | None = None
        """The last segment, and as far as it is known that it may be appended to."""
        self._job: SegmentAppend | None = None
        """The append that is being written."""
        self._durability = Durability(
            directory,
            shared.files,
            min(self.log_end_offset, self.log_end_offset if clean else recovery_point),
        )
        self._epoch_file = EpochFile(
            directory,
            shared.alike,
            loaded.epochs,
            is_saved=loaded.epochs_saved,
            written=self._durability.file_changed,
        )
        self.epochs = self._epoch_file.epochs
        if self._on_disk and not clean:
            # Written before the crash: whether they were synced nobody knows.
            self._durability.file_changed(self._epoch_file.path)
            self._durability.file_changed(f"{directory}/{file_names.PARTITION_METADATA}")
            for path in self._snapshots.paths():
                self._durability.file_changed(path)
        self._save_epochs()
        self.producers = ProducerState(config.producer_id_expiration_ms)
        if loaded.segments or loaded.snapshots:
            self._rebuild_producers(now_ms, trust_absence=clean)
        self.has_aborted = not all(segment.transactions.is_empty for segment in self._segments)
        self.compaction = LogCompaction(
            self,
            self._segments,
            self._snapshots,
            self._durability,
            shared,
            cleaned_to=cleaned_to,
            changed=cleaned_to_changed,
            replaced=self._compacted,
        )

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def is_on_disk(self) -> bool:
        """Whether its directory has been made."""
        return self._on_disk

    @property
    def recovery_point(self) -> int:
        """Everything below is on the device."""
        return self._durability.recovery_point

    @property
    def first_segment_offset(self) -> int:
        """The base offset of the oldest segment: a log start above it must be written down to be kept."""
        return self._segments.bases[0] if self._segments else 0

    @property
    def segment_offsets(self) -> list[int]:
        """The base offset of each segment."""
        return list(self._segments.bases)

    def segment_starts(self) -> list[tuple[int, int]]:
        return [
            (segment.modified_ms(), max(segment.base_offset, self.log_start_offset))
            for segment in self._segments
        ]

    # Appending: see `appending.py`

    append = appending.append
    _place = appending.place
    _take_in = appending.take_in
    plan_append = appending.plan_append
    commit_append = appending.commit_append
    _stop_job = appending.stop_job
    _segment_for = appending.segment_for
    roll = appending.roll
    _roll = appending.begin_segment

    @property
    def waits_for_disk(self) -> bool:
        return self._shared.pressure.is_high

    def _take_snapshot(self) -> None:
        snapshot = self._snapshots.take(self.producers)
        if snapshot is not None:
            self._durability.file_changed(snapshot)

    # Reading

    def read(
        self, offset: int, max_bytes: int, *, max_offset: int | None = None, at_least_one: bool = True
    ) -> LogRead:
        end = self.log_end_offset
        if not self.log_start_offset <= offset <= end:
            raise OffsetOutOfRange(offset, self.log_start_offset, end)
        limit = end if max_offset is None or max_offset > end else max_offset
        if offset >= limit:
            return LogRead([], 0, offset)
        found = self._tail.read(offset, max_bytes, limit, at_least_one=at_least_one)
        if found is not None:
            return found
        return read_files(self._segments, offset, max_bytes, limit, at_least_one)

    def read_bytes(self, part: Slice) -> memoryview:
        return part.read() if isinstance(part, FileSlice) else part

    def offset_for_timestamp(self, timestamp_ms: int) -> TimestampOffset | None:
        start = self.log_start_offset
        return lookups.first_at_or_after(self._segments.since(start), start, timestamp_ms)

    def max_timestamp_offset(self) -> TimestampOffset | None:
        start = self.log_start_offset
        return lookups.first_newest(self._segments.since(start), start)

    def bound_behind(self, offset: int, found: LogRead) -> int:
        last: FileSlice | int | None = offset
        if found.parts:
            part = found.parts[-1]
            last = part if isinstance(part, FileSlice) else self._tail.end_of(found)
        if last is None:
            return self.log_end_offset
        holding = found.first_base_offset if isinstance(last, FileSlice) else max(last - 1, offset)
        return lookups.bound_behind(self._segments.since(holding), last, self.log_end_offset)

    def aborted_transactions(self, start_offset: int, end_offset: int) -> list[AbortedTransaction]:
        return lookups.aborted_transactions(
            self._segments.since(start_offset),
            start_offset,
            end_offset,
            lambda segment: build(segment, self._segments.in_order, self._snapshots),
        )

    # Cutting: see `cutting.py`

    truncate_to = cutting.truncate_to
    start_over_at = cutting.start_over_at
    advance_log_start = cutting.advance_log_start
    retain = cutting.retain
    _drop_below = cutting.drop_below
    _drop = cutting.drop
    _save_epochs_if_there_is_room = cutting.save_epochs_if_there_is_room

    def plan_ages(self) -> AgesJob | None:
        return unknown_ages(self._segments.in_order[:-1], self.config)

    def _compacted(self, end_offset: int) -> None:
        """Segments up to an offset have been replaced by cleaned ones."""
        self._size_bytes = self._segments.size_bytes
        first_in_memory = self._tail.first_offset
        if first_in_memory is not None and first_in_memory < end_offset:
            self._tail.clear()
            self._shared.tails.shrunk(self._tail)

    def _rebuild_producers(self, now_ms: int, *, trust_absence: bool) -> None:
        rebuild(
            self.producers,
            self._segments.in_order,
            self._snapshots,
            self.log_end_offset,
            now_ms,
            trust_absence=trust_absence,
        )

    # Settings, durability, the end

    def _save_epochs(self) -> None:
        if self._on_disk:
            self._epoch_file.save()

    def configure(self, config: LogConfig) -> None:
        self.config = config
        self._room = None
        self.producers.expiration_ms = config.producer_id_expiration_ms
        for segment in self._segments:
            segment.index_interval_bytes = config.index_interval_bytes

    def plan_flush(self, *, sealed_only: bool = False) -> FlushPlan | None:
        """What must be synced for all that is appended now to be on the device; None when it is.

        `sealed_only` leaves out the last segment. Then: `FlushPlan.work` in a thread, and `commit_flush`.
        """
        end = self.log_end_offset
        if sealed_only:
            end = self._segments.bases[-1] if self._segments else 0
        return self._durability.plan(self._segments, end, small_files=not sealed_only)

    def commit_flush(self, plan: FlushJob) -> None:
        """The plan's work is done: note how far the log is on the device, unless it was cut since."""
        assert isinstance(plan, FlushPlan)
        self._durability.commit(plan)

    def flush(self) -> None:
        plan = self.plan_flush()
        if plan is None:
            return
        plan.work()
        self.commit_flush(plan)

    def save(self) -> bool:
        """Write to files, unsynced, what only memory holds: what is needed for the log to be believed when it
        is opened again. Gives whether there is anything to sync.
        """
        self._stop_job()
        if not self._segments:
            return False
        self._save_epochs()
        if self._segments[-1].trim():
            self._durability.file_changed(self._segments[-1].log_path)
        for segment in self._segments:
            for path in segment.save_indexes():
                self._durability.file_changed(path)
        if len(self.producers) or len(self._snapshots):
            self._take_snapshot()
        return self._durability.is_behind(self.log_end_offset)

    def all_is_synced(self) -> None:
        """Everything that was written to any file of the log is on the device."""
        self._durability.all_is_synced(self.log_end_offset)

    def close(self, *, clean: bool) -> None:
        self._stop_job()
        try:
            if clean and self.save():
                self.flush()
        finally:
            for segment in self._segments:
                segment.close()
            self._shared.tails.forget(self._tail)
            self._tail.clear()

    def skip_to(self, offset: int, now_ms: int) -> None:
        """The log ends at `offset`, with nothing from its last batch up to there, as where compaction has
        taken what was written last.
        """
        if offset < self.log_end_offset:
            raise ValueError(f"{self.directory} ends at {self.log_end_offset} already, not at {offset}")
        self.log_end_offset = offset
        self._roll(offset, now_ms)
        self._segments[-1].make_file()

    def take_over(self, other: "SegmentedLog") -> None:
        """What is known of the producers and epochs of a log that has the same batches, and may know more
        than these say. Both have the producers now.
        """
        self.producers = other.producers
        self.epochs.clear()
        for entry in other.epochs.entries():
            self.epochs.assign(*entry)

    def begin_like(self, other: "SegmentedLog") -> None:
        """A log that has nothing yet knows the producers of one that it becomes a copy of, as far as none of
        what is to be copied says anything of them.
        """
        start = self.log_end_offset
        entries = (entry.copy() for entry in other.producers if entry.last_offset < start)
        self.producers.become(entries, start)
        if len(self.producers):
            self._take_snapshot()

    def park(self, now_ms: int) -> None:
        """Write down, unsynced, what a clean stop does, and let go of files: the directory is about to get
        another name.
        """
        self._stop_job()
        try:
            if not self._segments and self.log_end_offset:
                self.skip_to(self.log_end_offset, now_ms)  # where it begins must be written on the disk
            self._save_epochs()
            for segment in self._segments:
                segment.save_indexes()
            self._snapshots.take(self.producers)
        finally:
            self.remove_files()

    def remove_files(self) -> None:
        """Let go of all files, without writing anything more: the directory is about to be removed."""
        self.is_left = True
        if self._job is not None:
            self._job.stop()
            self._job = None
        for segment in self._segments:
            segment.close()
        self._shared.tails.forget(self._tail)
        self._tail.clear()
