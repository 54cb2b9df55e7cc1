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
from kwire_storage.transaction_index import AbortedTransaction

from tests.storage.batches import batch, fill, marker, offsets, offsets_in, read_all, retain


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

    def test_a_log_that_starts_over_knows_nothing_of_what_it_had(self, log: PartitionLog) -> None:
        log.append([batch(0, 3, producer_id=7, producer_epoch=0, base_sequence=0, leader_epoch=2)], 0)
        fill(log, 20, leader_epoch=3)
        log.start_over_at(100)
        assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (100, 100, 0)
        assert log.read(100, 1000) == LogRead([], 0, 100)
        with pytest.raises(OffsetOutOfRange):
            log.read(22, 1000)
        assert log.producers.get(7) is None
        assert log.epochs.entries() == []
        assert log.max_timestamp_offset() is None
        log.append([batch(100, 2, leader_epoch=1)], 0)
        assert offsets(log) == [(100, 101)]
        assert [tuple(each) for each in log.epochs.entries()] == [(1, 100)]

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

    # Transactions

    def begin(self, log: PartitionLog, producer_id: int, count: int = 1) -> int:
        """A transactional batch; gives its offset."""
        offset = log.log_end_offset
        made = batch(
            offset,
            count,
            producer_id=producer_id,
            producer_epoch=0,
            base_sequence=0,
            is_transactional=True,
        )
        log.append([made], 0)
        return offset

    def end(self, log: PartitionLog, producer_id: int, *, commit: bool = False) -> int:
        """A marker; gives its offset."""
        offset = log.log_end_offset
        log.append([marker(offset, commit=commit, producer_id=producer_id, producer_epoch=0)], 0)
        return offset

    def test_nothing_was_aborted_in_a_log_without_transactions(self, log: PartitionLog) -> None:
        assert log.aborted_transactions(0, 0) == []
        fill(log, 20)
        assert log.aborted_transactions(0, 20) == []

    def test_what_was_aborted_is_told_in_the_order_of_the_markers(self, log: PartitionLog) -> None:
        assert [self.begin(log, 1, 3), self.begin(log, 2), self.begin(log, 3)] == [0, 3, 4]
        assert [self.end(log, 2), self.end(log, 1, commit=True), self.end(log, 3)] == [5, 6, 7]
        assert self.end(log, 4) == 8  # which had begun nothing
        assert log.aborted_transactions(0, 9) == [(2, 3, 5, 0), (3, 4, 7, 8)]

    def test_only_what_has_a_part_in_the_range_is_told(self, log: PartitionLog) -> None:
        expected = []
        for at in range(0, 60, 3):
            first, _, last = self.begin(log, 1), self.begin(log, 1), self.end(log, 1)
            assert (first, last) == (at, at + 2)
            expected.append(AbortedTransaction(1, first, last, last + 1))
        for start in range(0, 60, 7):
            for end in (start, start + 1, start + 10, 60):
                told = [one for one in expected if one.last_offset >= start and one.first_offset < end]
                assert log.aborted_transactions(start, end) == told

    def test_a_transaction_that_spans_segments_is_told_in_all_of_them(self, log: PartitionLog) -> None:
        self.begin(log, 1)
        fill(log, 30)
        marker_at = self.end(log, 1)
        fill(log, 10)
        for start in range(marker_at + 1):
            assert log.aborted_transactions(start, start + 1) == [(1, 0, marker_at, marker_at + 1)]
        assert log.aborted_transactions(marker_at + 1, 42) == []

    @pytest.mark.parametrize("cut", range(0, 13))
    def test_truncation_makes_undone_what_it_cuts_off(self, log: PartitionLog, cut: int) -> None:
        for at in (0, 4, 8):
            assert [self.begin(log, 1), self.begin(log, 2), self.end(log, 1), self.end(log, 2)][0] == at
        log.truncate_to(cut)
        told = [(1, at, at + 2, at + 1) for at in (0, 4, 8) if at + 2 < cut]
        told += [(2, at + 1, at + 3, at + 4) for at in (0, 4, 8) if at + 3 < cut]
        assert log.aborted_transactions(0, 12) == sorted(told, key=lambda aborted: aborted[2])
        undecided = {0: None, 1: 0, 2: 0, 3: 1}[cut % 4]
        first = None if undecided is None else cut - cut % 4 + undecided
        assert log.producers.first_undecided_offset == first
        for _ in range(3):
            self.begin(log, 3)
            self.end(log, 3)
        assert len(log.aborted_transactions(0, 20)) == len(told) + 3

    def test_a_transaction_stays_open_when_what_it_began_with_is_deleted(self, log: PartitionLog) -> None:
        self.begin(log, 1)
        fill(log, 60, value=b"v" * 500)
        log.advance_log_start(50)
        assert log.producers.first_undecided_offset == 0
        fill(log, 1)
        for _ in range(2):
            log.truncate_to(61)
            assert log.producers.first_undecided_offset == 0
            self.end(log, 1)
            assert log.producers.first_undecided_offset is None
            assert log.aborted_transactions(50, 62) == [(1, 0, 61, 62)]

    def test_a_transaction_stays_open_when_retention_takes_all_of_it(self, log: PartitionLog) -> None:
        self.begin(log, 1)
        fill(log, 20)
        log.configure(LogConfig(segment_bytes=400, retention_ms=100))
        assert retain(log, 1 << 40) == 21
        assert log.producers.expire(1 << 60) == 0
        assert log.producers.first_undecided_offset == 0
        assert self.end(log, 1) == 21
        assert log.producers.first_undecided_offset is None
        assert log.aborted_transactions(21, 22) == [(1, 0, 21, 22)]

    def test_what_was_aborted_below_the_log_start_is_told_to_nobody(self, log: PartitionLog) -> None:
        self.begin(log, 1)
        self.end(log, 1)
        fill(log, 20, value=b"v" * 50)
        self.begin(log, 1)
        self.end(log, 1)
        log.advance_log_start(20)
        assert log.aborted_transactions(20, 24) == [(1, 22, 23, 24)]

    @pytest.mark.parametrize("max_bytes", [0, 1, 300, 1000, 1 << 20])
    def test_the_bound_of_a_read_lies_behind_all_of_it(self, log: PartitionLog, max_bytes: int) -> None:
        fill(log, 40)
        for start in range(40):
            found = log.read(start, max_bytes)
            data = b"".join(map(log.read_bytes, found.parts))
            assert offsets_in(data)[-1][1] < log.bound_behind(start, found) <= 40
        nothing = log.read(3, 0, at_least_one=False)
        assert 3 <= log.bound_behind(3, nothing) <= 40

    def test_the_bound_of_a_read_is_near_its_end(self, log: PartitionLog) -> None:
        fill(log, 4000)
        found = log.read(0, 1)
        interval = max(self.config.index_interval_bytes, len(batch(0).buffer))
        assert log.bound_behind(0, found) <= 3 * interval // len(batch(0).buffer) + 3

    def test_retention_removes_the_old_and_the_surplus(self, log: PartitionLog) -> None:
        log.configure(LogConfig(segment_bytes=400, retention_ms=-1))
        fill(log, 30)
        assert retain(log, 1 << 40) == 0
        log.configure(LogConfig(segment_bytes=400, retention_ms=-1, retention_bytes=500))
        start = retain(log, 0)
        assert start == log.log_start_offset
        kept = sum(len(batch(at).buffer) for at in range(start, 30))
        assert kept >= min(500, 30 * len(batch(0).buffer))
        log.configure(LogConfig(segment_bytes=400, retention_ms=100))
        assert retain(log, 1029) == start
        assert retain(log, 1 << 40) == 30
        fill(log, 1)
        assert offsets(log) == [(30, 30)]

    def test_retention_stays_below_the_high_watermark(self, log: PartitionLog) -> None:
        log.configure(LogConfig(segment_bytes=100, retention_ms=0))
        fill(log, 5)
        assert retain(log, 1 << 40, limit=3) == 3
        assert retain(log, 1 << 40, limit=3) == 3
        assert offsets(log) == [(3, 3), (4, 4)]

    def test_a_log_that_does_not_delete_keeps_the_old(self, log: PartitionLog) -> None:
        log.configure(LogConfig(segment_bytes=100, retention_ms=0, retention_bytes=0))
        fill(log, 5)
        assert retain(log, 1 << 40, deletes=False) == 0
        log.advance_log_start(2)
        assert retain(log, 1 << 40, deletes=False) == 2
        assert offsets(log) == [(2, 2), (3, 3), (4, 4)]

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

    def test_a_log_knows_whether_anything_was_aborted(self, log: PartitionLog) -> None:
        self.begin(log, 1)
        self.end(log, 1, commit=True)
        assert not log.has_aborted
        self.begin(log, 1)
        self.end(log, 1)
        assert log.has_aborted
