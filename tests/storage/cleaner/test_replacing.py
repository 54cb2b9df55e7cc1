"""A cleaned segment takes the place of others: whatever interrupts it, the log holds what it held."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from kwire_storage.engine import StorageError
from kwire_storage.files import Files
from kwire_storage.segments.compaction import CleaningResources
from kwire_storage.segments.log import SegmentedLog

from tests.storage.batches import read_all
from tests.storage.cleaner.logs import (
    Pair,
    compact,
    limit,
    open_dirs,
    open_log,
    pairs,
    roll_and_compact,
    run,
    write,
)
from tests.storage.kills import Killed, KilledAt


def fill(log: SegmentedLog) -> None:
    """Four sealed segments, which come to one, and a last one; keys that are replaced and deleted."""
    batches: list[list[Pair]] = [
        [(b"a", b"1"), (b"b", b"1")],
        [(b"a", b"2"), (b"c", b"1")],
        [(b"b", None), (b"d", b"1"), (b"d", b"2")],
        [(b"c", b"2")],
    ]
    for each in batches:
        write(log, each)
        log.roll(0)
    write(log, [(b"e", b"1")])


def newest(log: SegmentedLog) -> dict[bytes | None, bytes | None]:
    return {key: value for _, key, value in pairs(log)}


@pytest.mark.parametrize("clean_stop_mark", [False, True])
def test_a_kill_at_any_call_leaves_the_old_log_or_the_new_one(tmp_path: Path, clean_stop_mark: bool) -> None:
    met = set()
    for at in itertools.count():
        path = tmp_path / str(at)
        files = KilledAt()
        dirs = open_dirs(path, files)
        log = open_log(dirs)
        fill(log)
        before, expected = pairs(log), newest(log)
        log.flush()
        dirs.checkpoint()
        if clean_stop_mark:
            (path / ".kafka_cleanshutdown").write_bytes(b"{}")  # as if nobody needed to look
        files.left = at
        try:
            compact(log, files=files)
        except Killed:
            pass
        else:
            break
        files.close_all()
        # And the start that brings order into it is killed as well, once at any call.
        for then in (0, 1, 2, 3, 5, 8, None):
            again = KilledAt()
            again.left = then
            try:
                dirs = open_dirs(path, again)
                log = open_log(dirs)
            except Killed:
                again.close_all()
                continue
            again.left = None
            assert newest(log) == expected
            assert set(pairs(log)) <= set(before)
            assert log.log_end_offset == 9
            met.add(len(pairs(log)))
            assert not [name for name in os.listdir(log.directory) if name.endswith((".cleaned", ".swap"))]
            roll_and_compact(log)
            assert newest(log) == expected
            dirs.close(clean=False)
            break
    assert at > 20
    assert {len(before), 5} <= met, "both were met"


def test_a_start_puts_aside_what_a_swap_replaces(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    fill(log)
    expected = newest(log)
    cleaning = log.compaction.plan(limit(log), 0, CleaningResources())
    assert cleaning is not None
    [group] = run(cleaning.job).groups
    dirs.close(clean=False)
    for path in Path(log.directory).glob("*.cleaned"):
        path.rename(path.with_suffix(".swap"))
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    assert log.segment_offsets == [0, 8]
    assert log.size_bytes == group.size + log._segments[-1].size
    assert newest(log) == expected
    dirs.close(clean=True)


def test_readers_keep_the_bytes_that_they_found(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    fill(log)
    log._tail.clear()
    found = log.read(0, 1 << 20)
    before = b"".join(bytes(log.read_bytes(part)) for part in found.parts)
    compact(log)
    roll_and_compact(log)
    assert b"".join(bytes(log.read_bytes(part)) for part in found.parts) == before
    dirs.close(clean=True)


def cut(log: SegmentedLog) -> None:
    log.truncate_to(4)


def drop_the_oldest(log: SegmentedLog) -> None:
    log.advance_log_start(4)


@pytest.mark.parametrize("change", [cut, drop_the_oldest])
def test_a_log_that_changed_meanwhile_stays_as_it_is(
    tmp_path: Path, change: Callable[[SegmentedLog], None]
) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    fill(log)
    cleaning = log.compaction.plan(limit(log), 0, CleaningResources())
    assert cleaning is not None
    result = run(cleaning.job)
    change(log)
    write(log, [(b"new", b"1")])
    expected = read_all(log)
    assert [log.compaction.commit(cleaning, group, 0) for group in result.groups] == [False]
    log.compaction.end(cleaning, result.dirty_offset)
    assert read_all(log) == expected
    assert log.compaction.cleaned_to == 0
    assert not list(Path(log.directory).glob("*.cleaned"))
    dirs.close(clean=True)


def test_a_cleaning_of_a_segment_that_was_cut_meanwhile_is_thrown_away(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    fill(log)
    write(log, [(b"a", b"in a segment that stays")])
    log.roll(0)
    write(log, [(b"f", b"1")])
    cleaning = log.compaction.plan(limit(log), 0, CleaningResources())
    assert cleaning is not None
    [group] = run(cleaning.job).groups
    log.truncate_to(9)
    assert log.segment_offsets == group.base_offsets, "none of them is gone"
    expected = read_all(log)
    assert not log.compaction.commit(cleaning, group, 0)
    assert read_all(log) == expected
    dirs.close(clean=True)


def test_a_rename_that_fails_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    for at in itertools.count():
        files = FailingRename()
        dirs = open_dirs(tmp_path / str(at), files)
        log = open_log(dirs)
        fill(log)
        before = pairs(log)
        cleaning = log.compaction.plan(limit(log), 0, CleaningResources())
        assert cleaning is not None
        [group] = run(cleaning.job, files).groups
        files.left = at
        try:
            log.compaction.commit(cleaning, group, 0)
        except StorageError:
            files.left = None
            if at < 3:  # as long as no old file was touched
                assert pairs(log) == before
                assert compact(log) is not None
                assert newest(log) == {key: value for _, key, value in before}
            dirs.close(clean=False)
            dirs = open_dirs(tmp_path / str(at))
            assert newest(open_log(dirs)) == {key: value for _, key, value in before}
            dirs.close(clean=False)
        else:
            dirs.close(clean=False)
            break
    assert at >= 6


class FailingRename(Files):
    """Fails the rename after `left` more."""

    left: int | None = None

    def rename(self, old: str, new: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise OSError(13, "no")
        super().rename(old, new)


class TestCheckpoint:
    def test_it_is_read_at_the_next_start(self, tmp_path: Path) -> None:
        dirs = open_dirs(tmp_path)
        log = open_log(dirs)
        fill(log)
        compact(log)
        assert log.compaction.cleaned_to == 8
        assert (tmp_path / "cleaner-offset-checkpoint").read_text() == "0\n1\ntopic 0 8\n"
        dirs.close(clean=True)
        dirs = open_dirs(tmp_path)
        assert open_log(dirs).compaction.cleaned_to == 8
        assert compact(open_log(dirs)) is None
        dirs.close(clean=True)

    def test_it_falls_with_the_log(self, tmp_path: Path) -> None:
        dirs = open_dirs(tmp_path)
        log = open_log(dirs)
        fill(log)
        compact(log)
        log.truncate_to(3)
        assert log.compaction.cleaned_to == log.log_end_offset < 8
        assert (
            (tmp_path / "cleaner-offset-checkpoint").read_text().endswith(f"topic 0 {log.log_end_offset}\n")
        )
        dirs.close(clean=True)

    def test_it_goes_with_the_log(self, tmp_path: Path) -> None:
        dirs = open_dirs(tmp_path)
        log = open_log(dirs)
        fill(log)
        compact(log)
        dirs.delete("topic", 0)
        dirs.checkpoint()
        assert (tmp_path / "cleaner-offset-checkpoint").read_text() == "0\n0\n"
        dirs.close(clean=True)

    @pytest.mark.parametrize("text", ["0\n1\ntopic 0 800\n", "0\n1\ntopic 0 -1\n", "what", ""])
    def test_one_that_makes_no_sense_means_that_all_is_dirty(self, tmp_path: Path, text: str) -> None:
        dirs = open_dirs(tmp_path)
        fill(open_log(dirs))
        dirs.close(clean=True)
        (tmp_path / "cleaner-offset-checkpoint").write_text(text)
        dirs = open_dirs(tmp_path)
        result = compact(open_log(dirs))
        assert result is not None
        assert result.dirty_offset == 8
        dirs.close(clean=True)


def test_snapshots_of_segments_that_are_gone_go(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    for sequence in range(4):
        write(log, [(b"a", b"1")], producer_id=3, producer_epoch=0, base_sequence=sequence)
        log.roll(0)
    write(log, [(b"b", b"1")])
    assert len(list(Path(log.directory).glob("*.snapshot"))) == 4
    compact(log)
    assert [path.name for path in Path(log.directory).glob("*.snapshot")] == [f"{4:020}.snapshot"]
    dirs.close(clean=True)
