"""What is seen of a log from outside is what retention and compaction do once it is open."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kwire_storage.directories.dormant import DormantLog
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, StorageError
from kwire_storage.files import Files

from tests.storage.batches import batch, fill
from tests.storage.disks import TOPIC_ID, FailingAt, uuids

CONFIG = LogConfig(segment_bytes=400, file_delete_delay_ms=0, retention_ms=-1)


def opened(path: Path | str, files: Files | None = None) -> LogDirs:
    return LogDirs([str(path)], node_id=1, new_uuid=uuids(), files=files)


def seen(dirs: LogDirs) -> DormantLog:
    job = dirs.plan_look("topic", 0)
    assert job is not None
    found: DormantLog | None = job.work()
    assert found is not None
    return found


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 20),
    start=st.integers(0, 20),
    retention_ms=st.sampled_from([-1, 0, 500, 5000]),
    retention_bytes=st.sampled_from([-1, 0, 300, 800, 1500, 100_000]),
    now_ms=st.integers(0, 8000),
    deletes=st.booleans(),
    has_times=st.booleans(),
)
@example(count=13, start=0, retention_ms=-1, retention_bytes=800, now_ms=0, deletes=True, has_times=True)
def test_a_log_is_due_when_retention_would_take_a_segment_of_it(
    count: int,
    start: int,
    retention_ms: int,
    retention_bytes: int,
    now_ms: int,
    deletes: bool,
    has_times: bool,
) -> None:
    config = LogConfig(
        segment_bytes=400,
        file_delete_delay_ms=0,
        retention_ms=retention_ms,
        retention_bytes=retention_bytes,
    )
    with tempfile.TemporaryDirectory() as path:
        dirs = opened(path)
        log = dirs.open("topic", 0, TOPIC_ID, CONFIG)
        for offset in range(count):
            log.append([batch(offset, timestamps=None if has_times else [-1])], 0)
        log.log_start_offset = min(start, count)  # written down, and nothing removed yet
        log._log_start_changed()
        dirs.close(clean=True)
        for each in Path(path).glob("topic-0/*.log"):
            Files().set_modified_ms(str(each), 2000)
        dirs = opened(path)
        due = seen(dirs).is_to_delete(config, now_ms, deletes=deletes)
        log = dirs.open("topic", 0, TOPIC_ID, config)
        before = log.segment_offsets
        log.retain(now_ms, deletes=deletes)
        assert due == (log.segment_offsets != before)
        dirs.close(clean=False)


@pytest.mark.parametrize("cleaned_to", [0, 5, 10, 15, 17])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 0.9])
def test_a_log_is_due_when_it_is_dirty_enough(tmp_path: Path, cleaned_to: int, ratio: float) -> None:
    dirs = opened(tmp_path)
    fill(dirs.open("topic", 0, TOPIC_ID, CONFIG), 20)
    dirs.close(clean=True)
    (tmp_path / "cleaner-offset-checkpoint").write_text(f"0\n1\ntopic 0 {cleaned_to}\n")
    dirs = opened(tmp_path)
    found = seen(dirs)
    dirt = dirs.open("topic", 0, TOPIC_ID, CONFIG).compaction.dirt(20, 0)
    assert found.is_to_clean(CONFIG, ratio) == (dirt.ratio > ratio)
    dirs.close(clean=True)


def test_a_log_that_is_open_or_was_never_written_to_is_not_looked_at(tmp_path: Path) -> None:
    dirs = opened(tmp_path)
    assert dirs.plan_look("topic", 0) is None
    log = dirs.open("topic", 0, TOPIC_ID, CONFIG)
    fill(log, 1)
    assert dirs.plan_look("topic", 0) is None
    dirs.close(clean=True)


def test_a_look_opens_no_log_and_leaves_no_file_open(tmp_path: Path) -> None:
    dirs = opened(tmp_path)
    fill(dirs.open("topic", 0, TOPIC_ID, CONFIG), 20)
    dirs.close(clean=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.log")}
    files = FailingAt()
    dirs = opened(tmp_path, files)
    held = set(files.opened)
    assert [base for base, _ in seen(dirs).segments] == [0, 5, 10, 15]
    assert files.opened == held
    dirs.close(clean=True)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.log")}


def test_a_log_that_cannot_be_read_says_which(tmp_path: Path) -> None:
    dirs = opened(tmp_path)
    fill(dirs.open("topic", 0, TOPIC_ID, CONFIG), 1)
    dirs.close(clean=True)
    files = FailingAt()
    dirs = opened(tmp_path, files)
    job = dirs.plan_look("topic", 0)
    assert job is not None
    files.left = 0
    with pytest.raises(StorageError, match=r"looking at .*topic-0"):
        job.work()
    dirs.close(clean=False)
