"""A log comes back with what was acknowledged: after a clean stop, a kill, torn writes, wrong indexes."""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, PartitionLog, StorageError
from kwire_storage.files import Files
from kwire_storage.segments.log import SegmentedLog

from tests.storage.batches import batch, fill, marker, offsets, offsets_in, read_all
from tests.storage.damage import flip
from tests.storage.disks import (
    TOPIC_ID,
    FailingAt,
    FailingDisk,
    ForgetfulDisk,
    StutteringDisk,
    UnreadableDisk,
    uuids,
)
from tests.storage.killed import kill_after

SMALL = LogConfig(segment_bytes=400, index_interval_bytes=60)


def open_dirs(path: Path, files: Files | None = None) -> LogDirs:
    return LogDirs([str(path)], node_id=1, new_uuid=uuids(), files=files)


def open_log(dirs: LogDirs, config: LogConfig = SMALL) -> SegmentedLog:
    return dirs.open("topic", 0, TOPIC_ID, config)


def last_segment(path: Path) -> Path:
    return max((path / "topic-0").glob("*.log"))


def restart(
    dirs: LogDirs, path: Path, *, clean: bool, config: LogConfig = SMALL
) -> tuple[LogDirs, SegmentedLog]:
    dirs.close(clean=clean)
    again = open_dirs(path)
    assert again.was_clean == clean
    return again, open_log(again, config)


@contextmanager
def opened(path: Path, files: Files | None = None) -> Iterator[SegmentedLog]:
    """The log after a start; then the broker is killed."""
    dirs = open_dirs(path, files)
    try:
        yield open_log(dirs)
    finally:
        dirs.close(clean=False)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[tuple[LogDirs, SegmentedLog]]:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    fill(log, 20, each=2)
    yield dirs, log
    dirs.close(clean=False)


@pytest.mark.parametrize("clean", [True, False])
def test_everything_is_there_after_a_restart(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], clean: bool
) -> None:
    dirs, log = filled
    before, segments = read_all(log), log.segment_offsets
    dirs, log = restart(dirs, tmp_path, clean=clean)
    assert read_all(log) == before
    assert log.log_end_offset == 40
    assert log.segment_offsets == segments
    assert log.epochs.entries() == [(0, 0)]
    fill(log, 20, each=2)
    assert offsets(log) == [(at, at + 1) for at in range(0, 80, 2)]
    dirs.close(clean=False)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_log_whose_first_batch_is_half_there_is_empty_whatever_is_known_of_epochs(
    tmp_path: Path, sealed: bool
) -> None:
    with opened(tmp_path / "whole") as log:
        log.append([batch(0, leader_epoch=3)], 0)
        if sealed:
            log.roll(0)
            log.append([batch(1, leader_epoch=3)], 0)
    first = f"topic-0/{0:020}.log"
    data = (tmp_path / "whole" / first).read_bytes()
    assert (tmp_path / "whole/topic-0/leader-epoch-checkpoint").read_text() == "0\n1\n3 0\n"
    for left in (1, 60, 61, len(data) - 1):
        path = shutil.copytree(tmp_path / "whole", tmp_path / str(left))
        (path / first).write_bytes(data[:left])
        with opened(path) as log:
            assert (log.log_start_offset, log.log_end_offset) == (0, 0)
            assert log.epochs.entries() == []
            log.append([batch(0, leader_epoch=4)], 0)
            assert log.epochs.entries() == [(4, 0)]


