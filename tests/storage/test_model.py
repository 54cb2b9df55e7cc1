"""Any sequence of appends, reads, cuts, trims and restarts leaves what a plain list says.

The model is a list of batches. Hypothesis drives both engines by the same machine; the one on disk is also
stopped and started, cleanly and not.
"""

import shutil
import tempfile
from bisect import bisect_left

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from kwire_codecs.records import batch as record_batch
from kwire_storage.directories.interface import LogDirectories
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, OffsetOutOfRange, PartitionLog
from kwire_storage.memory_dirs import MemoryDirs
from kwire_storage.tail import TailBudget

from tests.storage.batches import batch
from tests.storage.disks import TOPIC_ID, uuids

CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=100, segment_ms=5000)


class LogMachine(RuleBasedStateMachine):
    """Drives the memory engine; the one below, the other."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, int, bytes, list[int]]] = []  # first and last offset, bytes, timestamps
        self.start = 0
        self.end = 0
        self.epoch = 0
        self.dirs: LogDirectories = self.make()
        self.log: PartitionLog = self.dirs.open("topic", 0, TOPIC_ID, CONFIG)

    def make(self) -> LogDirectories:
        return MemoryDirs(node_id=1, new_uuid=uuids())

    @rule(
        shapes=st.lists(
            st.tuples(
                st.integers(0, 3), st.lists(st.integers(-1, 9000), min_size=1, max_size=4), st.booleans()
            ),
            min_size=1,
            max_size=3,
        ),
        size=st.sampled_from([0, 50, 800]),
        new_epoch=st.booleans(),
    )
    def append(self, shapes: list[tuple[int, list[int], bool]], size: int, new_epoch: bool) -> None:
        self.epoch += new_epoch
        written = []
        for gap, timestamps, compressed in shapes:
            first = self.end + (gap if gap > 1 else 0)
            made = batch(
                first,
                len(timestamps),
                timestamps=timestamps,
                value=b"v" * size,
                leader_epoch=self.epoch,
                compression=1 if compressed else 0,
            )
            written.append(made)
            self.batches.append((first, made.header.last_offset, bytes(made.buffer), timestamps))
            self.end = made.header.next_offset
        self.log.append(written, 0)

    @rule(
        share=st.floats(0, 1),
        max_bytes=st.integers(0, 3000),
        limit=st.floats(0, 1),
        at_least_one=st.booleans(),
    )
    def read(self, share: float, max_bytes: int, limit: float, at_least_one: bool) -> None:
        offset = self.start + round(share * (self.end - self.start))
        max_offset = self.start + round(limit * (self.end - self.start))
        found = self.log.read(offset, max_bytes, max_offset=max_offset, at_least_one=at_least_one)
        expected = b""
        for first, last, data, _ in self.batches:
            if last < offset or offset >= max_offset:
                continue
            if last >= max_offset or len(expected) + len(data) > max_bytes:
                if last < max_offset and not expected and at_least_one:
                    expected = data
                    assert found.first_base_offset == first
                break
            expected += data
        assert b"".join(map(self.log.read_bytes, found.parts)) == expected
        assert found.size == len(expected)

    @rule(offset=st.sampled_from([-5, -1, 1, 2, 1 << 40]))
    def read_outside(self, offset: int) -> None:
        outside = self.start + offset if offset < 0 else self.end + offset
        with pytest.raises(OffsetOutOfRange):
            self.log.read(outside, 100)

    @rule(timestamp=st.integers(-1, 9001))
    def look_up_a_time(self, timestamp: int) -> None:
        records = [
            (time, first + at)
            for first, _, _, times in self.batches
            for at, time in enumerate(times)
            if first + at >= self.start
        ]
        found = self.log.offset_for_timestamp(timestamp)
        expected = next((offset for time, offset in records if time >= timestamp), None)
        if timestamp >= 0:
            assert (found and found.offset) == expected
        newest = self.log.max_timestamp_offset()
        best = max((time for time, _ in records), default=-1)
        if best >= 0 and self.batches[0][0] >= self.start:
            assert newest is not None
            assert newest[:2] == next(record for record in records if record[0] == best)

    @precondition(lambda self: self.end > self.start)
    @rule(share=st.floats(0, 1))
    def truncate(self, share: float) -> None:
        offset = self.start + round(share * (self.end - self.start))
        self.log.truncate_to(offset)
        if offset < self.end:
            del self.batches[bisect_left(self.batches, offset, key=lambda one: one[1]) :]
            self.end = max(self.batches[-1][1] + 1 if self.batches else 0, self.start)

    @precondition(lambda self: self.end > self.start)
    @rule(share=st.floats(0, 1))
    def trim(self, share: float) -> None:
        self.start += round(share * (self.end - self.start))
        self.log.advance_log_start(self.start)
        self.dirs.save_log_starts()
        del self.batches[: bisect_left(self.batches, self.start, key=lambda one: one[1])]

    @rule()
    def flush(self) -> None:
        self.log.flush()
        self.dirs.checkpoint()

    @invariant()
    def the_bounds_are_right(self) -> None:
        assert (self.log.log_start_offset, self.log.log_end_offset) == (self.start, self.end)

    @invariant()
    def everything_is_there(self) -> None:
        found = self.log.read(self.start, 1 << 30)
        data = b"".join(map(self.log.read_bytes, found.parts))
        assert data == b"".join(data for _, _, data, _ in self.batches)

    @invariant()
    def the_epochs_fit_the_batches(self) -> None:
        for first, _, data, _ in self.batches:
            if first >= self.start:
                epoch = record_batch.read_header(data).partition_leader_epoch
                assert self.log.epochs.epoch_for(first) == epoch

    def teardown(self) -> None:
        self.dirs.close(clean=False)


class SegmentMachine(LogMachine):
    """Drives the segment engine, and stops and starts it."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="kwire-model-")
        super().__init__()

    def make(self) -> LogDirectories:
        return LogDirs(
            [self.path], node_id=1, new_uuid=uuids(), tails=TailBudget(14000, 14000), max_open_files=2
        )

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        self.dirs.close(clean=clean)
        self.dirs = self.make()
        self.log = self.dirs.open("topic", 0, TOPIC_ID, CONFIG)

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.path)


@pytest.mark.slow
def test_the_memory_engine_is_what_a_list_says() -> None:
    run_state_machine_as_test(LogMachine, settings=settings(max_examples=50, stateful_step_count=30))


@pytest.mark.slow
def test_the_segment_engine_is_what_a_list_says() -> None:
    run_state_machine_as_test(
        SegmentMachine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
    )
