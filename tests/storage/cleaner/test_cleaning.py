"""What compaction keeps of a log, and what it does not."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kwire_codecs.records.batch import Compression, TimestampType
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, StorageError
from kwire_storage.segments.compaction import CleaningResources
from kwire_storage.segments.log import SegmentedLog

from tests.storage.batches import read_all
from tests.storage.cleaner.logs import (
    CONFIG,
    compact,
    end_transaction,
    headers,
    limit,
    open_dirs,
    open_log,
    pairs,
    records,
    roll_and_compact,
    run,
    write,
)
from tests.storage.damage import flip


@pytest.fixture
def dirs(tmp_path: Path) -> Iterator[LogDirs]:
    opened = open_dirs(tmp_path)
    yield opened
    opened.close(clean=True)


@pytest.fixture
def log(dirs: LogDirs) -> SegmentedLog:
    return open_log(dirs)


def test_the_newest_record_of_each_key_stays_with_its_offset_and_time(log: SegmentedLog) -> None:
    write(log, [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")], timestamp=5000)
    write(log, [(b"b", b"2")], timestamp=6000)
    write(log, [(b"c", b"1")], timestamp=7000)
    roll_and_compact(log)
    assert [(each.offset, each.key, each.value, each.timestamp) for each in records(log)[:3]] == [
        (2, b"a", b"2", 5002),
        (3, b"b", b"2", 6000),
        (4, b"c", b"1", 7000),
    ]
    assert log.log_end_offset == 6
    assert log.size_bytes == len(read_all(log))


def test_a_batch_of_which_all_stays_is_the_same_bytes(log: SegmentedLog) -> None:
    write(log, [(b"a", b"1")])
    write(log, [(b"b", b"1"), (b"c", b"2")], compression=Compression.ZSTD)
    before = read_all(log)
    roll_and_compact(log)
    assert read_all(log)[: len(before)] == before


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("kind", list(TimestampType))
def test_a_thinned_batch_keeps_what_its_header_says(
    log: SegmentedLog, compression: Compression, kind: TimestampType
) -> None:
    write(
        log,
        [(b"a", b"1"), (b"b", b"x" * 300), (b"a", b"2"), (b"a", b"3")],
        timestamp=5000,
        compression=compression,
        timestamp_type=kind,
        append_time_ms=9000,
        producer_id=7,
        producer_epoch=3,
        base_sequence=11,
    )
    write(log, [(b"a", b"4")])
    before = headers(log)[0]
    roll_and_compact(log)
    after = headers(log)[0]
    expected = before._replace(
        batch_length=after.batch_length,
        crc=after.crc,
        record_count=1,
        max_timestamp=9000 if kind else 5001,
    )
    assert after == expected
    assert after.batch_length < before.batch_length or compression
    assert pairs(log)[0] == (1, b"b", b"x" * 300)


def test_headers_of_records_stay(log: SegmentedLog) -> None:
    from kwire_codecs.records import batch as record_batch
    from kwire_codecs.records.batch import Record
    from kwire_storage.engine import ValidBatch

    kept = Record(b"k" * 100, b"v" * 200, -5, ((b"h", None), (b"", b"x" * 70)), 1)
    built = record_batch.build([Record(b"a", b"1", 10), kept])
    log.append([ValidBatch(memoryview(built), record_batch.read_header(built))], 0)
    write(log, [(b"a", b"2")])
    roll_and_compact(log)
    assert records(log)[0] == kept


def test_keys_of_any_length_are_told_apart(log: SegmentedLog) -> None:
    keys = [b"", b"k", b"k" * 32, b"k" * 33, b"k" * 34, b"k" * 64 + b"a", b"k" * 64 + b"b", b"k" * 5000]
    for value in (b"1", b"2"):
        for key in keys:
            write(log, [(key, value)])
    roll_and_compact(log)
    assert [(key, value) for _, key, value in pairs(log)] == [(key, b"2") for key in keys]


def test_records_without_a_key_go(log: SegmentedLog) -> None:
    write(log, [(None, b"1"), (b"a", b"1"), (None, None)])
    write(log, [(None, b"2")])
    roll_and_compact(log)
    assert pairs(log) == [(1, b"a", b"1")]


def test_what_is_in_the_last_segment_stays(log: SegmentedLog) -> None:
    write(log, [(b"a", b"1")])
    write(log, [(b"a", b"2")])
    assert compact(log) is None
    log.roll(0)
    write(log, [(b"a", b"3")])
    write(log, [(b"a", b"4")])
    compact(log)
    assert [value for _, _, value in pairs(log)] == [b"2", b"3", b"4"]


class TestTombstones:
    def test_one_replaces_what_was_before_and_stays_until_its_horizon(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1"), (b"b", b"1")])
        write(log, [(b"a", None)], timestamp=4321)
        roll_and_compact(log, now_ms=10_000)
        assert pairs(log) == [(1, b"b", b"1"), (2, b"a", None)]
        assert [each.delete_horizon for each in headers(log)] == [None, 11_000, None]
        assert records(log)[1].timestamp == 4321
        roll_and_compact(log, now_ms=10_999)
        assert pairs(log) == [(1, b"b", b"1"), (2, b"a", None)]
        assert headers(log)[1].delete_horizon == 11_000
        roll_and_compact(log, now_ms=11_000)
        assert pairs(log) == [(1, b"b", b"1")]

    def test_values_beside_one_stay_when_it_goes(self, log: SegmentedLog) -> None:
        write(log, [(b"a", None), (b"b", b"1"), (b"c", None)], timestamp=77, compression=Compression.GZIP)
        roll_and_compact(log, now_ms=0)
        roll_and_compact(log, now_ms=1000)
        assert pairs(log) == [(1, b"b", b"1")]
        assert records(log)[0].timestamp == 78
        assert headers(log)[0].max_timestamp == 78
        assert headers(log)[0].compression == Compression.GZIP

    def test_one_that_is_replaced_sets_no_horizon(self, log: SegmentedLog) -> None:
        write(log, [(b"a", None), (b"b", b"1")])
        write(log, [(b"a", b"2")])
        roll_and_compact(log)
        assert all(each.delete_horizon is None for each in headers(log))

    def test_its_time_is_that_of_the_append_where_the_topic_says_so(self, log: SegmentedLog) -> None:
        write(log, [(b"a", None)], timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=123)
        roll_and_compact(log)
        assert headers(log)[0].delete_horizon == 1000
        assert records(log)[0].timestamp == 123

    def test_how_long_they_stay_may_be_altered(self, log: SegmentedLog) -> None:
        write(log, [(b"a", None)])
        log.configure(LogConfig(compacts=True, delete_retention_ms=5))
        roll_and_compact(log, now_ms=100)
        assert headers(log)[0].delete_horizon == 105


class TestProducers:
    def test_the_newest_batch_of_each_stays_if_need_be_without_records(self, log: SegmentedLog) -> None:
        for sequence in range(3):
            write(log, [(b"a", b"%d" % sequence)], producer_id=5, producer_epoch=2, base_sequence=sequence)
        write(log, [(b"a", b"other")])
        roll_and_compact(log)
        assert pairs(log) == [(3, b"a", b"other")]
        empty = headers(log)[0]
        assert (empty.base_offset, empty.record_count, empty.base_sequence) == (2, 0, 2)
        assert (empty.producer_id, empty.producer_epoch) == (5, 2)

    def test_sequences_survive_a_restart_without_snapshots(self, tmp_path: Path) -> None:
        dirs = open_dirs(tmp_path)
        log = open_log(dirs)
        for sequence in range(0, 9, 3):
            three = [(b"a", b"%d" % sequence)] * 3
            write(log, three, producer_id=5, producer_epoch=2, base_sequence=sequence)
        write(log, [(b"a", b"other")])
        roll_and_compact(log)
        before = log.producers.get(5)
        dirs.close(clean=False)
        for snapshot in tmp_path.rglob("*.snapshot"):
            snapshot.unlink()
        dirs = open_dirs(tmp_path)
        after = open_log(dirs).producers.get(5)
        assert before is not None
        assert after is not None
        assert after.last_sequence == before.last_sequence == 8
        assert (after.epoch, after.batches[-1]) == (before.epoch, before.batches[-1])
        dirs.close(clean=False)

    def test_those_that_are_forgotten_keep_nothing(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1")], producer_id=5, producer_epoch=2, base_sequence=0)
        write(log, [(b"a", b"2")])
        log.producers.expire(1 << 60)
        roll_and_compact(log)
        assert [each.base_offset for each in headers(log)] == [1, 2]


class TestTransactions:
    def write(self, log: SegmentedLog, producer_id: int, *keys: bytes) -> None:
        """A batch of a transaction."""
        entry = log.producers.get(producer_id)
        sequence = 0 if entry is None else entry.last_sequence + 1
        write(
            log,
            [(key, b"by %d" % producer_id) for key in keys],
            producer_id=producer_id,
            producer_epoch=0,
            base_sequence=sequence,
            is_transactional=True,
        )

    def test_aborted_data_goes_and_replaces_nothing(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1")])
        self.write(log, 5, b"a", b"b")
        self.write(log, 5, b"a")
        end_transaction(log, 5, commit=False)
        roll_and_compact(log)
        assert pairs(log) == [(0, b"a", b"1")]
        assert pairs(log, committed=True) == [(0, b"a", b"1")]

    def test_committed_data_stays_and_replaces_what_was_before(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1")])
        self.write(log, 5, b"a", b"b")
        end_transaction(log, 5, commit=True)
        roll_and_compact(log)
        assert pairs(log, committed=True) == [(1, b"a", b"by 5"), (2, b"b", b"by 5")]

    def test_a_transaction_aborted_where_all_is_clean_says_nothing_of_its_producers_next(
        self, log: SegmentedLog
    ) -> None:
        self.write(log, 5, b"a")
        end_transaction(log, 5, commit=False)
        roll_and_compact(log)
        self.write(log, 5, b"a")
        self.write(log, 5, b"a")
        end_transaction(log, 5, commit=True)
        roll_and_compact(log)
        assert [offset for offset, key, _ in pairs(log, committed=True) if key == b"a"] == [4]

    def test_a_marker_stays_while_there_is_data_and_then_until_its_horizon(self, log: SegmentedLog) -> None:
        self.write(log, 5, b"a")
        end_transaction(log, 5, commit=True)
        self.write(log, 5, b"c")  # so that the batch before is not the producer's newest
        end_transaction(log, 5, commit=True)
        write(log, [(b"a", b"1")])
        assert [(each.base_offset, each.is_control) for each in headers(log)][1] == (1, True)
        roll_and_compact(log, now_ms=0)  # the data goes; the marker was met with data
        assert next((each.base_offset, each.delete_horizon) for each in headers(log)) == (1, None)
        roll_and_compact(log, now_ms=10)  # no data is met: a horizon
        assert next((each.base_offset, each.delete_horizon) for each in headers(log)) == (1, 1010)
        roll_and_compact(log, now_ms=1009)
        assert headers(log)[0].base_offset == 1
        roll_and_compact(log, now_ms=1010)
        assert headers(log)[0].base_offset == 2

    def test_the_newest_batch_of_an_aborted_transaction_stays_empty_and_known_as_aborted(
        self, log: SegmentedLog
    ) -> None:
        self.write(log, 5, b"a")
        end_transaction(log, 5, commit=False)
        before = log.aborted_transactions(0, log.log_end_offset)
        roll_and_compact(log)
        assert [(each.record_count, each.is_control) for each in headers(log)][:2] == [(0, False), (1, True)]
        assert log.aborted_transactions(0, log.log_end_offset) == before

    def test_what_is_not_decided_bounds_the_cleaning(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1")])
        write(log, [(b"a", b"2")])
        log.roll(0)
        self.write(log, 5, b"a")
        write(log, [(b"a", b"3")])
        log.roll(0)
        write(log, [(b"b", b"1")])
        assert limit(log) == 2
        compact(log)
        assert [value for _, key, value in pairs(log) if key == b"a"] == [b"2", b"by 5", b"3"]
        end_transaction(log, 5, commit=False)
        compact(log)
        assert [value for _, key, value in pairs(log, committed=True) if key == b"a"] == [b"3"]

    def test_a_marker_of_the_last_segment_decides_about_data_before_it(self, log: SegmentedLog) -> None:
        self.write(log, 5, b"a")
        log.roll(0)
        end_transaction(log, 5, commit=False)
        write(log, [(b"b", b"1")])
        compact(log)
        assert pairs(log, committed=True) == [(2, b"b", b"1")]
        assert headers(log)[0].record_count == 0

    def test_aborted_ones_stay_aborted_after_a_restart_that_builds_the_index_again(
        self, tmp_path: Path
    ) -> None:
        dirs = open_dirs(tmp_path)
        log = open_log(dirs)
        for producer_id in (5, 6, 7):
            self.write(log, producer_id, b"a")
            self.write(log, producer_id, b"b")
            end_transaction(log, producer_id, commit=producer_id == 6)
        roll_and_compact(log)
        seen = pairs(log, committed=True)
        assert [value for _, _, value in seen] == [b"by 6", b"by 6"]
        dirs.close(clean=False)
        for index in tmp_path.rglob("*.txnindex"):
            index.write_bytes(b"")
        dirs = open_dirs(tmp_path)
        assert pairs(open_log(dirs), committed=True) == seen
        dirs.close(clean=False)


class TestWhatIsCleaned:
    def test_segments_are_merged_as_far_as_they_fit(self, log: SegmentedLog) -> None:
        log.configure(LogConfig(segment_bytes=1000, compacts=True))
        for number in range(20):
            write(log, [(b"%d" % (number % 3), b"x" * 50)])
            log.roll(0)
        write(log, [(b"last", b"")])
        sizes = [segment.size for segment in log._segments]
        compact(log)
        assert len(pairs(log)) == 4
        assert len(log._segments) == 4
        assert sum(sizes[:8]) <= 1000 < sum(sizes[:9])
        compact(log)
        roll_and_compact(log)
        assert len(log._segments) < 4

    def test_the_last_segment_is_not_merged_and_the_log_goes_on(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1")])
        roll_and_compact(log)
        write(log, [(b"a", b"2")])
        assert [value for _, _, value in pairs(log)] == [b"1", b"2"]

    def test_a_small_map_takes_some_rounds_and_comes_to_the_same(self, log: SegmentedLog) -> None:
        small = CleaningResources(memory_bytes=1000)  # six keys
        for round_, number in itertools.product(range(3), range(50)):
            write(log, [(b"%d" % number, b"%d" % round_)])
        log.roll(0)
        write(log, [(b"last", b"")])
        ends = []
        while (result := compact(log, resources=small)) is not None:
            assert result.keys <= 6
            ends.append(result.dirty_offset)
        assert ends == sorted(set(ends))
        assert len(ends) > 10
        assert ends[-1] == 150
        assert pairs(log)[:-1] == [(100 + number, b"%d" % number, b"2") for number in range(50)]

    def test_a_batch_with_more_keys_than_the_map_takes_is_cleaned_all_the_same(
        self, log: SegmentedLog
    ) -> None:
        write(log, [(b"%d" % (number % 40), b"") for number in range(80)])
        log.roll(0)
        write(log, [(b"last", b"")])
        result = compact(log, resources=CleaningResources(memory_bytes=1000))
        assert result is not None
        assert result.dirty_offset == 80
        assert len(pairs(log)) == 41

    def test_young_records_wait_for_the_least_lag(self, log: SegmentedLog) -> None:
        log.configure(LogConfig(compacts=True, min_compaction_lag_ms=1000))
        write(log, [(b"a", b"1"), (b"a", b"2")], timestamp=5000)
        log.roll(0)
        write(log, [(b"a", b"3")], timestamp=6000)
        log.roll(0)
        write(log, [(b"last", b"")], timestamp=6000)
        assert compact(log, now_ms=6000) is None
        compact(log, now_ms=6001)
        assert [value for _, _, value in pairs(log)] == [b"2", b"3", b""]
        compact(log, now_ms=7000)
        assert [value for _, _, value in pairs(log)] == [b"3", b""]

    def test_dirt_is_what_was_not_cleaned(self, log: SegmentedLog) -> None:
        assert log.compaction.dirt(1 << 60, 0).ratio == 0
        for number in range(10):
            write(log, [(b"%d" % number, b"x" * 100)])
        assert log.compaction.dirt(1 << 60, 0).dirty_bytes == 0
        log.roll(0)
        write(log, [(b"last", b"x" * 20)])
        assert log.compaction.dirt(1 << 60, 0).ratio == 1
        assert log.compaction.dirt(9, 0).ratio == 0
        compact(log)
        assert log.compaction.dirt(1 << 60, 0)[:2] == (0, log.size_bytes - log._segments[-1].size)
        log.roll(0)
        write(log, [(b"more", b"")])
        assert 0 < log.compaction.dirt(1 << 60, 0).ratio < 0.2

    def test_what_is_older_than_the_most_lag_is_overdue(self, log: SegmentedLog) -> None:
        log.configure(LogConfig(compacts=True, max_compaction_lag_ms=1000, segment_ms=1 << 40))
        write(log, [(b"a", b"1")], timestamp=5000)
        write(log, [(b"a", b"1")], timestamp=6000)
        assert len(log._segments) == 1
        write(log, [(b"a", b"1")], timestamp=6001)
        assert len(log._segments) == 2, "what has to be compacted has to be sealed"
        assert not log.compaction.dirt(1 << 60, 6000).is_overdue
        assert log.compaction.dirt(1 << 60, 6001).is_overdue
        compact(log)
        assert not log.compaction.dirt(1 << 60, 9000).is_overdue

    def test_a_log_that_would_not_change_keeps_its_files(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1"), (b"b", b"1")])
        result = roll_and_compact(log)
        assert result is not None
        assert not result.groups
        assert result.dirty_offset == log.compaction.cleaned_to == 2

    def test_a_group_with_nothing_left_keeps_its_last_batch_only_at_the_end(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1")])
        log.roll(0)
        write(log, [(b"a", b"2")])
        log.roll(0)
        write(log, [(None, b"3")])
        roll_and_compact(log)
        assert [(each.base_offset, each.record_count) for each in headers(log)] == [(1, 1), (2, 0), (3, 1)]

    def test_segments_with_nothing_left_go_with_age_and_the_log_opens_with_them(self, tmp_path: Path) -> None:
        config = LogConfig(segment_bytes=100, compacts=True, retention_ms=100_000)
        dirs = open_dirs(tmp_path)
        log = open_log(dirs, config)
        for number in range(4):
            write(log, [(b"a", b"x" * 20)], timestamp=1000 + number)
            log.roll(0)
        write(log, [(b"b", b"1")], timestamp=200_000)
        compact(log)
        sizes = [segment.size for segment in log._segments]
        assert sizes[:3] == [0, 0, 0]
        assert 0 not in sizes[3:]
        for clean in (True, False):
            dirs.close(clean=clean)
            dirs = open_dirs(tmp_path)
            log = open_log(dirs, config)
            assert [value for _, _, value in pairs(log)] == [b"x" * 20, b"1"]
            assert log.log_start_offset == 0
        while log.retain(int(time.time() * 1000) + 1_000_000):
            pass
        assert pairs(log) == []
        assert log.log_start_offset == log.log_end_offset == 5
        dirs.close(clean=True)

    def test_after_a_kill_a_first_segment_with_nothing_left_is_no_reason_to_start_later(
        self, tmp_path: Path
    ) -> None:
        config = LogConfig(segment_bytes=100, compacts=True)
        log = open_log(dirs := open_dirs(tmp_path), config)
        for value in (b"x" * 20, b"y" * 20):
            write(log, [(b"a", value)])
            log.roll(0)
        write(log, [(b"b", b"1")])
        compact(log)
        assert log.segment_offsets == [0, 1, 2]
        dirs.close(clean=False)
        log = open_log(dirs := open_dirs(tmp_path), config)
        while log.retain(10**12, deletes=False):
            pass
        assert (log.log_start_offset, log.segment_offsets) == (0, [0, 1, 2])
        dirs.close(clean=True)

    def test_indexes_find_every_offset_and_time(self, log: SegmentedLog) -> None:
        for number in range(300):
            write(log, [(b"%d" % (number % 100), b"x" * 40)] * 2, timestamp=10 * number)
        roll_and_compact(log)
        left = records(log)
        for each in left[:-1]:
            at = log.offset_for_timestamp(each.timestamp)
            assert at is not None
            assert (at.offset, at.timestamp_ms) == (each.offset, each.timestamp)
            assert log.read(each.offset, 1).first_base_offset <= each.offset
        assert log.read(0, 1).first_base_offset == left[0].offset - 1
        indexes = list(Path(log.directory).glob("*.index"))
        assert any(index.stat().st_size for index in indexes)

    def test_the_time_of_a_segments_last_write_is_kept(self, log: SegmentedLog) -> None:
        import os

        write(log, [(b"a", b"1"), (b"a", b"2")])
        os.utime(f"{log.directory}/{0:020}.log", (1000, 1000))
        roll_and_compact(log)
        assert log.segment_starts()[0][0] == 1_000_000


class TestWhatIsBroken:
    def test_a_wrong_checksum_is_named_and_nothing_is_changed(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1"), (b"a", b"2")])
        log.roll(0)
        write(log, [(b"b", b"1")])
        path = Path(log.directory) / f"{0:020}.log"
        flip(path, -1)
        data = path.read_bytes()
        cleaning = log.compaction.plan(limit(log), 0, CleaningResources())
        assert cleaning is not None
        with pytest.raises(StorageError, match=r"0\.log .*checksum at byte 0"):
            run(cleaning.job)
        assert not list(path.parent.glob("*.cleaned"))
        assert path.read_bytes() == data

    def test_a_file_that_ends_too_early_is_named(self, log: SegmentedLog) -> None:
        write(log, [(b"a", b"1")])
        log.roll(0)
        write(log, [(b"b", b"1")])
        cleaning = log.compaction.plan(limit(log), 0, CleaningResources())
        assert cleaning is not None
        (Path(log.directory) / f"{0:020}.log").write_bytes(b"x" * 20)
        with pytest.raises(StorageError, match="ends before"):
            run(cleaning.job)


def test_config_of_these_tests_compacts() -> None:
    assert CONFIG.compacts
