"""After a loss of power at any call: what a flush promised is there, nothing else than what was written, and
the log opens.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from kwire_codecs.records import batch as record_batch
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, ValidBatch
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.tail import TailBudget

from tests.storage.batches import batch, marker, read_all
from tests.storage.disks import TOPIC_ID, sweep, uuids
from tests.storage.power import PowerCut, PowerDisk, contents
from tests.tries import seeds

CONFIG = LogConfig(segment_bytes=900, index_interval_bytes=100, file_delete_delay_ms=0, retention_ms=-1)
ROOT = "/data"
STEPS = 60
EVERY = 6
"""Each of so many calls loses power in some run."""


@dataclass
class Written:
    """What was done, and what may be expected of the log whatever happens next."""

    batches: dict[int, bytes] = field(default_factory=dict)
    """The log's batches by base offset."""
    ever: set[tuple[int, bytes]] = field(default_factory=set)
    """All batches that were ever there."""
    end: int = 0
    promised: int = 0
    """Everything below was flushed, and not cut off since."""
    start: int = 0
    """Where the log was told to start, at most."""

    def appended(self, batches: list[ValidBatch]) -> None:
        for data, header in batches:
            self.ever.add((header.base_offset, bytes(data)))
            self.batches[header.base_offset] = bytes(data)
            self.end = header.next_offset

    def cut(self, offset: int) -> None:
        self.batches = {base: data for base, data in self.batches.items() if base < offset}
        self.promised = min(self.promised, offset)


