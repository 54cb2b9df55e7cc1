"""Room that is reserved for a segment's file when it is made (preallocate)."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from kwire_codecs.records import batch as record_batch
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import DiskFull, LogConfig
from kwire_storage.files import Files
from kwire_storage.inspection.directory_check import DirectoryCheck
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.tail import TailBudget

from tests.storage.batches import batch, fill, offsets, read_all
from tests.storage.disks import TOPIC_ID, uuids

CONFIG = LogConfig(segment_bytes=1000, index_interval_bytes=100, preallocate=True)


class SmallDisk(Files):
    """Has room for `room` more bytes of reserved files; what does not fit takes a part of it all the same."""

    room = 1 << 40

    def reserve(self, descriptor: int, size: int) -> None:
        if size > self.room:
            super().reserve(descriptor, size // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().reserve(descriptor, size)


class Counting(Files):
    """Counts the bytes that are read."""

    count = 0

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        got = super().preadv(descriptor, buffers, position, nowait=nowait)
        self.count += got
        return got


def opened(
    path: Path, config: LogConfig = CONFIG, files: Files | None = None
) -> tuple[LogDirs, SegmentedLog]:
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids(), files=files, tails=TailBudget(0, 0))
    return dirs, dirs.open("topic", 0, TOPIC_ID, config)


def sizes(path: Path) -> dict[int, int]:
    """Of each segment's file, by base offset."""
    return {int(each.stem): each.stat().st_size for each in (path / "topic-0").glob("*.log")}


def last_file(path: Path) -> Path:
    return max((path / "topic-0").glob("*.log"))


def complaints(path: Path) -> list[str]:
    return [str(each) for each in DirectoryCheck(Files(), records=True).run([str(path)]) if not each.is_note]


def test_a_file_is_made_in_full_and_cut_to_what_it_holds_when_it_is_sealed_or_closed(tmp_path: Path) -> None:
    dirs, log = opened(tmp_path)
    fill(log, 20)
    assert len(log.segment_offsets) > 1
    *sealed, last = [*log.segment_offsets, log.log_end_offset]
    made = sizes(tmp_path)
    assert made.pop(sealed[-1]) == 1000
    held = {
        base: sum(
            header.size for _, header in record_batch.walk(read_all(log, base)) if header.base_offset < end
        )
        for base, end in zip(sealed, [*sealed[1:], last], strict=True)
    }
    assert made == {base: held[base] for base in sealed[:-1]}
    assert log.size_bytes == sum(held.values())
    dirs.close(clean=True)
    assert sizes(tmp_path) == held
    dirs, log = opened(tmp_path)
    assert offsets(log) == [(at, at) for at in range(20)]
    dirs.close(clean=True)


def test_the_space_is_there_before_it_is_written_to(tmp_path: Path) -> None:
    dirs, log = opened(tmp_path, replace(CONFIG, segment_bytes=1 << 20))
    fill(log, 1)
    assert last_file(tmp_path).stat().st_blocks * 512 >= 1 << 20
    dirs.close(clean=True)
    assert last_file(tmp_path).stat().st_blocks * 512 < 1 << 20


def test_what_is_altered_counts_from_the_next_segment_on(tmp_path: Path) -> None:
    dirs, log = opened(tmp_path, replace(CONFIG, preallocate=False))
    fill(log, 1)
    log.configure(CONFIG)
    fill(log, 1)
    assert sizes(tmp_path) == {0: log.size_bytes}
    log.roll(0)
    fill(log, 1)
    assert sizes(tmp_path)[2] == 1000
    log.configure(replace(CONFIG, preallocate=False))
    log.roll(0)
    fill(log, 1)
    assert sizes(tmp_path)[3] < 1000
    dirs.close(clean=True)


def test_after_a_kill_the_zeros_are_cut_off_and_nothing_is_said_to_be_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dirs, log = opened(tmp_path)
    fill(log, 20)
    dirs.close(clean=False)
    assert last_file(tmp_path).stat().st_size == 1000
    assert complaints(tmp_path) == []
    dirs, log = opened(tmp_path)
    assert offsets(log) == [(at, at) for at in range(20)]
    assert sum(sizes(tmp_path).values()) == log.size_bytes
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert list(tmp_path.rglob("*.damaged")) == []
    fill(log, 20)
    assert offsets(log) == [(at, at) for at in range(40)]
    dirs.close(clean=True)
    assert complaints(tmp_path) == []


def tears(data: bytes, end: int, first: int) -> Iterator[tuple[str, int, bytes]]:
    for position in range(first, end):
        yield "cut", position, data[:position]
        yield "zeros from", position, data[:position] + bytes(len(data) - position)
        yield "garbled", position, data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


