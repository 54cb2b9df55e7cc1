"""Whatever the index files say, records are found where they are: by offset, by time, the newest.

The reference is a naive scan over the records that were appended. Index files are garbled and deleted in
every way that a crash, a copy or a curious user leaves, after clean and unclean stops.
"""

import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import legacy
from kwire_codecs.records.batch import Record, TimestampType
from kwire_storage.directories.interface import LogDirectories
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, PartitionLog, ValidBatch
from kwire_storage.memory_dirs import MemoryDirs
from kwire_storage.segments.offset_index import OffsetIndex
from kwire_storage.segments.time_index import TimeIndex
from kwire_storage.tail import TailBudget

from tests.storage.batches import batch, marker, offsets
from tests.storage.disks import TOPIC_ID, uuids

SMALL = LogConfig(segment_bytes=1600, index_interval_bytes=100)
INDEXES = (".index", ".timeindex")

Times = dict[int, int]
"""The timestamp of each offset, as readers have it."""


def open_log(path: Path, config: LogConfig = SMALL) -> tuple[LogDirs, PartitionLog]:
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids(), tails=TailBudget(0, 0))
    return dirs, dirs.open("topic", 0, TOPIC_ID, config)


def times_in(data: bytes | memoryview | bytearray) -> Times:
    """What a consumer sees of a batch."""
    header = record_batch.read_header(data)
    return {record.offset: record.timestamp for record in record_batch.records(data, 0, header, 1 << 20)}


def check(log: PartitionLog, times: Times, asked: Sequence[int] | None = None) -> None:
    """Every lookup gives what a scan of `times` gives, from the log's start on."""
    start = log.log_start_offset
    records = sorted((offset, time) for offset, time in times.items() if offset >= start)
    for timestamp in asked if asked is not None else sorted({t + d for t in times.values() for d in (0, 1)}):
        if timestamp < 0:
            continue
        found = log.offset_for_timestamp(timestamp)
        expected = next(((time, offset) for offset, time in records if time >= timestamp), None)
        assert (found and found[:2]) == expected, f"the first record from {timestamp} on"
    newest = log.max_timestamp_offset()
    best = max((time for _, time in records), default=-1)
    expected = next(((time, offset) for offset, time in records if time == best >= 0), None)
    assert (newest and newest[:2]) == expected, "the newest record"
    for offset in times:
        if offset >= start:
            ((first, last),) = offsets(log, offset, 1)
            assert first <= offset <= last