@pytest.mark.slow
@pytest.mark.parametrize("clean", [True, False])
def test_the_indexes_after_a_restart_are_those_of_an_unbroken_run(tmp_path: Path, clean: bool) -> None:
    config = LogConfig(segment_bytes=2000, index_interval_bytes=200)
    contents = []
    for name, stops in (("broken", range(30)), ("unbroken", range(0))):
        path = tmp_path / name
        dirs = open_dirs(path)
        log = open_log(dirs, config)
        for at in range(60):
            log.append([batch(at)], 0)
            if at in stops:
                dirs, log = restart(dirs, path, clean=clean, config=config)
        dirs.close(clean=True)
        contents.append(
            {
                file.name: file.read_bytes()
                for file in (path / "topic-0").iterdir()
                if file.suffix != ".snapshot"
            }
        )
    broken, unbroken = contents
    assert {name: data for name, data in broken.items() if not name.endswith(".timeindex")} == {
        name: data for name, data in unbroken.items() if not name.endswith(".timeindex")
    }


def test_an_empty_log_makes_no_files(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    open_log(dirs)
    dirs.close(clean=True)
    assert not (tmp_path / "topic-0").exists()


@pytest.mark.slow
def test_a_last_batch_cut_at_any_byte_is_left_out_whole(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], caplog: pytest.LogCaptureFixture
) -> None:
    dirs, log = filled
    log.append([batch(40, 3, value=b"the last one")], 0)
    size = len(batch(40, 3, value=b"the last one").buffer)
    dirs.close(clean=False)
    segment = last_segment(tmp_path)
    whole = segment.read_bytes()
    start = len(whole) - size
    for kept in range(size):
        copy = tmp_path / "copies" / str(kept)
        shutil.copytree(tmp_path / "topic-0", copy / "topic-0")
        (copy / "topic-0" / segment.name).write_bytes(whole[: start + kept])
        caplog.clear()
        with opened(copy) as log:
            assert log.log_end_offset == 40
            assert offsets(log)[-1] == (38, 39)
            if kept:
                assert f"{segment.name} ends in half a batch at byte {start}; truncated" in caplog.text
            fill(log, 1)
            assert offsets(log)[-1] == (40, 40)
        shutil.rmtree(copy)


# The base offset and the leader epoch of a batch lie outside its checksum (so that a leader can write them).
UNCHECKED = {*range(0, 8), *range(12, 16)}


@pytest.mark.slow
def test_a_last_batch_garbled_at_any_byte_is_left_out_whole(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog]
) -> None:
    dirs, log = filled
    log.append([batch(40, 2)], 0)
    size = len(batch(40, 2).buffer)
    dirs.close(clean=False)
    segment = last_segment(tmp_path)
    whole = segment.read_bytes()
    start = len(whole) - size
    for at in range(size):
        copy = tmp_path / "copies" / str(at)
        shutil.copytree(tmp_path / "topic-0", copy / "topic-0")
        garbled = bytearray(whole)
        garbled[start + at] ^= 0x55
        (copy / "topic-0" / segment.name).write_bytes(garbled)
        with opened(copy) as log:
            if at not in UNCHECKED:
                assert log.log_end_offset == 40
            assert offsets(
                log, 0, start + sum(f.stat().st_size for f in copy.glob("*/*.log") if f.name != segment.name)
            )[-1] == (38, 39)
        shutil.rmtree(copy)


@pytest.mark.parametrize(
    "tail", [b"\0" * 4096, b"\xff" * 100, bytes(range(256)), b"\0" * 11 + b"\x31" + b"\0" * 100]
)
def test_rubbish_behind_the_last_batch_is_cut_off(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], tail: bytes
) -> None:
    dirs, log = filled
    before = read_all(log)
    dirs.close(clean=False)
    with last_segment(tmp_path).open("ab") as file:
        file.write(tail)
    with opened(tmp_path) as log:
        assert read_all(log) == before


def test_segments_behind_a_broken_one_go_too(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], caplog: pytest.LogCaptureFixture
) -> None:
    dirs, log = filled
    bases = log.segment_offsets
    dirs.close(clean=False)
    second = tmp_path / "topic-0" / f"{bases[1]:020d}.log"
    flip(second, 70)
    with opened(tmp_path) as log:
        assert log.log_end_offset == bases[1]
        assert log.segment_offsets == bases[:2]
        assert "wrong checksum at byte 0" in caplog.text
        assert sorted(file.name for file in (tmp_path / "topic-0").glob("*.log")) == [
            f"{base:020d}.log" for base in bases[:2]
        ]
        fill(log, 30)
        assert log.log_end_offset == bases[1] + 30


