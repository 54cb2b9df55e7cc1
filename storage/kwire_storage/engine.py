"""One partition's log: the interface that everything above storage uses, and the values that cross it.

Rules
- Synchronous and single-threaded: one caller at a time, on the loop. No clock and no randomness: `now_ms`
  is handed in.
- Offsets and leader epochs are already stamped in the batches that `append` gets; the log only checks that
  they rise.
- Batches are whole: nothing is ever returned, cut or truncated in the middle of one.
- The buffers handed to `append` may be kept (as the newest batches, for readers) and must not change
  afterwards.
- A file or disk that fails raises `StorageError`, after which the log is as it was before the call. Asking
  for an offset that is not there raises `OffsetOutOfRange`. Any other exception is a bug.
- Long work never runs on the loop. It is three steps: `plan` (on the loop: decides, and holds what it needs
  open), `work` (in a thread: touches sealed files only), `commit` (on the loop: takes the result, or throws
  it away if the log has changed). Flushing, large appends and compaction have that shape.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from kwire_codecs.records.batch import BatchHeader

if TYPE_CHECKING:
    from .compaction import Compaction
    from .leader_epochs import LeaderEpochs
    from .open_files import OpenFile
    from .producer_state import ProducerState
    from .transaction_index import AbortedTransaction


class StorageError(Exception):
    """A disk or file failed (full, unreadable, gone): what was tried, on which file, and why. Answered as
    KAFKA_STORAGE_ERROR.
    """

    is_told = False
    """Whether there is a log line already, so that no request needs another."""


class DiskFull(StorageError):
    """There is no room on the disk. What was asked can be tried again; the directory tells of it now and
    then.
    """

    is_told = True


class DirectoryOffline(StorageError):
    """The log directory has failed before, or could not be read at the start: nothing in it can be used until
    the next start.
    """

    is_told = True


class MayBeOffline(DirectoryOffline):
    """Nobody knows where the log is: it may be in a directory that could not be read at the start, and so
    nobody leads it.
    """


class Overtaken(StorageError):
    """The log's end was changed while an append was written: nothing of it counts; it may be tried again."""


class OffsetOutOfRange(Exception):
    """An offset outside [log_start_offset, log_end_offset] was asked for."""

    def __init__(self, offset: int, log_start_offset: int, log_end_offset: int) -> None:
        super().__init__(
            f"offset {offset} is outside the log, which holds {log_start_offset} to {log_end_offset}"
        )
        self.offset = offset
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end_offset


class ValidBatch(NamedTuple):
    """One magic 2 batch that may be appended: its bytes (writable until it is appended) and its header as
    stamped.
    """

    buffer: memoryview
    header: BatchHeader


class FileSlice:
    """`size` bytes at `position` of a segment file. Holds the file open, and its bytes in place, for as
    long as it lives.
    """

    __slots__ = ("descriptor", "file", "position", "size")

    def __init__(self, file: "OpenFile", position: int, size: int) -> None:
        self.file = file
        self.position = position
        self.size = size
        file.pin()
        self.descriptor = file.descriptor()
        """The open descriptor, for sendfile and preadv; good for as long as this slice lives."""

    def __del__(self) -> None:
        self.file.unpin()

    def __len__(self) -> int:
        return self.size

    def fileno(self) -> int:
        """`descriptor`, for sendfile and preadv."""
        return self.descriptor

    def __repr__(self) -> str:
        return f"FileSlice({self.file.path!r}, {self.position}, {self.size})"

    def part(self, start: int, size: int) -> "FileSlice":
        """`size` bytes from `start` of this slice, as a slice of its own (a strict byte limit cuts this
        way).
        """
        if start < 0 or size < 0 or start + size > self.size:
            raise ValueError(f"{size} bytes at {start} are not within a slice of {self.size}")
        return FileSlice(self.file, self.position + start, size)

    def read(self) -> memoryview:
        """The bytes, read now; may wait for the disk. StorageError when the file is shorter than it was or
        can't be read.
        """
        return self.file.read(self.position, self.size, self.descriptor)

    def try_read(self) -> memoryview | None:
        """The bytes if all of them are in the page cache, else None at once (preadv with RWF_NOWAIT)."""
        return self.file.try_read(self.position, self.size, self.descriptor)

    def is_cached(self) -> bool:
        """Whether sending it would not wait for the disk: a look, which copies nothing."""
        return self.file.is_cached(self.position, self.size, self.descriptor)


