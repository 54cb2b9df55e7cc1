"""A move that is killed at any call, or whose directories fail there, and the start after it at some: the log
has all that was acknowledged.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import StorageError
from kwire_storage.segments.log import SegmentedLog

from tests.storage.batches import batch, offsets
from tests.storage.disks import DyingDisk
from tests.storage.kills import Killed, KilledAt
from tests.storage.moves import begin, copy, open_log, open_two, resume, step
from tests.storage.power import PowerCut, PowerDisk


class Life:
    """What is acknowledged of one log, and where the metadata say that it lies, whoever is killed."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[int, int]] = []
        self.assigned: UUID | None = None
        self.promised = 0
        """Everything below was flushed."""

    def write(self, log: SegmentedLog, count: int) -> None:
        for _ in range(count):
            end = log.log_end_offset
            log.append(
                [batch(end, 2, producer_id=7, producer_epoch=0, base_sequence=end, value=b"value" * 5)], 0
            )
            self.acknowledged.append((end, end + 1))

    def flush(self, log: SegmentedLog) -> None:
        log.flush()
        self.promised = log.recovery_point

    def move(self, dirs: LogDirs, log: SegmentedLog) -> SegmentedLog:
        """From beginning to end, with appends between all steps."""
        move = dirs.moves.get("topic", 0) or begin(dirs)
        step(move)
        self.write(log, 2)
        self.flush(log)
        copy(move)
        self.assigned = dirs.directory_ids[1]
        self.write(log, 1)
        copy(move)
        log = dirs.moves.finish("topic", 0, 0)
        self.write(log, 1)
        self.flush(log)
        left = dirs.moves.retiring("topic", 0)
        assert left is not None
        left.work()
        dirs.moves.retire(left)
        self.write(log, 1)
        self.flush(log)
        return log

    def start(self, dirs: LogDirs) -> SegmentedLog:
        """As a broker starts: what is said of directories is settled, the log opened, its place written
        down, and an interrupted move gone on with.
        """
        dirs.settle(lambda topic_id, partition: self.assigned)
        log = open_log(dirs)
        self.assigned = dirs.directory_of("topic", 0)
        if dirs.moves.interrupted():
            resume(dirs)
        return log

    def check(self, log: SegmentedLog) -> None:
        found = offsets(log)
        assert found[: len(self.acknowledged)] == self.acknowledged
        assert len(found) <= len(self.acknowledged) + 1, "but for one whose answer did not come"
        entry = log.producers.get(7)
        assert entry is not None
        assert entry.last_sequence == log.log_end_offset - 1
        self.acknowledged = found


def test_a_kill_at_any_call_leaves_the_whole_log_in_one_place(tmp_path: Path) -> None:
    met: set[object] = set()
    for at in itertools.count():
        path = tmp_path / str(at)
        files, life = KilledAt(), Life()
        dirs = open_two(path, files)
        log = open_log(dirs)
        life.write(log, 8)
        log.advance_log_start(5)
        life.acknowledged = offsets(log)
        dirs.checkpoint()
        life.assigned = dirs.directory_of("topic", 0)
        files.left = at
        try:
            life.move(dirs, log)
        except Killed:
            pass
        else:
            break
        files.close_all()
        if at % 2:
            for name in ("one", "two"):
                (path / name / ".kafka_cleanshutdown").write_bytes(b"{}")  # as if nobody needed to look
        for then in (0, 1, 3, 6, 12, 25, None):
            again = KilledAt()
            try:
                dirs = open_two(path, again)
                again.left = then
                log = life.start(dirs)
                life.check(log)
                if dirs.moves.get("topic", 0) is not None:
                    met.add("gone on with")
                    log = life.move(dirs, log)
                met.add(dirs.directory_of("topic", 0) == dirs.directory_ids[1])
            except Killed:
                again.close_all()
                continue
            again.left = None
            life.check(log)
            assert log.log_start_offset == 5
            life.write(log, 1)
            life.check(log)
            places = [each for name in ("one", "two") for each in (path / name).glob("topic-0")]
            assert len(places) == 1
            assert not list(path.glob("*/*-future"))
            met.update("set aside" for _ in path.glob("*/*-stray"))
            dirs.close(clean=False)
            break
    assert at > 30
    assert {True, False, "gone on with", "set aside"} <= met, "left, moved, gone on with, found twice"


def test_a_loss_of_power_at_any_call_leaves_what_was_flushed() -> None:
    met: set[object] = set()
    for at in itertools.count():
        disk, life = PowerDisk(at), Life()
        process = disk.process()
        dirs = open_two(Path("/data"), process)
        log = open_log(dirs)
        life.write(log, 8)
        life.flush(log)
        life.assigned = dirs.directory_of("topic", 0)
        disk.cut_at = disk.calls + at
        try:
            log = life.move(dirs, log)
        except PowerCut:
            pass
        else:
            break
        process.die()
        disk.lose_power()
        process = disk.process()
        dirs = open_two(Path("/data"), process)
        log = life.start(dirs)
        met.add("moved" if dirs.directory_of("topic", 0) == dirs.directory_ids[1] else "left")
        found = offsets(log)
        assert log.log_end_offset >= life.promised, at
        assert found == life.acknowledged[: len(found)]
        life.acknowledged = found
        if dirs.moves.get("topic", 0) is not None:
            met.add("gone on with")
            log = life.move(dirs, log)
            assert offsets(log) == life.acknowledged
        dirs.close(clean=True)
    assert at > 50
    assert {"moved", "left", "gone on with"} <= met


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize("between", [1, 4, None])
def test_directories_that_fail_at_any_call_leave_the_whole_log_in_one_place(
    tmp_path: Path, order: tuple[str, str], between: int | None
) -> None:
    """The one and, so many calls later, the other; the metadata may hear of it before the end."""
    met: set[str] = set()
    for at in itertools.count():
        path, disk, life = tmp_path / str(at), DyingDisk(), Life()
        dirs = open_two(path, disk)
        log = open_log(dirs)
        life.write(log, 8)
        life.assigned = dirs.directory_of("topic", 0)
        first, second = (str(path / name) for name in order)
        breaks: dict[int, Sequence[str]] = {at: [first]}
        if between is not None:
            breaks[at + between] = [second]
        disk.count(breaks)
        try:
            life.move(dirs, log)
        except StorageError:
            met.add("failed")
        if not disk.broken:
            dirs.close(clean=True)
            break
        dirs.release()
        if at % 2:
            life.assigned = dirs.directory_of("topic", 0)
        try:  # as clients do
            log = open_log(dirs)
            life.write(log, 1)
        except StorageError:
            met.add("refused")
        else:
            met.add("gone on")
        dirs.close(clean=True)
        disk.broken.clear()
        disk.count({})
        dirs = open_two(path, disk)
        log = life.start(dirs)
        life.check(log)
        if dirs.moves.get("topic", 0) is not None:
            met.add("gone on with")
            log = life.move(dirs, log)
            life.check(log)
        assert len(list(path.glob("*/topic-0"))) == 1
        assert not list(path.glob("*/*-future"))
        dirs.close(clean=True)
    assert at > 20
    assert {"failed", "refused"} <= met
    assert between is not None or "gone on" in met