def write_every_kind(log: PartitionLog) -> Times:
    """Batches that rise in time and fall, compressed or not, with the broker's time or none, of transactions,
    and converted from the old formats.
    """
    chance = random.Random(7)
    times: Times = {}

    def append(made: ValidBatch) -> None:
        log.append([made], 0)
        times.update(times_in(made.buffer))

    for at in range(60):
        end = log.log_end_offset
        kind = at % 6
        stamps = [chance.randrange(1000, 1000 + 40 * (at + 1)) for _ in range(1 + at % 3)]
        if kind == 0:
            append(batch(end, len(stamps), timestamps=sorted(stamps)))
        elif kind == 1:
            append(batch(end, len(stamps), timestamps=stamps, compression=1 + at // 6 % 4))
        elif kind == 2:
            stamped = {"timestamp_type": TimestampType.LOG_APPEND_TIME, "append_time_ms": 1000 + 30 * at}
            append(batch(end, len(stamps), timestamps=stamps, **stamped))  # type: ignore[arg-type]
        elif kind == 3:
            append(batch(end, 2, timestamps=[-1, -1]))
        elif kind == 4:
            fields = {"producer_id": 5, "producer_epoch": 0, "base_sequence": len(times) % 1000}
            made = batch(end, len(stamps), timestamps=stamps, is_transactional=True, **fields)  # type: ignore[arg-type]
            append(made)
            append(marker(log.log_end_offset, commit=at % 4 == 0, producer_id=5, producer_epoch=0))
        else:
            old = legacy.build([Record(b"k", b"v", stamp) for stamp in stamps], magic=at // 6 % 2)
            up = legacy.convert_up(old, 0, 1 << 20, base_offset=end)
            append(ValidBatch(memoryview(up), record_batch.read_header(up)))
    return times


def entries(path: Path) -> int:
    return 12 if path.suffix == ".timeindex" else 8


def zeros_behind(path: Path) -> None:
    """What a Kafka that was killed leaves: an index with the room that it is given ahead."""
    with path.open("r+b") as file:
        file.truncate(10 << 20)


def nothing_but_room(path: Path) -> None:
    path.write_bytes(b"")
    zeros_behind(path)


def shuffle(path: Path) -> None:
    size, data = entries(path), path.read_bytes()
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    path.write_bytes(b"".join(reversed(parts)))


def repeat(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def lose_the_last(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: -entries(path)])


def lose_the_first(path: Path) -> None:
    path.write_bytes(path.read_bytes()[entries(path) :])


def beyond(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x7f" * entries(path))


def positions_raised(path: Path) -> None:
    """Entries that rise as they should, and lie: by a byte, or an offset."""
    fields = struct.Struct(">qi" if path.suffix == ".timeindex" else ">ii")
    lied = [(first, second + 1) for first, second in fields.iter_unpack(path.read_bytes())]
    path.write_bytes(b"".join(fields.pack(*entry) for entry in lied))


def firsts_lowered(path: Path) -> None:
    """Likewise: each offset, or time, one too low."""
    fields = struct.Struct(">qi" if path.suffix == ".timeindex" else ">ii")
    lied = [(max(first - 1, 0), second) for first, second in fields.iter_unpack(path.read_bytes())]
    path.write_bytes(b"".join(fields.pack(*entry) for entry in lied))


def of_another(path: Path) -> None:
    """The index of the segment behind it, as a restore from the wrong backup has it."""
    others = sorted(other for other in path.parent.glob(f"*{path.suffix}") if other.name > path.name)
    path.write_bytes((others or [path])[0].read_bytes())


DAMAGES: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "half an entry": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a byte more": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "zeros behind, as Kafka has them": zeros_behind,
    "nothing but room": nothing_but_room,
    "the wrong way round": shuffle,
    "twice": repeat,
    "without its last entry": lose_the_last,
    "without its first entry": lose_the_first,
    "beyond the log": beyond,
    "places that lie": positions_raised,
    "names that lie": firsts_lowered,
    "of another segment": of_another,
    "negative": lambda path: path.write_bytes(b"\xff" * entries(path) + path.read_bytes()),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("clean", [True, False], ids=["clean stop", "kill"])
def test_wrong_indexes_cost_no_record(tmp_path: Path, damage: str, clean: bool) -> None:
    dirs, log = open_log(tmp_path)
    times = write_every_kind(log)
    check(log, times)
    dirs.close(clean=clean)
    if not clean and (tmp_path / "recovery-point-offset-checkpoint").exists():
        (tmp_path / "recovery-point-offset-checkpoint").unlink()
    folder = tmp_path / "topic-0"
    sealed = sorted(folder.glob("*.log"))[:-1]
    assert len(sealed) >= 3
    for suffixes in ((".index",), (".timeindex",), INDEXES):
        for suffix in suffixes:
            for path in sorted(folder.glob(f"*{suffix}")):
                if path.stat().st_size:
                    DAMAGES[damage](path)
        dirs, log = open_log(tmp_path)
        check(log, times)
        dirs.close(clean=True)
    # What was wrong has been written anew: what Kafka would now read is right.
    for path in sealed:
        base, size = int(path.stem), path.stat().st_size
        index = OffsetIndex.decode(path.with_suffix(".index").read_bytes(), base, size)
        assert index is not None
        assert path.with_suffix(".timeindex").stat().st_size % 12 == 0


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_that_goes_on_after_its_indexes_were_lost_is_indexed_on(tmp_path: Path, clean: bool) -> None:
    dirs, log = open_log(tmp_path, LogConfig(index_interval_bytes=100))
    times: Times = {}
    for _ in range(3):
        for _ in range(20):
            end = log.log_end_offset
            made = batch(end, 2, timestamps=[3000 - end, 1000 + end])
            log.append([made], 0)
            times |= times_in(made.buffer)
        dirs.close(clean=clean)
        for suffix in INDEXES:
            (tmp_path / "topic-0" / f"{0:020d}{suffix}").unlink(missing_ok=True)
        dirs, log = open_log(tmp_path, LogConfig(index_interval_bytes=100))
        check(log, times)
    dirs.close(clean=True)
    index = (tmp_path / "topic-0" / f"{0:020d}.index").read_bytes()
    assert len(index) // 8 > 20


def test_an_entry_that_lies_about_aborted_data_hides_none(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path, LogConfig(index_interval_bytes=0))
    for _ in range(5):
        log.append([batch(log.log_end_offset, 2)], 0)
    for at in range(4):
        made = batch(
            log.log_end_offset,
            2,
            producer_id=5,
            producer_epoch=0,
            base_sequence=2 * at,
            is_transactional=True,
        )
        log.append([made], 0)
    log.append([marker(log.log_end_offset, commit=False, producer_id=5, producer_epoch=0)], 0)
    dirs.close(clean=True)
    path = tmp_path / "topic-0" / f"{0:020d}.index"
    *entries, newest = struct.iter_unpack(">ii", path.read_bytes())
    lied = [*((at, position) for at, (_, position) in enumerate(entries)), newest]
    path.write_bytes(b"".join(struct.pack(">ii", *entry) for entry in lied))
    dirs, log = open_log(tmp_path)
    assert offsets(log, 10, 1) == [(10, 11)]
    found = log.read(10, 1)
    bound = log.bound_behind(10, found)
    assert bound >= 12
    assert len(log.aborted_transactions(10, bound)) == 1
    dirs.close(clean=True)


def test_an_index_that_goes_beyond_its_log_does_not_stop_what_is_appended(tmp_path: Path) -> None:
    config = LogConfig(index_interval_bytes=100)
    dirs, log = open_log(tmp_path, config)
    times: Times = {}
    append_shapes(log, [([5, 6], 0, False, 0)] * 8, times)
    dirs.close(clean=True)
    path = tmp_path / "topic-0" / f"{0:020d}.index"
    data = bytearray(path.read_bytes())
    struct.pack_into(">i", data, len(data) - 8, 9999)
    path.write_bytes(data)
    dirs, log = open_log(tmp_path, config)
    append_shapes(log, [([7, 8], 0, False, 0)] * 8, times)
    check(log, times)
    dirs.close(clean=True)


@pytest.mark.parametrize("offset", [3, 1 << 40, (1 << 63) - 1])
def test_a_last_batch_whose_offset_can_not_be_right_is_left_out(tmp_path: Path, offset: int) -> None:
    """The checksum does not cover it; and after a clean stop nobody looks at checksums."""
    dirs, log = open_log(tmp_path, LogConfig())
    times: Times = {}
    append_shapes(log, [([5, 6], 0, False, 0)] * 4, times)
    end = log.log_end_offset
    dirs.close(clean=True)
    path = tmp_path / "topic-0" / f"{0:020d}.log"
    data = path.read_bytes()
    moved = bytearray(batch(end, 1).buffer)
    struct.pack_into(">q", moved, 0, offset)
    path.write_bytes(data + moved)
    dirs, log = open_log(tmp_path, LogConfig())
    assert log.log_end_offset == end
    append_shapes(log, [([7, 8], 0, False, 0)] * 4, times)
    check(log, times)
    dirs.close(clean=True)


@pytest.mark.parametrize("engine", ["segments", "memory"])
def test_a_newest_record_below_the_log_start_does_not_count(tmp_path: Path, engine: str) -> None:
    dirs: LogDirectories
    if engine == "segments":
        dirs, log = open_log(tmp_path)
    else:
        dirs = MemoryDirs(node_id=1, new_uuid=uuids())
        log = dirs.open("topic", 0, TOPIC_ID, SMALL)
    log.append([batch(0, 3, timestamps=[90, 5, 7]), batch(3, 1, timestamps=[6])], 0)
    log.advance_log_start(1)
    newest = log.max_timestamp_offset()
    assert newest is not None
    assert newest[:2] == (7, 2)
    dirs.close(clean=False)


def test_the_newest_record_is_found_without_a_walk_through_its_segment(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path, LogConfig(segment_bytes=1 << 20, index_interval_bytes=100))
    times: Times = {}
    for at in range(400):
        made = batch(log.log_end_offset, 1, timestamps=[1000 + at])
        log.append([made], 0)
        times |= times_in(made.buffer)
    dirs.close(clean=True)
    dirs, log = open_log(tmp_path, LogConfig(segment_bytes=1 << 20, index_interval_bytes=100))
    decoded = 0
    walk = record_batch.iterate

    def counting(*arguments: object) -> object:
        nonlocal decoded
        decoded += 1
        return walk(*arguments)  # type: ignore[arg-type]

    record_batch.iterate = counting  # type: ignore[assignment]
    try:
        newest = log.max_timestamp_offset()
    finally:
        record_batch.iterate = walk
    assert newest is not None
    assert newest[:2] == (1399, 399)
    assert decoded == 1
    dirs.close(clean=True)


SHAPES = st.lists(
    st.tuples(
        st.lists(st.integers(-1, 60), min_size=1, max_size=4),
        st.sampled_from([0, 1, 3]),
        st.booleans(),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=25,
)


def append_shapes(log: PartitionLog, shapes: list[tuple[list[int], int, bool, int]], times: Times) -> None:
    for stamps, compression, by_broker, gap in shapes:
        made = batch(
            log.log_end_offset + gap,
            len(stamps),
            timestamps=stamps,
            compression=compression,
            timestamp_type=TimestampType.LOG_APPEND_TIME if by_broker else TimestampType.CREATE_TIME,
            append_time_ms=max(max(stamps), 0),
        )
        log.append([made], 0)
        times |= times_in(made.buffer)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    shapes=SHAPES,
    more=SHAPES,
    interval=st.sampled_from([0, 70, 200]),
    segment_bytes=st.sampled_from([200, 500, 1 << 20]),
    trimmed=st.floats(0, 1),
    clean=st.booleans(),
    lost=st.sampled_from(["", ".index", ".timeindex", "both"]),
)
def test_lookups_are_those_of_a_scan(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: list[tuple[list[int], int, bool, int]],
    more: list[tuple[list[int], int, bool, int]],
    interval: int,
    segment_bytes: int,
    trimmed: float,
    clean: bool,
    lost: str,
) -> None:
    path = tmp_path_factory.mktemp("model")
    config = LogConfig(segment_bytes=segment_bytes, index_interval_bytes=interval)
    dirs, log = open_log(path, config)
    memory: LogDirectories = MemoryDirs(node_id=1, new_uuid=uuids())
    same = memory.open("topic", 0, TOPIC_ID, config)
    times: Times = {}
    append_shapes(log, shapes, times)
    append_shapes(same, shapes, {})
    asked = range(62)
    check(log, times, asked)
    check(same, times, asked)
    start = round(trimmed * log.log_end_offset)
    log.advance_log_start(start)
    same.advance_log_start(start)
    check(log, times, asked)
    check(same, times, asked)
    dirs.close(clean=clean)
    for suffix in INDEXES if lost == "both" else [lost] if lost else []:
        for file in (path / "topic-0").glob(f"*{suffix}"):
            file.unlink()
    dirs, log = open_log(path, config)
    if clean:  # the log start is written down then at the latest
        assert log.log_start_offset == start
    check(log, times, asked)
    append_shapes(log, more, times)
    check(log, times, asked)
    dirs.close(clean=True)


@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 100))
def test_any_bytes_of_an_index_give_entries_or_none(data: bytes, log_size: int, base: int) -> None:
    offset_index = OffsetIndex.decode(data, base, log_size)
    if offset_index is not None and len(offset_index):
        assert offset_index.last[1] < log_size
        assert offset_index.lookup(1 << 40) == offset_index.last[1]
    time_index = TimeIndex.decode(data, base, log_size)
    if time_index is not None and len(time_index):
        assert time_index.last_before(1 << 62) == time_index.last or time_index.last[0] >= 1 << 62
