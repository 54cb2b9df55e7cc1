"""Segments on disk: when they roll, what is in their files, how they are found, cut and let go."""

import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import DiskFull, FileSlice, LogConfig, StorageError
from kwire_storage.files import Files
from kwire_storage.open_files import OpenFile, OpenFiles
from kwire_storage.segments import file_names
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.segments.offset_index import OffsetIndex
from kwire_storage.segments.time_index import TimeIndex
from kwire_storage.tail import TailBudget

from tests.storage.batches import batch, fill, offsets, offsets_in, read_all
from tests.storage.disks import TOPIC_ID, FailingDisk, sweep, uuids


def open_log(
    path: Path, config: LogConfig, *, tail: int = 0, max_open_files: int = 100, files: Files | None = None
) -> SegmentedLog:
    dirs = LogDirs(
        [str(path)],
        node_id=1,
        new_uuid=uuids(),
        tails=TailBudget(tail, tail),
        max_open_files=max_open_files,
        files=files or Files(),
    )
    return dirs.open("topic", 0, TOPIC_ID, config)


def names(path: Path, suffix: str) -> list[str]:
    return sorted(file.name for file in (path / "topic-0").glob(f"*{suffix}"))


# Rolling


def test_a_segment_rolls_before_it_would_grow_too_large(tmp_path: Path) -> None:
    size = len(batch(0).buffer)
    log = open_log(tmp_path, LogConfig(segment_bytes=3 * size))
    fill(log, 10)
    assert log.segment_offsets == [0, 3, 6, 9]
    assert names(tmp_path, ".log") == [f"{base:020d}.log" for base in (0, 3, 6, 9)]
    assert {file.stat().st_size for file in (tmp_path / "topic-0").glob("*.log")} == {3 * size, size}


def test_an_append_larger_than_a_segment_has_one_of_its_own(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(segment_bytes=200))
    fill(log, 1)
    fill(log, 1, value=b"x" * 1000)
    fill(log, 1)
    assert log.segment_offsets == [0, 1, 2]


def test_an_append_of_many_batches_stays_together(tmp_path: Path) -> None:
    size = len(batch(0).buffer)
    log = open_log(tmp_path, LogConfig(segment_bytes=3 * size))
    fill(log, 2)
    log.append([batch(2), batch(3)], 0)
    assert log.segment_offsets == [0, 2]


def test_a_segment_rolls_when_its_records_span_segment_ms(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(segment_ms=100))
    for timestamp in (500, 550, 600, 601, 650, 702):
        log.append([batch(log.log_end_offset, timestamps=[timestamp])], 10**9)
    assert log.segment_offsets == [0, 3, 5]


def test_settings_that_make_segments_smaller_or_shorter_count_at_once(tmp_path: Path) -> None:
    size = len(batch(0).buffer)
    log = open_log(tmp_path, LogConfig())
    fill(log, 5)
    log.configure(LogConfig(segment_bytes=3 * size))
    fill(log, 4)
    assert log.segment_offsets == [0, 5, 8]
    log.configure(LogConfig(segment_ms=0))
    fill(log, 2)
    assert log.segment_offsets == [0, 5, 8, 9, 10]


def test_the_first_timestamp_is_remembered_over_a_restart(tmp_path: Path) -> None:
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
    log = dirs.open("topic", 0, TOPIC_ID, LogConfig(segment_ms=100))
    log.append([batch(0, timestamps=[500])], 0)
    dirs.close(clean=True)
    log = open_log(tmp_path, LogConfig(segment_ms=100))
    log.append([batch(1, timestamps=[600])], 0)
    log.append([batch(2, timestamps=[601])], 0)
    assert log.segment_offsets == [0, 2]


def test_records_without_time_roll_by_the_brokers(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(segment_ms=100))
    for now_ms in (1000, 1100, 1101, 1102):
        log.append([batch(log.log_end_offset, timestamps=[-1])], now_ms)
    assert log.segment_offsets == [0, 2]


