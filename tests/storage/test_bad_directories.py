"""Log directories in which something is wrong: it is named in the log, the rest is served, and nothing is
deleted that was not understood.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_storage.cleaner.cleaning import clean
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, StorageError
from kwire_storage.files import Files
from kwire_storage.segments.compaction import CleaningResources
from kwire_storage.segments.log import SegmentedLog

from tests.storage import disks
from tests.storage.batches import fill, offsets
from tests.storage.damage import flip
from tests.storage.disks import TOPIC_ID

CONFIG = LogConfig(segment_bytes=400)
SEGMENT = "00000000000000000005.log"
"""The second of the segments that `fill` makes."""


def open_dirs(path: Path) -> LogDirs:
    return LogDirs([str(path)], node_id=1, new_uuid=disks.uuids())


def open_log(dirs: LogDirs, config: LogConfig = CONFIG) -> SegmentedLog:
    return dirs.open("topic", 0, TOPIC_ID, config)


def make(path: Path, *, clean: bool) -> None:
    """A log of 20 records in segments of 5, synced but for the last two segments."""
    dirs = open_dirs(path)
    log = open_log(dirs)
    fill(log, 20)
    assert log.segment_offsets == [0, 5, 10, 15]
    dirs.close(clean=clean)


def everything(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


FOREIGN = [
    "notes.txt",
    "notes.tmp",
    "backup.deleted",
    "old.cleaned",
    "other.swap",
    "00000000000000000005.log.bak",
    "5.log",
    "00000000000000000005.LOG",
    "core.deleted.tmp",
]


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_stays_and_changes_nothing(tmp_path: Path, name: str, clean: bool) -> None:
    make(tmp_path, clean=clean)
    foreign = tmp_path / "topic-0" / name
    foreign.write_bytes(b"mine")
    beside = tmp_path / name
    beside.write_bytes(b"mine too")
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert [first for first, _ in offsets(log)] == list(range(20))
    fill(log, 1)
    dirs.close(clean=True)
    assert foreign.read_bytes() == b"mine"
    assert beside.read_bytes() == b"mine too"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: (path / "topic-1").write_bytes(b"a file, not a directory"),
        lambda path: (path / "topic-1").mkdir() or (path / "topic-1" / "partition.metadata").mkdir(),
        lambda path: (path / "lost+found").mkdir(),
        lambda path: (path / "topic-99999999999").mkdir(),
    ],
    ids=["a file with a partition's name", "no metadata file", "a foreign directory", "a number too large"],
)
def test_what_is_no_log_disturbs_no_log(
    tmp_path: Path, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, clean=True)
    spoil(tmp_path)
    before = {each for each in tmp_path.rglob("*") if "topic-0" not in str(each)}
    dirs = open_dirs(tmp_path)
    assert {(log.topic, log.partition) for log in dirs.existing()} == {("topic", 0)}
    assert len(offsets(open_log(dirs))) == 20
    dirs.close(clean=True)
    assert before <= {*tmp_path.rglob("*"), tmp_path / ".kafka_cleanshutdown"}
    for odd in (tmp_path / "topic-1", tmp_path / "topic-1" / "partition.metadata"):
        if odd.exists() and not odd.is_dir():
            assert str(odd) in caplog.text


CHECKPOINTS = [
    "recovery-point-offset-checkpoint",
    "replication-offset-checkpoint",
    "log-start-offset-checkpoint",
    "cleaner-offset-checkpoint",
    "topic-0/leader-epoch-checkpoint",
]
GARBAGE = [
    b"",
    b"0",
    b"0\n1\n",
    b"1\n0\n",
    b"0\n1\ntopic 0\n",
    b"0\n1\ntopic 0 x\n",
    b"\xff\xfe\x00 \n",
    b"0\n2\n0 0\n",
]


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("data", GARBAGE)
def test_a_checkpoint_that_says_nothing_costs_no_record(
    tmp_path: Path, name: str, data: bytes, clean: bool, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, clean=clean)
    (tmp_path / name).write_bytes(data)
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert [first for first, _ in offsets(log)] == list(range(20))
    assert log.epochs.latest == 0
    dirs.close(clean=True)
    if data.count(b"\n") > 1 or b"\xff" in data:  # one that was made and never written is usual
        assert f"{tmp_path / name} is not readable" in caplog.text


@given(st.binary(max_size=200), st.sampled_from(CHECKPOINTS[:3]))
def test_no_checkpoint_file_at_all_deletes_a_record(data: bytes, name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        make(path, clean=False)
        kept = b"".join(each.read_bytes() for each in sorted((path / "topic-0").glob("*.log*")))
        (path / name).write_bytes(data)
        dirs = open_dirs(path)
        open_log(dirs)
        dirs.close(clean=False)
        assert b"".join(each.read_bytes() for each in sorted((path / "topic-0").glob("*.log*"))) == kept


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_start_beyond_the_log_deletes_nothing(
    tmp_path: Path, clean: bool, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, clean=clean)
    data = b"".join(each.read_bytes() for each in sorted((tmp_path / "topic-0").glob("*.log")))
    (tmp_path / "log-start-offset-checkpoint").write_text("0\n1\ntopic 0 4711\n")
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert (log.log_start_offset, log.log_end_offset) == (4711, 4711)
    fill(log, 1)
    dirs.close(clean=True)
    kept = sorted((tmp_path / "topic-0").glob("*.log.damaged"))
    assert b"".join(each.read_bytes() for each in kept) == data
    assert str(kept[0]) in caplog.text


# Segments


def test_what_follows_a_bad_batch_is_kept_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, clean=False)
    folder = tmp_path / "topic-0"
    before = {path.name: path.read_bytes() for path in folder.glob("*.log")}
    second = before[SEGMENT]
    size = len(second) // 5
    flip(folder / SEGMENT, 2 * size + 70)
    spoiled = (folder / SEGMENT).read_bytes()
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert [first for first, _ in offsets(log)] == list(range(7))
    tail = folder / f"{SEGMENT}.{2 * size}.damaged"
    assert tail.read_bytes() == spoiled[2 * size :]
    for base in (10, 15):
        kept = folder / f"{base:020d}.log.damaged"
        assert kept.read_bytes() == before[f"{base:020d}.log"]
        assert str(kept) in caplog.text
    assert f"{folder / SEGMENT} holds a batch with a wrong checksum at byte {2 * size}" in caplog.text
    assert str(tail) in caplog.text
    fill(log, 20)
    dirs.close(clean=True)
    assert tail.exists()
    dirs = open_dirs(tmp_path)
    assert [first for first, _ in offsets(open_log(dirs))] == list(range(27))
    dirs.delete("topic", 0)
    dirs.close(clean=True)
    assert not folder.exists()


def test_a_torn_write_is_cut_off_and_leaves_nothing_aside(tmp_path: Path) -> None:
    make(tmp_path, clean=False)
    last = tmp_path / "topic-0" / "00000000000000000015.log"
    data = last.read_bytes()
    for torn in (data[:-1], data[: -len(data) // 5 + 30], data + data[:60], data + bytes(4096)):
        last.write_bytes(torn)
        dirs = open_dirs(tmp_path)
        open_log(dirs)
        dirs.close(clean=False)
        assert list(tmp_path.rglob("*.damaged")) == []


def test_a_synced_record_that_is_gone_wrong_is_kept_for_whoever_misses_it(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    fill(log, 3)
    log.flush()
    dirs.checkpoint()
    dirs.close(clean=False)
    file = tmp_path / "topic-0" / "00000000000000000000.log"
    data = file.read_bytes()
    flip(file, len(data) - 1)
    spoiled = file.read_bytes()
    (tmp_path / "recovery-point-offset-checkpoint").write_text("0\n1\ntopic 0 3\n")
    dirs = open_dirs(tmp_path)
    assert [first for first, _ in offsets(open_log(dirs))] == [0, 1]
    dirs.close(clean=False)
    [kept] = tmp_path.rglob("*.damaged")
    assert file.read_bytes() + kept.read_bytes() == spoiled


def test_a_gap_between_segments_is_named_and_the_rest_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, clean=False)
    (tmp_path / "topic-0" / SEGMENT).unlink()
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert [first for first, _ in offsets(log)] == [*range(5), *range(10, 20)]
    assert "00000000000000000000.log ends before offset 5" in caplog.text
    assert "00000000000000000010.log begins at 10" in caplog.text
    dirs.close(clean=True)


def test_two_segments_that_overlap_give_each_offset_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, clean=False)
    folder = tmp_path / "topic-0"
    first, second = folder / "00000000000000000000.log", folder / SEGMENT
    whole = first.read_bytes() + second.read_bytes()[: len(second.read_bytes()) * 2 // 5]
    first.write_bytes(whole)
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert [base for base, _ in offsets(log)] == list(range(20))
    assert f"{first} holds offset 5 at byte" in caplog.text
    [kept] = tmp_path.rglob("*.damaged")
    assert first.read_bytes() + kept.read_bytes() == whole
    dirs.close(clean=True)


def consumed(log: SegmentedLog, max_bytes: int) -> list[int]:
    """The base offsets that a consumer gets who reads on from where it is."""
    found: list[int] = []
    at = log.log_start_offset
    while at < log.log_end_offset:
        batches = offsets(log, at, max_bytes)
        found += [base for base, _ in batches]
        at = batches[-1][1] + 1
    return found


def reach_into_the_next(folder: Path, batches: int = 2) -> tuple[Path, bytes]:
    """The first segment has also the first batches of the second one; gives it, and its bytes then."""
    first, second = folder / "00000000000000000000.log", folder / SEGMENT
    first.write_bytes(first.read_bytes() + second.read_bytes()[: len(second.read_bytes()) * batches // 5])
    return first, first.read_bytes()


@pytest.mark.parametrize("indexes", ["kept", "missing", "for all of it"])
@pytest.mark.parametrize("max_bytes", [1, 150, 1 << 20])
@pytest.mark.parametrize("batches", [1, 2, 5])
def test_after_a_clean_stop_an_overlap_is_named_and_each_offset_given_once(
    tmp_path: Path, indexes: str, max_bytes: int, batches: int, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, clean=True)
    first, whole = reach_into_the_next(tmp_path / "topic-0", batches)
    if indexes == "missing":
        for suffix in (".index", ".timeindex"):
            first.with_suffix(suffix).unlink()
    if indexes == "for all of it":
        size = len(whole) // (5 + batches)
        first.with_suffix(".index").write_bytes(struct.pack(">ii", 4 + batches, (4 + batches) * size))
        first.with_suffix(".timeindex").write_bytes(struct.pack(">qi", 1004 + batches, 4 + batches))
    for _ in range(2):
        caplog.clear()
        dirs = open_dirs(tmp_path)
        log = open_log(dirs)
        assert "holds offset" not in caplog.text  # it costs no look at a start
        assert consumed(log, max_bytes) == list(range(20))
        assert log.read(6, 1).first_base_offset == 6
        position = len(whole) * 5 // (5 + batches)
        told = f"{first} holds offset 5 at byte {position}, and the next segment begins at 5"
        assert caplog.text.count(told) == 1
        found = log.offset_for_timestamp(1005)
        assert found is not None
        assert found.offset == 5
        dirs.close(clean=True)
        assert first.read_bytes() == whole
        assert list(tmp_path.rglob("*.damaged")) == []


def test_a_log_that_is_cut_back_to_an_overlap_goes_on_behind_it(tmp_path: Path) -> None:
    make(tmp_path, clean=True)
    reach_into_the_next(tmp_path / "topic-0")
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    log.read(0, 1)
    log.truncate_to(5)
    dirs.close(clean=False)
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert log.log_end_offset == 5
    fill(log, 2)
    assert [base for base, _ in offsets(log)] == list(range(7))
    dirs.close(clean=True)


@pytest.mark.parametrize("is_read_before", [True, False])
def test_segments_that_overlap_are_not_compacted(tmp_path: Path, is_read_before: bool) -> None:
    make(tmp_path, clean=True)
    first, whole = reach_into_the_next(tmp_path / "topic-0")
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    if is_read_before:
        log.read(0, 1)
        assert log.compaction.plan(20, 0, CleaningResources()) is None
    else:
        cleaning = log.compaction.plan(20, 0, CleaningResources())
        assert cleaning is not None
        with pytest.raises(StorageError, match=f"{first} holds offset 5, and the next segment begins at 5"):
            clean(cleaning.job, Files())
    dirs.close(clean=True)
    assert first.read_bytes() == whole


def test_after_a_clean_stop_reads_pass_over_a_gap(tmp_path: Path) -> None:
    make(tmp_path, clean=True)
    (tmp_path / "topic-0" / SEGMENT).unlink()
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    for at in range(20):
        assert log.read(at, 1).first_base_offset == (at if not 5 <= at < 10 else 10)
    for max_bytes in (1, 150, 1 << 20):
        assert consumed(log, max_bytes) == [*range(5), *range(10, 20)]
    dirs.close(clean=True)


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("data", [b"", b"x", struct.pack(">ii", 3, 1 << 30), bytes(24)])
def test_an_index_that_lies_is_not_believed(tmp_path: Path, suffix: str, data: bytes, clean: bool) -> None:
    make(tmp_path, clean=clean)
    for log_file in (tmp_path / "topic-0").glob("*.log"):
        log_file.with_suffix(suffix).write_bytes(data)
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    for at in range(20):
        assert log.read(at, 1).first_base_offset == at
    dirs.close(clean=True)


# Time


def test_a_clock_that_jumps_back_deletes_nothing_and_rolls_nothing(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs, LogConfig(retention_ms=1000, segment_ms=1000))
    fill(log, 5)
    log.retain(-(10**12))
    fill(log, 5)
    log.retain(-(10**12))
    assert [first for first, _ in offsets(log)] == list(range(10))
    dirs.close(clean=True)


def test_a_partition_of_another_topic_is_set_aside_with_its_records(tmp_path: Path) -> None:
    make(tmp_path, clean=True)
    before = (tmp_path / "topic-0" / SEGMENT).read_bytes()
    dirs = open_dirs(tmp_path)
    log = dirs.open("topic", 0, UUID(int=TOPIC_ID.int + 1), CONFIG)
    assert offsets(log) == []
    dirs.close(clean=True)
    [stray] = tmp_path.glob("*-stray")
    assert (stray / SEGMENT).read_bytes() == before


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, logger="kwire.storage"):
        yield
