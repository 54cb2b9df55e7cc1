"""Bringing a log back from its files (Kafka: LogLoader, LogSegment.recover).

After a clean stop the files are trusted: only what lies behind the last index entry of the last segment is
looked at. Otherwise every batch from the recovery point's segment on is checked, CRC and all. The log ends
before the first batch that is not whole and right; what follows, later segments too, is cut off, with a log
line that names file and byte, and kept aside where it may be missed (`damaged.py`). Of segments that overlap,
the later one counts from where it begins. Leftovers of interrupted work (`.deleted`, `.cleaned`, `.tmp`) go,
`.swap` files are put in place. Names that mean nothing here are left alone.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import HEADER_SIZE, BatchHeader, CorruptBatch, Reason

from ..checkpoints import BadCheckpoint, decode_epochs
from ..engine import LogConfig, StorageError
from ..files import storing
from ..leader_epochs import UNDEFINED_EPOCH, EpochEntry, LeaderEpochs
from ..open_files import OpenFile
from . import file_names
from .damaged import holds_a_batch, keep_tail, set_aside
from .offset_index import MAX_RELATIVE_OFFSET
from .places import Place, walk
from .removal import remove_empty
from .replacing import finish_swaps
from .segment import Segment
from .shared import Shared
from .snapshots import Snapshots

READ_BYTES = 1 << 20
MAX_OFFSET = (1 << 63) - 1

log = logging.getLogger("kwire.storage")


@dataclass(slots=True)
class LoadedLog:
    """What was found: segments in order, where the log starts and ends, epochs, snapshots by offset."""

    segments: list[Segment]
    log_start_offset: int
    log_end_offset: int
    epochs: list[EpochEntry]
    snapshots: list[int]
    epochs_saved: bool = True
    """Whether `leader-epoch-checkpoint` says the same as `epochs`."""
    truncated_bytes: int = 0
    file_delete_delay_ms: int = 0

    def close(self) -> None:
        """Let go of the segments' files."""
        for segment in self.segments:
            segment.close()


def load(
    directory: str,
    shared: Shared,
    config: LogConfig,
    *,
    clean: bool,
    recovery_point: int,
    log_start_offset: int,
    now_ms: int,
) -> LoadedLog:
    """Load the log in `directory`. The offsets are what the checkpoints say (0 when they say nothing)."""
    names = _tidy(directory, shared)
    found: dict[str, list[int]] = {}
    for name in names:
        parsed = file_names.parse_segment_file(name)
        if parsed is not None:
            found.setdefault(parsed[1], []).append(parsed[0])
    bases = sorted(found.get(file_names.LOG, []))
    _remove_orphans(directory, shared, found, set(bases))
    with_aborted = set(found.get(file_names.TRANSACTION_INDEX, []))
    # Where the indexes went, that of aborted transactions may have gone too (Kafka: LogLoader recovers a
    # segment without an offset index, after a clean stop as well).
    with_aborted.update(set(bases).difference(found.get(file_names.OFFSET_INDEX, [])))
    segments = [
        Segment(
            directory,
            base,
            shared,
            index_interval_bytes=config.index_interval_bytes,
            created_ms=now_ms,
            size=_file_size(directory, shared, base),
            end_offset=following,
            has_aborted=base in with_aborted,
        )
        for base, following in zip_longest(bases, bases[1:])
    ]
    loaded = LoadedLog(segments, log_start_offset, 0, [], sorted(found.get(file_names.SNAPSHOT, [])))
    loaded.file_delete_delay_ms = config.file_delete_delay_ms
    try:
        _look(loaded, directory, shared, clean=clean, recovery_point=recovery_point, compacts=config.compacts)
    except BaseException:
        loaded.close()
        raise
    return loaded


