"""A log in memory is compacted as one on disk is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Compression, Record
from kwire_storage.engine import PartitionLog, ValidBatch
from kwire_storage.memory import MemoryLog
from kwire_storage.memory_dirs import MemoryDirs
from kwire_storage.segments.compaction import CleaningResources

from tests.storage.batches import marker, read_all
from tests.storage.cleaner.logs import CONFIG, compact, open_dirs, open_log, pairs
from tests.storage.disks import TOPIC_ID, uuids

SMALL = replace(CONFIG, segment_bytes=400, delete_retention_ms=1000)


@pytest.fixture
def log() -> MemoryLog:
    return new_log()


def new_log() -> MemoryLog:
    return MemoryDirs(node_id=1, new_uuid=uuids()).open("topic", 0, TOPIC_ID, SMALL)


def write(
    log: PartitionLog, *values: tuple[bytes, bytes | None], timestamp: int = 1000, **fields: object
) -> None:
    records = [Record(key, value, timestamp) for key, value in values]
    built = record_batch.build(records, base_offset=log.log_end_offset, leader_epoch=0, **fields)  # type: ignore[arg-type]
    log.append([ValidBatch(memoryview(built), record_batch.read_header(built))], 0)


def limit(log: PartitionLog) -> int:
    undecided = log.producers.first_undecided_offset
    return log.log_end_offset if undecided is None else undecided


def clean(log: MemoryLog, now_ms: int = 0) -> bool:
    cleaning = log.compaction.plan(limit(log), now_ms, CleaningResources())
    if cleaning is None:
        return False
    cleaning.work()
    return cleaning.commit()


def test_what_would_be_in_the_last_segment_stays(log: MemoryLog) -> None:
    for number in range(12):
        write(log, (b"a", b"%d" % number), (b"b", b"x" * 20))
    assert log.sealing.offset == 16
    assert log.compaction.dirt(limit(log), 0).ratio == 1
    assert clean(log)
    assert pairs(log)[0] == (14, b"a", b"7")
    assert [offset for offset, *_ in pairs(log)] == list(range(14, 24))
    assert log.compaction.dirt(limit(log), 0).ratio == 0
    assert not clean(log)
    assert (log.log_end_offset, log.size_bytes) == (24, len(read_all(log)))
    assert log.read(3, 1).first_base_offset == 14


def test_what_is_appended_meanwhile_is_kept(log: MemoryLog) -> None:
    for _ in range(12):
        write(log, (b"a", b"1"))
    cleaning = log.compaction.plan(limit(log), 0, CleaningResources())
    assert cleaning is not None
    write(log, (b"a", b"2"))
    cleaning.work()
    assert cleaning.commit()
    assert pairs(log)[-1] == (12, b"a", b"2")


def test_a_log_that_was_cut_meanwhile_stays_as_it_is(log: MemoryLog) -> None:
    for _ in range(12):
        write(log, (b"a", b"1"))
    for is_truncated in (True, False):
        cleaning = log.compaction.plan(limit(log), 0, CleaningResources())
        assert cleaning is not None
        if is_truncated:
            log.truncate_to(11)
        else:
            log.advance_log_start(1)
        before = read_all(log)
        cleaning.work()
        assert not cleaning.commit()
        assert read_all(log) == before


def test_lags_are_kept(log: MemoryLog) -> None:
    log.configure(replace(SMALL, min_compaction_lag_ms=1000, max_compaction_lag_ms=5000))
    for number in range(12):
        write(log, (b"a", b"1"), timestamp=1000 + number)
    assert not clean(log, now_ms=1999)
    assert not log.compaction.dirt(limit(log), 6000).is_overdue
    assert log.compaction.dirt(limit(log), 6001).is_overdue
    assert clean(log, now_ms=2003)
    assert [offset for offset, *_ in pairs(log)] == [3, 4, 5, 6, 7, 8, 9, 10, 11]


steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.one_of(st.none(), st.binary(max_size=9))),
            min_size=1,
            max_size=4,
        ),
        st.sampled_from(["plain", "plain", "commit", "abort", "compact"]),
        st.sampled_from([Compression.NONE, Compression.GZIP]),
    ),
    max_size=40,
)


def live(
    log: PartitionLog, life: Sequence[tuple[list[tuple[bytes, bytes | None]], str, Compression]]
) -> None:
    for number, (records, kind, compression) in enumerate(life):
        if kind == "compact":
            if isinstance(log, MemoryLog):
                clean(log, now_ms=600 * number)
            else:
                compact(log, now_ms=600 * number)  # type: ignore[arg-type]
            continue
        producer_id = -1 if kind == "plain" else 5
        entry = log.producers.get(5)
        sequence = 0 if entry is None else entry.last_sequence + 1
        write(
            log,
            *records,
            compression=compression,
            producer_id=producer_id,
            producer_epoch=-1 if producer_id < 0 else 0,
            base_sequence=-1 if producer_id < 0 else sequence,
            is_transactional=producer_id >= 0,
        )
        if kind != "plain":
            log.append(
                [marker(log.log_end_offset, commit=kind == "commit", producer_id=5, producer_epoch=0)], 0
            )


@settings(max_examples=80, deadline=None)
@given(steps)
def test_a_life_comes_to_the_same_as_on_disk(
    tmp_path_factory: pytest.TempPathFactory,
    life: list[tuple[list[tuple[bytes, bytes | None]], str, Compression]],
) -> None:
    path: Path = tmp_path_factory.mktemp("log")
    dirs = open_dirs(path)
    on_disk, in_memory = open_log(dirs, SMALL), new_log()
    for log in (on_disk, in_memory):
        live(log, life)
    assert table(pairs(in_memory, committed=True)) == table(pairs(on_disk, committed=True))
    end = on_disk.log_end_offset
    assert in_memory.log_end_offset == end
    kept = {each.last_offset for each in in_memory.aborted_transactions(0, end)}
    assert {each.last_offset for each in on_disk.aborted_transactions(0, end)} == kept
    dirs.close(clean=True)


def table(records: Sequence[tuple[int, bytes | None, bytes | None]]) -> dict[bytes | None, bytes]:
    made: dict[bytes | None, bytes] = {}
    for _, key, value in records:
        made.pop(key, None)
        if value is not None:
            made[key] = value
    return made