def test_an_empty_segment_does_not_grow_old(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(segment_ms=100))
    fill(log, 1)
    log.roll(0)
    log.append([batch(1, timestamps=[1 << 40])], 1 << 40)
    assert log.segment_offsets == [0, 1]
    log.roll(0)
    log.roll(0)
    assert log.segment_offsets == [0, 1, 2]


def test_jitter_rolls_earlier_never_later(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(segment_ms=1000, segment_jitter_ms=900))
    for timestamp in range(0, 5000, 10):
        log.append([batch(log.log_end_offset, timestamps=[timestamp])], 0)
    rolled = [b - a for a, b in zip(log.segment_offsets, log.segment_offsets[1:], strict=False)]
    assert all(10 <= count <= 101 for count in rolled)
    assert len(set(rolled)) > 1


@pytest.mark.parametrize("entries", [1, 2, 5])
def test_a_segment_rolls_when_an_index_is_full(tmp_path: Path, entries: int) -> None:
    log = open_log(tmp_path, LogConfig(index_interval_bytes=0, segment_index_bytes=12 * (entries + 1)))
    fill(log, 30)
    assert len(log.segment_offsets) > 1
    log.close(clean=True)
    for file in (tmp_path / "topic-0").glob("*index"):
        assert file.stat().st_size <= 12 * (entries + 1)


def test_a_segment_rolls_when_offsets_no_longer_fit_32_bits(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig())
    log.append([batch(7, timestamps=[1])], 0)
    log.append([batch(0x7FFFFFFF, timestamps=[1])], 0)
    assert log.segment_offsets == [0]
    log.append([batch(0x80000000, timestamps=[1])], 0)
    assert log.segment_offsets == [0, 0x80000000]
    log.append([batch(1 << 50, timestamps=[1])], 0)
    assert log.segment_offsets[2:] == [(1 << 50) - 0x7FFFFFFF]


def test_settings_take_effect_at_once(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig())
    fill(log, 5)
    log.configure(LogConfig(segment_bytes=100))
    fill(log, 3)
    assert log.segment_offsets == [0, 5, 6, 7]


# Files


def test_the_files_are_kafkas(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(index_interval_bytes=100))
    size = len(batch(0, 2, timestamps=[500, 1]).buffer)
    for timestamp in (500, 700, 600, 650, 900):
        log.append([batch(log.log_end_offset, 2, timestamps=[timestamp, 1])], 0)
    log.close(clean=True)
    folder = tmp_path / "topic-0"
    assert sorted(file.name for file in folder.iterdir()) == [
        "00000000000000000000.index",
        "00000000000000000000.log",
        "00000000000000000000.timeindex",
        "leader-epoch-checkpoint",
        "partition.metadata",
    ]
    assert (folder / "00000000000000000000.log").read_bytes() == read_all(open_log_again(tmp_path))
    # Kafka: an entry for the first batch that begins more than index.interval.bytes behind the last one.
    assert (folder / "00000000000000000000.index").read_bytes() == struct.pack(
        ">iiii", 5, 2 * size, 9, 4 * size
    )
    assert (folder / "00000000000000000000.timeindex").read_bytes() == struct.pack(">qiqi", 700, 3, 900, 9)
    assert (folder / "leader-epoch-checkpoint").read_text() == "0\n1\n0 0\n"
    assert (folder / "partition.metadata").read_text() == "version: 0\ntopic_id: AAAAAAAAQACAAAAAAAC-7w\n"


def open_log_again(path: Path) -> SegmentedLog:
    (path / ".lock").unlink()  # the first is still held, by nobody any more
    return open_log(path, LogConfig())


@pytest.mark.parametrize(
    "name", ["0.log", "00000000000000000000.log.deleted", "x.log", "00000000000000000000.LOG"]
)
def test_other_names_are_no_segments(name: str) -> None:
    assert file_names.parse_segment_file(name) is None


# Indexes


