"""After a loss of power at any call of a broker's life with several logs in several directories, of which
some are compacted: what was flushed is there, or what is newer of its key.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record
from kwire_storage.cleaner.cleaning import clean
from kwire_storage.cleaner.job import CleaningJob, CleaningResult
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, ValidBatch
from kwire_storage.segments.compaction import Cleaning, CleaningResources
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.tail import TailBudget

from tests.storage.batches import read_all
from tests.storage.disks import TOPIC_ID, sweep, uuids
from tests.storage.power import PowerCut, PowerDisk
from tests.tries import seeds

ROOTS = ("/data/a", "/data/b")
NAMES = (("plain", 0), ("table", 0), ("table", 1), ("other", 0))
KEYS = (b"a", b"b", b"c", b"d")
SMALL_MAP = CleaningResources(memory_bytes=600)
"""Room for few keys: a log is cleaned in several rounds."""
STEPS = 70
EVERY = 7
"""Each of so many calls loses power in some run."""


def config_of(topic: str) -> LogConfig:
    """A topic's; segments of a few batches."""
    return LogConfig(
        segment_bytes=500,
        index_interval_bytes=100,
        file_delete_delay_ms=0,
        retention_ms=-1,
        compacts=topic != "plain",
        delete_retention_ms=1 << 50,
    )


@dataclass
class Written:
    """What was written to one log, and how much of it a flush has promised."""

    records: dict[int, tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    promised: int = 0

    def newest(self) -> dict[bytes | None, int]:
        """Of each key the newest record that was promised."""
        return {key: offset for offset, (key, _) in self.records.items() if offset < self.promised}


class Life:
    """A broker's logs, on a disk that may lose power at any call."""

    def __init__(self, seed: int, cut_at: int | None) -> None:
        self.rng = random.Random(seed)
        self.disk = PowerDisk(seed * 1009 + (cut_at or 0))
        self.written = {name: Written() for name in NAMES}
        self.cut_at = cut_at
        self.swapped = 0
        """How many segments took the place of others."""

    def open(self) -> tuple[LogDirs, dict[tuple[str, int], SegmentedLog]]:
        self.process = self.disk.process()
        dirs = LogDirs(list(ROOTS), node_id=1, new_uuid=uuids(), files=self.process, tails=TailBudget(0, 0))
        return dirs, {
            (topic, index): dirs.open(topic, index, TOPIC_ID, config_of(topic)) for topic, index in NAMES
        }

    def lose_power(self) -> None:
        self.process.die()
        self.disk.lose_power()

    def go(self) -> None:
        """Until the power goes, or the life is over."""
        self.disk.cut_at = self.cut_at
        dirs, logs = self.open()
        for _ in range(STEPS):
            step = self.rng.choices(
                ("append", "flush", "clean", "checkpoint", "housekeeping", "sweep", "restart"),
                (30, 4, 6, 3, 2, 2, 1),
            )[0]
            name = self.rng.choice(NAMES)
            log = logs[name]
            if step == "append":
                self._append(name, log)
            elif step == "flush":
                end = log.log_end_offset
                log.flush()
                self.written[name].promised = end
            elif step == "clean" and name[0] != "plain":
                self._clean(name, log)
            elif step == "checkpoint":
                dirs.checkpoint()
            elif step == "housekeeping":
                for job in dirs.plan_flushes():
                    if job is not None:
                        job.work()
                        dirs.commit_flush(job)
                dirs.checkpoint()
            elif step == "sweep":
                sweep(dirs)
            elif step == "restart":
                is_clean = self.rng.random() < 0.5
                dirs.close(clean=is_clean)
                for each, opened in logs.items():
                    if is_clean:
                        self.written[each].promised = opened.log_end_offset
                dirs, logs = self.open()
            for each, opened in logs.items():
                written = self.written[each]
                written.promised = max(written.promised, opened.recovery_point)

    def _append(self, name: tuple[str, int], log: SegmentedLog) -> None:
        records = []
        for number in range(self.rng.randint(1, 3)):
            key = self.rng.choice(KEYS)
            value: bytes | None = self.rng.randbytes(self.rng.randint(1, 60))
            if self.rng.random() < 0.1:
                value = None
            self.written[name].records[log.log_end_offset + number] = (key, value)
            records.append(Record(key, value, 1000))
        built = record_batch.build(records, base_offset=log.log_end_offset, leader_epoch=0)
        log.append([ValidBatch(memoryview(built), record_batch.read_header(built))], 0)

    def _clean(self, name: tuple[str, int], log: SegmentedLog) -> None:
        resources = self.rng.choice((CleaningResources(), SMALL_MAP))
        cleaning = log.compaction.plan(log.log_end_offset, 0, resources)
        if isinstance(cleaning, Cleaning):
            result = CleaningResult.decode(
                clean(CleaningJob.decode(cleaning.job.encode()), self.process).encode()
            )
            for group in result.groups:
                self.swapped += log.compaction.commit(cleaning, group, 0)
            if result.groups:
                log.compaction.sync()
            log.compaction.end(cleaning, result.dirty_offset)


def check(life: Life) -> None:
    """What must be, after the power came back."""
    dirs, logs = life.open()
    for name, log in logs.items():
        written = life.written[name]
        found = records_of(log)
        for offset, said in found.items():
            assert written.records[offset] == said, f"{name}: nothing else than what was written at {offset}"
        assert log.log_end_offset >= written.promised, name
        if name[0] == "plain":
            assert set(range(written.promised)) <= set(found), "what was flushed is there"
            continue
        newest = {key: offset for offset, (key, _) in found.items()}
        for key, offset in written.newest().items():
            assert newest.get(key, -1) >= offset, f"{name}: the record of {key!r} at {offset} was flushed"
        written.promised = log.log_end_offset
        log.roll(0)
        life._append(name, log)
        life._clean(name, log)
        newest = {key: offset for offset, (key, _) in records_of(log).items()}
        for key, offset in {key: at for at, (key, _) in sorted(found.items())}.items():
            assert newest[key] >= offset, f"{name}: a cleaning keeps {key!r}"
    dirs.close(clean=True)


def records_of(log: SegmentedLog) -> dict[int, tuple[bytes | None, bytes | None]]:
    found = {}
    data = read_all(log) if log.log_end_offset > log.log_start_offset else b""
    for position, header in record_batch.walk(data):
        assert record_batch.crc_is_valid(data, position, header)
        for each in record_batch.records(data, position, header, 1 << 20):
            assert each.offset not in found, f"offset {each.offset} is there twice"
            found[each.offset] = (each.key, each.value)
    return found


def cuts(seed: int) -> Iterator[tuple[int, int]]:
    """The calls at which a life loses power, each EVERY-th, another set of them each seed; of the first life
    from this seed on in which segments take the place of others.
    """
    for lived in range(seed, seed + 20):
        whole = Life(lived, None)
        whole.go()
        if whole.swapped:
            return ((lived, cut_at) for cut_at in range(lived % EVERY, whole.disk.calls, EVERY))
    raise AssertionError(f"nothing is ever cleaned in 20 lives from seed {seed} on")


@pytest.mark.parametrize("seed", seeds([3, 5, 8]))
def test_what_was_flushed_or_what_is_newer_of_its_key_outlives_a_loss_of_power(seed: int) -> None:
    for lived, cut_at in cuts(seed):
        life = Life(lived, cut_at)
        with suppress(PowerCut):
            life.go()
        life.lose_power()
        try:
            check(life)
        except BaseException as error:
            error.add_note(f"seed {lived}, power lost at call {cut_at}")
            raise