def test_what_was_flushed_is_not_read_again(tmp_path: Path, filled: tuple[LogDirs, SegmentedLog]) -> None:
    dirs, log = filled
    log.flush()
    dirs.checkpoint()
    bases = log.segment_offsets
    dirs.close(clean=False)
    first = tmp_path / "topic-0" / f"{bases[0]:020d}.log"
    flip(first, 70)
    with opened(tmp_path) as log:
        assert log.log_end_offset == 40


def test_housekeeping_spares_a_restart_the_sealed_segments(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog]
) -> None:
    dirs, log = filled
    [job] = dirs.plan_flushes()
    assert job is not None
    job.work()
    dirs.commit_flush(job)
    dirs.checkpoint()
    assert list(dirs.plan_flushes()) == []
    assert log.recovery_point == log.segment_offsets[-1]
    dirs.close(clean=False)
    first = min((tmp_path / "topic-0").glob("*.log"))
    flip(first, 70)
    with opened(tmp_path) as log:
        assert log.log_end_offset == 40


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("damage", ["remove", "half an entry", "zeros", "falling", "beyond the log"])
def test_indexes_that_are_missing_or_wrong_are_built_again(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], suffix: str, clean: bool, damage: str
) -> None:
    dirs, log = filled
    before = read_all(log)
    dirs.close(clean=clean)
    for index in (tmp_path / "topic-0").glob(f"*{suffix}"):
        if damage == "remove":
            index.unlink()
        elif damage == "half an entry":
            index.write_bytes(index.read_bytes()[:-1])
        elif damage == "zeros":
            index.write_bytes(bytes(index.stat().st_size))
        elif damage == "falling":
            index.write_bytes(b"\0\0\0\x05" * 12)
        else:
            index.write_bytes(index.read_bytes() + b"\x7f" * 24)
    with opened(tmp_path) as log:
        assert log.log_end_offset == 40
        assert read_all(log) == before
        for offset in range(40):
            assert offsets(log, offset, 1) == [(offset - offset % 2, offset - offset % 2 + 1)]
            found = log.offset_for_timestamp(1000 + offset)
            assert found is not None
            assert found.offset == offset


def test_a_batch_that_is_half_there_after_a_clean_stop_is_found_too(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], caplog: pytest.LogCaptureFixture
) -> None:
    dirs, _ = filled
    dirs.close(clean=True)
    with last_segment(tmp_path).open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - 5)
    with opened(tmp_path) as log:
        assert log.log_end_offset == 38
        assert "half a batch" in caplog.text


def test_after_a_clean_stop_only_the_last_segment_is_checked(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog]
) -> None:
    dirs, log = filled
    before = log.segment_offsets
    dirs.close(clean=True)
    last_segment(tmp_path).with_suffix(".index").unlink()
    (tmp_path / "recovery-point-offset-checkpoint").unlink()
    garbled = min((tmp_path / "topic-0").glob("*.log"))
    garbled.write_bytes(garbled.read_bytes()[:-1] + b"?")  # what nobody looks at
    with opened(tmp_path) as log:
        assert log.segment_offsets == before
        assert log.log_end_offset == 40


def test_leftovers_of_interrupted_work_go_and_foreign_files_stay(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog]
) -> None:
    dirs, log = filled
    before = read_all(log)
    dirs.close(clean=False)
    folder = tmp_path / "topic-0"
    gone = [
        "00000000000000000000.log.deleted",
        "00000000000000000007.log.cleaned",
        "leader-epoch-checkpoint.tmp",
        f"{99:020d}.index",
    ]
    stays = ["notes.txt", "x.tmp", "00000000000000000000-0000000001.checkpoint.deleted", "5.log"]
    for name in gone + stays:
        (folder / name).write_bytes(b"?")
    with opened(tmp_path) as log:
        assert read_all(log) == before
        left = os.listdir(folder)
        assert not set(gone) & set(left)
        assert set(stays) <= set(left)