def _look(
    loaded: LoadedLog, directory: str, shared: Shared, *, clean: bool, recovery_point: int, compacts: bool
) -> None:
    """Find out where the log ends, and which epochs it has; `loaded` has the segments and the log start."""
    segments, log_start_offset = loaded.segments, loaded.log_start_offset
    epochs, epochs_in_file = _load_epochs(directory, shared, segments, log_start_offset, is_sure=clean)
    if segments:
        if not clean or not _resume(segments[-1]):
            # After a clean stop all but the last segment is beyond doubt, whatever the checkpoint says.
            checked_from = segments[-1].base_offset if clean else recovery_point
            _recover(loaded, checked_from, epochs, shared, compacts=compacts)
        loaded.log_end_offset = segments[-1].end_offset if segments else 0
        loaded.log_start_offset = max(log_start_offset, segments[0].base_offset if segments else 0)
    if loaded.log_end_offset < loaded.log_start_offset:
        if segments:
            # What is known of producers goes with their records (Kafka: truncateFullyAndStartAt), also where
            # nothing but an empty segment is left of those.
            Snapshots(directory, shared.files, loaded.snapshots).drop_above(-1)
            loaded.snapshots = []
        while segments:
            segment = segments.pop()
            if segment.size:
                start = loaded.log_start_offset
                set_aside(segment, shared.files, f"lies below the log start offset {start}, where nothing is")
            else:
                remove_empty(segment, shared.files)
        loaded.log_end_offset = loaded.log_start_offset
    epochs.truncate_from_end(loaded.log_end_offset)
    epochs.truncate_from_start(loaded.log_start_offset)
    loaded.epochs = epochs.entries()
    loaded.epochs_saved = loaded.epochs == epochs_in_file


def _file_size(directory: str, shared: Shared, base_offset: int) -> int:
    path = f"{directory}/{file_names.segment_file(base_offset, file_names.LOG)}"
    with storing("looking at", path):
        return shared.files.path_size(path)


def _tidy(directory: str, shared: Shared) -> list[str]:
    """Finish or undo what was interrupted; gives the names that are left."""
    files = shared.files
    kept = []
    with storing("reading", directory):
        for name in files.listdir(directory):
            if file_names.is_leftover(name):
                files.remove(f"{directory}/{name}")
            else:
                kept.append(name)
        if not any(name.endswith((file_names.CLEANED, file_names.SWAP)) for name in kept):
            return kept
        return finish_swaps(directory, files, kept, lambda path, base: _end_of(path, base, shared))


def _end_of(path: str, base_offset: int, shared: Shared) -> int:
    """The offset behind the last batch of a segment's file."""
    file = OpenFile(path, shared.open_files)
    end = base_offset
    try:
        for _, _, place in walk(file, 0, shared.files.path_size(path), base_offset):
            end = place.last_offset + 1
    except StorageError as error:
        log.warning("%s", error)
    finally:
        file.close()
    return end


def _remove_orphans(directory: str, shared: Shared, found: dict[str, list[int]], bases: set[int]) -> None:
    for suffix in (file_names.OFFSET_INDEX, file_names.TIME_INDEX, file_names.TRANSACTION_INDEX):
        for base in found.get(suffix, []):
            if base not in bases:
                path = f"{directory}/{file_names.segment_file(base, suffix)}"
                log.warning("%s has no segment; removed", path)
                with storing("removing", path):
                    shared.files.remove(path)


def _load_epochs(
    directory: str, shared: Shared, segments: list[Segment], log_start_offset: int, *, is_sure: bool
) -> tuple[LeaderEpochs, list[EpochEntry]]:
    """The epochs, from their file or else from the log, and what the file says.

    Unless `is_sure`, the file may be from a time when the log had another start: it is put in place unsynced.
    An empty one says nothing.
    """
    path = f"{directory}/{file_names.LEADER_EPOCHS}"
    with storing("reading", path):
        data = shared.files.read_file(path)
    if data is not None:
        try:
            in_file = decode_epochs(data)
            was_written = len(data.splitlines()) > 1
            if was_written and (is_sure or _fit(in_file, segments, log_start_offset)):
                return LeaderEpochs(in_file), in_file
            if was_written:
                log.warning("%s does not know the oldest batches' epoch; made again from the log", path)
        except BadCheckpoint as bad:
            log.warning("%s is not readable (%s); made again from the log", path, bad)
    epochs = LeaderEpochs()
    try:
        for segment in segments:
            for _, header in segment.headers(0):
                if header.partition_leader_epoch > epochs.latest:
                    epochs.assign(header.partition_leader_epoch, header.base_offset)
    except StorageError as error:
        log.warning("%s; epochs are known up to there", error)  # recovery finds the end, if it is one
    return epochs, []