def test_a_write_torn_at_any_byte_costs_that_batch_and_those_behind_it(tmp_path: Path) -> None:
    dirs, log = opened(tmp_path)
    fill(log, 9)
    dirs.close(clean=False)
    path = last_file(tmp_path)
    data = path.read_bytes()
    whole = list(record_batch.walk(data.rstrip(b"\0") + bytes(1)))
    base, end = int(path.stem), whole[-1][0] + whole[-1][1].size
    assert len(whole) > 1
    for how, position, torn in tears(data, end, whole[-2][0]):
        begun = max(at for at, _ in whole if at <= position)
        if how == "garbled" and position - begun in {*range(8), *range(12, 16)}:
            continue  # no checksum has these
        path.write_bytes(torn)
        kept = sum(1 for at, header in whole if torn[: at + header.size] == data[: at + header.size])
        dirs, log = opened(tmp_path)
        assert log.log_end_offset == base + kept, f"{how} {position}"
        dirs.close(clean=False)
        for damaged in tmp_path.rglob("*.damaged"):
            damaged.unlink()


def test_without_room_for_all_of_it_an_append_is_refused_and_takes_nothing(tmp_path: Path) -> None:
    disk = SmallDisk()
    dirs, log = opened(tmp_path, files=disk)
    fill(log, 1)
    log.roll(0)
    disk.room = 999
    for _ in range(3):
        with pytest.raises(DiskFull):
            log.append([batch(1)], 0)
        assert log.log_end_offset == 1
        assert sizes(tmp_path).get(1, 0) == 0
    assert offsets(log) == [(0, 0)]
    disk.room = 1000
    log.append([batch(1)], 0)
    assert offsets(log) == [(0, 0), (1, 1)]
    dirs.close(clean=False)
    dirs, log = opened(tmp_path)
    assert offsets(log) == [(0, 0), (1, 1)]
    dirs.close(clean=True)


def test_retention_of_everything_needs_no_room(tmp_path: Path) -> None:
    disk = SmallDisk()
    config = replace(CONFIG, retention_ms=1)
    dirs, log = opened(tmp_path, config, files=disk)
    fill(log, 3)
    disk.room = 0
    while log.retain(1 << 50):
        pass
    assert (log.log_start_offset, log.size_bytes) == (3, 0)
    dirs.close(clean=False)
    dirs, log = opened(tmp_path, config)
    assert log.log_end_offset == 3
    fill(log, 1)
    assert sizes(tmp_path)[3] == log.size_bytes or sizes(tmp_path)[3] == 1000
    dirs.close(clean=True)


def test_zeros_that_came_back_behind_a_sealed_segment_are_passed_over(tmp_path: Path) -> None:
    dirs, log = opened(tmp_path)
    fill(log, 20)
    first = log.segment_offsets[0]
    dirs.close(clean=True)
    path = tmp_path / "topic-0" / f"{first:020d}.log"
    path.write_bytes(path.read_bytes() + bytes(3000))
    for has_index in (True, False):
        if not has_index:
            path.with_suffix(".index").unlink()
        dirs, log = opened(tmp_path)
        found, at = list[int](), 0
        while at < 20:
            batches = offsets(log, at, 1)
            found.append(batches[0][0])
            at = batches[-1][1] + 1
        assert found == list(range(20))
        assert offsets(log) == [(at, at) for at in range(20)]
        dirs.close(clean=True)


def test_zeros_in_the_place_of_batches_before_another_segment_are_a_loss(tmp_path: Path) -> None:
    dirs, log = opened(tmp_path)
    fill(log, 20)
    second = log.segment_offsets[1]
    dirs.close(clean=False)
    path = tmp_path / "topic-0" / f"{0:020d}.log"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    dirs, log = opened(tmp_path)
    assert log.log_end_offset < second
    assert len(list(tmp_path.rglob("*.log.damaged"))) == len(list(tmp_path.rglob("*.damaged"))) > 0
    dirs.close(clean=False)


@pytest.mark.parametrize("is_hole", [False, True])
def test_room_that_was_never_written_is_not_read_after_a_kill(tmp_path: Path, is_hole: bool) -> None:
    config = replace(CONFIG, segment_bytes=100 << 20)
    dirs, log = opened(tmp_path, config)
    fill(log, 3)
    dirs.close(clean=False)
    if is_hole:  # as Kafka makes it
        os.truncate(last_file(tmp_path), 1000)
        os.truncate(last_file(tmp_path), 100 << 20)
    assert last_file(tmp_path).stat().st_size == 100 << 20
    with last_file(tmp_path).open("rb") as file:
        if (
            sum(behind - begin for begin, behind in Files().written_ranges(file.fileno(), 0, 100 << 20))
            > 10 << 20
        ):
            pytest.skip("the file system can't tell what was never written")
    files = Counting()
    dirs, log = opened(tmp_path, config, files)
    assert offsets(log) == [(at, at) for at in range(3)]
    dirs.close(clean=False)
    assert files.count < 20 << 20


def test_bytes_far_behind_what_was_never_written_are_seen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dirs, log = opened(tmp_path, replace(CONFIG, segment_bytes=10 << 20))
    fill(log, 3)
    dirs.close(clean=False)
    with last_file(tmp_path).open("r+b") as file:
        file.truncate(10 << 20)
        file.seek((10 << 20) - 5)
        file.write(b"x")
    dirs, log = opened(tmp_path)
    assert offsets(log) == [(at, at) for at in range(3)]
    assert "cut" in caplog.text or "bytes" in caplog.text
    dirs.close(clean=False)
