"""A clean stop of few logs and of many: all that it vouches for is on the device before its mark is."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest
from kwire_storage import file_system
from kwire_storage.directories import closing
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig
from kwire_storage.segments import file_names
from kwire_storage.tail import TailBudget

from kwire.partitions import threads
from tests.simulation.disk import Disk, ProcessFiles
from tests.storage.batches import batch, marker, read_all
from tests.storage.disks import TOPIC_ID, uuids
from tests.storage.power import PowerCut, PowerDisk, PowerFiles, contents

ROOT = "/data"
MARK = f"{ROOT}/{file_names.CLEAN_SHUTDOWN}"
CONFIG = LogConfig(segment_bytes=400, index_interval_bytes=1)
LOGS = 3


@pytest.fixture(params=["few", "many", "many, where the system can't vouch"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How many logs there are, in the eyes of whoever closes them."""
    if request.param != "few":
        monkeypatch.setattr(closing, "MOST_SINGLY", LOGS - 1)
    if "vouch" in request.param:
        monkeypatch.setattr(PowerFiles, "sync_file_system", lambda *_: False)
    return str(request.param)


def opened(files: ProcessFiles) -> LogDirs:
    return LogDirs([ROOT], node_id=1, new_uuid=uuids(), files=files, tails=TailBudget(0, 0))


