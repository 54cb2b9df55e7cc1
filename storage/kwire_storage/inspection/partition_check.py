"""One partition's directory, checked: batches, offsets, epochs, indexes, producer snapshots.

One walk through each segment, in order; whatever must fit the batches is compared on the way.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from uuid import UUID

from kwire_codecs.errors import Malformed
from kwire_codecs.internal.metadata_records import RemoveTopicRecord, TopicRecord, decode_value
from kwire_codecs.records import control
from kwire_codecs.records.batch import CorruptBatch, Record
from kwire_codecs.records.control import ControlType

from .. import checkpoints
from ..checkpoints import BadCheckpoint
from ..files import Files
from ..leader_epochs import EpochEntry
from ..producer_snapshot import CorruptSnapshot, decode_snapshot
from ..segments import file_names
from . import dump
from .batches import Batch, HalfBatch, walk
from .findings import Finding
from .index_check import Check, OffsetIndexCheck, TimeIndexCheck, TransactionIndexCheck
from .source import Source, Unreadable, small_file

_INDEXES = (file_names.OFFSET_INDEX, file_names.TIME_INDEX, file_names.TRANSACTION_INDEX)
_LEFT_OVER = (file_names.DELETED, file_names.CLEANED, file_names.SWAP, file_names.TEMPORARY, ".part")


@dataclass(slots=True)
class Checked:
    """What a check has come across in one partition."""

    path: str
    topic: str = ""
    partition: int = -1
    topic_id: UUID | None = None
    start_offset: int = 0
    """The oldest segment's base."""
    end_offset: int = 0
    batches: int = 0
    bytes: int = 0
    topic_ids: dict[str, UUID] = field(default_factory=dict)
    """Of the metadata log: the topics that there are."""