def test_an_offset_index_finds_the_entry_at_or_below() -> None:
    index = OffsetIndex(100)
    assert index.lookup(500) == 0
    for entry in ((110, 10), (120, 20), (130, 30)):
        index.append(*entry)
    assert [index.lookup(offset) for offset in (0, 100, 109, 110, 119, 120, 1 << 50)] == [
        0,
        0,
        0,
        10,
        10,
        20,
        30,
    ]
    assert [index.position_at_or_before(at) for at in (0, 9, 10, 29, 30, 1 << 40)] == [0, 0, 10, 20, 30, 30]
    assert index.last == (130, 30)
    index.truncate(120)
    assert index.last == (110, 10)


@pytest.mark.parametrize("entry", [(99, 50), (110, 50), (120, 10), (100 + (1 << 31), 50)])
def test_an_offset_index_only_rises(entry: tuple[int, int]) -> None:
    index = OffsetIndex(100)
    index.append(110, 10)
    with pytest.raises(ValueError, match=r"follow|can't be held"):
        index.append(*entry)


def test_a_time_index_takes_only_newer_times() -> None:
    index = TimeIndex(100)
    assert index.last == (-1, 100)
    for entry in ((5, 101), (5, 102), (4, 103), (9, 104)):
        index.maybe_append(*entry)
    found = [index.last_before(time) for time in (4, 5, 6, 9, 10)]
    assert found == [None, None, (5, 101), (5, 101), (9, 104)]
    index.truncate(104)
    assert index.last == (5, 101)


ENTRIES = st.lists(st.tuples(st.integers(1, 2**31 - 2), st.integers(1, 2**31 - 2)), max_size=20)


@given(ENTRIES, st.integers(0, 2**62))
def test_indexes_survive_their_files(entries: list[tuple[int, int]], base: int) -> None:
    rising = list(zip(sorted({a for a, _ in entries}), sorted({b for _, b in entries}), strict=False))
    offset_index, time_index = OffsetIndex(base), TimeIndex(base)
    for offset, value in rising:
        offset_index.append(base + offset, value)
        time_index.maybe_append(value, base + offset)
    again = OffsetIndex.decode(offset_index.encode(), base, 2**31)
    assert again is not None
    assert again.encode() == offset_index.encode()
    assert again.last == offset_index.last
    times = TimeIndex.decode(time_index.encode(), base, 0)
    assert times is not None
    assert times.last == time_index.last


@given(st.binary(max_size=120), st.integers(0, 2**31))
def test_any_bytes_are_an_index_or_none(data: bytes, log_size: int) -> None:
    offset_index = OffsetIndex.decode(data, 0, log_size)
    assert offset_index is None or offset_index.encode() == data
    time_index = TimeIndex.decode(data, 0, log_size)
    assert time_index is None or time_index.encode() == data


def test_a_segment_that_is_no_log_says_where(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(segment_bytes=300))
    fill(log, 10)
    segment = min((tmp_path / "topic-0").glob("*.log"))
    data = bytearray(segment.read_bytes())
    struct.pack_into(">i", data, 8, 1 << 30)
    segment.write_bytes(data)
    with pytest.raises(StorageError, match=rf"{segment.name} has no whole batch at byte 0"):
        log.read(0, 1000)
    assert offsets(log, 5)[0] == (4, 5) or offsets(log, 5)[0] == (5, 5)


@pytest.mark.slow
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_in_a_segment_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any")
    folder = path / "topic-0"
    folder.mkdir()
    (folder / f"{0:020d}.log").write_bytes(data)
    (path / ".kafka_cleanshutdown").write_text("{}")
    log = open_log(path, LogConfig())
    assert log.log_end_offset >= 0
    log.read(log.log_start_offset, 1000)
    fill(log, 1)
    log.close(clean=True)


# Slices


