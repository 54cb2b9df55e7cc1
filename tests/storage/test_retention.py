"""Old and surplus segments go, from the oldest on, and nothing else does; their files a while later."""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import FileSlice, LogConfig, StorageError
from kwire_storage.files import Files
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.segments.retention import MOST_AT_ONCE, segments_to_delete
from kwire_storage.segments.time_index import last_timestamp
from kwire_storage.tail import TailBudget

from tests.storage.batches import batch, fill, offsets, read_all, retain
from tests.storage.disks import TOPIC_ID, sweep, uuids

EACH = LogConfig(segment_bytes=1, retention_ms=-1, file_delete_delay_ms=1000)
"""A segment for each batch."""


@dataclass
class Facts:
    size: int
    end_offset: int
    newest: int

    def newest_ms(self) -> int:
        return self.newest


THREE = [Facts(100, 10, 1000), Facts(100, 20, 2000), Facts(50, 30, 3000)]


@pytest.mark.parametrize(
    ("retention_ms", "now_ms", "gone"),
    [
        (500, 1500, 0),
        (500, 1501, 1),
        (500, 2501, 2),
        (500, 99999, 3),
        (0, 1000, 0),
        (0, 1001, 1),
        (-1, 1 << 60, 0),
    ],
)
def test_by_age(retention_ms: int, now_ms: int, gone: int) -> None:
    config = LogConfig(retention_ms=retention_ms)
    assert segments_to_delete(THREE, config, now_ms, limit=30) == gone


@pytest.mark.parametrize(
    ("retention_bytes", "gone"),
    [(-1, 0), (251, 0), (250, 0), (151, 0), (150, 1), (51, 1), (50, 2), (1, 2), (0, 3)],
)
def test_by_size(retention_bytes: int, gone: int) -> None:
    config = LogConfig(retention_ms=-1, retention_bytes=retention_bytes)
    assert segments_to_delete(THREE, config, 0, limit=30) == gone


@pytest.mark.parametrize(
    ("log_start_offset", "gone"), [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (29, 2), (30, 2)]
)
@pytest.mark.parametrize("deletes", [True, False])
def test_by_the_log_start(log_start_offset: int, gone: int, deletes: bool) -> None:
    config = LogConfig(retention_ms=-1)
    found = segments_to_delete(THREE, config, 0, limit=30, log_start_offset=log_start_offset, deletes=deletes)
    assert found == gone


@pytest.mark.parametrize(("limit", "gone"), [(30, 3), (29, 2), (20, 2), (19, 1), (10, 1), (9, 0)])
def test_nothing_beyond_the_high_watermark(limit: int, gone: int) -> None:
    by_age = LogConfig(retention_ms=0)
    by_size = LogConfig(retention_ms=-1, retention_bytes=0)
    for config in (by_age, by_size):
        assert segments_to_delete(THREE, config, 1 << 40, limit=limit) == gone


def test_a_young_segment_keeps_what_follows_it() -> None:
    segments = [Facts(1, 1, 5000), Facts(1, 2, 0)]
    assert segments_to_delete(segments, LogConfig(retention_ms=100), 5000, limit=2) == 0


def test_what_size_has_freed_age_goes_on_from() -> None:
    segments = [Facts(100, 1, 5000), Facts(100, 2, 0), Facts(100, 3, 5000)]
    config = LogConfig(retention_ms=100, retention_bytes=200)
    assert segments_to_delete(segments, config, 5000, limit=3) == 2


def test_an_empty_segment_goes_unless_it_is_the_last() -> None:
    segments = [Facts(0, 1, 0), Facts(5, 2, 0), Facts(0, 2, 0)]
    assert segments_to_delete(segments, LogConfig(retention_ms=0), 1 << 40, limit=2) == 2


def test_nobody_asks_for_an_age_that_does_not_matter() -> None:
    class Ageless(Facts):
        def newest_ms(self) -> int:
            raise AssertionError("a file would have been read")

    segments = [Facts(1, 1, 5000), Ageless(1, 2, 0)]
    assert segments_to_delete(segments, LogConfig(retention_ms=100), 5000, limit=2) == 0
    assert segments_to_delete([Ageless(1, 1, 0)], LogConfig(retention_ms=100), 5000, limit=0) == 0


@given(
    sizes=st.lists(st.integers(1, 5), max_size=6),
    ages=st.lists(st.integers(0, 5), min_size=6, max_size=6),
    retention_ms=st.integers(-1, 5),
    retention_bytes=st.integers(-1, 20),
    limit=st.integers(0, 6),
    log_start=st.integers(0, 6),
)
def test_it_is_what_kafkas_three_rounds_come_to(
    sizes: list[int], ages: list[int], retention_ms: int, retention_bytes: int, limit: int, log_start: int
) -> None:
    segments = [Facts(size, at + 1, age) for at, (size, age) in enumerate(zip(sizes, ages, strict=False))]
    left = list(segments)

    def go(condition: Iterator[bool]) -> None:
        for decided in condition:
            if not decided or left[0].end_offset > limit:
                return
            left.pop(0)

    # Each looks at what the one before has left (UnifiedLog.deleteOldSegments).
    go(iter([each.end_offset <= log_start for each in segments[:-1]]))
    if retention_bytes >= 0:
        go(sum(each.size for each in left) - retention_bytes >= left[0].size for _ in list(left))
    if retention_ms >= 0:
        go(5 - each.newest > retention_ms for each in list(left))
    config = LogConfig(retention_ms=retention_ms, retention_bytes=retention_bytes)
    found = segments_to_delete(segments, config, 5, limit=limit, log_start_offset=log_start)
    assert len(segments) - found == len(left)