class Run:
    """A log that lives through what a seed says, on a disk that may lose power at any call."""

    def __init__(self, seed: int, cut_at: int | None) -> None:
        self.config = replace(CONFIG, preallocate=seed % 3 == 2)
        self.rng = random.Random(seed)
        self.disk = PowerDisk(seed * 1009 + (cut_at or 0))
        self.written = Written()
        self.epoch = 0
        self.sequences: dict[int, int] = {}
        self.cut_at = cut_at

    def open(self) -> tuple[LogDirs, SegmentedLog]:
        self.process = self.disk.process()
        dirs = LogDirs([ROOT], node_id=1, new_uuid=uuids(), files=self.process, tails=TailBudget(0, 0))
        return dirs, dirs.open("topic", 0, TOPIC_ID, self.config)

    def lose_power(self) -> None:
        """Whoever ran is dead, and so is what the disk had not been told to keep."""
        self.process.die()
        self.disk.lose_power()

    def go(self) -> None:
        """Until the power goes, or the run is over."""
        self.disk.cut_at = self.cut_at
        dirs, log = self.open()
        for _ in range(STEPS):
            kind = self.rng.choices(
                (
                    "append",
                    "flush",
                    "cut",
                    "trim",
                    "retain",
                    "epoch",
                    "checkpoint",
                    "housekeeping",
                    "restart",
                ),
                (30, 8, 3, 3, 3, 3, 4, 4, 2),
            )[0]
            if kind == "restart":
                clean = self.rng.random() < 0.5
                dirs.close(clean=clean)
                if clean:
                    self.written.promised = self.written.end
                dirs, log = self.open()
            else:
                getattr(self, f"_{kind}")(dirs, log)
            self.written.promised = max(self.written.promised, log.recovery_point)

    def _append(self, dirs: LogDirs, log: SegmentedLog) -> None:
        batches = []
        offset = log.log_end_offset
        for _ in range(self.rng.randint(1, 3)):
            made = self._batch(log, offset)
            offset = made.header.next_offset
            batches.append(made)
        self.written.appended(batches)  # a write that the power ends may be there
        log.append(batches, 0)

    def _batch(self, log: SegmentedLog, offset: int) -> ValidBatch:
        kind = self.rng.choice(("plain", "plain", "idempotent", "transactional"))
        value = self.rng.randbytes(self.rng.randint(1, 120))
        if kind == "plain":
            return batch(offset, self.rng.randint(1, 3), value=value, leader_epoch=self.epoch)
        producer_id = self.rng.randint(1, 2) + (10 if kind == "transactional" else 0)
        is_open = log.producers.has_open_transaction(producer_id, 0)
        if kind == "transactional" and is_open:
            return marker(
                offset, commit=self.rng.random() < 0.5, producer_id=producer_id, producer_epoch=0,
                leader_epoch=self.epoch,
            )  # fmt: skip
        sequence = self.sequences.get(producer_id, 0)
        self.sequences[producer_id] = sequence + 1
        return batch(
            offset, value=value, leader_epoch=self.epoch, producer_id=producer_id, producer_epoch=0,
            base_sequence=sequence, is_transactional=kind == "transactional",
        )  # fmt: skip

    def _flush(self, dirs: LogDirs, log: SegmentedLog) -> None:
        end = log.log_end_offset
        log.flush()
        self.written.promised = max(self.written.promised, end)

    def _cut(self, dirs: LogDirs, log: SegmentedLog) -> None:
        if log.log_end_offset > log.log_start_offset:
            offset = self.rng.randint(log.log_start_offset, log.log_end_offset)
            least = max((base for base in self.written.batches if base <= offset), default=0)
            self.written.promised = min(self.written.promised, least)
            log.truncate_to(offset)
            self.written.cut(log.log_end_offset)
            self.written.end = log.log_end_offset

    def _trim(self, dirs: LogDirs, log: SegmentedLog) -> None:
        self.written.start = max(
            self.written.start, self.rng.randint(log.log_start_offset, log.log_end_offset)
        )
        # Retention may have taken less than it might have, and a cut what lay behind that.
        log.advance_log_start(min(self.written.start, log.log_end_offset))
        dirs.save_log_starts()

    def _retain(self, dirs: LogDirs, log: SegmentedLog) -> None:
        bases = log.segment_offsets
        if len(bases) > 2:
            self.written.start = max(self.written.start, bases[-2])
            log.configure(replace(CONFIG, retention_bytes=1500))
            log.retain(0)
            log.configure(CONFIG)
        sweep(dirs)

    def _epoch(self, dirs: LogDirs, log: SegmentedLog) -> None:
        self.epoch += 1
        log.epochs.assign(self.epoch, log.log_end_offset)

    def _checkpoint(self, dirs: LogDirs, log: SegmentedLog) -> None:
        dirs.checkpoint()

    def _housekeeping(self, dirs: LogDirs, log: SegmentedLog) -> None:
        for job in dirs.plan_flushes():
            if job is not None:
                job.work()
                dirs.commit_flush(job)
        dirs.checkpoint()


def check(run: Run) -> None:
    """What must be, after the power came back."""
    written = run.written
    dirs, log = run.open()
    start, end = log.log_start_offset, log.log_end_offset
    assert start <= max(written.start, 0)
    assert end >= min(written.promised, written.end), "what was flushed is there"
    data = read_all(log) if end > start else b""
    found = {}
    for position, header in record_batch.walk(data):
        bytes_of_it = data[position : position + header.size]
        found[header.base_offset] = bytes_of_it
        assert (header.base_offset, bytes_of_it) in written.ever, "nothing is there that was never written"
        assert epoch_at(log, max(header.base_offset, start)) == header.partition_leader_epoch
    for base, expected in written.batches.items():
        last = base + record_batch.read_header(expected).last_offset_delta
        if last < written.promised and last >= start:
            assert found.get(base) == expected, f"the batch at {base} was flushed"
    check_producers(log, data)
    log.append([batch(end, leader_epoch=log.epochs.latest if log.epochs.latest >= 0 else 0)], 0)
    dirs.close(clean=True)
    dirs, log = run.open()
    assert (log.log_start_offset, log.log_end_offset) == (start, end + 1)
    dirs.close(clean=False)


def epoch_at(log: SegmentedLog, offset: int) -> int:
    return max((entry.epoch for entry in log.epochs.entries() if entry.start_offset <= offset), default=-1)