Slice: TypeAlias = memoryview | FileSlice


class LogRead(NamedTuple):
    """Whole batches in order: `parts` to be sent one after the other, `size` bytes in all, the first
    batch's base offset (the offset asked for when there is none).
    """

    parts: list[Slice]
    size: int
    first_base_offset: int


class TimestampOffset(NamedTuple):
    """A record's timestamp, offset and leader epoch (-1 when the batch carries none)."""

    timestamp_ms: int
    offset: int
    leader_epoch: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """The topic configs that touch a log, under Kafka's names with Kafka's defaults; takes effect when
    handed to `configure`.
    """

    segment_bytes: int = 1 << 30
    segment_ms: int = 7 * 24 * 3600 * 1000
    segment_jitter_ms: int = 0
    segment_index_bytes: int = 10 << 20
    index_interval_bytes: int = 4096
    retention_ms: int = 7 * 24 * 3600 * 1000
    retention_bytes: int = -1
    file_delete_delay_ms: int = 60_000
    producer_id_expiration_ms: int = 24 * 3600 * 1000
    transaction_max_timeout_ms: int = 15 * 60 * 1000
    compacts: bool = False
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = 0x7FFFFFFFFFFFFFFF
    delete_retention_ms: int = 24 * 3600 * 1000
    preallocate: bool = False

    @property
    def roll_ms(self) -> int:
        """The longest that a segment is appended to: what must be compacted by a time must be sealed by then
        (Kafka: LogConfig.maxSegmentMs).
        """
        return min(self.segment_ms, self.max_compaction_lag_ms) if self.compacts else self.segment_ms


