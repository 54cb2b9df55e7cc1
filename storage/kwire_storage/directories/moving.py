"""One log that is copied to another directory of its node while it is used (Kafka: ReplicaAlterLogDirsThread,
KIP-113).

Rules
- What is copied is whole batches, as they are, a megabyte at a time: `plan` (loop), `CopyJob.work` (thread),
  `write` (loop), its `work` (thread), `commit` (loop). Whatever the copy needs besides, it makes of these.
- The copy follows: what is appended, a log start that moves, an end that is cut off. A log that has lost all
  that was copied is begun anew.
- Nothing is believed that was copied before a restart unless its epochs and its last batch are the log's.
"""

from collections.abc import Callable
from contextlib import suppress

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import HEADER_SIZE, CorruptBatch

from ..engine import AppendJob, FileSlice, LogRead, Overtaken, StorageError, ValidBatch
from ..segments.log import SegmentedLog

CHUNK_BYTES = 1 << 20
MAX_OFFSET = (1 << 63) - 1


class CopyJob:
    """Batches that the copy has not yet. `work`, in a thread, reads and checks them; StorageError where they
    can't be copied.
    """

    __slots__ = ("_found", "_from", "batches", "size")

    def __init__(self, found: LogRead, described: str) -> None:
        self._found = found
        self._from = described
        self.batches: list[ValidBatch] = []
        self.size = found.size

    def work(self) -> None:
        for part in self._found.parts:
            view = part.read() if isinstance(part, FileSlice) else part
            try:
                for position, header in record_batch.walk(view):
                    if not record_batch.crc_is_valid(view, position, header):
                        raise StorageError(
                            f"{self._from} has a batch with a wrong checksum at offset {header.base_offset}"
                        )
                    self.batches.append(ValidBatch(view[position : position + header.size], header))
            except CorruptBatch as corrupt:
                raise StorageError(f"{self._from} has something that is no batch: {corrupt}") from corrupt


class LogMove:
    """A log, `current`, and its copy, `future`. Whoever owns these closes them.

    :param begin: gives another `future`, empty, that starts at an offset.
    """

    def __init__(
        self, current: SegmentedLog, future: SegmentedLog | None, begin: Callable[[int], SegmentedLog]
    ) -> None:
        self.current = current
        self._begin = begin
        current.lowest_end_offset = MAX_OFFSET
        if future is None:
            self.future = begin(self._first_offset())
        else:
            self.future = future
            if not self._is_copy():
                self.future = begin(self._first_offset())

    @property
    def offset_lag(self) -> int:
        """How many offsets the copy is behind."""
        return self.current.log_end_offset - self.future.log_end_offset

    @property
    def is_caught_up(self) -> bool:
        """Whether nothing is missing."""
        current, future = self.current, self.future
        return (
            current.lowest_end_offset == MAX_OFFSET
            and future.log_end_offset == current.log_end_offset
            and future.log_start_offset == current.log_start_offset
        )

    def _first_offset(self) -> int:
        """Where the log's first batch begins, which may lie below the log's start."""
        start = self.current.log_start_offset
        return min(start, self.current.read(start, 1).first_base_offset)

    def _is_copy(self) -> bool:
        """Cut off from `future`, which is of an earlier run, what the log has not; whether the rest is its
        copy.
        """
        current, future = self.current, self.future
        while future.epochs.latest >= 0:
            epoch = future.epochs.latest
            known, end = current.epochs.end_offset_for(epoch, current.log_end_offset)
            if known < 0:
                return False
            _, copied_end = future.epochs.end_offset_for(known, future.log_end_offset)
            future.truncate_to(min(end, max(copied_end, 0)))
            if future.epochs.latest == epoch:
                break
        future.truncate_to(current.log_end_offset)
        end = future.log_end_offset
        if end > current.log_end_offset or end <= current.log_start_offset:
            return end == current.log_start_offset == current.log_end_offset
        copied = future.read(end - 1, 1) if end > future.log_start_offset else LogRead([], 0, end)
        if not copied.parts:
            return end == future.log_start_offset == self._first_offset()
        own = current.read(max(copied.first_base_offset, current.log_start_offset), 1)
        return bool(own.parts) and _header(own) == _header(copied)

    def plan(self, now_ms: int) -> CopyJob | None:
        """What is to be copied next; None: nothing is missing."""
        current, future = self.current, self.future
        lowest, current.lowest_end_offset = current.lowest_end_offset, MAX_OFFSET
        if lowest < future.log_end_offset:
            future.truncate_to(lowest)
        start, end = current.log_start_offset, current.log_end_offset
        if future.log_end_offset > end or future.log_start_offset > start:
            future = self._anew()
        found = current.read(max(future.log_end_offset, start), CHUNK_BYTES)
        if future.log_end_offset < min(start, found.first_base_offset):
            future = self._anew()
        if future.log_start_offset < start <= future.log_end_offset:
            future.advance_log_start(start)
        if future.config is not current.config:
            future.configure(current.config)
        if found.parts and future.log_end_offset < end:
            return CopyJob(found, current.directory)
        if future.log_end_offset < end:
            future.skip_to(end, now_ms)
            return self.plan(now_ms)
        return None

    def _anew(self) -> SegmentedLog:
        self.future = self._begin(self._first_offset())
        return self.future

    def write(self, job: CopyJob, now_ms: int) -> AppendJob | None:
        """The job's batches are to be written, in a thread; None where the log has changed meanwhile."""
        if not job.batches or self.current.lowest_end_offset != MAX_OFFSET:
            return None
        if job.batches[0].header.base_offset < self.future.log_end_offset:
            return None
        return self.future.plan_append(job.batches, now_ms)

    def commit(self, written: AppendJob, *, keep: bool = True) -> None:
        """They have been written. Raises StorageError where that failed."""
        with suppress(Overtaken):  # it is planned again
            self.future.commit_append(written, keep=keep)


def _header(found: LogRead) -> bytes:
    """The header of the first batch that was read."""
    part = found.parts[0]
    if isinstance(part, FileSlice):
        part = part.part(0, min(HEADER_SIZE, len(part))).read()
    return bytes(part[:HEADER_SIZE])