def test_slices_outlive_truncation_trimming_and_deletion(tmp_path: Path) -> None:
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids(), tails=TailBudget(0, 0))
    log = dirs.open("topic", 0, TOPIC_ID, LogConfig(segment_bytes=400))
    fill(log, 20)
    expected = read_all(log)
    parts = log.read(0, 1 << 20).parts
    assert len(parts) > 3
    assert all(isinstance(part, FileSlice) for part in parts)
    log.truncate_to(14)
    fill(log, 6, value=b"other")
    log.advance_log_start(9)
    dirs.delete("topic", 0)
    sweep(dirs)
    dirs.close(clean=True)
    assert b"".join(map(log.read_bytes, parts)) == expected


def test_a_slice_can_be_cut(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig())
    fill(log, 3)
    (part,) = log.read(0, 1 << 20).parts
    assert isinstance(part, FileSlice)
    whole = part.read()
    assert part.part(5, 20).read() == whole[5:25]
    assert part.try_read() in (None, whole)
    with pytest.raises(ValueError, match="not within a slice"):
        part.part(len(whole) - 5, 6)


def test_newest_batches_come_from_memory_older_ones_from_files(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(), tail=100_000)
    fill(log, 40, value=b"x" * 10_000)
    assert isinstance(log.read(0, 100).parts[0], FileSlice)
    newest = log.read(38, 1 << 20)
    assert all(isinstance(part, memoryview) for part in newest.parts)
    assert offsets(log, 38) == [(38, 38), (39, 39)]


def test_small_batches_are_handed_out_together(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(), tail=1 << 20)
    fill(log, 200)
    assert len(log.read(0, 1 << 20).parts) <= 4


def test_all_logs_together_keep_within_the_budget(tmp_path: Path) -> None:
    tails = TailBudget(log_bytes=20000, total_bytes=50000)
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids(), tails=tails)
    logs = [dirs.open("topic", at, TOPIC_ID, LogConfig()) for at in range(10)]
    for _ in range(8):
        for log in logs:
            fill(log, 1, value=b"x" * 3000)
            assert tails.charged_bytes <= 50000
    assert isinstance(logs[0].read(0, 100).parts[0], FileSlice)
    assert isinstance(logs[9].read(7, 100).parts[0], memoryview)
    dirs.close(clean=False)
    assert tails.charged_bytes == 0


def test_the_log_appended_to_the_longest_ago_gives_up_its_batches(tmp_path: Path) -> None:
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids(), tails=TailBudget(24000, 24000))
    first, second, third = (dirs.open("topic", at, TOPIC_ID, LogConfig()) for at in range(3))
    for log in (first, second, first, third):
        fill(log, 1, value=b"x" * 5000)
    assert isinstance(second.read(0, 100).parts[0], FileSlice)
    assert isinstance(first.read(1, 100).parts[0], memoryview)
    dirs.close(clean=False)


def test_a_frame_is_not_kept_alive_by_a_small_batch(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(), tail=1 << 20)
    made = batch(0, value=b"x" * 40000)
    frame = bytearray(1 << 19)
    frame[: len(made.buffer)] = made.buffer
    log.append([made._replace(buffer=memoryview(frame)[: len(made.buffer)])], 0)
    part = log.read(0, 100).parts[0]
    assert isinstance(part, memoryview)
    assert part.obj is not frame
    large = batch(1, value=b"x" * 40000)
    log.append([large], 0)
    part = log.read(1, 100).parts[0]
    assert isinstance(part, memoryview)
    assert part.obj is large.buffer.obj


# Open files


def test_open_files_are_bounded_and_pinned_ones_stay_open(tmp_path: Path) -> None:
    open_files = OpenFiles(Files(), limit=3)
    made = [OpenFile(str(tmp_path / str(at)), open_files) for at in range(9)]
    for file in made:
        file.descriptor(create=True)
        assert len(open_files) <= 3
    slices = [FileSlice(file, 0, 0) for file in made]
    assert len(open_files) == 9
    assert len({part.descriptor for part in slices}) == 9
    slices.clear()
    FileSlice(made[0], 0, 0)
    for file in made:
        file.close()
    assert len(open_files) == 0