class PartitionLog(Protocol):
    """One partition's log, held to `tests/storage/contract.py` in every engine."""

    @property
    def log_start_offset(self) -> int:
        """The first offset that may be read."""
        ...

    @property
    def log_end_offset(self) -> int:
        """The offset that the next record gets."""
        ...

    @property
    def size_bytes(self) -> int:
        """Bytes of all batches held."""
        ...

    def segment_starts(self) -> list[tuple[int, int]]:
        """Of each segment, oldest first: when it was last written to (ms), and the first offset that may be
        read of it. A log without segments has one.
        """
        ...

    @property
    def producers(self) -> "ProducerState":
        """Idempotence: `check` a batch before it is appended; `append` itself replays into it."""
        ...

    @property
    def epochs(self) -> "LeaderEpochs":
        """Where each leader epoch began; `append` adds a new one."""
        ...

    def append(self, batches: Sequence[ValidBatch], now_ms: int) -> None:
        """Write batches in one gathered write, all or nothing; readers see them as soon as this returns.

        Every batch must begin at or after the end of the one before (ValueError otherwise: a bug of the
        caller).
        """
        ...

    @property
    def waits_for_disk(self) -> bool:
        """Whether a large append would wait for the disk now; `plan_append` is the same in three steps."""
        ...

    def plan_append(self, batches: Sequence[ValidBatch], now_ms: int) -> "AppendJob":
        """`append`, of which the job's `work()` does the writing, in a thread; then `commit_append`. Whatever
        else changes the log's end in between makes the job void.
        """
        ...

    def commit_append(self, job: "AppendJob", *, keep: bool = True) -> None:
        """The job's work is done: readers see its batches when this returns. StorageError if it failed,
        Overtaken if it is void. Without `keep`, or where the work was not done, all is as if nothing had been
        written.
        """
        ...

    def read(
        self, offset: int, max_bytes: int, *, max_offset: int | None = None, at_least_one: bool = True
    ) -> LogRead:
        """Whole batches from the one that holds `offset` (or the next, in a gap), none that reaches
        `max_offset` or beyond.

        At most `max_bytes`, but the first batch comes whole with `at_least_one`. Nothing at log_end_offset.
        """
        ...

    def read_bytes(self, part: Slice) -> memoryview:
        """One part's bytes; may wait for the disk when it is a FileSlice."""
        ...

    @property
    def has_aborted(self) -> bool:
        """Whether there may be aborted transactions at all. Most logs have none: nothing more is asked of
        them.
        """
        ...

    def bound_behind(self, offset: int, found: LogRead) -> int:
        """An offset that lies behind all that `read` has just found at `offset`, not the smallest: where the
        next entry of the offset index is, else the next segment, else the log's end. Kafka tells a reader of
        the transactions that were aborted up to there (LocalLog.addAbortedTransactions).
        """
        ...

    def aborted_transactions(self, start_offset: int, end_offset: int) -> "list[AbortedTransaction]":
        """The aborted transactions that have a part in [start_offset, end_offset), in the order of their
        markers.

        Exact where `start_offset` is not below the log's start. Kafka: UnifiedLog.collectAbortedTransactions.
        """
        ...

    def offset_for_timestamp(self, timestamp_ms: int) -> TimestampOffset | None:
        """The first record, in offset order, whose timestamp is at least `timestamp_ms`; exact. Decodes one
        batch.
        """
        ...

    def max_timestamp_offset(self) -> TimestampOffset | None:
        """The first record that has the largest timestamp in the log."""
        ...

    def truncate_to(self, offset: int) -> None:
        """Drop every batch that holds `offset` or anything above; the log ends where its last batch now
        ends.
        """
        ...

    def start_over_at(self, offset: int) -> None:
        """Take everything out of the log, which begins and ends at `offset` from now on (Kafka:
        truncateFullyAndStartAt): what was there is known from elsewhere, up to that offset.
        """
        ...

    def advance_log_start(self, offset: int) -> None:
        """Records below `offset` are gone for readers (a no-op when it lies below already); their space is
        freed when it can be.
        """
        ...

    def plan_ages(self) -> "AgesJob | None":
        """What must be read to know how old the log's oldest segments are, None when that is known: to be
        done in a thread before `retain`, which reads it itself otherwise.
        """
        ...

    def retain(self, now_ms: int, *, limit: int | None = None, deletes: bool = True) -> bool:
        """Remove some of what `retention_ms` and `retention_bytes` let go, and of what lies below the log
        start; whether there may be more to do. Nothing at or above `limit` (the high watermark) goes.

        `deletes` is whether the log's cleanup.policy has `delete`; without, only what lies below the log
        start goes. Housekeeping calls it (Kafka: every 5 minutes).
        """
        ...

    @property
    def compaction(self) -> "Compaction":
        """For logs whose cleanup.policy has `compact`: the caller knows."""
        ...

    def configure(self, config: LogConfig) -> None:
        """From now on these settings."""
        ...

    def flush(self) -> None:
        """Everything appended so far is on the device when this returns. Slow: not on the loop's hot path."""
        ...

    @property
    def recovery_point(self) -> int:
        """Everything below is on the device."""
        ...

    def plan_flush(self) -> "FlushJob | None":
        """The same in three steps: what must be synced, None where nothing must; then `work()` in a thread,
        and `commit_flush` on the loop.
        """
        ...

    def commit_flush(self, plan: "FlushJob") -> None:
        """The job's work is done."""
        ...

    def close(self, *, clean: bool) -> None:
        """Let go of files. `clean` also writes what makes the next start quick (indexes, producer
        snapshot).
        """
        ...


class AppendJob(Protocol):
    """Batches to be written; `work` may be called in a thread, once, and raises nothing."""

    def work(self) -> None: ...


class AgesJob(Protocol):
    """Timestamps to be read; `work` may be called in a thread, and may raise StorageError."""

    def work(self) -> None: ...


class FlushJob(Protocol):
    """Files to be synced; `work` may be called in a thread, and may raise StorageError."""

    def work(self) -> None: ...


def total_size(batches: Iterable[ValidBatch]) -> int:
    """Bytes of the batches together."""
    return sum(len(batch.buffer) for batch in batches)