@pytest.mark.parametrize("clean", [True, False])
def test_the_log_start_survives(tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], clean: bool) -> None:
    dirs, log = filled
    log.advance_log_start(13)
    dirs.save_log_starts()
    kept = log.segment_offsets
    dirs, log = restart(dirs, tmp_path, clean=clean)
    assert log.log_start_offset == 13
    assert log.segment_offsets == kept
    assert kept[0] > 0
    assert log.epochs.entries() == [(0, 13)]
    assert offsets(log)[0] == (12, 13)
    dirs.close(clean=False)


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_trimmed_to_its_end_goes_on_there(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], clean: bool
) -> None:
    dirs, log = filled
    log.advance_log_start(40)
    dirs.save_log_starts()
    dirs, log = restart(dirs, tmp_path, clean=clean)
    assert (log.log_start_offset, log.log_end_offset) == (40, 40)
    fill(log, 1)
    dirs, log = restart(dirs, tmp_path, clean=clean)
    assert offsets(log) == [(40, 40)]
    dirs.close(clean=False)


@pytest.mark.parametrize("clean", [True, False])
def test_a_truncated_log_stays_truncated(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], clean: bool
) -> None:
    dirs, log = filled
    log.flush()
    dirs.checkpoint()
    log.truncate_to(17)
    fill(log, 1, value=b"another", leader_epoch=3)
    dirs, log = restart(dirs, tmp_path, clean=clean)
    assert offsets(log)[-2:] == [(14, 15), (16, 16)]
    assert log.epochs.entries() == [(0, 0), (3, 16)]
    dirs.close(clean=False)


@pytest.mark.parametrize("clean", [True, False])
def test_producers_survive(tmp_path: Path, clean: bool) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    for sequence in range(12):
        log.append([batch(sequence, producer_id=5, producer_epoch=2, base_sequence=sequence)], 0)
    for at in range(12, 14):
        log.append(
            [batch(at, producer_id=6, producer_epoch=0, base_sequence=at - 12, is_transactional=True)], 0
        )
    log.append([marker(14, commit=True, producer_id=6, producer_epoch=0)], 0)
    log.append([batch(15, producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True)], 0)
    before = {entry.producer_id: entry for entry in log.producers}
    dirs, log = restart(dirs, tmp_path, clean=clean)
    for entry in log.producers:
        was = before.pop(entry.producer_id)
        assert (
            entry.epoch,
            entry.last_sequence,
            entry.transaction_first_offset,
            entry.coordinator_epoch,
        ) == ((was.epoch, was.last_sequence, was.transaction_first_offset, was.coordinator_epoch))
        # A snapshot keeps one time for a producer: that of its last batch, or of the marker after it.
        assert [written[:3] for written in entry.batches[-1:]] == [
            written[:3] for written in was.batches[-1:]
        ]
    assert before == {}
    assert log.producers.first_undecided_offset == 15
    dirs.close(clean=False)


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("sealed_at", [3, None], ids=["with an older snapshot", "without one"])
def test_producers_survive_a_log_start_behind_their_records(
    tmp_path: Path, clean: bool, sealed_at: int | None
) -> None:
    """DeleteRecords moves the log's start past what a producer wrote, and the snapshot lies before that."""
    large = LogConfig()
    dirs = open_dirs(tmp_path)
    log = open_log(dirs, large)
    for sequence in range(8):
        if sequence == sealed_at:
            log.configure(replace(large, segment_bytes=1))
        log.append([batch(sequence, producer_id=5, producer_epoch=0, base_sequence=sequence)], 0)
        if sequence == sealed_at:
            log.configure(large)
    fill(log, 2)
    log.advance_log_start(9)
    dirs.checkpoint()
    dirs, log = restart(dirs, tmp_path, clean=clean, config=large)
    [entry] = log.producers
    assert entry.last_sequence == 7
    dirs.close(clean=False)


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"\0\1\0\0\0\0\0\0\0\1" + b"\0" * 46])
def test_a_snapshot_that_is_wrong_is_passed_over(tmp_path: Path, damage: bytes) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    for sequence in range(12):
        log.append([batch(sequence, producer_id=5, producer_epoch=2, base_sequence=sequence)], 0)
    dirs.close(clean=True)
    for snapshot in (tmp_path / "topic-0").glob("*.snapshot"):
        snapshot.write_bytes(damage)
    with opened(tmp_path) as log:
        entry = log.producers.get(5)
        assert entry is not None
        assert [written.last_sequence for written in entry.batches] == [7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    "text", ["", "0\n", "1\n0\n", "0\n2\n0 0\n", "0\n1\nx y\n", "0\n2\n5 0\n3 9\n", "\xff\xfe"]
)
def test_epochs_are_made_again_from_the_log(tmp_path: Path, text: str) -> None:
    with opened(tmp_path) as log:
        fill(log, 5, leader_epoch=1)
        fill(log, 5, leader_epoch=2)
    (tmp_path / "topic-0" / "leader-epoch-checkpoint").write_bytes(text.encode("latin-1"))
    with opened(tmp_path) as log:
        assert log.epochs.entries() == [(1, 0), (2, 5)]


