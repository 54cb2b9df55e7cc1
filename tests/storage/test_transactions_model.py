"""Several producers' lives over a log, with commits, aborts, cuts and restarts at any moment, leave what the
plain replay of all batches says: producers, what is undecided, what was aborted.

Hypothesis drives both engines by the same machine; the one on disk is also stopped and started, cleanly and
not, with transaction indexes that were damaged meanwhile.
"""

import shutil
import tempfile
from bisect import bisect_left
from pathlib import Path

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
from kwire_storage.directories.interface import LogDirectories
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, PartitionLog, ValidBatch
from kwire_storage.memory_dirs import MemoryDirs
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.tail import TailBudget

from tests.references.transactions import Known, Transactions, Written
from tests.storage.batches import batch, marker
from tests.storage.disks import TOPIC_ID, uuids

CONFIG = LogConfig(segment_bytes=500, index_interval_bytes=100, segment_ms=1 << 40)
PRODUCERS = [1, 2, 3, 4]

steps = st.lists(
    st.tuples(
        st.sampled_from(["plain", "idempotent", "begin", "begin", "commit", "abort", "abort"]),
        st.sampled_from(PRODUCERS),
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from([5, 5, 2000]),
    ),
    min_size=1,
    max_size=4,
)


class TransactionMachine(RuleBasedStateMachine):
    """Drives the memory engine; the one below, the other."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Written] = []
        self.start = 0
        self.end = 0
        self.coordinator_epoch = 0
        self.dirs: LogDirectories = self.make()
        self.log: PartitionLog = self.dirs.open("topic", 0, TOPIC_ID, CONFIG)

    def make(self) -> LogDirectories:
        return MemoryDirs(node_id=1, new_uuid=uuids())

    def expected(self) -> Transactions:
        return Transactions(self.written)

    @rule(steps=steps)
    def append(self, steps: list[tuple[str, int, int, bool, int]]) -> None:
        made = []
        for kind, producer_id, count, bumps, size in steps:
            known = self.expected().producers.get(producer_id, Known(0, -1, -1, -1))
            made.append(self.one(kind, producer_id, count, bumps, b"v" * size, known))
        self.log.append(made, 0)

    def one(
        self, kind: str, producer_id: int, count: int, bumps: bool, value: bytes, known: Known
    ) -> ValidBatch:
        first, epoch = self.end, known.epoch
        if kind in ("commit", "abort"):
            self.coordinator_epoch += bumps
            written = Written(
                first, first, producer_id, epoch + bumps, end=kind == "commit",
                coordinator_epoch=self.coordinator_epoch, is_transactional=True,
            )  # fmt: skip
            made = marker(
                first,
                commit=kind == "commit",
                producer_id=producer_id,
                producer_epoch=epoch + bumps,
                coordinator_epoch=self.coordinator_epoch,
            )
        elif kind == "plain":
            written, made = Written(first, first + count - 1), batch(first, count, value=value)
        else:
            if kind == "idempotent":
                producer_id += 10
                known = self.expected().producers.get(producer_id, Known(0, -1, -1, -1))
                epoch = known.epoch
            sequence = known.last_sequence + 1
            written = Written(first, first + count - 1, producer_id, epoch, sequence, kind == "begin")
            made = batch(
                first,
                count,
                value=value,
                producer_id=producer_id,
                producer_epoch=epoch,
                base_sequence=sequence,
                is_transactional=kind == "begin",
            )
        self.written.append(written)
        self.end = written.last_offset + 1
        return made

    @precondition(lambda self: self.end > self.start)
    @rule(share=st.floats(0, 1))
    def truncate(self, share: float) -> None:
        offset = self.start + round(share * (self.end - self.start))
        self.log.truncate_to(offset)
        if offset < self.end:
            del self.written[bisect_left(self.written, offset, key=lambda one: one.last_offset) :]
            self.end = max(self.written[-1].last_offset + 1 if self.written else 0, self.start)

    @precondition(lambda self: self.end > self.start)
    @rule(share=st.floats(0, 1))
    def trim(self, share: float) -> None:
        self.start += round(share * (self.end - self.start))
        self.log.advance_log_start(self.start)
        self.dirs.save_log_starts()

    @rule()
    def flush(self) -> None:
        self.log.flush()
        self.dirs.checkpoint()

    @rule(begin=st.floats(0, 1), length=st.floats(0, 1))
    def look_at_a_part(self, begin: float, length: float) -> None:
        first = self.start + round(begin * (self.end - self.start))
        behind = first + round(length * (self.end - first))
        found = self.log.aborted_transactions(first, behind)
        assert found == self.expected().aborted_in(first, behind)

    @rule(begin=st.floats(0, 1), max_bytes=st.integers(0, 1000), limit=st.floats(0, 1))
    def read(self, begin: float, max_bytes: int, limit: float) -> None:
        """The bound is behind all that was read, and nothing that was aborted in it is left untold."""
        first = self.start + round(begin * (self.end - self.start))
        max_offset = first + round(limit * (self.end - first))
        found = self.log.read(first, max_bytes, max_offset=max_offset)
        bound = self.log.bound_behind(first, found)
        size, read_to = found.size, first
        for one in self.written:
            if one.last_offset >= first and size > 0:
                size -= self.sizes(one)
                read_to = one.last_offset + 1
        assert read_to <= bound <= max(self.end, read_to)
        told = self.log.aborted_transactions(first, bound)
        assert set(self.expected().aborted_in(first, read_to)) <= set(told)

    def sizes(self, one: Written) -> int:
        found = self.log.read(one.first_offset if one.first_offset >= self.start else self.start, 1)
        return found.size

    @invariant()
    def the_producers_are_those_of_the_batches(self) -> None:
        known = {
            entry.producer_id: Known(
                entry.epoch, entry.last_sequence, entry.coordinator_epoch, entry.transaction_first_offset
            )
            for entry in self.log.producers
        }
        assert known == self.expected().producers

    @invariant()
    def nothing_undecided_is_readable(self) -> None:
        assert self.log.producers.first_undecided_offset == self.expected().first_undecided_offset

    @invariant()
    def all_that_was_aborted_is_told(self) -> None:
        found = self.log.aborted_transactions(self.start, self.end)
        assert found == self.expected().aborted_in(self.start, self.end)

    def teardown(self) -> None:
        self.dirs.close(clean=False)


class SegmentMachine(TransactionMachine):
    """Drives the segment engine, and stops and starts it."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="kwire-model-")
        super().__init__()

    def make(self) -> LogDirectories:
        return LogDirs(
            [self.path], node_id=1, new_uuid=uuids(), tails=TailBudget(3000, 3000), max_open_files=2
        )

    @rule(clean=st.booleans(), damage=st.sampled_from([None, None, b"", b"\0", b"\xff" * 34, b"cut"]))
    def restart(self, clean: bool, damage: bytes | None) -> None:
        """What is damaged is each index after a clean stop, and after another those that may not have been
        synced. A clean stop's are not emptied: one that is cut by whole entries looks right.
        """
        assert isinstance(self.log, SegmentedLog)
        synced_to = 0 if clean else self.log.recovery_point
        self.dirs.close(clean=clean)
        indexes = sorted(Path(self.path).glob("topic-0/*.txnindex"))
        segments = sorted(int(path.stem) for path in Path(self.path).glob("topic-0/*.log"))
        first_looked_at = max((base for base in segments if base <= synced_to), default=0)
        for index in indexes:
            if damage is not None and (damage or not clean) and int(index.stem) >= first_looked_at:
                index.write_bytes(index.read_bytes()[:-3] if damage == b"cut" else damage)
        if self.written and self.written[-1].last_offset + 1 < self.start:
            # The log was cut back below its start: what is left of it goes at the next start, and with it all
            # that was known of producers (Kafka: LogLoader.deleteSegmentsIfLogStartGreaterThanLogEnd).
            self.written.clear()
        self.dirs = self.make()
        self.log = self.dirs.open("topic", 0, TOPIC_ID, CONFIG)

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.path)


@pytest.mark.slow
def test_the_memory_engine_knows_its_transactions() -> None:
    run_state_machine_as_test(
        TransactionMachine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
    )


@pytest.mark.slow
def test_the_segment_engine_knows_its_transactions() -> None:
    run_state_machine_as_test(
        SegmentMachine, settings=settings(max_examples=80, stateful_step_count=30, deadline=None)
    )