def written(files: ProcessFiles) -> LogDirs:
    """Logs that have something in each kind of file: several segments, a producer, an aborted transaction."""
    dirs = opened(files)
    for partition in range(LOGS):
        log = dirs.open("topic", partition, TOPIC_ID, CONFIG)
        for offset in range(6):
            log.append([batch(offset, value=b"x" * 90, leader_epoch=offset // 4)], 0)
        log.append([batch(6, producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True)], 0)
        log.append([marker(7, commit=False, producer_id=7, producer_epoch=0)], 0)
    return dirs


def check_logs(dirs: LogDirs) -> None:
    for partition in range(LOGS):
        log = dirs.open("topic", partition, TOPIC_ID, CONFIG)
        assert (log.log_start_offset, log.log_end_offset) == (0, 8)
        assert len(read_all(log)) > 6 * 90
        assert [tuple(entry) for entry in log.epochs.entries()] == [(0, 0), (1, 4)]
        assert [each.first_offset for each in log.aborted_transactions(0, 8)] == [6]
        assert log.producers.get(7) is not None


def without_lock(disk: PowerDisk) -> dict[str, bytes]:
    return {path: data for path, data in contents(disk).items() if not path.endswith("/.lock")}


@pytest.mark.parametrize("seed", range(4))
def test_after_a_clean_stop_a_loss_of_power_takes_nothing(how: str, seed: int) -> None:
    disk = PowerDisk(seed)
    process = disk.process()
    written(process).close(clean=True)
    whole = without_lock(disk)
    kinds = {path[path.rindex(".") :] for path in whole if "/topic-0/" in path and "." in path.split("/")[-1]}
    assert kinds == {".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".metadata"}
    process.die()
    disk.lose_power()
    assert without_lock(disk) == whole
    dirs = opened(disk.process())
    assert dirs.was_clean
    check_logs(dirs)


def test_where_the_mark_is_all_that_it_vouches_for_is_there_too(how: str) -> None:
    disk = PowerDisk(0)
    dirs = written(disk.process())
    before = disk.calls
    dirs.close(clean=True)
    marks = 0
    for cut_at in range(before, disk.calls + 1):
        disk = PowerDisk(cut_at)
        process = disk.process()
        dirs = written(process)
        disk.cut_at = cut_at
        with suppress(PowerCut):
            dirs.close(clean=True)
        process.die()
        disk.lose_power()
        dirs = opened(disk.process())
        if dirs.was_clean:
            marks += 1
            check_logs(dirs)
        else:
            for partition in range(LOGS):
                dirs.open("topic", partition, TOPIC_ID, CONFIG)
    assert marks, "no cut came behind the mark"


@pytest.mark.parametrize("error", [errno.EIO, errno.EINTR, errno.ENOSPC])
def test_a_sync_that_fails_leaves_no_mark(how: str, error: int, caplog: pytest.LogCaptureFixture) -> None:
    disk = PowerDisk(1)
    process = disk.process()
    dirs = written(process)
    operation = "sync_file_system" if how == "many" else "fdatasync"
    fault = disk.fail([operation], ROOT, error, 1)
    dirs.close(clean=True)
    assert fault.happened == 1
    assert MARK not in contents(disk)
    assert "syncing" in caplog.text or "is offline" in caplog.text
    assert process.open_paths == []
    process.die()
    assert not opened(disk.process()).was_clean


def test_a_log_that_can_not_be_written_down_keeps_no_other_from_it(how: str) -> None:
    disk = PowerDisk(2)
    dirs = written(disk.process())
    disk.fail(["pwritev"], f"{ROOT}/topic-1/", errno.ENOMEM, 1)
    dirs.close(clean=True)
    assert MARK not in contents(disk)
    found = contents(disk)
    last = {path for path in found if path.endswith(".snapshot") and "00000008" in path}
    assert len(last) == LOGS - 1


class Counted(ProcessFiles):
    """Notes what was written, and what was synced, and how."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.synced: list[str] = []
        self.written: list[str] = []

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        self.written.append(self._open[descriptor][1])
        return super().pwritev(descriptor, buffers, position)

    def sync_file_system(self, descriptor: int, directories: Sequence[str]) -> bool:
        self.synced.append("file system")
        return super().sync_file_system(descriptor, directories)

    def fdatasync(self, descriptor: int) -> None:
        self.synced.append("file")
        super().fdatasync(descriptor)


def test_few_logs_do_not_wait_for_what_others_wrote_to_the_disk() -> None:
    files = Counted(PowerDisk(0))
    written(files).close(clean=True)
    assert "file system" not in files.synced
    assert files.synced.count("file") >= LOGS


def test_many_logs_of_which_few_were_written_to_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "MOST_SINGLY", 1)
    disk = PowerDisk(0)
    written(disk.process()).close(clean=True)
    files = Counted(disk)
    dirs = opened(files)
    check_logs(dirs)
    dirs.open("topic", 1, TOPIC_ID, CONFIG).append([batch(8, leader_epoch=1)], 0)
    dirs.close(clean=True)
    assert files.synced.count("file") in range(1, 6)
    assert "file system" not in files.synced


def test_a_log_that_was_only_read_is_not_written_again() -> None:
    disk = PowerDisk(0)
    written(disk.process()).close(clean=True)
    files = Counted(disk)
    dirs = opened(files)
    check_logs(dirs)
    files.written.clear()
    dirs.close(clean=True)
    assert [path for path in files.written if "/topic-" in path] == []


@pytest.mark.parametrize("error", [None, errno.EIO])
def test_syncs_side_by_side_are_all_waited_for(error: int | None) -> None:
    disk = PowerDisk(0)
    process = disk.process()
    dirs = written(process)
    if error is not None:
        disk.fail(["fdatasync"], f"{ROOT}/topic-2/", error, 1)
    at_once: list[int] = []

    def together(works: Sequence[Callable[[], None]]) -> None:
        at_once.append(len(works))
        threads.side_by_side(works)

    dirs.close(clean=True, together=together)
    assert at_once == [LOGS]
    assert (MARK in contents(disk)) is (error is None)
    process.die()
    disk.lose_power()
    assert opened(disk.process()).was_clean is (error is None)


def test_who_works_side_by_side_is_waited_for() -> None:
    gone_on = Event()
    done: list[bytes] = []

    def slow() -> None:
        gone_on.wait(10)
        done.append(sha256(bytes(1 << 24)).digest())

    threads.side_by_side([gone_on.set, slow, slow])
    assert len(done) == 2


# The call itself


@pytest.fixture
def lock(tmp_path: Path) -> int:
    return os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)


def test_a_file_system_is_synced_or_nothing_is_said_of_it(lock: int, tmp_path: Path) -> None:
    (tmp_path / "topic-0").mkdir()
    assert file_system.sync(lock, [str(tmp_path / "topic-0")]) in (True, False)
    os.close(lock)


def test_what_lies_on_another_file_system_is_not_vouched_for(lock: int, tmp_path: Path) -> None:
    (tmp_path / "topic-0").symlink_to("/proc", target_is_directory=True)
    assert file_system.sync(lock, [str(tmp_path / "topic-0")]) is False
    os.close(lock)


def test_a_file_system_that_may_say_what_nobody_knows_is_not_asked() -> None:
    descriptor = os.open("/proc/self/status", os.O_RDONLY)
    assert file_system.sync(descriptor, []) is False
    os.close(descriptor)


@pytest.mark.parametrize("release", ["5.16.9", "4.4.0-19041-Microsoft", "2.6", "unknown"])
def test_an_old_kernel_that_keeps_failures_to_itself_is_not_asked(
    release: str, lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = os.uname_result(("Linux", "host", release, "", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: named)
    assert file_system.sync(lock, []) is False
    os.close(lock)


def test_a_descriptor_that_is_none_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        file_system.sync(-1, [])