# Disks


@pytest.mark.parametrize("most", [1, 7, 61, 1000])
def test_a_disk_that_takes_a_little_at_a_time(tmp_path: Path, most: int) -> None:
    with opened(tmp_path, StutteringDisk(most)) as log:
        fill(log, 12, each=3)
        log.append([batch(36, 2), batch(38, 2)], 0)
        expected = read_all(log)
    with opened(tmp_path, StutteringDisk(most)) as log:
        assert read_all(log) == expected


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.ENOMEM])
@pytest.mark.parametrize("room", [0, 1, 60, 61, 75])
@pytest.mark.parametrize("truncation_fails", [False, True])
def test_a_write_that_fails_leaves_no_trace(
    tmp_path: Path, error: int, room: int, truncation_fails: bool
) -> None:
    disk = FailingDisk(error)
    with opened(tmp_path, disk) as log:
        fill(log, 7)
        before = read_all(log)
        disk.bytes_left, disk.truncation_fails = room, truncation_fails
        size = last_segment(tmp_path).stat().st_size
        for _ in range(2):
            with pytest.raises(StorageError, match=r"0005\.log failed: (No space|Cannot allocate)"):
                fill(log, 1, value=b"x" * 100)
            if not truncation_fails:
                assert last_segment(tmp_path).stat().st_size == size
        assert log.log_end_offset == 7
        assert log.producers.end_offset == 7
        assert read_all(log) == before
        disk.bytes_left, disk.truncation_fails = 1 << 60, False
        fill(log, 20)
        expected = read_all(log)
        assert offsets(log) == [(at, at) for at in range(27)]
    with opened(tmp_path) as log:
        assert read_all(log) == expected


@pytest.mark.parametrize("checkpoint", ["as it was", "gone"])
def test_a_recovery_that_fails_leaves_no_file_open(tmp_path: Path, checkpoint: str) -> None:
    with opened(tmp_path) as log:
        fill(log, 12, each=2)
        expected = read_all(log)
    disk = FailingAt()
    failed = 0
    for left in range(1000):
        if checkpoint == "gone":
            (tmp_path / "topic-0" / "leader-epoch-checkpoint").unlink(missing_ok=True)
        dirs = open_dirs(tmp_path, disk)
        before = set(disk.opened)
        disk.left = left
        try:
            log = open_log(dirs)
        except StorageError:
            assert disk.opened == before
            failed += 1
        else:
            done, disk.left = disk.left is not None, None
            assert read_all(log) == expected
            if done:
                break
        finally:
            dirs.close(clean=False)
    assert failed > 5
    assert disk.opened == set()


