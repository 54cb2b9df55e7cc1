"""Compaction of a log in memory: by the rules of one on disk, without segments, files or a process.

So that it happens when it would on disk, what would lie in the last segment stays as it is: `Sealing` says
where that begins. The work is on bytes that never change, so a thread may do it while the log goes on; what
was appended meanwhile is kept, and a log that was cut meanwhile stays as it is.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kwire_codecs.records.batch import BatchHeader, CorruptBatch

from .cleaner.mapping import map_batch
from .cleaner.offset_map import OffsetMap
from .cleaner.rewriting import Rewriter
from .cleaner.transactions import CleanedTransactions
from .engine import LogConfig, StorageError
from .producer_state import ProducerState
from .segments.compaction import NEVER_MS, Cleaning, CleaningResources, Dirt, active_producers
from .transaction_index import AbortedTransaction

if TYPE_CHECKING:
    from .cleaner.job import CleanedGroup


class Kept(NamedTuple):
    """A batch of a compacted log."""

    base_offset: int
    last_offset: int
    buffer: memoryview


class Sealing:
    """Where the last segment would begin, were there segments."""

    __slots__ = ("_bytes", "_first_timestamp", "offset")

    def __init__(self) -> None:
        self.offset = 0
        self._bytes = 0
        self._first_timestamp = -1

    def appended(self, header: BatchHeader, config: LogConfig) -> None:
        """A batch is about to be appended."""
        timestamp, first = header.max_timestamp, self._first_timestamp
        is_old = 0 <= first < timestamp - config.roll_ms
        if self._bytes and (is_old or self._bytes + header.size > config.segment_bytes):
            self.offset, self._bytes, self._first_timestamp = header.base_offset, 0, -1
        if not self._bytes:
            self._first_timestamp = timestamp
        self._bytes += header.size


class CompactedMemory(Protocol):
    """What compaction asks of its log."""

    config: LogConfig
    producers: ProducerState
    sealing: Sealing
    generation: int

    @property
    def log_start_offset(self) -> int: ...

    @property
    def log_end_offset(self) -> int: ...

    def batches(self, from_offset: int) -> Iterator[tuple[BatchHeader, memoryview]]: ...

    def aborted_transactions(self, start_offset: int, end_offset: int) -> list[AbortedTransaction]: ...

    def bytes_below(self, offset: int) -> int: ...

    def replace(
        self, kept: Sequence[Kept], end_offset: int, aborted: Sequence[AbortedTransaction]
    ) -> None: ...


class CleaningInMemory:
    """A compaction that is being worked on: `work` in a thread, then `commit`."""

    def __init__(
        self, compaction: "MemoryCompaction", log: CompactedMemory, end_offset: int, now_ms: int,
        resources: CleaningResources,
    ) -> None:  # fmt: skip
        self._compaction = compaction
        self._log = log
        self._generation = log.generation
        self._end_offset = end_offset
        self._dirty_offset = compaction.dirty_offset
        self._batches = [each for each in log.batches(0) if each[0].base_offset < end_offset]
        self._aborted = log.aborted_transactions(log.log_start_offset, end_offset)
        self._producers = active_producers(log.producers)
        self._newest = OffsetMap(resources.memory_bytes, resources.load_factor)
        self._now_ms = now_ms
        self._delete_retention_ms = log.config.delete_retention_ms
        self._kept: list[Kept] = []
        self._kept_aborted: list[AbortedTransaction] = []

    def work(self) -> None:
        """Find out what stays. Raises StorageError."""
        try:
            self._map()
            self._keep()
        except CorruptBatch as corrupt:
            raise StorageError(f"a batch in memory can't be read: {corrupt}") from corrupt

    def _map(self) -> None:
        newest, transactions = self._newest, CleanedTransactions(self._aborted)
        newest.end_offset = self._dirty_offset
        for header, buffer in self._batches:
            if not map_batch(newest, transactions, buffer, header, self._dirty_offset):
                return
        newest.end_offset = max(newest.end_offset, self._end_offset)

    def _keep(self) -> None:
        transactions = CleanedTransactions(self._aborted)
        rewriter = Rewriter(
            self._newest,
            transactions,
            self._producers,
            end_offset=self._end_offset,
            now_ms=self._now_ms,
            delete_retention_ms=self._delete_retention_ms,
        )
        for header, buffer in self._batches:
            left = rewriter.rewrite(buffer, header)
            if left is not None:
                self._kept.append(Kept(header.base_offset, header.last_offset, memoryview(left)))
        self._kept_aborted = transactions.kept

    def commit(self) -> bool:
        """Let the log have what stays; False where it was cut since."""
        if self._generation != self._log.generation:
            return False
        self._log.replace(self._kept, self._end_offset, self._kept_aborted)
        self._compaction.cleaned_to = self._newest.end_offset
        return True


class MemoryCompaction:
    """The compaction of one log in memory."""

    def __init__(self, log: CompactedMemory) -> None:
        self._log = log
        self.cleaned_to = 0

    @property
    def dirty_offset(self) -> int:
        """Where what was not cleaned begins."""
        log = self._log
        return max(log.log_start_offset, min(self.cleaned_to, log.log_end_offset))

    def _end(self, limit: int, now_ms: int) -> int:
        """Where what may be cleaned ends."""
        log, dirty_offset = self._log, self.dirty_offset
        end, lag_ms = min(limit, log.sealing.offset), log.config.min_compaction_lag_ms
        if lag_ms > 0 and end > dirty_offset:
            for header, _ in log.batches(dirty_offset):
                if header.max_timestamp > now_ms - lag_ms:
                    return min(end, header.base_offset)
        return end

    def dirt(self, limit: int, now_ms: int) -> Dirt:
        log, dirty_offset, end = self._log, self.dirty_offset, self._end(limit, now_ms)
        if end <= dirty_offset:
            return Dirt(0, log.bytes_below(end), False)
        clean = log.bytes_below(dirty_offset)
        most_ms = log.config.max_compaction_lag_ms
        is_overdue = False
        if most_ms < NEVER_MS:
            first = next(log.batches(dirty_offset), None)
            is_overdue = first is not None and 0 < first[0].max_timestamp < now_ms - most_ms
        return Dirt(log.bytes_below(end) - clean, clean, is_overdue)

    def plan(self, limit: int, now_ms: int, resources: CleaningResources) -> CleaningInMemory | None:
        end = self._end(limit, now_ms)
        if end <= self.dirty_offset:
            return None
        return CleaningInMemory(self, self._log, end, now_ms, resources)

    # There are no files.

    def commit(self, cleaning: Cleaning, group: "CleanedGroup", now_ms: int) -> bool:
        return False

    def throw_away(self, group: "CleanedGroup") -> None:
        pass

    def sync(self) -> None:
        pass

    def end(self, cleaning: Cleaning, dirty_offset: int) -> None:
        pass