def check_producers(log: SegmentedLog, data: bytes) -> None:
    """The producers that wrote what is there go on from there, unless what lies between got lost."""
    headers = [header for _, header in record_batch.walk(data)]
    ends = [*(header.base_offset for header in headers[1:]), log.log_end_offset]
    if any(header.next_offset != end for header, end in zip(headers, ends, strict=False)):
        return
    last: dict[int, int] = {}
    is_open: dict[int, bool] = {}
    for header in headers:
        if header.producer_id < 0:
            continue
        if not header.is_control:
            last[header.producer_id] = header.last_sequence
        is_open[header.producer_id] = header.is_transactional and not header.is_control
    for producer_id, sequence in last.items():
        entry = log.producers.get(producer_id)
        assert entry is not None
        assert entry.batches[-1].last_sequence == sequence
    for producer_id, state in is_open.items():
        assert log.producers.has_open_transaction(producer_id, 0) == state


def cuts(seed: int) -> Iterator[int]:
    """The calls at which a run of this seed loses power: each EVERY-th, and another set of them each seed."""
    whole = Run(seed, None)
    whole.go()
    return iter(range(seed % EVERY, whole.disk.calls, EVERY))


@pytest.mark.parametrize("seed", seeds(range(6)))
def test_what_was_flushed_outlives_a_loss_of_power_at_any_call(seed: int) -> None:
    for cut_at in cuts(seed):
        run = Run(seed, cut_at)
        with suppress(PowerCut):
            run.go()
        run.lose_power()
        try:
            check(run)
        except BaseException as error:
            error.add_note(f"seed {seed}, power lost at call {cut_at}")
            raise


def test_a_mark_of_a_clean_stop_does_not_come_back() -> None:
    for seed in range(20):
        run = Run(seed, None)
        dirs, log = run.open()
        log.append([batch(0)], 0)
        dirs.close(clean=True)
        dirs, _ = run.open()
        assert dirs.was_clean
        run.lose_power()
        dirs, _ = run.open()
        assert not dirs.was_clean, f"seed {seed}"
        dirs.close(clean=False)


def test_what_a_cut_removed_does_not_come_back_beside_what_is_written_then() -> None:
    for seed in range(20):
        run = Run(seed, None)
        _, log = run.open()
        for offset in range(40):
            log.append([batch(offset, value=b"v" * 100)], 0)
        log.flush()
        assert len(log.segment_offsets) > 3
        log.truncate_to(2)
        log.append([batch(2, value=b"other")], 0)
        log.flush()
        run.lose_power()
        _, log = run.open()
        assert log.log_end_offset == 3, f"seed {seed}"
        assert b"other" in read_all(log)


def test_what_a_flush_promised_has_the_epoch_it_was_written_in() -> None:
    for seed in range(20):
        run = Run(seed, None)
        dirs, log = run.open()
        log.append([batch(0, leader_epoch=1)], 0)
        log.flush()
        dirs.checkpoint()
        log.append([batch(1, leader_epoch=2)], 0)
        log.roll(0)
        log.append([batch(2, leader_epoch=2)], 0)
        log.flush()
        dirs.checkpoint()
        run.lose_power()
        _, log = run.open()
        assert [tuple(entry) for entry in log.epochs.entries()] == [(1, 0), (2, 1)], f"seed {seed}"


def test_indexes_of_what_a_flush_promised_are_whole() -> None:
    # The times fall: a time index that lost its end would look right, and the newest record would be missed.
    for seed in range(20):
        run = Run(seed, None)
        _, log = run.open()
        for offset in range(12):
            log.append([batch(offset, timestamps=[5000 - offset if offset < 3 else 1000])], 0)
            if seed % 2:
                log.flush()
        log.roll(0)
        log.append([batch(12, timestamps=[1])], 0)
        log.flush()
        files = contents(run.disk)
        run.process.die()
        run.disk.lose_power()
        indexes = {path: data for path, data in files.items() if path.endswith("index")}
        assert len(indexes) > 1
        kept = contents(run.disk)
        assert indexes == {path: kept.get(path) for path in indexes}, f"seed {seed}"