def test_a_disk_that_stays_full_is_recovered_to_what_was_acknowledged(tmp_path: Path) -> None:
    disk = FailingDisk()
    dirs = open_dirs(tmp_path, disk)
    log = open_log(dirs)
    fill(log, 7)
    disk.bytes_left, disk.truncation_fails = 30, True
    with pytest.raises(StorageError):
        fill(log, 1)
    dirs.close(clean=True)  # it can't be: nothing can be written
    again = open_dirs(tmp_path)
    assert not again.was_clean
    assert offsets(open_log(again)) == [(at, at) for at in range(7)]
    again.close(clean=False)


@pytest.mark.parametrize("room", range(0, 200, 9))
def test_a_roll_on_a_full_disk_can_be_tried_again(tmp_path: Path, room: int) -> None:
    disk = FailingDisk()
    dirs = open_dirs(tmp_path, disk)
    log = open_log(dirs, LogConfig(segment_bytes=200, index_interval_bytes=60))
    fill(log, 2)
    disk.bytes_left = room
    for _ in range(3):
        try:
            fill(log, 1, leader_epoch=1)
        except StorageError:
            continue
    disk.bytes_left = 1 << 60
    fill(log, 4, leader_epoch=1)
    end = log.log_end_offset
    dirs.close(clean=False)
    with opened(tmp_path) as log:
        assert offsets(log) == [(at, at) for at in range(end)]
        assert log.epochs.entries() == [(0, 0), (1, 2)]


def test_a_disk_that_can_not_be_read_says_so(tmp_path: Path) -> None:
    disk = UnreadableDisk()
    with opened(tmp_path, disk) as log:
        fill(log, 7)
        part = log.read(0, 1 << 20).parts[0]
        disk.broken = True
        assert log.read_bytes(part)  # from memory
    disk.broken = False
    with opened(tmp_path, disk) as log:
        found = log.read(0, 1 << 20)
        disk.broken = True
        with pytest.raises(StorageError, match="Cannot allocate memory"):
            log.read_bytes(found.parts[0])
        with pytest.raises(StorageError, match="Cannot allocate memory"):
            log.read(3, 100)


def test_what_a_flush_promised_outlives_a_power_cut(tmp_path: Path) -> None:
    disk = ForgetfulDisk()
    with opened(tmp_path, disk) as log:
        fill(log, 15)
        log.flush()
        fill(log, 5)
    disk.cut_power(str(tmp_path))
    (tmp_path / "recovery-point-offset-checkpoint").unlink(missing_ok=True)
    with opened(tmp_path) as log:
        assert log.log_end_offset >= 15
        assert offsets(log)[:15] == [(at, at) for at in range(15)]


def test_a_clean_stop_outlives_a_power_cut(tmp_path: Path) -> None:
    disk = ForgetfulDisk()
    dirs = open_dirs(tmp_path, disk)
    fill(open_log(dirs), 20)
    dirs.close(clean=True)
    disk.cut_power(str(tmp_path))
    again = open_dirs(tmp_path)
    assert again.was_clean
    assert offsets(open_log(again)) == [(at, at) for at in range(20)]
    again.close(clean=False)


KILLED = """
    import sys
    from kwire_storage.engine import LogConfig
    from kwire_storage.directories.log_dirs import LogDirs
    from tests.storage.batches import batch
    from tests.storage.disks import TOPIC_ID, uuids

    dirs = LogDirs([sys.argv[1]], node_id=1, new_uuid=uuids())
    log = dirs.open("topic", 0, TOPIC_ID, LogConfig(segment_bytes=20000, index_interval_bytes=500))
    while True:
        log.append([batch(log.log_end_offset, 3, value=b"x" * 50)], 0)
        sys.stdout.write(f"{log.log_end_offset}\\n")
        sys.stdout.flush()
"""


