"""Random lives of a compacted log, held to a reference that knows all that was ever written."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from hypothesis import event, given, settings
from hypothesis import strategies as st
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Compression
from kwire_storage.files import Files
from kwire_storage.inspection.directory_check import DirectoryCheck
from kwire_storage.segments.compaction import CleaningResources
from kwire_storage.segments.log import SegmentedLog

from tests.storage.batches import read_all
from tests.storage.cleaner.logs import (
    CONFIG,
    Pair,
    compact,
    end_transaction,
    open_dirs,
    open_log,
    write,
)

FOR_EVER = 1 << 50


class Write(NamedTuple):
    pairs: Sequence[Pair]
    producer: int
    is_transactional: bool
    compression: Compression


class End(NamedTuple):
    producer: int
    commit: bool


class Roll(NamedTuple):
    pass


class Compact(NamedTuple):
    later_ms: int
    memory_bytes: int


class Restart(NamedTuple):
    clean: bool


keys = st.sampled_from([b"a", b"b", b"c", b"d" * 40, b"e" * 40, b""])
values = st.one_of(st.none(), st.binary(max_size=3))
writes = st.builds(
    Write,
    st.lists(st.tuples(keys, values), min_size=1, max_size=5),
    st.sampled_from([-1, -1, 1, 2, 3]),
    st.booleans(),
    st.sampled_from([Compression.NONE, Compression.NONE, Compression.LZ4]),
)
steps = st.one_of(
    writes,
    writes,
    st.builds(End, st.sampled_from([1, 2, 3]), st.booleans()),
    st.just(Roll()),
    st.builds(Compact, st.sampled_from([0, 600, 2000]), st.sampled_from([300, 1 << 20])),
    st.builds(Restart, st.booleans()),
)


class Written(NamedTuple):
    key: bytes | None
    value: bytes | None
    timestamp: int


@dataclass
class Reference:
    """Everything that was written, and what became of transactions."""

    records: dict[int, Written] = field(default_factory=dict)
    undecided: dict[int, list[int]] = field(default_factory=dict)
    aborted: set[int] = field(default_factory=set)

    def committed(self, below: int = 1 << 62) -> dict[int, Written]:
        waiting = {offset for offsets in self.undecided.values() for offset in offsets}
        return {
            offset: record
            for offset, record in self.records.items()
            if offset < below and offset not in self.aborted and offset not in waiting
        }

    def newest(self, below: int) -> dict[bytes | None, int]:
        """The newest offset of each key."""
        return {record.key: offset for offset, record in self.committed(below).items()}


def table(records: dict[int, Written]) -> dict[bytes | None, bytes]:
    """What a consumer that keeps a table has in the end."""
    found: dict[bytes | None, bytes] = {}
    for _, record in sorted(records.items()):
        if record.value is None:
            found.pop(record.key, None)
        else:
            found[record.key] = record.value
    return found


def committed(log: SegmentedLog) -> dict[int, Written]:
    """What the log has of what is committed."""
    found = {}
    aborted = log.aborted_transactions(0, log.log_end_offset)
    data = read_all(log)
    for position, header in record_batch.walk(data):
        assert record_batch.crc_is_valid(data, position, header)
        if header.is_control:
            continue
        if header.is_transactional:
            entry = log.producers.get(header.producer_id)
            if entry is not None and 0 <= entry.transaction_first_offset <= header.base_offset:
                continue
            if any(
                each.producer_id == header.producer_id
                and each.first_offset <= header.base_offset < each.last_offset
                for each in aborted
            ):
                continue
        for record in record_batch.records(data, position, header, 1 << 20):
            found[record.offset] = Written(record.key, record.value, record.timestamp)
    return found


class Life:
    """One log and its reference."""

    def __init__(self, path: Path, delete_retention_ms: int) -> None:
        self.path = path
        self.config = replace(CONFIG, delete_retention_ms=delete_retention_ms, segment_bytes=600)
        self.dirs = open_dirs(path)
        self.log = open_log(self.dirs, self.config)
        self.reference = Reference()
        self.now_ms = 0

    def take(self, step: NamedTuple) -> None:
        log, reference = self.log, self.reference
        match step:
            case Write(pairs, producer, is_transactional, compression):
                is_transactional = producer >= 0 and (is_transactional or producer in reference.undecided)
                offsets = range(log.log_end_offset, log.log_end_offset + len(pairs))
                timestamp = 7 * log.log_end_offset
                entry = log.producers.get(producer)
                write(
                    log,
                    pairs,
                    timestamp=timestamp,
                    compression=compression,
                    producer_id=producer,
                    producer_epoch=0 if producer >= 0 else -1,
                    base_sequence=-1 if producer < 0 else 0 if entry is None else entry.last_sequence + 1,
                    is_transactional=is_transactional,
                )
                for at, (key, value) in zip(offsets, pairs, strict=True):
                    reference.records[at] = Written(key, value, timestamp + at - offsets[0])
                if is_transactional:
                    reference.undecided.setdefault(producer, []).extend(offsets)
            case End(producer, commit):
                if producer in reference.undecided:
                    offsets_ended = reference.undecided.pop(producer)
                    if not commit:
                        reference.aborted.update(offsets_ended)
                    end_transaction(log, producer, commit=commit)
            case Roll():
                log.roll(0)
            case Compact(later_ms, memory_bytes):
                self.now_ms += later_ms
                if compact(log, self.now_ms, resources=CleaningResources(memory_bytes=memory_bytes)):
                    event("compacted")
            case Restart(clean):
                self.restart(clean=clean)

    def restart(self, *, clean: bool) -> None:
        producers = {entry.producer_id: entry.last_sequence for entry in self.log.producers}
        end = self.log.log_end_offset
        # A kill takes no index that was synced with its segment: below that, none is made again.
        unsynced = max(
            (base for base in self.log.segment_offsets if base <= self.log.recovery_point), default=0
        )
        self.dirs.close(clean=clean)
        if not clean:
            for path in (*self.path.rglob("*.snapshot"), *self.path.rglob("*.txnindex")):
                if path.suffix == ".snapshot" or int(path.stem) >= unsynced:
                    path.unlink()
        self.dirs = open_dirs(self.path)
        self.log = open_log(self.dirs, self.config)
        assert self.log.log_end_offset == end
        assert {entry.producer_id: entry.last_sequence for entry in self.log.producers} == producers

    def check(self) -> None:
        """What is there was written, and a table made of it is right."""
        found = committed(self.log)
        expected = self.reference.committed()
        assert found.items() <= expected.items()
        assert table(found) == table(expected)

    def check_clean(self) -> None:
        """Of what is clean exactly the newest of each key is there."""
        end = self.log.compaction.cleaned_to
        newest = set(self.reference.newest(end).values())
        assert {offset for offset in committed(self.log) if offset < end} == newest


lives = st.lists(steps, max_size=40)


@settings(max_examples=100, deadline=None)
@given(lives)
def test_a_table_made_from_a_compacted_log_is_right_at_any_time(life: list[NamedTuple]) -> None:
    with tempfile.TemporaryDirectory() as path:
        one = Life(Path(path), delete_retention_ms=1000)
        for step in life:
            one.take(step)
            one.check()
        one.dirs.close(clean=True)


@settings(max_examples=100, deadline=None)
@given(lives)
def test_of_what_is_clean_the_newest_of_each_key_stays_and_nothing_else(life: list[NamedTuple]) -> None:
    with tempfile.TemporaryDirectory() as path:
        one = Life(Path(path), delete_retention_ms=FOR_EVER)
        for step in life:
            one.take(step)
        for producer in list(one.reference.undecided):
            one.take(End(producer, commit=True))
        one.take(Roll())
        one.take(Write([(b"in the last segment", b"")], -1, False, Compression.NONE))
        for _ in range(100):
            if compact(one.log, one.now_ms, resources=CleaningResources(memory_bytes=500)) is None:
                break
        assert one.log.compaction.cleaned_to == one.log.log_end_offset - 1
        one.check()
        one.check_clean()
        one.restart(clean=False)
        one.check_clean()
        one.dirs.close(clean=True)
        findings = DirectoryCheck(Files(), records=True).run([path])
        complaints = [
            str(found) for found in findings if not found.is_note
        ]  # a gap between segments is a note
        assert complaints == [], "kwire log verify has nothing to complain of"
