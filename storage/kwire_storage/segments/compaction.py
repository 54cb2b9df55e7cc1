"""Compaction as the log sees it: how dirty it is, what may be cleaned, and taking in what a cleaning made
(Kafka: LogCleanerManager).

Only whole sealed segments are cleaned, and none beyond the first undecided or unreplicated record or younger
than min.compaction.lag.ms. The work (`cleaner/`) is done elsewhere while the log goes on; a group of segments
of which one has changed meanwhile stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..compaction import UNLIMITED
from ..engine import LogConfig, StorageError
from ..files import storing
from ..producer_state import ProducerState
from ..transaction_index import AbortedTransaction
from .flush import Durability
from .replacing import put_in_place
from .segment import Segment
from .segment_list import SegmentList
from .shared import Shared
from .snapshots import Snapshots

if TYPE_CHECKING:  # of what a cleaning needs, a start needs nothing
    from ..cleaner.job import CleanedGroup, CleaningJob

NEVER_MS = 0x7FFFFFFFFFFFFFFF


class Dirt(NamedTuple):
    """How much of a log may be cleaned: bytes that were not, and bytes before them that were."""

    dirty_bytes: int
    clean_bytes: int
    is_overdue: bool
    """A record among the dirty ones is older than max.compaction.lag.ms."""

    @property
    def ratio(self) -> float:
        """Dirty bytes as a share of all that would be read."""
        total = self.dirty_bytes + self.clean_bytes
        return self.dirty_bytes / total if total else 0.0


@dataclass(slots=True)
class Cleaning:
    """A job that is being worked on, and the segments as they were when it was planned."""

    job: "CleaningJob"
    segments: dict[int, Segment]
    generation: int
    is_void: bool = False
    """A group could not be put in place: not all below the job's end is clean."""


def cleanable(segments: SegmentList, config: LogConfig, dirty_offset: int, limit: int, now_ms: int) -> int:
    """How many segments, counted from the oldest, may be cleaned; none that reaches beyond `limit`, or
    into the segment behind it: what nobody reads of its file would go.
    """
    count = 0
    for segment in segments.in_order[:-1]:
        if segment.end_offset > limit or segment.overlaps:
            break
        if (
            config.min_compaction_lag_ms > 0
            and segment.end_offset > dirty_offset
            and segment.size
            and segment.indexes.max_timestamp > now_ms - config.min_compaction_lag_ms
        ):
            break
        count += 1
    return count


def dirt(segments: Sequence[Segment], config: LogConfig, dirty_offset: int, now_ms: int) -> Dirt:
    """How dirty the cleanable `segments` are; what begins at `dirty_offset` has not been cleaned."""
    dirty = [segment for segment in segments if segment.end_offset > dirty_offset]
    is_overdue = False
    if config.max_compaction_lag_ms < NEVER_MS:
        oldest_allowed = now_ms - config.max_compaction_lag_ms
        is_overdue = any(0 < segment.first_timestamp() < oldest_allowed for segment in dirty if segment.size)
    dirty_bytes = sum(segment.size for segment in dirty)
    return Dirt(dirty_bytes, sum(segment.size for segment in segments) - dirty_bytes, is_overdue)


@dataclass(frozen=True, slots=True)
class CleaningResources:
    """What a cleaning may use, from the broker's `log.cleaner.*`."""

    memory_bytes: int = 128 << 20
    load_factor: float = 0.9
    io_buffer_bytes: int = 1 << 20
    max_bytes_per_second: float = UNLIMITED


def make_job(
    directory: str,
    segments: Sequence[Segment],
    config: LogConfig,
    resources: CleaningResources,
    *,
    dirty_offset: int,
    now_ms: int,
    aborted: list[AbortedTransaction],
    producers: ProducerState,
) -> "CleaningJob":
    """What a cleaner needs to know of a log to clean `segments`."""
    from ..cleaner.job import CleaningJob, SealedSegment

    return CleaningJob(
        directory=directory,
        segments=[SealedSegment(each.base_offset, each.end_offset, each.size) for each in segments],
        dirty_offset=dirty_offset,
        now_ms=now_ms,
        delete_retention_ms=config.delete_retention_ms,
        segment_bytes=config.segment_bytes,
        segment_index_bytes=config.segment_index_bytes,
        index_interval_bytes=config.index_interval_bytes,
        aborted=aborted,
        producers=active_producers(producers),
        memory_bytes=resources.memory_bytes,
        load_factor=resources.load_factor,
        io_buffer_bytes=resources.io_buffer_bytes,
        max_bytes_per_second=resources.max_bytes_per_second,
    )


def active_producers(producers: ProducerState) -> dict[int, tuple[int, int]]:
    """Of each producer the last offset of its newest batch, -1 if only a marker is known, and its epoch."""
    return {
        entry.producer_id: (entry.batches[-1].last_offset if entry.batches else -1, entry.epoch)
        for entry in producers
    }