@pytest.mark.slow
@pytest.mark.parametrize("acknowledged", [1, 40, 300])
def test_after_a_kill_every_acknowledged_record_is_there(tmp_path: Path, acknowledged: int) -> None:
    end = kill_after(acknowledged, KILLED, tmp_path)
    dirs = open_dirs(tmp_path)
    assert not dirs.was_clean
    log = open_log(dirs)
    found = offsets(log)
    assert found == [(at, at + 2) for at in range(0, found[-1][1], 3)]
    assert log.log_end_offset in (end, end + 3)  # one more may have been written and not yet told
    fill(log, 1)
    dirs.close(clean=False)


def test_a_log_of_every_shape_is_read_the_same_after_a_restart(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log: PartitionLog = open_log(dirs)
    log.append([batch(0, 3, compression=1), batch(3, 1, timestamps=[-1])], 0)
    log.append([batch(1000, 2, leader_epoch=8)], 0)
    log.append([batch(1 << 34)], 0)
    expected = read_all(log)
    assert offsets_in(expected) == [(0, 2), (3, 3), (1000, 1001), (1 << 34, 1 << 34)]
    for clean in (True, False, True):
        dirs, log = restart(dirs, tmp_path, clean=clean)
        assert read_all(log) == expected
    dirs.close(clean=False)


def test_nothing_is_logged_when_nothing_is_wrong(
    tmp_path: Path, filled: tuple[LogDirs, SegmentedLog], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    dirs, _ = filled
    dirs, _ = restart(dirs, tmp_path, clean=True)
    dirs.close(clean=True)
    assert caplog.text == ""


def test_a_directory_without_segments_is_an_empty_log(tmp_path: Path) -> None:
    for name in ("topic-0", "topic-1"):
        (tmp_path / name).mkdir()
    (tmp_path / "log-start-offset-checkpoint").write_text("0\n1\ntopic 1 17\n")
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert (log.log_start_offset, log.log_end_offset) == (0, 0)
    trimmed = dirs.open("topic", 1, TOPIC_ID, SMALL)
    assert (trimmed.log_start_offset, trimmed.log_end_offset) == (17, 17)
    fill(trimmed, 1)
    assert offsets(trimmed) == [(17, 17)]
    dirs.close(clean=False)


def test_messages_of_an_old_format_are_refused_by_name_and_byte(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    fill(open_log(dirs), 3)
    dirs.close(clean=True)
    segment = last_segment(tmp_path)
    flip(segment, 16, 2 ^ 1)
    (tmp_path / "topic-0" / "leader-epoch-checkpoint").unlink()
    says = f"{segment.name} has no batch at byte 0: magic is 1, not 2"
    with opened(tmp_path) as log, pytest.raises(StorageError, match=says):
        log.offset_for_timestamp(0)


def test_epochs_whose_batches_compaction_has_taken_stay(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs, replace(SMALL, segment_bytes=1 << 20))
    for offset in range(3):
        log.append([batch(offset, leader_epoch=offset)], 0)
    first, second = (batch(offset, leader_epoch=offset).header.size for offset in range(2))
    dirs.close(clean=False)
    path = last_segment(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:first] + data[first + second :])
    with opened(tmp_path) as log:
        assert log.epochs.entries() == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("second", [True, False])
def test_epochs_that_recovery_found_are_written_down(tmp_path: Path, second: bool) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    fill(log, 3)
    log.advance_log_start(1)
    dirs.save_log_starts()
    log.truncate_to(1)  # the file of epochs is empty now, and yet there is a batch with an epoch
    dirs, log = restart(dirs, tmp_path, clean=False)
    fill(log, 1)
    log.flush()
    dirs.checkpoint()
    dirs, log = restart(dirs, tmp_path, clean=second)
    assert log.epochs.entries() == [(0, 1)]
    dirs.close(clean=False)
