"""What every engine must do: one suite, run over each of them by test_engines.py.

A subclass makes logs; everything here goes through `PartitionLog` only.
"""

import pytest
from kwire_codecs.records.batch import TimestampType
from kwire_storage.engine import (
    LogConfig,
    LogRead,
    OffsetOutOfRange,
    PartitionLog,
    StorageError,
    TimestampOffset,
)

from tests.storage.batches import batch, fill, offsets, offsets_in, read_all


class LogContract:
    """Tests of a log. `config` has segments so small that most of these span some."""

    config = LogConfig(segment_bytes=400, index_interval_bytes=60)

    @pytest.fixture
    def log(self) -> PartitionLog:
        raise NotImplementedError

    def test_a_new_log_is_empty_and_starts_at_0(self, log: PartitionLog) -> None:
        assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (0, 0, 0)
        assert log.read(0, 1000) == LogRead([], 0, 0)
        assert log.offset_for_timestamp(0) is None
        assert log.max_timestamp_offset() is None
        assert log.epochs.entries() == []

    def test_what_was_appended_is_read_back_byte_for_byte(self, log: PartitionLog) -> None:
        written = [batch(0, 3), batch(3, 1), batch(4, 5)]
        expected = b"".join(one.buffer for one in written)
        log.append(written[:2], 0)
        log.append(written[2:], 0)
        assert read_all(log) == expected
        assert log.log_end_offset == 9
        assert log.size_bytes == len(expected)

    def test_many_batches_are_read_back_in_order(self, log: PartitionLog) -> None:
        fill(log, 50, each=2)
        assert offsets(log) == [(at, at + 1) for at in range(0, 100, 2)]

    def test_an_append_may_hold_more_batches_than_one_system_call_takes(self, log: PartitionLog) -> None:
        log.append([batch(at) for at in range(2500)], 0)
        assert offsets(log) == [(at, at) for at in range(2500)]

    def test_any_offset_gives_the_whole_batch_that_holds_it(self, log: PartitionLog) -> None:
        fill(log, 10, each=5)
        for offset in range(50):
            found = log.read(offset, 1)
            first = offset - offset % 5
            assert offsets_in(b"".join(map(log.read_bytes, found.parts))) == [(first, first + 4)]
            assert found.first_base_offset == first

    def test_max_bytes_holds_but_for_the_first_batch(self, log: PartitionLog) -> None:
        fill(log, 20)
        size = log.size_bytes // 20
        for limit in range(0, 6 * size, 7):
            found = log.read(4, limit)
            assert found.size == max(limit // size, 1) * size
        assert log.read(4, size - 1, at_least_one=False) == LogRead([], 0, 4)
        assert log.read(4, size, at_least_one=False).size == size

    def test_nothing_at_or_beyond_max_offset_is_given(self, log: PartitionLog) -> None:
        fill(log, 20, each=2)
        for limit in range(0, 41):
            found = log.read(0, 1 << 20, max_offset=limit)
            data = b"".join(map(log.read_bytes, found.parts))
            assert offsets_in(data) == [(at, at + 1) for at in range(0, limit - 1, 2)]
        assert log.read(10, 1 << 20, max_offset=5) == LogRead([], 0, 10)
        assert offsets(log, 38) == [(38, 39)]

    def test_reading_at_the_end_gives_nothing(self, log: PartitionLog) -> None:
        fill(log, 3)
        assert log.read(3, 1000) == LogRead([], 0, 3)

    @pytest.mark.parametrize("offset", [-1, 4, 1 << 62])
    def test_an_offset_that_is_not_there_is_out_of_range(self, log: PartitionLog, offset: int) -> None:
        fill(log, 3)
        with pytest.raises(OffsetOutOfRange) as refused:
            log.read(offset, 1000)
        assert (refused.value.log_start_offset, refused.value.log_end_offset) == (0, 3)

    def test_an_offset_in_a_gap_gives_what_follows_it(self, log: PartitionLog) -> None:
        log.append([batch(10, 2)], 0)
        log.append([batch(20, 2)], 0)
        assert offsets(log, 0) == [(10, 11), (20, 21)]
        assert offsets(log, 12) == [(20, 21)]

    def test_offsets_that_do_not_rise_are_a_bug_of_the_caller(self, log: PartitionLog) -> None:
        fill(log, 3)
        with pytest.raises(ValueError, match="can't follow"):
            log.append([batch(2)], 0)
        with pytest.raises(ValueError, match="can't follow"):
            log.append([batch(3, 2), batch(4)], 0)
        assert log.log_end_offset == 3

    def test_offsets_may_leap_farther_than_32_bits(self, log: PartitionLog) -> None:
        log.append([batch(5)], 0)
        log.append([batch(1 << 40)], 0)
        log.append([batch((1 << 40) + 1)], 0)
        assert offsets(log, 6) == [(1 << 40, 1 << 40), ((1 << 40) + 1, (1 << 40) + 1)]

    def test_bytes_that_were_read_stay_what_they_are(self, log: PartitionLog) -> None:
        fill(log, 8)
        found = log.read(0, 1 << 20)
        before = b"".join(map(log.read_bytes, found.parts))
        log.truncate_to(2)
        fill(log, 8, value=b"other")
        log.advance_log_start(9)
        assert b"".join(map(log.read_bytes, found.parts)) == before

    # Timestamps

    def test_the_first_record_at_or_after_a_time_is_found(self, log: PartitionLog) -> None:
        fill(log, 20, each=3)
        for timestamp in range(900, 1060):
            expected = max(timestamp, 1000)
            found = log.offset_for_timestamp(timestamp)
            assert found == TimestampOffset(expected, expected - 1000, 0)
        assert log.offset_for_timestamp(1060) is None

    def test_a_time_is_found_among_timestamps_out_of_order(self, log: PartitionLog) -> None:
        timestamps = [50, 20, 70, 70, 10, 60, 90, 30, 90, 5]
        for _ in range(3):
            start = log.log_end_offset
            log.append([batch(start, 10, timestamps=[start + time for time in timestamps])], 0)
        everything = [start + time for start in (0, 10, 20) for time in timestamps]
        for wanted in range(0, 120):
            expected = next((at for at, time in enumerate(everything) if time >= wanted), None)
            found = log.offset_for_timestamp(wanted)
            assert (found and found.offset) == expected
        assert log.max_timestamp_offset() == TimestampOffset(110, 26, 0)

    def test_one_time_for_a_whole_batch_is_its_first_records(self, log: PartitionLog) -> None:
        for start in range(0, 30, 3):
            log.append(
                [batch(start, 3, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=2000 + start)],
                0,
            )
        assert log.offset_for_timestamp(2004) == TimestampOffset(2006, 6, 0)
        assert log.max_timestamp_offset() == TimestampOffset(2027, 27, 0)

    def test_records_without_time_are_found_by_no_time(self, log: PartitionLog) -> None:
        log.append([batch(0, 2, timestamps=[-1, -1])], 0)
        assert log.offset_for_timestamp(0) is None
        assert log.max_timestamp_offset() is None

    def test_records_below_the_log_start_have_no_time(self, log: PartitionLog) -> None:
        log.append([batch(0, 4, timestamps=[900, 100, 200, 300])], 0)
        log.append([batch(4, 1, timestamps=[250])], 0)
        log.advance_log_start(2)
        assert log.offset_for_timestamp(0) == TimestampOffset(200, 2, 0)
        assert log.offset_for_timestamp(260) == TimestampOffset(300, 3, 0)
        log.advance_log_start(4)
        assert log.max_timestamp_offset() == TimestampOffset(250, 4, 0)

    def test_the_newest_of_equal_times_is_the_first(self, log: PartitionLog) -> None:
        for start in range(6):
            log.append([batch(start, timestamps=[700])], 0)
        assert log.max_timestamp_offset() == TimestampOffset(700, 0, 0)

    # Cutting

    @pytest.mark.parametrize("offset", range(0, 23))
    def test_truncation_drops_whole_batches(self, log: PartitionLog, offset: int) -> None:
        fill(log, 10, each=2)
        log.truncate_to(offset)
        end = min(offset - offset % 2, 20)
        assert log.log_end_offset == end
        assert offsets(log) == [(at, at + 1) for at in range(0, end, 2)]
        fill(log, 3, each=2, value=b"later")
        assert offsets(log) == [(at, at + 1) for at in range(0, end + 6, 2)]
        found = log.max_timestamp_offset()
        assert found is not None
        assert found.offset == end + 5

    def test_truncation_at_or_above_the_end_changes_nothing(self, log: PartitionLog) -> None:
        fill(log, 3)
        log.truncate_to(3)
        log.truncate_to(1 << 40)
        assert log.log_end_offset == 3

    def test_truncation_below_the_start_leaves_an_empty_log_there(self, log: PartitionLog) -> None:
        fill(log, 9)
        log.advance_log_start(6)
        log.truncate_to(2)
        assert (log.log_start_offset, log.log_end_offset) == (6, 6)
        assert offsets(log) == []
        fill(log, 1)
        assert offsets(log) == [(6, 6)]

    def test_truncation_in_a_gap_ends_the_log_at_its_last_batch(self, log: PartitionLog) -> None:
        log.append([batch(0, 5, value=b"x" * 100)], 0)
        log.append([batch(10, 5, value=b"x" * 100)], 0)
        log.truncate_to(12)
        assert log.log_end_offset == 5

    def test_the_log_start_moves_and_what_is_below_is_gone(self, log: PartitionLog) -> None:
        fill(log, 10, each=3)
        log.advance_log_start(16)
        log.advance_log_start(7)  # never back
        assert log.log_start_offset == 16
        with pytest.raises(OffsetOutOfRange):
            log.read(15, 1000)
        assert offsets(log)[0] == (15, 17)

    def test_the_log_start_may_move_to_the_end_and_no_farther(self, log: PartitionLog) -> None:
        fill(log, 10)
        log.advance_log_start(10)
        assert log.read(10, 1000).parts == []
        with pytest.raises(OffsetOutOfRange):
            log.advance_log_start(11)
        fill(log, 1)
        assert offsets(log) == [(10, 10)]

    # What goes along with the batches

    def test_leader_epochs_follow_appends_and_cuts(self, log: PartitionLog) -> None:
        fill(log, 3, leader_epoch=1)
        fill(log, 3, leader_epoch=4)
        fill(log, 3, leader_epoch=7)
        assert log.epochs.entries() == [(1, 0), (4, 3), (7, 6)]
        assert log.epochs.end_offset_for(4, log.log_end_offset) == (4, 6)
        assert log.epochs.end_offset_for(7, log.log_end_offset) == (7, 9)
        log.truncate_to(6)
        assert log.epochs.entries() == [(1, 0), (4, 3)]
        log.advance_log_start(4)
        assert log.epochs.entries() == [(4, 4)]

    def test_producers_follow_appends_and_truncation(self, log: PartitionLog) -> None:
        for sequence in range(6):
            log.append([batch(sequence, producer_id=9, producer_epoch=0, base_sequence=sequence)], 0)
        entry = log.producers.get(9)
        assert entry is not None
        assert entry.last_sequence == 5
        log.truncate_to(3)
        entry = log.producers.get(9)
        assert entry is not None
        assert entry.last_sequence == 2
        log.truncate_to(0)
        assert log.producers.get(9) is None

    def test_retention_removes_the_old_and_the_surplus(self, log: PartitionLog) -> None:
        log.configure(LogConfig(segment_bytes=400, retention_ms=-1))
        fill(log, 30)
        assert log.retain(1 << 40) == 0
        log.configure(LogConfig(segment_bytes=400, retention_ms=-1, retention_bytes=500))
        start = log.retain(0)
        assert start == log.log_start_offset
        kept = sum(len(batch(at).buffer) for at in range(start, 30))
        assert kept >= min(500, 30 * len(batch(0).buffer))
        log.configure(LogConfig(segment_bytes=400, retention_ms=100))
        assert log.retain(1029) == start
        assert log.retain(1 << 40) == 30
        fill(log, 1)
        assert offsets(log) == [(30, 30)]

    def test_an_append_in_steps_comes_to_what_one_at_once_does(self, log: PartitionLog) -> None:
        fill(log, 3)
        end = log.log_end_offset
        batches = [batch(3, 2, producer_id=5, producer_epoch=0, base_sequence=0, leader_epoch=2)]
        batches.append(batch(5, leader_epoch=2))
        job = log.plan_append(batches, 0)
        job.work()
        assert (log.log_end_offset, offsets(log)[-1]) == (end, (2, 2)), "nobody sees it yet"
        log.commit_append(job)
        fill(log, 1, leader_epoch=2)
        assert offsets(log) == [(0, 0), (1, 1), (2, 2), (3, 4), (5, 5), (6, 6)]
        assert read_all(log, 3).startswith(bytes(batches[0].buffer))
        assert log.epochs.entries() == [(0, 0), (2, 3)]
        entry = log.producers.get(5)
        assert entry is not None
        assert entry.last_sequence == 1

    def test_an_append_that_is_not_kept_leaves_nothing(self, log: PartitionLog) -> None:
        fill(log, 2)
        job = log.plan_append([batch(2, 3, value=b"not kept")], 0)
        job.work()
        log.commit_append(job, keep=False)
        fill(log, 2, value=b"kept")
        assert offsets(log) == [(0, 0), (1, 1), (2, 2), (3, 3)]
        assert b"not kept" not in read_all(log)

    def test_an_append_whose_work_was_never_done_is_refused(self, log: PartitionLog) -> None:
        fill(log, 2)
        job = log.plan_append([batch(2)], 0)
        with pytest.raises(StorageError):
            log.commit_append(job)
        fill(log, 1)
        assert offsets(log) == [(0, 0), (1, 1), (2, 2)]

    @pytest.mark.parametrize("change", ["append", "truncate"])
    @pytest.mark.parametrize("worked", ["before", "after"])
    def test_an_append_is_void_where_the_end_changed_meanwhile(
        self, log: PartitionLog, change: str, worked: str
    ) -> None:
        fill(log, 3)
        job = log.plan_append([batch(3, value=b"void" * 20)], 0)
        if worked == "before":
            job.work()
        if change == "append":
            fill(log, 1, value=b"came first")
        else:
            log.truncate_to(2)
        if worked == "after":
            job.work()
        found = read_all(log)
        with pytest.raises(StorageError, match="changed while"):
            log.commit_append(job)
        assert read_all(log) == found
        fill(log, 1, value=b"goes on")
        assert read_all(log).startswith(found)
        assert b"void" not in read_all(log)

    def test_closing_and_flushing_are_quiet(self, log: PartitionLog) -> None:
        fill(log, 3)
        log.flush()
        log.configure(LogConfig())
        fill(log, 3)
        log.close(clean=True)
