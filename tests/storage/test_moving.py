"""A log is moved to another directory of its node: all of it, and what comes meanwhile."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from kwire_storage.checkpoints import decode_offsets
from kwire_storage.directories.interface import FutureUsage
from kwire_storage.directories.log_directory import ForeignDirectory
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import StorageError
from kwire_storage.files import Files
from kwire_storage.inspection.decoders import decoder_for
from kwire_storage.inspection.directory_check import DirectoryCheck
from kwire_storage.producer_state import Duplicate
from kwire_storage.segments import file_names
from kwire_storage.segments.log import SegmentedLog

from tests.storage.batches import batch, fill, marker, offsets, read_all, retain
from tests.storage.damage import flip
from tests.storage.disks import TOPIC_ID, FailingAt, FailingDisk, sweep, uuids
from tests.storage.moves import CONFIG, begin, copy, finish, move_log, open_log, open_two, resume, step

Two = tuple[LogDirs, SegmentedLog]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    """A node with two directories, and its log in the first; killed at the end."""
    dirs = open_two(tmp_path)
    yield dirs, open_log(dirs)
    dirs.close(clean=False)


def ends(path: Path) -> list[str]:
    """The directories of partitions in a directory: a name, or what ends one."""
    names = [each.name for each in path.iterdir() if each.is_dir()]
    return sorted(name if "." not in name else name.rpartition("-")[2] for name in names)


def seen(log: SegmentedLog) -> tuple[object, ...]:
    """All that anybody can see of a log, but for how it is divided into segments."""
    start, end = log.log_start_offset, log.log_end_offset
    return (
        start,
        end,
        read_all(log),
        log.epochs.entries(),
        [(each.producer_id, each.epoch, each.last_sequence, tuple(each.batches)) for each in log.producers],
        log.producers.first_undecided_offset,
        log.aborted_transactions(start, end),
        log.max_timestamp_offset(),
        [log.offset_for_timestamp(1000 + at) for at in range(0, 60, 7)],
    )


def write_all_kinds(log: SegmentedLog) -> None:
    """Idempotent, aborted, committed and open transactions, epochs, times out of order."""
    fill(log, 5, each=2)
    for sequence in range(7):
        log.append([batch(log.log_end_offset, producer_id=3, producer_epoch=1, base_sequence=sequence)], 0)
    for producer_id, commit in ((4, False), (5, True)):
        log.append(
            [
                batch(
                    log.log_end_offset,
                    2,
                    leader_epoch=2,
                    producer_id=producer_id,
                    producer_epoch=0,
                    base_sequence=0,
                    is_transactional=True,
                )
            ],
            0,
        )
        end = log.log_end_offset
        log.append([marker(end, commit=commit, producer_id=producer_id, producer_epoch=0, leader_epoch=2)], 0)
    log.append([batch(log.log_end_offset, 2, timestamps=[9000, 500], leader_epoch=4)], 0)
    log.append(
        [
            batch(
                log.log_end_offset,
                leader_epoch=4,
                producer_id=6,
                producer_epoch=0,
                base_sequence=0,
                is_transactional=True,
            )
        ],
        0,
    )


def test_it_is_the_same_log_in_its_new_place_and_after_a_restart(tmp_path: Path) -> None:
    dirs = open_two(tmp_path)
    log = open_log(dirs)
    write_all_kinds(log)
    before = seen(log)
    moved = move_log(dirs)
    assert seen(moved) == before
    assert os.path.dirname(moved.directory) == str(tmp_path / "two")
    assert (ends(tmp_path / "one"), ends(tmp_path / "two")) == (["delete"], ["topic-0"])
    assert dirs.directory_of("topic", 0) == dirs.directory_ids[1]
    fill(moved, 3, leader_epoch=4)
    expected = seen(moved)
    dirs.close(clean=True)
    dirs = open_two(tmp_path)
    assert seen(open_log(dirs))[:4] == expected[:4]
    assert seen(open_log(dirs))[5:] == expected[5:]
    dirs.close(clean=True)


def test_after_a_kill_behind_the_move_it_is_the_same_log(tmp_path: Path) -> None:
    dirs = open_two(tmp_path)
    write_all_kinds(open_log(dirs))
    moved = move_log(dirs)
    expected = seen(moved)
    dirs.checkpoint()
    dirs.close(clean=False)
    dirs = open_two(tmp_path)
    recovered = seen(open_log(dirs))
    assert recovered[:4] == expected[:4]
    assert recovered[5:] == expected[5:]
    dirs.close(clean=False)


def test_a_batch_that_is_sent_again_after_the_move_is_known(two: Two) -> None:
    dirs, log = two
    sent = [batch(at, producer_id=3, producer_epoch=0, base_sequence=at) for at in range(3)]
    for each in sent:
        log.append([each], 0)
    moved = move_log(dirs)
    for each in sent:
        assert isinstance(moved.producers.check(each.header, 0), Duplicate)


def test_a_producer_whose_records_have_gone_is_known_after_a_kill_behind_the_move(tmp_path: Path) -> None:
    dirs = open_two(tmp_path)
    log = open_log(dirs)
    for sequence in range(2):
        at = log.log_end_offset
        log.append([batch(at, producer_id=9, producer_epoch=0, base_sequence=sequence)], 0)
    fill(log, 20)
    log.advance_log_start(15)
    write_all_kinds(log)
    assert log.first_segment_offset > 2
    moved = move_log(dirs)
    dirs.close(clean=False)
    dirs = open_two(tmp_path)
    known = {each.producer_id: each.last_sequence for each in open_log(dirs).producers}
    assert known == {each.producer_id: each.last_sequence for each in moved.producers}
    assert known[9] == 1
    dirs.close(clean=False)


def test_what_is_appended_meanwhile_comes_along(two: Two) -> None:
    dirs, log = two
    fill(log, 10)
    move = begin(dirs)
    assert step(move)
    fill(log, 5)
    assert move.offset_lag == 5
    copy(move)
    assert move.offset_lag == 0
    moved = finish(dirs)
    assert offsets(moved) == [(at, at) for at in range(15)]


def test_one_that_has_not_all_does_not_take_the_place(two: Two) -> None:
    dirs, log = two
    fill(log, 3)
    move = begin(dirs)
    copy(move)
    fill(log, 1)
    with pytest.raises(ValueError, match="has not all"):
        dirs.moves.finish("topic", 0, 0)
    assert offsets(log)[-1] == (3, 3)


@pytest.mark.parametrize("start", [3, 4, 25, 50])
@pytest.mark.parametrize("when", ["before", "meanwhile", "at the end"])
def test_the_log_start_comes_along(tmp_path: Path, start: int, when: str) -> None:
    dirs = open_two(tmp_path)
    log = open_log(dirs)
    fill(log, 25, each=2)
    if when == "before":
        log.advance_log_start(start)
    move = begin(dirs)
    if when == "meanwhile":
        assert step(move)
        log.advance_log_start(start)
    copy(move)
    if when == "at the end":
        log.advance_log_start(start)
        assert not move.is_caught_up
        copy(move)
    expected = seen(log)
    moved = finish(dirs)
    assert seen(moved) == expected
    assert moved.log_start_offset == start
    dirs.checkpoint()
    dirs.close(clean=False)
    dirs = open_two(tmp_path)
    assert seen(open_log(dirs))[:3] == expected[:3]
    dirs.close(clean=False)


def test_retention_that_overtakes_the_copy_begins_it_anew(two: Two) -> None:
    dirs, log = two
    fill(log, 5)
    move = begin(dirs)
    assert step(move)
    fill(log, 30)
    log.configure(replace(CONFIG, retention_bytes=300))
    start = retain(log, 0)
    assert start > 5
    copy(move)
    moved = finish(dirs)
    assert (moved.log_start_offset, moved.log_end_offset) == (start, 35)
    assert moved.segment_offsets[0] == start
    assert offsets(moved)[0] == (start, start)


def test_an_end_that_is_cut_off_is_cut_off_the_copy(two: Two) -> None:
    dirs, log = two
    fill(log, 20)
    move = begin(dirs)
    copy(move)
    log.truncate_to(7)
    fill(log, 20, value=b"another")
    assert not move.is_caught_up, "it has as many offsets, and others"
    expected = read_all(log)
    copy(move)
    assert read_all(finish(dirs)) == expected


def test_batches_of_an_end_that_was_cut_off_while_they_were_read_are_not_written(two: Two) -> None:
    dirs, log = two
    fill(log, 10)
    move = begin(dirs)
    job = move.plan(0)
    assert job is not None
    job.work()
    log.truncate_to(2)
    fill(log, 10, value=b"another")
    assert move.write(job, 0) is None
    copy(move)
    expected = read_all(log)
    assert read_all(finish(dirs)) == expected


def test_gaps_of_compaction_stay_as_they_are(tmp_path: Path) -> None:
    dirs = open_two(tmp_path)
    log = open_log(dirs)
    for at in (3, 9, 10, 40):
        log.append([batch(at)], 0)
    log.skip_to(60, 0)
    moved = move_log(dirs)
    assert offsets(moved) == [(3, 3), (9, 9), (10, 10), (40, 40)]
    assert (moved.log_start_offset, moved.log_end_offset) == (0, 60)
    dirs.close(clean=False)
    dirs = open_two(tmp_path)
    assert open_log(dirs).log_end_offset == 60
    dirs.close(clean=False)


def test_one_of_which_nothing_is_on_disk_is_made_there(tmp_path: Path, two: Two) -> None:
    dirs, log = two
    log.epochs.assign(5, 0)
    made = dirs.moves.place("topic", 0, dirs.directory_ids[1])
    assert made.epochs.entries() == [(5, 0)]
    fill(made, 1, leader_epoch=5)
    assert (ends(tmp_path / "one"), ends(tmp_path / "two")) == ([], ["topic-0"])


@pytest.mark.parametrize("written", [0, 3])
def test_one_of_which_nothing_is_on_disk_is_copied_as_well(tmp_path: Path, written: int) -> None:
    dirs = open_two(tmp_path)
    log = open_log(dirs)
    move = begin(dirs)
    copy(move)
    fill(log, written)
    copy(move)
    moved = finish(dirs)
    fill(moved, 1)
    assert len(offsets(moved)) == written + 1
    assert ends(tmp_path / "two") == ["topic-0"]
    assert "topic-0" not in ends(tmp_path / "one")
    dirs.close(clean=False)
    dirs = open_two(tmp_path)
    assert len(offsets(open_log(dirs))) == written + 1
    dirs.close(clean=False)


def test_a_partition_that_does_not_exist_yet_is_made_where_it_is_wanted(tmp_path: Path) -> None:
    dirs = open_two(tmp_path)
    for _ in range(2):
        dirs.moves.prefer("topic", 0, dirs.directory_ids[1])
    fill(open_log(dirs), 1)
    assert ends(tmp_path / "two") == ["topic-0"]
    dirs.delete("topic", 0)
    fill(open_log(dirs), 1)
    assert ends(tmp_path / "one") == ["topic-0"], "that was for once"
    dirs.close(clean=False)


def test_readers_keep_the_bytes_that_they_found(tmp_path: Path) -> None:
    dirs = open_two(tmp_path)
    log = open_log(dirs, replace(CONFIG, file_delete_delay_ms=0))
    fill(log, 20)
    log._tail.clear()
    expected = read_all(log)
    found = log.read(0, 1 << 20)
    move_log(dirs)
    assert sweep(dirs) >= 1
    assert ends(tmp_path / "one") == []
    assert b"".join(log.read_bytes(part) for part in found.parts) == expected
    dirs.close(clean=False)


def test_what_is_left_behind_stays_as_long_as_deleted_files_do(tmp_path: Path) -> None:
    dirs = open_two(tmp_path)
    log = open_log(dirs, replace(CONFIG, file_delete_delay_ms=500))
    fill(log, 3)
    move_log(dirs)
    assert sweep(dirs, 1000) == 0
    assert ends(tmp_path / "one") == ["delete"]
    assert sweep(dirs, 1500) == 1
    dirs.close(clean=False)


def test_checkpoints_follow_the_log(tmp_path: Path, two: Two) -> None:
    dirs, log = two
    fill(log, 5, each=2)
    log.advance_log_start(3)
    log.flush()
    log.compaction.cleaned_to = 6
    dirs.checkpoint()
    move_log(dirs)
    dirs.checkpoint()
    for name, offset in (
        ("recovery-point-offset-checkpoint", 10),
        ("replication-offset-checkpoint", 10),
        ("log-start-offset-checkpoint", 3),
        ("cleaner-offset-checkpoint", 6),
    ):
        assert decode_offsets((tmp_path / "two" / name).read_bytes()) == {("topic", 0): offset}, name
        one = tmp_path / "one" / name
        assert not one.exists() or not decode_offsets(one.read_bytes()), name


def test_it_can_be_moved_back(tmp_path: Path, two: Two) -> None:
    dirs, log = two
    write_all_kinds(log)
    before = seen(log)
    for number in (1, 0, 1):
        assert seen(move_log(dirs, number)) == before
    assert ends(tmp_path / "two") == ["delete", "topic-0"]


def test_a_move_that_is_called_off_leaves_the_log_where_it_is(tmp_path: Path, two: Two) -> None:
    dirs, log = two
    fill(log, 5)
    begin(dirs)
    dirs.moves.cancel("topic", 0)
    assert (ends(tmp_path / "one"), ends(tmp_path / "two")) == (["topic-0"], ["delete"])
    fill(log, 1)
    assert len(offsets(log)) == 6
    move_log(dirs)


def test_the_topic_takes_the_copy_along(tmp_path: Path, two: Two) -> None:
    dirs, log = two
    fill(log, 5)
    copy(begin(dirs))
    dirs.delete("topic", 0)
    assert (ends(tmp_path / "one"), ends(tmp_path / "two")) == (["delete"], ["delete"])
    fill(open_log(dirs), 1)
    move_log(dirs)
    dirs.moves.get("topic", 0)


def test_a_topic_that_goes_before_the_old_place_does_takes_both(tmp_path: Path, two: Two) -> None:
    dirs, log = two
    fill(log, 5)
    copy(begin(dirs))
    dirs.moves.finish("topic", 0, 0)
    left = dirs.moves.retiring("topic", 0)
    assert left is not None
    assert ends(tmp_path / "one") == ["topic-0"]
    dirs.delete("topic", 0)
    assert (ends(tmp_path / "one"), ends(tmp_path / "two")) == (["delete"], ["delete"])
    fill(open_log(dirs), 1)
    left.work()
    dirs.moves.retire(left)
    assert ends(tmp_path / "one") == ["delete", "topic-0"], "that is another one"


def test_syncs_that_were_planned_before_the_move_harm_nobody(two: Two) -> None:
    dirs, log = two
    fill(log, 20)
    move = begin(dirs)
    while step(move):
        pass
    jobs = [job for job in dirs.plan_flushes() if job is not None]
    finish(dirs)
    for job in jobs:
        job.work()
        dirs.commit_flush(job)
    dirs.checkpoint()


def test_usage_tells_of_the_copy_and_how_much_is_missing(two: Two) -> None:
    dirs, log = two
    fill(log, 5)
    move = begin(dirs)
    assert dirs.usage()[1].futures == [FutureUsage("topic", 0, 0, 5)]
    copy(move)
    fill(log, 2)
    assert dirs.usage()[1].futures == [FutureUsage("topic", 0, move.future.size_bytes, 2)]
    assert [each.topic for each in dirs.usage()[0].logs] == ["topic"]
    copy(move)
    finish(dirs)
    assert dirs.usage()[1].futures == []
    assert [each.size_bytes for each in dirs.usage()[1].logs] == [log.size_bytes]


def test_a_batch_with_a_wrong_checksum_is_not_carried_on(two: Two) -> None:
    dirs, log = two
    fill(log, 5)
    log._tail.clear()
    segment = Path(log.directory, f"{0:020}.log")
    flip(segment, 70)
    move = begin(dirs)
    job = move.plan(0)
    assert job is not None
    with pytest.raises(StorageError, match="wrong checksum at offset 0"):
        job.work()


def test_a_full_disk_there_leaves_the_log_as_it_is(tmp_path: Path) -> None:
    disk = FailingDisk()
    dirs = open_two(tmp_path, disk)
    log = open_log(dirs)
    fill(log, 20)
    move = begin(dirs)
    disk.bytes_left = 500
    job = move.plan(0)
    assert job is not None
    job.work()
    written = move.write(job, 0)
    assert written is not None
    written.work()
    with pytest.raises(StorageError):
        move.commit(written)
    disk.bytes_left = 1 << 30
    copy(move)
    assert len(offsets(finish(dirs))) == 20
    dirs.close(clean=False)


def test_a_copy_that_could_not_be_removed_goes_with_a_sweep(tmp_path: Path) -> None:
    disk = FailingAt()
    dirs = open_two(tmp_path, disk)
    fill(open_log(dirs, replace(CONFIG, file_delete_delay_ms=0)), 3)
    copy(begin(dirs))
    disk.left = 0
    with pytest.raises(StorageError):
        dirs.moves.cancel("topic", 0)
    assert dirs.moves.destination("topic", 0) is None
    assert ends(tmp_path / "two") == ["future"]
    disk.left = 0
    sweep(dirs)
    assert ends(tmp_path / "two") == ["future"]
    sweep(dirs)
    assert ends(tmp_path / "two") == []
    dirs.close(clean=False)


def test_what_a_log_that_could_not_be_made_has_left_does_not_stay_behind_it(tmp_path: Path) -> None:
    disk = FailingAt()
    dirs = open_two(tmp_path, disk)
    log = open_log(dirs)
    old = tmp_path / "one" / "topic-0"
    for left in range(20):
        disk.left = left
        with suppress(StorageError):
            log.append([batch(0)], 0)
        if old.exists():
            break
    disk.left = None
    assert [path.name for path in old.iterdir()] in ([], ["partition.metadata.tmp"])
    made = dirs.moves.place("topic", 0, dirs.directory_ids[1])
    assert not old.exists()
    made.append([batch(0)], 0)
    dirs.close(clean=False)
    dirs = open_two(tmp_path)
    assert open_log(dirs).log_end_offset == 1
    dirs.close(clean=False)


def lost_its_end(log: SegmentedLog) -> None:
    log.truncate_to(8)
    log.append([batch(8, leader_epoch=1, value=b"another")], 0)
    fill(log, 40, leader_epoch=1)


def something_else(log: SegmentedLog) -> None:
    log.truncate_to(0)
    fill(log, 20, each=2, value=b"another")


def starts_behind_the_copy(log: SegmentedLog) -> None:
    fill(log, 30)
    log.advance_log_start(50)


def as_it_was(log: SegmentedLog) -> None:
    assert log.log_start_offset == 0


@pytest.mark.parametrize("clean", [True, False])
class TestAfterARestart:
    def test_it_goes_on_where_it_was(self, tmp_path: Path, clean: bool) -> None:
        dirs = open_two(tmp_path)
        log = open_log(dirs)
        write_all_kinds(log)
        move = begin(dirs)
        copy(move)
        dirs.checkpoint()
        fill(log, 10, leader_epoch=4)
        expected = seen(log)
        dirs.close(clean=clean)
        dirs = open_two(tmp_path)
        log = open_log(dirs)
        move = resume(dirs)
        assert move.offset_lag == 10
        copy(move)
        moved = finish(dirs)
        assert seen(moved)[:4] == expected[:4]
        assert seen(moved)[5:] == expected[5:]
        dirs.close(clean=False)

    @pytest.mark.parametrize("copy_starts_at", [0, 15])
    @pytest.mark.parametrize(
        "becomes",
        [lost_its_end, something_else, starts_behind_the_copy, as_it_was],
        ids=lambda becomes: becomes.__name__,
    )
    def test_the_copy_becomes_what_the_log_is_by_then(
        self, tmp_path: Path, clean: bool, becomes: Callable[[SegmentedLog], None], copy_starts_at: int
    ) -> None:
        dirs = open_two(tmp_path)
        fill(open_log(dirs), 20, each=2)
        move = begin(dirs)
        copy(move)
        if copy_starts_at:
            move.future.advance_log_start(copy_starts_at)
            dirs.checkpoint()
        dirs.close(clean=clean)
        disk = FailingAt()
        dirs = open_two(tmp_path, disk)
        log = open_log(dirs)
        becomes(log)
        expected = seen(log)
        copy(resume(dirs))
        assert seen(finish(dirs)) == expected
        dirs.close(clean=False)
        assert disk.opened == set()

    def test_a_copy_of_another_topic_of_that_name_is_set_aside(self, tmp_path: Path, clean: bool) -> None:
        dirs = open_two(tmp_path)
        fill(open_log(dirs), 5)
        copy(begin(dirs))
        dirs.close(clean=clean)
        (tmp_path / "one" / "topic-0").rename(tmp_path / "one" / "gone")
        dirs = open_two(tmp_path)
        log = open_log(dirs)
        fill(log, 1)
        assert dirs.moves.interrupted() == []
        assert ends(tmp_path / "two") == ["stray"]
        dirs.close(clean=False)

    def test_one_that_is_called_off_while_it_is_opened_stays_so(self, tmp_path: Path, clean: bool) -> None:
        dirs = open_two(tmp_path)
        fill(open_log(dirs), 5)
        copy(begin(dirs))
        dirs.close(clean=clean)
        dirs = open_two(tmp_path)
        open_log(dirs)
        loaded = dirs.moves.load("topic", 0, 0)
        assert loaded is not None
        dirs.moves.cancel("topic", 0)
        assert not dirs.moves.resume("topic", 0, loaded)
        assert ends(tmp_path / "two") == ["delete"]
        dirs.close(clean=False)

    @pytest.mark.parametrize("ending", ["called off", "deleted"])
    def test_one_that_has_ended_before_it_is_opened_is_not(
        self, tmp_path: Path, clean: bool, ending: str
    ) -> None:
        dirs = open_two(tmp_path)
        fill(open_log(dirs), 5)
        copy(begin(dirs))
        dirs.close(clean=clean)
        dirs = open_two(tmp_path)
        open_log(dirs)
        assert dirs.moves.interrupted() == [("topic", 0)]
        if ending == "deleted":
            dirs.delete("topic", 0)
        else:
            dirs.moves.cancel("topic", 0)
        assert dirs.moves.load("topic", 0, 0) is None
        dirs.close(clean=False)


class TestTornSwap:
    """Two places of one log, or none: what a start makes of it."""

    def leave_both(self, path: Path) -> tuple[bytes, list[UUID]]:
        dirs = open_two(path)
        log = open_log(dirs)
        fill(log, 5)
        copy(begin(dirs))
        moved = dirs.moves.finish("topic", 0, 0)
        fill(moved, 5)
        expected, ids = read_all(moved), list(dirs.directory_ids)
        dirs.checkpoint()
        dirs.close(clean=False)
        assert ends(path / "one") == ends(path / "two") == ["topic-0"]
        return expected, ids

    def test_the_one_that_the_metadata_name_counts(self, tmp_path: Path) -> None:
        expected, ids = self.leave_both(tmp_path)
        dirs = open_two(tmp_path)
        dirs.settle(lambda topic_id, partition: ids[1] if topic_id == TOPIC_ID else None)
        assert read_all(open_log(dirs)) == expected
        assert (ends(tmp_path / "one"), ends(tmp_path / "two")) == (["stray"], ["topic-0"])
        dirs.close(clean=False)

    def test_it_may_be_the_old_one(self, tmp_path: Path) -> None:
        _, ids = self.leave_both(tmp_path)
        dirs = open_two(tmp_path)
        dirs.settle(lambda topic_id, partition: ids[0])
        assert len(offsets(open_log(dirs))) == 5
        assert (ends(tmp_path / "one"), ends(tmp_path / "two")) == (["topic-0"], ["stray"])
        dirs.close(clean=False)

    @pytest.mark.parametrize("kept", [0, 1])
    @pytest.mark.parametrize("lost", ["one", "two"])
    def test_what_one_of_them_says_of_itself_may_be_lost(self, tmp_path: Path, lost: str, kept: int) -> None:
        _, ids = self.leave_both(tmp_path)
        (tmp_path / lost / "topic-0" / "partition.metadata").write_bytes(b"")
        dirs = open_two(tmp_path)
        dirs.settle(lambda topic_id, partition: ids[kept] if topic_id == TOPIC_ID else None)
        assert len(offsets(open_log(dirs))) == (5, 10)[kept]
        assert [ends(tmp_path / "one"), ends(tmp_path / "two")][kept] == ["topic-0"]
        dirs.close(clean=False)

    def test_two_of_which_nothing_is_known_are_refused(self, tmp_path: Path) -> None:
        self.leave_both(tmp_path)
        for name in ("one", "two"):
            (tmp_path / name / "topic-0" / "partition.metadata").write_bytes(b"")
        with pytest.raises(ForeignDirectory, match="are both there"):
            open_two(tmp_path)

    def test_neither_is_refused_and_both_stay(self, tmp_path: Path) -> None:
        self.leave_both(tmp_path)
        dirs = open_two(tmp_path)
        with pytest.raises(StorageError, match="move one of them away"):
            dirs.settle(lambda topic_id, partition: None)
        with pytest.raises(StorageError, match="lies in two directories"):
            open_log(dirs)
        dirs.close(clean=False)
        assert ends(tmp_path / "one") == ends(tmp_path / "two") == ["topic-0"]

    @pytest.mark.parametrize("assigned", [0, 1])
    def test_a_copy_alone_counts_where_the_metadata_name_it(self, tmp_path: Path, assigned: int) -> None:
        dirs = open_two(tmp_path)
        fill(open_log(dirs), 5)
        copy(begin(dirs))
        ids = list(dirs.directory_ids)
        dirs.close(clean=False)
        (tmp_path / "one" / "topic-0").rename(tmp_path / "one" / "gone")
        dirs = open_two(tmp_path)
        dirs.settle(lambda topic_id, partition: ids[assigned])
        log = open_log(dirs)
        assert log.log_end_offset == (5 if assigned else 0)
        assert ends(tmp_path / "two") == ["topic-0" if assigned else "stray"]
        dirs.close(clean=False)

    def test_a_copy_alone_waits_for_directories_that_can_not_be_read(self, tmp_path: Path) -> None:
        dirs = LogDirs(
            [str(tmp_path / name) for name in ("one", "two", "three")], node_id=1, new_uuid=uuids()
        )
        fill(open_log(dirs), 5)
        copy(begin(dirs))
        ids = list(dirs.directory_ids)
        dirs.close(clean=False)
        (tmp_path / "one").rename(tmp_path / "away")
        (tmp_path / "one").write_bytes(b"no directory")
        dirs = LogDirs(
            [str(tmp_path / name) for name in ("one", "two", "three")], node_id=1, new_uuid=uuids()
        )
        assert dirs.offline == [str(tmp_path / "one")]
        dirs.settle(lambda topic_id, partition: ids[1])
        assert dirs.directory_of("topic", 0) is None
        assert ends(tmp_path / "two") == ["future"]
        dirs.close(clean=False)


class TestInspected:
    """`kwire log verify` and `dump` know a log on its way."""

    def copied(self, path: Path) -> Path:
        """Where it is."""
        dirs = open_two(path)
        write_all_kinds(open_log(dirs))
        copy(begin(dirs))
        dirs.close(clean=True)
        [future] = (path / "two").glob("*-future")
        return future

    def test_nothing_is_wrong_with_it_and_it_is_named(self, tmp_path: Path) -> None:
        future = self.copied(tmp_path)
        check = DirectoryCheck(Files(), records=True)
        found = list(check.run([str(tmp_path / "one"), str(tmp_path / "two")]))
        assert [(each.path, each.is_note) for each in found] == [(str(future), True)]
        assert "on its way" in str(found[0])
        assert check.summary.partitions == 2
        assert list(DirectoryCheck(Files()).run([str(future)])) == []

    def test_what_is_wrong_with_it_is_told(self, tmp_path: Path) -> None:
        future = self.copied(tmp_path)
        segment = future / f"{0:020}.log"
        flip(segment, 70)
        for path in (tmp_path / "two", future):
            found = [each for each in DirectoryCheck(Files()).run([str(path)]) if not each.is_note]
            assert [(each.path, each.position) for each in found] == [(str(segment), 0)]

    def test_its_records_are_decoded_by_its_topic(self) -> None:
        name = file_names.future_directory("__consumer_offsets", 7, UUID(int=5))
        assert decoder_for(name) == "offsets"