def _fit(entries: list[EpochEntry], segments: list[Segment], log_start_offset: int) -> bool:
    """Whether the epochs can be those of a log with these segments, by a look at its first batch."""
    first = next(
        (
            each
            for each in segments
            if each.size and (each is segments[-1] or each.end_offset > log_start_offset)
        ),
        None,
    )
    if first is None:
        return True
    try:
        found = next(first.headers(0), None)
    except StorageError:
        found = None
    if found is None:
        return True  # it has no whole batch: recovery has more to say about it
    _, header = found
    at = max(header.base_offset, log_start_offset)
    known = max((entry.epoch for entry in entries if entry.start_offset <= at), default=-1)
    return known >= header.partition_leader_epoch


def _resume(segment: Segment) -> bool:
    """Find the end of the last segment from its index; False when something does not fit, and it must be
    checked.
    """
    segment.end_offset = segment.base_offset
    if segment.size and not segment.indexes_look_right():
        # No warning: nothing is lost by it, and it happens after clean stops too (records without timestamps,
        # Kafka's own metadata segments).
        log.info("the indexes of %s are missing or wrong; the segment is checked", segment.log_path)
        return False
    try:
        segment.resume()
    except StorageError as error:
        log.warning("%s; the segment is checked", error)
        return False
    return True


def _recover(
    loaded: LoadedLog, recovery_point: int, epochs: LeaderEpochs, shared: Shared, *, compacts: bool
) -> None:
    segments = loaded.segments
    first = max(
        (at for at, segment in enumerate(segments) if segment.base_offset <= recovery_point), default=0
    )
    for at in range(first, len(segments)):
        segment = segments[at]
        segment.take_whole()
        following = segments[at + 1] if at + 1 < len(segments) else None
        checked = _Checked(segment, epochs, following.base_offset if following is not None else None)
        loaded.truncated_bytes += _recover_segment(segment, checked, shared, recovery_point)
        if following is None:
            continue
        if checked.why and not checked.overlaps:
            for later in reversed(segments[at + 1 :]):
                loaded.truncated_bytes += later.size
                if later.size:
                    set_aside(later, shared.files, "comes after a segment that was cut off")
                else:
                    remove_empty(later, shared.files)
                segments.pop()
            return
        if not (compacts or checked.overlaps) and segment.end_offset < following.base_offset:
            log.warning(
                "%s ends before offset %d, and %s begins at %d: nothing of what lies between is there",
                segment.log_path,
                segment.end_offset,
                following.log_path,
                following.base_offset,
            )
        segment.end_offset = following.base_offset  # what lies between, compaction has taken


def _recover_segment(segment: Segment, checked: "_Checked", shared: Shared, recovery_point: int) -> int:
    """Check every batch of a segment, cut it off before the first that is not right, build its indexes again;
    the transaction index, where it may have entries, must be built by whoever knows the log's producers.

    New leader epochs found are added. Gives the bytes cut off.
    """
    segment.rebuild_indexes(iter(checked))
    cut = segment.size - checked.end
    if cut:
        # Fewer may be the beginning of a batch.
        are_zeros = cut >= HEADER_SIZE and segment.are_zeros_behind(checked.end)
        if are_zeros and checked.is_complete:
            log.info(
                "segment %s ends at byte %d; zeros behind that are cut off", segment.log_path, checked.end
            )
            cut, checked.why = 0, ""
        else:
            log.warning("segment %s %s; truncated", segment.log_path, checked.why)
            if not are_zeros and (checked.end_offset < recovery_point or holds_a_batch(segment, checked.end)):
                keep_tail(segment, checked.end, shared.files)
        segment.cut(checked.end)
    segment.end_offset = checked.end_offset
    if checked.has_control:
        segment.transactions.must_be_built()
    else:
        segment.transactions.start_over()
    return cut