class PartitionCheck:
    """Checks one directory; `run` gives the findings, and fills `checked` on the way.

    :param was_clean: the last stop was clean and nobody runs: the last segment's indexes are whole, and it
        does not end in half a batch.
    :param records: decompress and decode every record too.
    """

    def __init__(self, path: str, files: Files, *, was_clean: bool, records: bool = False) -> None:
        self.checked = Checked(path)
        name = os.path.basename(path)
        parsed = file_names.parse_partition_directory(name) or file_names.parse_future_directory(name)
        if parsed is not None:
            self.checked.topic, self.checked.partition = parsed
        self._path = path
        self._files = files
        self._was_clean = was_clean
        self._records = records
        self._open_transactions: dict[int, int] = {}
        self._epochs: list[EpochEntry] | None = None
        self._epoch = -1
        self._is_metadata = self.checked.topic == "__cluster_metadata"

    def run(self) -> Iterator[Finding]:
        """Every finding, in the order of the files."""
        try:
            names = sorted(self._files.listdir(self._path))
        except OSError as error:
            yield Finding(self._path, f"it can't be listed: {error.strerror or error}")
            return
        segments: dict[int, set[str]] = {}
        for name in names:
            parsed = file_names.parse_segment_file(name)
            if parsed is not None:
                segments.setdefault(parsed[0], set()).add(parsed[1])
        yield from self._small_files(names)
        bases = [base for base, suffixes in segments.items() if file_names.LOG in suffixes]
        if bases:
            self.checked.start_offset = self.checked.end_offset = bases[0]
        for at, base in enumerate(bases):
            following = bases[at + 1] if at + 1 < len(bases) else None
            yield from self._segment(base, segments[base], following)
        for base, suffixes in segments.items():
            for suffix in sorted(suffixes):
                path = self._file(base, suffix)
                if suffix == file_names.SNAPSHOT:
                    yield from self._snapshot(path, base)
                elif file_names.LOG not in suffixes:
                    yield Finding(path, "it has no segment")

    def _file(self, base: int, suffix: str) -> str:
        return f"{self._path}/{file_names.segment_file(base, suffix)}"

    # What is beside the segments

    def _small_files(self, names: list[str]) -> Iterator[Finding]:
        for name in names:
            path = f"{self._path}/{name}"
            if name == file_names.LEADER_EPOCHS:
                try:
                    self._epochs = checkpoints.decode_epochs(small_file(path, self._files))
                except BadCheckpoint as bad:
                    yield Finding(path, str(bad))
                except Unreadable as wrong:
                    yield _found(wrong)
            elif name == file_names.PARTITION_METADATA:
                try:
                    data = small_file(path, self._files)
                    self.checked.topic_id = checkpoints.decode_partition_metadata(data)
                except BadCheckpoint as bad:
                    yield Finding(path, str(bad))
                except Unreadable as wrong:
                    yield _found(wrong)
            elif name == dump.QUORUM_STATE:
                try:
                    for _ in dump.rows(path, self._files):
                        pass
                except Unreadable as wrong:
                    yield _found(wrong)
            elif dump.is_kraft_snapshot(name) and not name.endswith(".part"):
                yield from self._kraft_snapshot(path)
            elif name.endswith(_LEFT_OVER):
                yield Finding(path, "left over from work that was interrupted, or is under way", is_note=True)
            elif file_names.parse_segment_file(name) is None:
                yield Finding(path, "a file that Kafka does not know; it is left alone", is_note=True)

    def _snapshot(self, path: str, offset: int) -> Iterator[Finding]:
        try:
            for _ in decode_snapshot(small_file(path, self._files)):
                pass
        except CorruptSnapshot as corrupt:
            yield Finding(path, f"no producer snapshot: {corrupt}")
        except Unreadable as wrong:
            yield _found(wrong)
        if offset > self.checked.end_offset and self._was_clean:
            yield Finding(path, f"it is of offset {offset}, and the log ends at {self.checked.end_offset}")

    def _kraft_snapshot(self, path: str) -> Iterator[Finding]:
        first: ControlType | None = None
        last: ControlType | None = None
        count = 0
        try:
            with Source(path, self._files) as source:
                for batch in walk(source):
                    self.checked.batches += 1
                    if not batch.crc_is_valid:
                        yield Finding(path, "a batch with a wrong checksum", batch.position)
                        continue
                    control_type = None
                    for record in batch.records():
                        if batch.header is not None and batch.header.is_control:
                            control_type = control.decode_key(record.key)
                        else:
                            self._take_in_metadata(record)
                            control_type = None
                        first = control_type if not count else first
                        count += 1
                    last = control_type
                self.checked.bytes += source.size
        except Unreadable as wrong:
            yield _found(wrong)
            return
        except CorruptBatch as corrupt:
            yield Finding(path, corrupt.detail)
            return
        if first is not ControlType.SNAPSHOT_HEADER:
            yield Finding(path, "it does not begin with a snapshot's header")
        if last is not ControlType.SNAPSHOT_FOOTER:
            yield Finding(path, "it does not end with a snapshot's footer: it was not finished")

    # Segments

    def _segment(self, base: int, suffixes: set[str], following: int | None) -> Iterator[Finding]:
        path = self._file(base, file_names.LOG)
        checked = self.checked
        if base < checked.end_offset:
            yield Finding(
                path,
                f"it begins at offset {base}; the segment before it reaches up to {checked.end_offset - 1}",
            )
        elif base > checked.end_offset:
            yield Finding(
                path,
                f"offsets {checked.end_offset} to {base - 1} are missing before it; compaction may do that",
                is_note=True,
            )
        with ExitStack() as opened:
            try:
                source = opened.enter_context(Source(path, self._files))
                checks = self._index_checks(opened, base, suffixes, is_last=following is None)
            except Unreadable as wrong:
                yield _found(wrong)
                return
            end_offset, max_timestamp, size = base, -1, 0
            is_whole = True
            try:
                for batch in walk(source):
                    checked.batches += 1
                    yield from self._batch(batch, base, end_offset, following)
                    for check in checks:
                        yield from check.see(batch)
                    end_offset = max(end_offset, batch.last_offset + 1)
                    max_timestamp = max(max_timestamp, batch.max_timestamp)
                    size = batch.position + batch.size
            except HalfBatch as half:
                is_whole = False
                if following is None and not self._was_clean:
                    yield Finding(
                        path,
                        f"{half.reason}; an append is under way, or a start will cut it off",
                        half.position,
                        is_note=True,
                    )
                else:
                    yield _found(half)
            except Unreadable as wrong:
                is_whole = False
                yield _found(wrong)
            checked.bytes += size
            checked.end_offset = max(checked.end_offset, end_offset)
            if is_whole:
                for check in checks:
                    yield from check.end(end_offset, size, max_timestamp)

    def _index_checks(
        self, opened: ExitStack, base: int, suffixes: set[str], *, is_last: bool
    ) -> list[Check]:
        # Those of the last segment are in the broker's memory until a clean stop; what their files hold
        # until then does not count.
        in_motion = is_last and not self._was_clean
        if in_motion:
            suffixes = suffixes - set(_INDEXES)
        sources: dict[str, Source | None] = {
            suffix: opened.enter_context(Source(self._file(base, suffix), self._files))
            if suffix in suffixes
            else None
            for suffix in _INDEXES
        }
        checks: list[Check] = []
        if (offsets := sources[file_names.OFFSET_INDEX]) is not None:
            checks.append(OffsetIndexCheck(offsets, base, room_ahead=is_last))
        if (times := sources[file_names.TIME_INDEX]) is not None:
            checks.append(TimeIndexCheck(times, base, room_ahead=is_last))
        if not in_motion:
            path = self._file(base, file_names.TRANSACTION_INDEX)
            transactions = sources[file_names.TRANSACTION_INDEX]
            checks.append(TransactionIndexCheck(transactions, path, base, self._open_transactions))
        return checks

    def _batch(self, batch: Batch, base: int, end_offset: int, following: int | None) -> Iterator[Finding]:
        path, position = batch.source.path, batch.position
        if not batch.crc_is_valid:
            yield Finding(path, f"the batch at offset {batch.base_offset} has a wrong checksum", position)
        if batch.base_offset < end_offset:
            yield Finding(path, f"offset {batch.base_offset} follows {end_offset - 1}", position)
        elif batch.last_offset - base > 0x7FFFFFFF:
            yield Finding(path, f"offset {batch.last_offset} is too far from the segment's {base}", position)
        if following is not None and batch.last_offset >= following:
            yield Finding(
                path,
                f"offset {batch.last_offset} belongs to the next segment, which begins at {following}",
                position,
            )
        header = batch.header
        if header is None:
            if batch.message is not None:
                yield Finding(
                    path,
                    f"a message of magic {batch.magic}, from before Kafka 0.11: kwire does not serve it",
                    position,
                )
            return
        yield from self._leader_epoch(path, position, header.partition_leader_epoch, batch.base_offset)
        if batch.crc_is_valid and (self._records or self._is_metadata):
            try:
                for record in batch.records():
                    if self._is_metadata and not header.is_control:
                        self._take_in_metadata(record)
            except Unreadable as wrong:
                yield _found(wrong)

    def _leader_epoch(self, path: str, position: int, epoch: int, offset: int) -> Iterator[Finding]:
        if epoch < 0:
            return  # none was given, as in formats from before there were any
        if epoch < self._epoch:
            yield Finding(path, f"leader epoch {epoch} follows {self._epoch}", position)
        elif epoch > self._epoch:
            self._epoch = epoch
            if self._epochs is None or not self._was_clean:
                return
            if self._epochs and offset < self._epochs[0].start_offset and epoch <= self._epochs[0].epoch:
                return  # below the log start
            if _epoch_at(self._epochs, offset) != epoch:
                said = _epoch_at(self._epochs, offset)
                yield Finding(
                    f"{self._path}/{file_names.LEADER_EPOCHS}",
                    f"offset {offset} has leader epoch {epoch}, and this file says {said}",
                )

    def _take_in_metadata(self, record: Record) -> None:
        """Which topics there are, by the metadata log."""
        try:
            found = decode_value(record.value or b"")
        except Malformed:
            return
        if isinstance(found, tuple):
            message = found[0]
            topics = self.checked.topic_ids
            if isinstance(message, TopicRecord):
                topics[message.name] = message.topic_id
            elif isinstance(message, RemoveTopicRecord):
                for name in [name for name, topic_id in topics.items() if topic_id == message.topic_id]:
                    del topics[name]


def _epoch_at(epochs: list[EpochEntry], offset: int) -> int:
    at = bisect_right(epochs, offset, key=lambda entry: entry.start_offset)
    return epochs[at - 1].epoch if at else -1


def _found(wrong: Unreadable) -> Finding:
    return Finding(wrong.path, wrong.reason, wrong.position)
