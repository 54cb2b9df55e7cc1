"""A cleaning: reads sealed segments, writes `.cleaned` ones (Kafka: Cleaner).

First the newest offset of each key of what is dirty goes into the offset map, as far as that has room; then
everything up to there is copied, less what is dead. It touches no file that anybody else may look at, and may
be broken off at any moment: what it leaves then is thrown away by the next start.
"""

import os
from collections.abc import Callable, Iterator

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import HEADER_SIZE, BatchHeader, CorruptBatch

from ..engine import StorageError
from ..files import Files, storing
from ..segments import file_names
from .job import CleanedGroup, CleaningJob, CleaningResult, SealedSegment
from .mapping import map_batch
from .offset_map import OffsetMap
from .output import CleanedSegment, remove_cleaned
from .planning import SegmentSizes, group
from .rewriting import Rewriter
from .transactions import CleanedTransactions

Pause = Callable[[int], None]
"""Told of bytes that were read or written; may wait, and may raise to break the cleaning off."""


def _no_pause(count: int) -> None:
    pass


class _Cleaning:
    def __init__(self, job: CleaningJob, files: Files, pause: Pause) -> None:
        self.job = job
        self.files = files
        self.pause = pause
        self.newest = OffsetMap(job.memory_bytes, job.load_factor)
        self.mapped_bytes = 0
        self.bytes_read = 0
        self.bytes_written = 0
        self.records_read = 0
        self.records_kept = 0

    def path(self, base_offset: int, suffix: str) -> str:
        return f"{self.job.directory}/{file_names.segment_file(base_offset, suffix)}"

    def batches(self, segment: SealedSegment | SegmentSizes) -> Iterator[tuple[memoryview, BatchHeader]]:
        """Each batch of a segment, its checksum right; its bytes are good until the next is asked for."""
        path = self.path(segment.base_offset, file_names.LOG)
        with storing("opening", path):
            descriptor = self.files.open(path, os.O_RDONLY)
        try:
            for buffer, header in self._batches(path, descriptor, segment.size):
                if header.next_offset > segment.end_offset:
                    raise StorageError(
                        f"{path} holds offset {header.last_offset}, and the next segment begins at "
                        f"{segment.end_offset}: move one of them away while the broker is stopped"
                    )
                yield buffer, header
        finally:
            self.files.close(descriptor)

    def _batches(self, path: str, descriptor: int, end: int) -> Iterator[tuple[memoryview, BatchHeader]]:
        position, least = 0, max(self.job.io_buffer_bytes, HEADER_SIZE)
        ask, whole = least, memoryview(b"")
        while position < end:
            if len(whole) < ask:
                whole = memoryview(bytearray(ask))
            buffer = whole[: min(ask, end - position)]
            with storing("reading", path):
                got = self.files.read_up_to(descriptor, buffer, position)
            if got < len(buffer):
                raise StorageError(f"{path} ends before byte {position + len(buffer)}, which it held before")
            self.pause(got)
            at, ask = 0, least
            try:
                while at < got:
                    size = record_batch.size_at(buffer, at) if got - at >= HEADER_SIZE else HEADER_SIZE
                    if size > got - at and position + max(size, HEADER_SIZE) <= end and got < end - position:
                        ask = max(ask, size)
                        break
                    header = record_batch.read_header(buffer, at)
                    if not record_batch.crc_is_valid(buffer, at, header):
                        raise StorageError(
                            f"{path} holds a batch with a wrong checksum at byte {position + at}"
                        )
                    yield buffer[at : at + size], header
                    at += size
            except CorruptBatch as corrupt:
                raise StorageError(f"{path} at byte {position + at}: {corrupt.detail}") from corrupt
            position += at

    # What is newest

    def map_keys(self) -> None:
        job, newest = self.job, self.newest
        transactions = CleanedTransactions(job.aborted)
        newest.end_offset = job.dirty_offset
        for segment in job.segments:
            if segment.end_offset <= job.dirty_offset:
                continue
            for buffer, header in self.batches(segment):
                self.mapped_bytes += len(buffer)
                try:
                    if not map_batch(newest, transactions, buffer, header, job.dirty_offset):
                        return
                except CorruptBatch as corrupt:
                    raise self._unreadable(segment.base_offset, header, corrupt) from corrupt
            newest.end_offset = max(newest.end_offset, segment.end_offset)

    def _unreadable(self, base_offset: int, header: BatchHeader, corrupt: CorruptBatch) -> StorageError:
        path = self.path(base_offset, file_names.LOG)
        return StorageError(f"the batch at offset {header.base_offset} of {path} can't be read: {corrupt}")

    # What stays

    def copy(self) -> list[CleanedGroup]:
        job = self.job
        chosen = [self._sizes(each) for each in job.segments if each.base_offset < self.newest.end_offset]
        rewriter = Rewriter(
            self.newest,
            transactions := CleanedTransactions(job.aborted),
            job.producers,
            end_offset=job.segments[-1].end_offset,
            now_ms=job.now_ms,
            delete_retention_ms=job.delete_retention_ms,
        )
        groups: list[CleanedGroup] = []
        try:
            for members in group(chosen, job.segment_bytes, job.segment_index_bytes):
                made = self._copy_group(members, rewriter, transactions)
                if made is not None:
                    groups.append(made)
        except BaseException:
            for made in groups:
                remove_cleaned(job.directory, made.base_offsets[0], self.files)
            raise
        self.records_kept = rewriter.records_kept
        return groups

    def _sizes(self, segment: SealedSegment) -> SegmentSizes:
        sizes = []
        for suffix in (file_names.OFFSET_INDEX, file_names.TIME_INDEX):
            path = self.path(segment.base_offset, suffix)
            with storing("looking at", path):
                try:
                    sizes.append(self.files.path_size(path))
                except FileNotFoundError:
                    sizes.append(0)
        return SegmentSizes(segment.base_offset, segment.end_offset, segment.size, *sizes)

    def sync(self, groups: list[CleanedGroup]) -> None:
        """Nothing may be replaced before this: new names, and the old segments that were dirty, are on the
        device. Else a loss of power, when only some groups are in place, or where a segment stays as it is,
        could take the newer record of a key whose older one has gone.
        """
        try:
            self._sync_sources()
            with storing("syncing", self.job.directory):
                self.files.sync_directory(self.job.directory)
        except BaseException:
            for made in groups:
                remove_cleaned(self.job.directory, made.base_offsets[0], self.files)
            raise

    def _sync_sources(self) -> None:
        for segment in self.job.segments:
            if segment.end_offset <= self.job.dirty_offset:
                continue
            path = self.path(segment.base_offset, file_names.LOG)
            with storing("syncing", path):
                descriptor = self.files.open(path, os.O_RDONLY)
                try:
                    self.files.fdatasync(descriptor)
                finally:
                    self.files.close(descriptor)

    def _copy_group(
        self, members: list[SegmentSizes], rewriter: Rewriter, transactions: CleanedTransactions
    ) -> CleanedGroup | None:
        cleaned = CleanedSegment(
            self.job.directory, members[0].base_offset, self.files, self.job.index_interval_bytes
        )
        is_same = len(members) == 1
        try:
            for segment in members:
                for buffer, header in self.batches(segment):
                    self.bytes_read += len(buffer)
                    self.records_read += header.record_count
                    try:
                        left = rewriter.rewrite(buffer, header)
                    except CorruptBatch as corrupt:
                        raise self._unreadable(segment.base_offset, header, corrupt) from corrupt
                    if left is not buffer:
                        is_same = False
                    if left is None:
                        continue
                    max_timestamp = header.max_timestamp
                    if left is not buffer:
                        max_timestamp = record_batch.read_header(left).max_timestamp
                    cleaned.append(left, header.last_offset, max_timestamp)
                    self.pause(len(left))
            for aborted in transactions.kept:
                cleaned.add_aborted(aborted)
            transactions.kept.clear()
            self.bytes_written += cleaned.size
            if is_same:
                cleaned.remove()
                return None
            path = self.path(members[-1].base_offset, file_names.LOG)
            with storing("looking at", path):
                modified_ms = self.files.modified_ms(path)
            cleaned.finish(modified_ms)
        except BaseException:
            cleaned.remove()
            raise
        finally:
            cleaned.close()
        return CleanedGroup(
            [each.base_offset for each in members], cleaned.size, cleaned.end_offset, cleaned.has_aborted
        )


def clean(job: CleaningJob, files: Files, pause: Pause = _no_pause) -> CleaningResult:
    """Do a job; slow. StorageError names what can't be read or written, and then no file is left of it."""
    began = files.now()
    cleaning = _Cleaning(job, files, pause)
    cleaning.map_keys()
    groups = cleaning.copy()
    if groups:
        cleaning.sync(groups)
    return CleaningResult(
        dirty_offset=cleaning.newest.end_offset,
        groups=groups,
        keys=len(cleaning.newest),
        mapped_bytes=cleaning.mapped_bytes,
        bytes_read=cleaning.bytes_read,
        bytes_written=cleaning.bytes_written,
        records_read=cleaning.records_read,
        records_kept=cleaning.records_kept,
        seconds=files.now() - began,
    )