class _Checked:
    """The batches of a segment as long as they are right; afterwards, where that ended, and why."""

    def __init__(self, segment: Segment, epochs: LeaderEpochs, end_at: int | None) -> None:
        self._segment = segment
        self._end_at = MAX_OFFSET if end_at is None else end_at
        self.overlaps = False
        """Whether it ended because the next segment has the same offsets."""
        self._epochs = epochs
        self.end = 0
        self.end_offset = segment.base_offset
        self.why = ""
        self.has_control = False
        """Whether there is a control batch among them."""

    @property
    def is_complete(self) -> bool:
        """Whether the next segment, if there is one, goes on where this one ended: where zeros lie between,
        they are no batches that were lost.
        """
        return self._end_at in (MAX_OFFSET, self.end_offset)

    def __iter__(self) -> Iterator[Place]:
        segment = self._segment
        buffer, start = memoryview(b""), 0
        while self.end < segment.size:
            at = self.end - start
            left = segment.size - self.end
            need = HEADER_SIZE
            if len(buffer) - at >= HEADER_SIZE:
                need = max(HEADER_SIZE, record_batch.size_at(buffer, at))
            if len(buffer) - at < need <= left:
                buffer, start, at = segment.read(self.end, min(left, max(need, READ_BYTES))), self.end, 0
                if len(buffer) < need:
                    self.why = f"ends at byte {start + len(buffer)}, before its size"
                    return
                if need == HEADER_SIZE:
                    continue
            place = self._check(buffer, at, left)
            if place is None:
                return
            yield place
            self.end = place.end

    def _note_epoch(self, header: BatchHeader) -> None:
        """The batch is of that epoch, whatever the file says: it may be of batches that were cut off. What it
        says of offsets without a batch stays: compaction has taken those, and Kafka keeps their epochs too.
        """
        epochs, epoch = self._epochs, header.partition_leader_epoch
        if epoch > epochs.latest:
            epochs.assign(epoch, header.base_offset)
        elif epoch >= 0 and epochs.epoch_for(header.last_offset) not in (epoch, UNDEFINED_EPOCH):
            epochs.truncate_from_end(header.base_offset)
            epochs.assign(epoch, header.base_offset)

    def _check(self, buffer: memoryview, at: int, left: int) -> Place | None:
        where = f"at byte {self.end}"
        try:
            header = record_batch.read_header(buffer, at)
        except CorruptBatch as corrupt:
            half = corrupt.reason is Reason.LENGTH
            self.why = (
                f"ends in half a batch {where}" if half else f"holds no batch {where} ({corrupt.detail})"
            )
            return None
        if not record_batch.crc_is_valid(buffer, at, header):
            self.why = f"holds a batch with a wrong checksum {where}"
            return None
        if not self.end_offset <= header.base_offset <= self._segment.base_offset + MAX_RELATIVE_OFFSET:
            self.why = f"holds offset {header.base_offset} after {self.end_offset - 1} {where}"
            return None
        if header.next_offset > self._end_at:
            self.why = f"holds offset {header.last_offset} {where}, and the next one begins at {self._end_at}"
            self.overlaps = True
            return None
        self._note_epoch(header)
        self.end_offset = header.next_offset
        self.has_control = self.has_control or header.is_control
        return Place(self.end, header.size, header.base_offset, header.last_offset, header.max_timestamp)
