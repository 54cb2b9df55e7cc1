"""The memory engine: a partition's log that dies with the process (`--memory`, and the fake that tests use).

Held to the same contract as the segment engine. Trimming frees memory block by block.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import BatchHeader

from .batch_blocks import BatchBlocks
from .engine import (
    AppendJob,
    FileSlice,
    FlushJob,
    LogConfig,
    LogRead,
    OffsetOutOfRange,
    Overtaken,
    Slice,
    TimestampOffset,
    ValidBatch,
)
from .leader_epochs import LeaderEpochs
from .memory_compaction import Kept, MemoryCompaction, Sealing
from .producer_state import ProducerState
from .timestamps import check_ascending, first_record_at_or_after, newest_from
from .transaction_index import AbortedTransaction, TransactionIndex


class _NothingToWrite:
    """An append that needs no thread."""

    __slots__ = ("batches", "end_offset", "is_done", "now_ms")

    def __init__(self, batches: Sequence[ValidBatch], now_ms: int, end_offset: int) -> None:
        self.batches = batches
        self.now_ms = now_ms
        self.end_offset = end_offset
        self.is_done = False

    def work(self) -> None:
        self.is_done = True


class MemoryLog:
    """One partition's log in memory. `PartitionLog` says what the methods do."""

    def __init__(self, config: LogConfig) -> None:
        self.config = config
        self._blocks = BatchBlocks()
        self._log_start_offset = 0
        self._log_end_offset = 0
        self._appended_ms = 0
        self.producers = ProducerState(config.producer_id_expiration_ms)
        self._producers_before = ProducerState(config.producer_id_expiration_ms)
        """As they were before the oldest batch that is held: what a truncation starts again from."""
        self._aborted = TransactionIndex()
        self.epochs = LeaderEpochs()
        self.sealing = Sealing()
        self.generation = 0
        """Another number each time that the log was cut, at either end, or compacted."""
        self.compaction = MemoryCompaction(self)

    @property
    def log_start_offset(self) -> int:
        return self._log_start_offset

    @property
    def log_end_offset(self) -> int:
        return self._log_end_offset

    @property
    def size_bytes(self) -> int:
        return self._blocks.size_bytes

    def segment_starts(self) -> list[tuple[int, int]]:
        return [(self._appended_ms, self._log_start_offset)]

    def append(self, batches: Sequence[ValidBatch], now_ms: int) -> None:
        self._appended_ms = now_ms
        check_ascending(batches, self._log_end_offset)
        for buffer, header in batches:
            self.sealing.appended(header, self.config)
            self._blocks.append(header.base_offset, header.last_offset, buffer)
            if header.partition_leader_epoch > self.epochs.latest:
                self.epochs.assign(header.partition_leader_epoch, header.base_offset)
            self._log_end_offset = header.next_offset
            done = self.producers.append(header, buffer)
            if done is not None and (aborted := done.aborted) is not None:
                self._aborted.append(aborted)

    @property
    def waits_for_disk(self) -> bool:
        return False

    def plan_append(self, batches: Sequence[ValidBatch], now_ms: int) -> AppendJob:
        check_ascending(batches, self._log_end_offset)
        return _NothingToWrite(batches, now_ms, self._log_end_offset)

    def commit_append(self, job: AppendJob, *, keep: bool = True) -> None:
        assert isinstance(job, _NothingToWrite)
        if keep:
            if not job.is_done or job.end_offset != self._log_end_offset:
                raise Overtaken("the log was changed while batches were written to it")
            self.append(job.batches, job.now_ms)

    def read(
        self, offset: int, max_bytes: int, *, max_offset: int | None = None, at_least_one: bool = True
    ) -> LogRead:
        end = self._log_end_offset
        if not self._log_start_offset <= offset <= end:
            raise OffsetOutOfRange(offset, self._log_start_offset, end)
        limit = end if max_offset is None else min(max_offset, end)
        found = self._blocks.read(offset, max_bytes, limit, at_least_one=at_least_one)
        if found is None and (first := self._blocks.first_offset) is not None:
            # The oldest batch begins behind `offset`: a gap, as compaction leaves them.
            found = self._blocks.read(first, max_bytes, limit, at_least_one=at_least_one)
        return found if found is not None and found.parts else LogRead([], 0, offset)

    def read_bytes(self, part: Slice) -> memoryview:
        return part.read() if isinstance(part, FileSlice) else part

    @property
    def has_aborted(self) -> bool:
        return len(self._aborted) > 0

    def bound_behind(self, offset: int, found: LogRead) -> int:
        # There is no index: as if it had an entry about where it would have one.
        bound = self._blocks.end_of(found, self.config.index_interval_bytes)
        return self._log_end_offset if bound is None else bound

    def aborted_transactions(self, start_offset: int, end_offset: int) -> list[AbortedTransaction]:
        found: list[AbortedTransaction] = []
        self._aborted.collect(start_offset, end_offset, found)
        return found

    def batches(self, from_offset: int) -> Iterator[tuple[BatchHeader, memoryview]]:
        """Each batch from the one that holds an offset on."""
        for _, view in self._blocks.batches_from(from_offset):
            yield record_batch.read_header(view), view

    def offset_for_timestamp(self, timestamp_ms: int) -> TimestampOffset | None:
        for header, view in self.batches(self._log_start_offset):
            if header.max_timestamp >= timestamp_ms:
                found = first_record_at_or_after(view, header, timestamp_ms, self._log_start_offset)
                if found is not None:
                    return found
        return None

    def max_timestamp_offset(self) -> TimestampOffset | None:
        start, newest = self._log_start_offset, -1
        for header, view in self.batches(start):
            if header.max_timestamp > newest:
                is_whole = header.base_offset >= start
                newest = max(newest, header.max_timestamp if is_whole else newest_from(view, header, start))
        if newest < 0:
            return None
        found = self.offset_for_timestamp(newest)
        if found is None:
            for header, _ in self.batches(start):
                if header.max_timestamp == newest:
                    return TimestampOffset(newest, header.last_offset, header.partition_leader_epoch)
        return found

    def truncate_to(self, offset: int) -> None:
        if offset >= self._log_end_offset:
            return
        self.generation += 1
        self._blocks.truncate(max(offset, self._log_start_offset))
        end = self._log_start_offset
        self.producers.become((entry.copy() for entry in self._producers_before), end)
        for header, view in self.batches(0):
            self.producers.append(header, view)
            end = max(end, header.next_offset)
        self._log_end_offset = self.producers.end_offset = end
        self._aborted.truncate(end)
        self.epochs.truncate_from_end(end)

    def start_over_at(self, offset: int) -> None:
        self.generation += 1
        self._blocks = BatchBlocks()
        self._log_start_offset = self._log_end_offset = offset
        self._aborted = TransactionIndex()
        self.sealing = Sealing()
        self.epochs.clear()
        for producers in (self.producers, self._producers_before):
            producers.clear(offset)

    def advance_log_start(self, offset: int) -> None:
        if offset <= self._log_start_offset:
            return
        if offset > self._log_end_offset:
            raise OffsetOutOfRange(offset, self._log_start_offset, self._log_end_offset)
        self._log_start_offset = offset
        self.generation += 1
        self._drop_before(offset)
        self._aborted.drop_before(offset)
        self.epochs.truncate_from_start(offset)

    def _drop_before(self, offset: int) -> None:
        before = self._producers_before
        for header, view in islice(self.batches(0), self._blocks.batches_before(offset)):
            before.append(header, view)
        self._blocks.drop_before(offset)
        if len(before) > len(self.producers):
            kept = [entry for entry in before if self.producers.get(entry.producer_id) is not None]
            before.become(iter(kept), before.end_offset)

    def plan_ages(self) -> None:
        return None

    def bytes_below(self, offset: int) -> int:
        """Of all batches that end below an offset."""
        return self._blocks.bytes_below(offset)

    def replace(self, kept: Sequence[Kept], end_offset: int, aborted: Sequence[AbortedTransaction]) -> None:
        """What is left of everything below `end_offset`, and of the transactions that were aborted there."""
        blocks = BatchBlocks()
        for base_offset, last_offset, buffer in kept:
            blocks.append(base_offset, last_offset, buffer)
        for header, buffer in self.batches(end_offset):
            blocks.append(header.base_offset, header.last_offset, buffer)
        index = TransactionIndex()
        for each in (*aborted, *(each for each in self._aborted if each.last_offset >= end_offset)):
            index.append(each)
        self._blocks, self._aborted = blocks, index
        self.generation += 1

    def retain(self, now_ms: int, *, limit: int | None = None, deletes: bool = True) -> bool:
        if not deletes:
            return False
        # Batch by batch: there are no segments whose youngest record keeps the others.
        start, size = self._log_start_offset, self.size_bytes
        retention_ms, retention_bytes = self.config.retention_ms, self.config.retention_bytes
        for header, _ in self.batches(start):
            aged = 0 <= retention_ms < now_ms - header.max_timestamp and header.max_timestamp >= 0
            if not aged and not 0 <= retention_bytes <= size - header.size:
                break
            if limit is not None and header.next_offset > limit:
                break
            start, size = header.next_offset, size - header.size
        self.advance_log_start(start)
        return False

    def configure(self, config: LogConfig) -> None:
        self.config = config
        self.producers.expiration_ms = config.producer_id_expiration_ms

    def flush(self) -> None:
        pass

    @property
    def recovery_point(self) -> int:
        return self._log_end_offset

    def plan_flush(self) -> None:
        return None

    def commit_flush(self, plan: FlushJob) -> None:
        pass

    def close(self, *, clean: bool) -> None:
        pass