# A log on disk


def open_log(
    path: Path, config: LogConfig = EACH, files: Files | None = None
) -> tuple[LogDirs, SegmentedLog]:
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids(), files=files, tails=TailBudget(0, 0))
    return dirs, dirs.open("topic", 0, TOPIC_ID, config)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in (path / "topic-0").iterdir())


def test_a_log_lets_go_of_its_oldest_segments_and_goes_on(tmp_path: Path) -> None:
    config = LogConfig(segment_bytes=300, retention_ms=-1, retention_bytes=400)
    dirs, log = open_log(tmp_path, config)
    fill(log, 20)
    bases = log.segment_offsets
    start = retain(log, 0)
    assert start == log.log_start_offset == log.segment_offsets[0]
    assert log.segment_offsets == bases[-len(log.segment_offsets) :]
    assert 400 <= log.size_bytes < 400 + 300
    log.configure(LogConfig(segment_bytes=300, retention_ms=10))
    assert retain(log, 1 << 40) == 20
    assert log.size_bytes == 0
    log.append([batch(20)], 0)
    dirs.close(clean=True)
    dirs, log = open_log(tmp_path, config)
    assert log.log_start_offset == 20
    assert offsets(log) == [(20, 20)]
    dirs.close(clean=False)


def test_a_removed_segments_files_are_renamed_and_unlinked_after_the_delay(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path)
    fill(log, 3)
    expected = read_all(log, max_bytes=200)
    parts = log.read(0, 200).parts
    assert all(isinstance(part, FileSlice) for part in parts)
    log.configure(replace(EACH, retention_bytes=log.size_bytes // 3 * 2))
    assert retain(log, 0) == 1
    assert sweep(dirs, 50) == 0
    assert [name for name in names(tmp_path) if name.startswith("0" * 20)] == [
        f"{0:020}{suffix}.deleted" for suffix in (".index", ".log", ".timeindex")
    ]
    assert sweep(dirs, 1049) == 0
    assert sweep(dirs, 1050) == 3
    assert not [name for name in names(tmp_path) if name.startswith("0" * 20)]
    assert b"".join(map(log.read_bytes, parts)) == expected
    dirs.close(clean=False)


def test_what_was_to_be_unlinked_goes_at_the_next_start(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path)
    fill(log, 3)
    log.advance_log_start(2)
    assert any(name.endswith(".deleted") for name in names(tmp_path))
    dirs.close(clean=False)
    dirs, log = open_log(tmp_path)
    assert not any(name.endswith(".deleted") for name in names(tmp_path))
    assert offsets(log) == [(2, 2)]
    dirs.close(clean=False)


def test_an_old_log_of_many_segments_goes_some_at_a_time(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path)
    fill(log, 2 * MOST_AT_ONCE + 3)
    log.configure(replace(EACH, retention_ms=0))
    assert log.retain(1 << 40)
    assert log.log_start_offset == log.segment_offsets[0] == MOST_AT_ONCE
    assert log.retain(1 << 40)
    assert not log.retain(1 << 40)
    assert log.log_start_offset == log.log_end_offset == 2 * MOST_AT_ONCE + 3
    dirs.close(clean=False)


@pytest.mark.parametrize("deletes", [True, False])
def test_what_lies_far_below_the_log_start_goes_bit_by_bit(tmp_path: Path, deletes: bool) -> None:
    dirs, log = open_log(tmp_path)
    fill(log, 2 * MOST_AT_ONCE + 3)
    log.advance_log_start(2 * MOST_AT_ONCE + 1)
    dirs.save_log_starts()
    assert log.segment_offsets[0] == MOST_AT_ONCE
    dirs.close(clean=False)
    dirs, log = open_log(tmp_path)
    assert log.log_start_offset == 2 * MOST_AT_ONCE + 1
    assert log.segment_offsets[0] == MOST_AT_ONCE
    retain(log, 0, deletes=deletes)
    assert log.log_start_offset == log.segment_offsets[0] == 2 * MOST_AT_ONCE + 1
    assert offsets(log) == [(2 * MOST_AT_ONCE + 1,) * 2, (2 * MOST_AT_ONCE + 2,) * 2]
    dirs.close(clean=False)


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_that_let_go_of_everything_ends_where_it_did(tmp_path: Path, clean: bool) -> None:
    dirs, log = open_log(tmp_path, replace(EACH, retention_ms=0))
    fill(log, 5)
    assert retain(log, 1 << 40) == 5
    # Another log's start is written down: that of this one is known by its file only.
    other = dirs.open("other", 0, TOPIC_ID, EACH)
    other.append([batch(0, 3)], 0)
    other.advance_log_start(1)
    dirs.save_log_starts()
    dirs.close(clean=clean)
    _, log = open_log(tmp_path)
    assert (log.log_start_offset, log.log_end_offset) == (5, 5)


# How old a segment is


def sealed(
    path: Path, timestamps: Sequence[int], damage: bytes | None = None
) -> tuple[LogDirs, SegmentedLog]:
    """A log that was stopped and started, with a segment for each timestamp and one more."""
    dirs, log = open_log(path)
    for timestamp in timestamps:
        log.append([batch(log.log_end_offset, timestamps=[timestamp])], 0)
    fill(log, 1)
    dirs.close(clean=True)
    if damage is not None:
        (path / "topic-0" / f"{0:020}.timeindex").write_bytes(damage)
    return open_log(path)


@pytest.mark.parametrize(
    "damage",
    [None, b"", b"\0" * 24, b"\0" * 5, b"\xff" * 12, struct.pack(">qi", 5, 0)],
    ids=["right", "empty", "zeros", "cut", "negative", "too old"],
)
def test_the_age_is_the_newest_records_even_where_the_time_index_is_wrong(
    tmp_path: Path, damage: bytes | None
) -> None:
    dirs, log = sealed(tmp_path, [5000, 9000], damage)
    log.configure(replace(EACH, retention_ms=100))
    assert retain(log, 5100) == 0
    assert retain(log, 5101) == 1
    dirs.close(clean=False)


def test_zeros_at_the_end_of_a_time_index_are_no_age(tmp_path: Path) -> None:
    path = tmp_path / "0.timeindex"
    for content, expected in (
        (struct.pack(">qi", 5, 3), 5),
        (struct.pack(">qiqi", 5, 3, 6, 4), 6),
        (struct.pack(">qiqi", 5, 3, 0, 0), None),
        (bytes(24), None),
        (b"", None),
    ):
        path.write_bytes(content)
        assert last_timestamp(Files(), str(path)) == expected
    assert last_timestamp(Files(), str(tmp_path / "none")) is None


def test_without_timestamps_the_files_own_time_counts(tmp_path: Path) -> None:
    dirs, log = sealed(tmp_path, [-1, 9000])
    os.utime(tmp_path / "topic-0" / f"{0:020}.log", (7, 7))
    log.configure(replace(EACH, retention_ms=100))
    assert retain(log, 7100) == 0
    assert retain(log, 7101) == 1
    dirs.close(clean=False)


def test_a_last_segment_without_timestamps_is_as_old_as_its_last_write(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path, LogConfig(retention_ms=100))
    for second in (7, 9):
        log.append([batch(log.log_end_offset, timestamps=[-1])], 0)
        os.utime(tmp_path / "topic-0" / f"{0:020}.log", (second, second))
        assert retain(log, second * 1000 + 100) == 0
    assert retain(log, 9101) == 2
    dirs.close(clean=False)


def test_ages_are_read_in_a_thread_and_asked_for_once(tmp_path: Path) -> None:
    dirs, log = sealed(tmp_path, [5000] * 3)
    log.configure(replace(EACH, retention_ms=100))
    job = log.plan_ages()
    assert job is not None
    job.work()
    assert log.plan_ages() is None
    assert len(log.segment_offsets) == 4
    dirs.close(clean=False)


def test_a_disk_that_does_not_let_go_keeps_the_segment_in_the_log(tmp_path: Path) -> None:
    class Keeping(Files):
        keeps = True

        def rename(self, old: str, new: str) -> None:
            if self.keeps and old.endswith(".log"):
                raise OSError(13, "no")
            super().rename(old, new)

    disk = Keeping()
    dirs, log = open_log(tmp_path, files=disk)
    fill(log, 3)
    with pytest.raises(StorageError, match=r"removing .*\.log failed"):
        log.advance_log_start(2)
    assert log.segment_offsets == [0, 1, 2]
    disk.keeps = False
    retain(log, 0)
    assert log.segment_offsets == [2]
    assert offsets(log) == [(2, 2)]
    dirs.close(clean=False)


def test_a_log_whose_oldest_segment_the_disk_keeps_starts_there(tmp_path: Path) -> None:
    class Keeping(Files):
        keeps = 1

        def rename(self, old: str, new: str) -> None:
            if old.endswith(f"{self.keeps}.log"):
                raise OSError(12, "no")
            super().rename(old, new)

    disk = Keeping()
    dirs, log = open_log(tmp_path, files=disk)
    fill(log, 4)
    log.configure(replace(log.config, retention_bytes=log.size_bytes // 4))
    with pytest.raises(StorageError, match=r"removing .*1\.log failed"):
        retain(log, 0)
    assert log.segment_offsets == [1, 2, 3]
    assert log.log_start_offset == 1, "else it would fall after a kill"
    assert [entry.start_offset for entry in log.epochs.entries()] == [1]
    disk.keeps = -1
    retain(log, 0)
    assert log.log_start_offset == 3
    dirs.close(clean=False)