class CompactedLog(Protocol):
    """What compaction asks of its log."""

    directory: str
    config: LogConfig
    log_start_offset: int
    log_end_offset: int
    producers: ProducerState
    has_aborted: bool

    def aborted_transactions(self, start_offset: int, end_offset: int) -> list[AbortedTransaction]: ...


class LogCompaction:
    """The compaction of one log. `limit` is everywhere the last stable offset, of what is replicated.

    :param changed: told of a new `cleaned_to`, which should be written down.
    :param replaced: segments up to an offset have been replaced.
    """

    def __init__(
        self,
        log: CompactedLog,
        segments: SegmentList,
        snapshots: Snapshots,
        durability: Durability,
        shared: Shared,
        *,
        cleaned_to: int,
        changed: Callable[[int], None],
        replaced: Callable[[int], None],
    ) -> None:
        self._log = log
        self._segments = segments
        self._snapshots = snapshots
        self._durability = durability
        self._shared = shared
        self._changed = changed
        self._replaced = replaced
        self.cleaned_to = cleaned_to
        """Below, all has been compacted once (Kafka: the first dirty offset)."""

    @property
    def _dirty_offset(self) -> int:
        # A mark outside the log is of no use (Kafka: LogCleanerManager.cleanableOffsets).
        log = self._log
        if not log.log_start_offset <= self.cleaned_to <= log.log_end_offset:
            return log.log_start_offset
        return self.cleaned_to

    def _cleanable(self, limit: int, now_ms: int) -> list[Segment]:
        count = cleanable(self._segments, self._log.config, self._dirty_offset, limit, now_ms)
        return self._segments.in_order[:count]

    def dirt(self, limit: int, now_ms: int) -> Dirt:
        """How dirty the log is."""
        return dirt(self._cleanable(limit, now_ms), self._log.config, self._dirty_offset, now_ms)

    def plan(self, limit: int, now_ms: int, resources: CleaningResources) -> Cleaning | None:
        """A job for `cleaner.cleaning.clean`, elsewhere; then `commit` for each group of its result, and
        `end`. None: nothing is dirty.
        """
        log, dirty_offset, segments = self._log, self._dirty_offset, self._cleanable(limit, now_ms)
        if not segments or segments[-1].end_offset <= dirty_offset:
            return None
        first, end = segments[0].base_offset, segments[-1].end_offset
        job = make_job(
            log.directory,
            segments,
            log.config,
            resources,
            dirty_offset=dirty_offset,
            now_ms=now_ms,
            aborted=log.aborted_transactions(first, end) if log.has_aborted else [],
            producers=log.producers,
        )
        by_base = {segment.base_offset: segment for segment in segments}
        return Cleaning(job, by_base, self._durability.generation)

    def commit(self, cleaning: Cleaning, group: "CleanedGroup", now_ms: int) -> bool:
        """Put one cleaned segment in place of those it replaces; False, and the cleaned one is removed, where
        these have changed since. StorageError if files could not be renamed.
        """
        old = self._replaced_by(cleaning, group)
        if old is None:
            self.throw_away(group)
            cleaning.is_void = True
            return False
        try:
            put_in_place(
                self._log.directory, group, old, self._segments, self._shared, self._log.config, now_ms
            )
        except StorageError:
            cleaning.is_void = True
            raise
        self._durability.name_added()
        self._replaced(old[-1].end_offset)
        self._snapshots.drop_at(set(group.base_offsets[1:]))
        return True

    def throw_away(self, group: "CleanedGroup") -> None:
        """A cleaned segment is not wanted. Raises StorageError."""
        from ..cleaner.output import remove_cleaned

        remove_cleaned(self._log.directory, group.base_offsets[0], self._shared.files)

    def sync(self) -> None:
        """What was put in place has its name on the device when this returns; may be called in a thread."""
        with storing("syncing", self._log.directory):
            self._shared.files.sync_directory(self._log.directory)

    def _replaced_by(self, cleaning: Cleaning, group: "CleanedGroup") -> list[Segment] | None:
        """The segments that a cleaned one replaces; None if one of them is not what it was."""
        if cleaning.generation != self._durability.generation:
            return None
        old = [cleaning.segments[base] for base in group.base_offsets]
        at = self._segments.at(old[0].base_offset)
        return old if self._segments.in_order[at : at + len(old)] == old else None

    def end(self, cleaning: Cleaning, dirty_offset: int) -> None:
        """All groups have been committed; below `dirty_offset` all is clean, unless one of them was void."""
        if not cleaning.is_void and cleaning.generation == self._durability.generation:
            self.cleaned_to = dirty_offset
            self._changed(dirty_offset)

    def truncated(self) -> None:
        """The log has been cut: what comes from now on is dirty."""
        if self.cleaned_to > self._log.log_end_offset:
            self.cleaned_to = self._log.log_end_offset
            self._changed(self.cleaned_to)
