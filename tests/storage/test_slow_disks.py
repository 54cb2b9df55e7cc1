"""Appends in steps, for disks that make writers wait: when they are wanted, and what becomes of them."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, StorageError
from kwire_storage.files import Files
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.write_pressure import LARGE_BYTES, REMEMBERED_SECONDS, SLOW_SECONDS, WritePressure

from tests.storage.batches import batch, fill, offsets, read_all
from tests.storage.disks import TOPIC_ID, FailingDisk, uuids

LARGE = b"x" * LARGE_BYTES


class TimedDisk(Files):
    """Each write takes `seconds`, on a clock of the disk's own."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.seconds = 0.0

    def now(self) -> float:
        return self.time

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        self.time += self.seconds
        return super().pwritev(descriptor, buffers, position)


def opened(path: Path, files: Files) -> tuple[LogDirs, SegmentedLog]:
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids(), files=files)
    return dirs, dirs.open("topic", 0, TOPIC_ID, LogConfig(segment_bytes=4 * LARGE_BYTES))


def test_a_slow_write_is_remembered_for_a_while() -> None:
    disk = TimedDisk()
    pressure = WritePressure(disk)
    assert not pressure.is_high
    pressure.wrote(1_000_000, SLOW_SECONDS)
    assert not pressure.is_high, "a megabyte takes a millisecond to copy"
    pressure.wrote(1_000_000, SLOW_SECONDS + 0.002)
    assert pressure.is_high
    disk.time += REMEMBERED_SECONDS - 1
    assert pressure.is_high
    disk.time += 1
    assert not pressure.is_high


def test_only_large_writes_tell_of_the_disk(tmp_path: Path) -> None:
    disk = TimedDisk()
    _, log = opened(tmp_path, disk)
    disk.seconds = 1.0
    fill(log, 3)
    assert not log.waits_for_disk
    fill(log, 1, value=LARGE)
    assert log.waits_for_disk


def test_appends_in_steps_tell_of_the_disk_too(tmp_path: Path) -> None:
    disk = TimedDisk()
    _, log = opened(tmp_path, disk)
    disk.seconds = 0.5
    fill(log, 1, value=LARGE)
    disk.time += REMEMBERED_SECONDS - 0.1
    job = log.plan_append([batch(1, value=LARGE)], 0)
    job.work()
    log.commit_append(job)
    disk.time += 1
    assert log.waits_for_disk, "that write was slow as well"
    disk.seconds = 0.0
    job = log.plan_append([batch(2, value=LARGE)], 0)
    job.work()
    log.commit_append(job)
    disk.time += REMEMBERED_SECONDS
    assert not log.waits_for_disk


def test_a_disk_that_is_full_refuses_an_append_in_steps_and_keeps_the_log(tmp_path: Path) -> None:
    disk = FailingDisk()
    dirs, log = opened(tmp_path, disk)
    fill(log, 2)
    disk.bytes_left = 100
    job = log.plan_append([batch(2, value=LARGE)], 0)
    job.work()
    with pytest.raises(StorageError, match=r"appending to .* failed"):
        log.commit_append(job)
    disk.bytes_left = 1 << 60
    fill(log, 1)
    assert offsets(log) == [(0, 0), (1, 1), (2, 2)]
    dirs.close(clean=True)
    _, again = opened(tmp_path, disk)
    assert offsets(again) == [(0, 0), (1, 1), (2, 2)]


def retained(log: SegmentedLog) -> None:
    log.configure(LogConfig(segment_bytes=4 * LARGE_BYTES, retention_ms=1))
    log.retain(1 << 50)


@pytest.mark.parametrize(
    "change",
    [retained, lambda log: log.roll(0), lambda log: log.truncate_to(1)],
    ids=["retain", "roll", "cut"],
)
@pytest.mark.parametrize("ends", ["clean", "killed"])
def test_bytes_of_an_append_that_became_void_are_not_there_after_a_restart(
    tmp_path: Path, change: Callable[[SegmentedLog], None], ends: str
) -> None:
    dirs, log = opened(tmp_path, Files())
    fill(log, 3)
    job = log.plan_append([batch(3, value=b"void" + LARGE)], 0)
    job.work()
    change(log)
    with pytest.raises(StorageError):
        log.commit_append(job)
    fill(log, 2, value=b"after")
    kept = read_all(log, log.log_start_offset)
    dirs.close(clean=ends == "clean")
    _, again = opened(tmp_path, Files())
    assert read_all(again, again.log_start_offset) == kept


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_that_closes_waits_for_the_thread_and_takes_nothing_of_it(tmp_path: Path, clean: bool) -> None:
    class Gate(Files):
        """Holds a large write until `opens`."""

        def __init__(self) -> None:
            self.writing, self.opens = threading.Event(), threading.Event()

        def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
            if len(buffers[0]) > LARGE_BYTES:
                self.writing.set()
                assert self.opens.wait(10)
            return super().pwritev(descriptor, buffers, position)

    disk = Gate()
    dirs, log = opened(tmp_path, disk)
    fill(log, 2)
    job = log.plan_append([batch(2, value=LARGE)], 0)
    writer = threading.Thread(target=job.work)
    closer = threading.Thread(target=lambda: dirs.close(clean=clean))
    writer.start()
    assert disk.writing.wait(10)
    closer.start()
    disk.opens.set()
    closer.join(10)
    writer.join(10)
    assert not closer.is_alive()
    with pytest.raises(StorageError):
        log.commit_append(job)
    _, again = opened(tmp_path, Files())
    assert offsets(again) == [(0, 0), (1, 1)]


@given(
    st.lists(st.sampled_from(["at once", "in steps", "not kept", "void", "full"]), max_size=8), st.booleans()
)
def test_whatever_becomes_of_appends_the_log_holds_those_that_were_kept(
    tmp_path_factory: pytest.TempPathFactory, appends: list[str], clean: bool
) -> None:
    path = tmp_path_factory.mktemp("log")
    disk = FailingDisk()
    dirs, log = opened(path, disk)
    kept = b""
    for number, kind in enumerate(appends):
        one = batch(log.log_end_offset, value=b"%d" % number * 40)
        if kind == "at once":
            log.append([one], 0)
            kept += bytes(one.buffer)
            continue
        job = log.plan_append([one], 0)
        disk.bytes_left = 20 if kind == "full" else 1 << 60
        job.work()
        disk.bytes_left = 1 << 60
        if kind == "void":
            log.roll(0)
        if kind == "in steps":
            log.commit_append(job)
            kept += bytes(one.buffer)
        elif kind == "not kept":
            log.commit_append(job, keep=False)
        else:
            try:
                log.commit_append(job)
            except StorageError:
                continue
            assert kind == "void", "a full disk is told"
            kept += bytes(one.buffer)  # there was nothing to roll
    assert read_all(log) == kept
    dirs.close(clean=clean)
    again, log = opened(path, disk)
    assert read_all(log) == kept
    again.close(clean=True)