def test_many_logs_work_with_few_open_files(tmp_path: Path) -> None:
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids(), max_open_files=2, tails=TailBudget(0, 0))
    logs = [dirs.open("topic", at, TOPIC_ID, LogConfig(segment_bytes=200)) for at in range(20)]
    for _ in range(5):
        for log in logs:
            fill(log, 1)
    for log in logs:
        assert offsets(log) == [(at, at) for at in range(5)]
    dirs.close(clean=True)


# Flushing in three steps


def test_a_flush_is_planned_worked_and_committed(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(segment_bytes=200))
    assert log.plan_flush() is None
    fill(log, 5)
    plan = log.plan_flush()
    assert plan is not None
    plan.work()
    fill(log, 2)
    log.commit_flush(plan)
    assert log.recovery_point == 5
    log.flush()
    assert log.recovery_point == 7
    assert log.plan_flush() is None


def test_a_flush_that_a_truncation_overtook_counts_for_nothing(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogConfig(segment_bytes=200))
    fill(log, 5)
    plan = log.plan_flush()
    assert plan is not None
    log.truncate_to(3)
    fill(log, 4, value=b"other")
    plan.work()
    log.commit_flush(plan)
    assert log.recovery_point == 0


def test_a_log_start_that_can_not_be_written_down_is_written_the_next_time(tmp_path: Path) -> None:
    disk = FailingDisk()
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids(), files=disk)
    log = dirs.open("topic", 0, TOPIC_ID, LogConfig())
    fill(log, 5)
    disk.bytes_left = 0
    log.advance_log_start(3)
    for _ in range(2):
        with pytest.raises(DiskFull, match="log-start-offset-checkpoint"):
            dirs.save_log_starts()
    disk.bytes_left = 1 << 60
    dirs.save_log_starts()
    dirs.close(clean=False)
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
    assert dirs.open("topic", 0, TOPIC_ID, LogConfig()).log_start_offset == 3
    dirs.close(clean=False)


# Readers who go on from where they were


class CountingDisk(Files):
    """Counts what is read."""

    reads = 0

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        self.reads += 1
        return super().preadv(descriptor, buffers, position, nowait=nowait)


def read_through(log: SegmentedLog, max_bytes: int, offset: int = 0) -> Iterator[bytes]:
    """What a reader gets who asks for what follows until there is no more."""
    while offset < log.log_end_offset:
        data = read_all(log, offset, max_bytes)
        yield data
        offset = offsets_in(data)[-1][1] + 1


def test_a_reader_who_goes_on_has_each_header_read_once(tmp_path: Path) -> None:
    disk = CountingDisk()
    log = open_log(tmp_path, LogConfig(), files=disk)
    fill(log, 20, each=2, value=bytes(10_000))
    reads = []
    for offset in range(0, 40, 2):
        before = disk.reads
        assert log.read(offset, 25_000).size
        reads.append(disk.reads - before)
    assert set(reads[1:-1]) == {1}


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    others=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    steps=st.lists(st.integers(1, 1500), min_size=1, max_size=3),
    cut=st.integers(0, 12),
)
def test_readers_who_go_on_get_what_there_is_after_a_cut_too(
    sizes: list[int], others: list[int], steps: list[int], cut: int
) -> None:
    with tempfile.TemporaryDirectory() as path:
        log = open_log(Path(path), LogConfig(index_interval_bytes=300))
        for size in sizes:
            fill(log, 1, each=2, value=bytes(size))
        for step in steps:
            assert b"".join(read_through(log, step)) == read_all(log, 0)
        log.truncate_to(min(2 * cut, log.log_end_offset))
        kept = read_all(log, 0)
        for size in others:
            fill(log, 1, each=2, value=b"o" * size)
        whole = read_all(log, 0)
        assert whole.startswith(kept)
        assert whole.count(b"o") >= sum(others) * 2
        for step in steps:
            for offset in range(0, log.log_end_offset, 2):
                assert whole.endswith(b"".join(read_through(log, step, offset)))
        log.close(clean=False)
