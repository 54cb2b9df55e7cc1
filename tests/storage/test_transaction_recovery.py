"""What a log knows of transactions comes back after a clean stop, a kill, a power cut and damaged files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, StorageError
from kwire_storage.files import Files
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.transaction_index import ENTRY_BYTES, AbortedTransaction

from tests.storage.batches import batch, fill, marker
from tests.storage.disks import TOPIC_ID, ForgetfulDisk, UnreadableDisk, uuids
from tests.storage.killed import kill_after

SMALL = LogConfig(segment_bytes=400, index_interval_bytes=60)
LARGE = LogConfig()


def open_log(
    path: Path, files: Files | None = None, config: LogConfig = SMALL
) -> tuple[LogDirs, SegmentedLog]:
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids(), files=files)
    return dirs, dirs.open("topic", 0, TOPIC_ID, config)


def begin(log: SegmentedLog, producer_id: int) -> None:
    log.append(
        [
            batch(
                log.log_end_offset,
                producer_id=producer_id,
                producer_epoch=0,
                base_sequence=0,
                is_transactional=True,
            )
        ],
        0,
    )


def end(log: SegmentedLog, producer_id: int, *, commit: bool = False) -> None:
    log.append([marker(log.log_end_offset, commit=commit, producer_id=producer_id, producer_epoch=0)], 0)


def live(log: SegmentedLog, rounds: int) -> None:
    """Producers 1 and 2 take turns, 2 aborts and 1 commits; 3 begins once and never ends."""
    for at in range(rounds):
        begin(log, 1)
        begin(log, 2)
        if at == rounds // 2:
            begin(log, 3)
        fill(log, 1)
        end(log, 2)
        end(log, 1, commit=True)


def seen(log: SegmentedLog) -> tuple[object, ...]:
    """All that is known of transactions."""
    producers = {
        each.producer_id: (each.epoch, each.coordinator_epoch, each.transaction_first_offset)
        for each in log.producers
    }
    told = log.aborted_transactions(log.log_start_offset, log.log_end_offset)
    assert log.has_aborted >= bool(told)
    return log.log_end_offset, log.producers.first_undecided_offset, told, producers


def indexes(path: Path) -> list[Path]:
    return sorted((path / "topic-0").glob("*.txnindex"))


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("config", [SMALL, LARGE], ids=["many segments", "one segment"])
def test_transactions_are_known_after_a_restart(tmp_path: Path, clean: bool, config: LogConfig) -> None:
    dirs, log = open_log(tmp_path, config=config)
    live(log, 12)
    before = seen(log)
    for _ in range(3):
        dirs.close(clean=clean)
        dirs, log = open_log(tmp_path, config=config)
        assert seen(log) == before
    end(log, 3)
    assert log.producers.first_undecided_offset is None
    assert log.aborted_transactions(60, 62)[-1].producer_id == 3
    dirs.close(clean=False)


def test_only_a_segment_in_which_something_was_aborted_has_an_index(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path, config=LARGE)
    begin(log, 1)
    end(log, 1, commit=True)
    log.roll(0)
    begin(log, 1)
    fill(log, 1)
    end(log, 1)
    log.roll(0)
    fill(log, 1)
    dirs.close(clean=True)
    [index] = indexes(tmp_path)
    assert index.name == "00000000000000000002.txnindex"
    assert index.read_bytes() == bytes(2) + b"".join(each.to_bytes(8, "big") for each in (1, 2, 4, 5))


def test_an_index_goes_with_its_segment_and_with_its_last_entry(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path)
    live(log, 12)
    dirs.close(clean=True)
    dirs, log = open_log(tmp_path)
    bases = log.segment_offsets
    log.advance_log_start(bases[5])
    assert {int(path.stem) for path in indexes(tmp_path)} <= set(bases[5:])
    log.truncate_to(bases[7])
    assert {int(path.stem) for path in indexes(tmp_path)} <= set(bases[5:7])
    fill(log, 1)
    log.truncate_to(bases[5] + 1)
    dirs.close(clean=True)
    assert indexes(tmp_path) == []


def test_an_index_without_its_segment_is_removed(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path)
    live(log, 3)
    before = seen(log)
    dirs.close(clean=True)
    stray = tmp_path / "topic-0" / "00000000000000000777.txnindex"
    stray.write_bytes(b"anything")
    dirs, log = open_log(tmp_path)
    assert seen(log) == before
    assert not stray.exists()
    dirs.close(clean=False)


def each_last_index(tmp_path: Path, *, clean: bool) -> tuple[tuple[object, ...], bytes]:
    """A log of some segments under `whole`; gives what is known of it, and its last segment's index."""
    dirs, log = open_log(tmp_path / "whole", config=LARGE)
    begin(log, 3)
    live(log, 2)
    log.roll(0)
    end(log, 3)
    live(log, 2)
    before = seen(log)
    data = log._segments[-1].transactions.entries(log.log_end_offset)
    assert data is not None
    dirs.close(clean=clean)
    return before, data.encode()


def seen_with(tmp_path: Path, content: bytes) -> tuple[object, ...]:
    """What is known where the last segment's index holds `content`."""
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "whole", copy)
    last = max((copy / "topic-0").glob("*.log"))
    last.with_suffix(".txnindex").write_bytes(content)
    dirs, log = open_log(copy, config=LARGE)
    found = seen(log)
    dirs.close(clean=False)
    shutil.rmtree(copy)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("clean", [True, False])
def test_an_index_that_is_torn_at_any_byte_is_built_again(tmp_path: Path, clean: bool) -> None:
    """One that is cut between entries looks right: a clean stop has synced it."""
    before, data = each_last_index(tmp_path, clean=clean)
    for kept in range(len(data)):
        if not clean or kept % ENTRY_BYTES or not kept:
            assert seen_with(tmp_path, data[:kept]) == before


@pytest.mark.slow
def test_an_index_that_is_garbled_at_any_byte_is_built_again_after_a_kill(tmp_path: Path) -> None:
    before, data = each_last_index(tmp_path, clean=False)
    for at in range(len(data)):
        garbled = bytearray(data)
        garbled[at] ^= 0x55
        assert seen_with(tmp_path, bytes(garbled)) == before


@pytest.mark.parametrize("content", [b"\0" * ENTRY_BYTES, b"\xff" * ENTRY_BYTES, bytes(range(200)), b""])
def test_an_index_of_foreign_bytes_is_built_again_after_a_clean_stop(tmp_path: Path, content: bytes) -> None:
    before, _ = each_last_index(tmp_path, clean=True)
    assert seen_with(tmp_path, content) == before


@pytest.mark.parametrize("clean", [True, False])
def test_indexes_that_were_all_removed_are_built_again_with_the_aborted(tmp_path: Path, clean: bool) -> None:
    dirs, log = open_log(tmp_path)
    live(log, 12)
    log.flush()
    dirs.checkpoint()
    before = seen(log)
    dirs.close(clean=clean)
    assert len(indexes(tmp_path)) > 2
    for path in (tmp_path / "topic-0").glob("*index"):
        path.unlink()
    dirs, log = open_log(tmp_path)
    assert seen(log) == before
    dirs.close(clean=True)
    dirs, log = open_log(tmp_path)
    assert seen(log) == before
    dirs.close(clean=False)


def test_an_index_that_was_built_again_is_kept(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path)
    live(log, 12)
    before = seen(log)
    dirs.close(clean=True)
    contents = {path: path.read_bytes() for path in indexes(tmp_path)}
    for path in contents:
        path.write_bytes(b"rubbish")
    dirs, log = open_log(tmp_path)
    assert seen(log) == before
    dirs.close(clean=True)
    assert {path: path.read_bytes() for path in indexes(tmp_path)} == contents


@pytest.mark.parametrize("clean", [True, False])
def test_what_was_flushed_or_closed_outlives_a_power_cut(tmp_path: Path, clean: bool) -> None:
    disk = ForgetfulDisk()
    dirs, log = open_log(tmp_path, disk)
    live(log, 12)
    log.roll(0)
    before = seen(log)
    if not clean:
        [job] = dirs.plan_flushes()
        assert job is not None
        job.work()
        dirs.commit_flush(job)
        dirs.checkpoint()
        (tmp_path / "topic-0" / "leader-epoch-checkpoint").unlink()
    dirs.close(clean=clean)
    checkpoints = {path: path.read_bytes() for path in tmp_path.glob("*-checkpoint")}
    disk.cut_power(str(tmp_path))
    for path in indexes(tmp_path):
        if not path.stat().st_size:
            path.unlink()  # what was never synced may be gone altogether
    for path, content in checkpoints.items():
        path.write_bytes(content)
    dirs, log = open_log(tmp_path)
    assert dirs.was_clean == clean
    assert log.aborted_transactions(0, 62) == before[2]
    dirs.close(clean=False)


def test_an_index_that_recovery_built_is_in_its_file_before_the_recovery_point_passes_it(
    tmp_path: Path,
) -> None:
    dirs, log = open_log(tmp_path)
    live(log, 12)
    before = seen(log)
    dirs.close(clean=False)
    for path in indexes(tmp_path):
        path.unlink()
    dirs, log = open_log(tmp_path)
    log.flush()
    dirs.checkpoint()
    dirs.close(clean=False)
    dirs, log = open_log(tmp_path)
    assert log.recovery_point == log.log_end_offset
    assert seen(log) == before
    dirs.close(clean=False)


def test_the_first_segments_index_is_built_from_the_snapshot_at_its_beginning(tmp_path: Path) -> None:
    """The transaction that it aborts began in a segment that is deleted since."""
    dirs, log = open_log(tmp_path, config=LARGE)
    begin(log, 1)
    log.roll(0)
    begin(log, 2)
    end(log, 1)
    log.roll(0)
    end(log, 2)
    log.advance_log_start(1)
    before = seen(log)
    assert before[2] == [(1, 0, 2, 1), (2, 1, 3, 4)]
    dirs.close(clean=True)
    for path in indexes(tmp_path):
        path.write_bytes(b"rubbish")
    dirs, log = open_log(tmp_path, config=LARGE)
    assert seen(log) == before
    dirs.close(clean=False)


class CountingDisk(Files):
    """Counts the bytes that are read."""

    def __init__(self) -> None:
        self.bytes_read = 0

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        got = super().preadv(descriptor, buffers, position, nowait=nowait)
        self.bytes_read += got
        return got


@pytest.mark.slow
@pytest.mark.parametrize("clean", [True, False])
def test_a_restart_reads_the_end_of_a_log_only(tmp_path: Path, clean: bool) -> None:
    config = LogConfig(segment_bytes=20_000)
    dirs, log = open_log(tmp_path, config=config)
    begin(log, 9)
    for _ in range(200):
        begin(log, 1)
        fill(log, 1, value=b"v" * 2000)
        end(log, 1)
    before = log.producers.first_undecided_offset, len(log.producers)
    log.flush()
    dirs.checkpoint()
    dirs.close(clean=clean)
    disk = CountingDisk()
    dirs, log = open_log(tmp_path, disk, config)
    assert (log.producers.first_undecided_offset, len(log.producers)) == before
    assert disk.bytes_read < 3 * 20_000 < log.size_bytes / 5
    dirs.close(clean=False)


def test_an_index_that_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path)
    live(log, 12)
    before = seen(log)
    dirs.close(clean=True)
    disk = UnreadableDisk()
    dirs, log = open_log(tmp_path, disk)
    disk.broken = True
    with pytest.raises(StorageError, match="txnindex failed"):
        log.aborted_transactions(0, 62)
    disk.broken = False
    assert seen(log) == before
    dirs.close(clean=False)


def test_an_abort_is_appended_though_the_index_cannot_be_read(tmp_path: Path) -> None:
    """The marker is in the log by then: the index is built once it is asked for."""
    dirs, log = open_log(tmp_path, config=LARGE)
    live(log, 3)
    dirs.close(clean=True)
    disk = UnreadableDisk()
    dirs, log = open_log(tmp_path, disk, LARGE)
    begin(log, 2)
    disk.broken = True
    end(log, 2)
    disk.broken = False
    assert log.log_end_offset == 18
    told = log.aborted_transactions(0, 18)
    assert [one.last_offset for one in told] == [3, 9, 14, 17]
    assert told[-1] == AbortedTransaction(2, 16, 17, 7)
    dirs.close(clean=False)


def test_a_snapshot_that_is_wrong_costs_a_longer_look(tmp_path: Path) -> None:
    dirs, log = open_log(tmp_path)
    live(log, 12)
    before = seen(log)
    dirs.close(clean=True)
    for path in (tmp_path / "topic-0").glob("*.snapshot"):
        path.write_bytes(b"rubbish")
    for path in indexes(tmp_path):
        path.write_bytes(b"rubbish")
    dirs, log = open_log(tmp_path)
    assert seen(log) == before
    dirs.close(clean=False)


KILLED = """
    import sys
    from kwire_storage.engine import LogConfig
    from kwire_storage.directories.log_dirs import LogDirs
    from tests.storage.disks import TOPIC_ID, uuids
    from tests.storage.test_transaction_recovery import begin, end

    dirs = LogDirs([sys.argv[1]], node_id=1, new_uuid=uuids())
    log = dirs.open("topic", 0, TOPIC_ID, LogConfig(segment_bytes=2000, index_interval_bytes=500))
    begin(log, 9)
    while True:
        begin(log, 1)
        end(log, 1)
        sys.stdout.write(f"{log.log_end_offset}\\n")
        sys.stdout.flush()
"""


@pytest.mark.slow
@pytest.mark.parametrize("acknowledged", [1, 60])
def test_after_a_kill_every_abort_is_known_and_what_was_open_is_open(
    tmp_path: Path, acknowledged: int
) -> None:
    behind = kill_after(acknowledged, KILLED, tmp_path)
    dirs, log = open_log(tmp_path)
    assert not dirs.was_clean
    assert log.producers.first_undecided_offset == 0
    told = log.aborted_transactions(0, behind)
    assert told == [AbortedTransaction(1, at, at + 1, 0) for at in range(1, behind, 2)]
    dirs.close(clean=False)


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_that_was_cut_back_below_its_start_begins_anew_and_knows_no_producer(
    tmp_path: Path, clean: bool
) -> None:
    """As Kafka does when it loads such a log: what is left lies before the start, and nobody can read it."""
    dirs, log = open_log(tmp_path)
    begin(log, 1)
    log.append([batch(1, 3, producer_id=2, producer_epoch=0, base_sequence=0)], 0)
    log.advance_log_start(2)
    dirs.save_log_starts()
    log.truncate_to(2)
    assert (log.log_start_offset, log.log_end_offset) == (2, 2)
    assert log.producers.first_undecided_offset == 0, "while it runs, it is known"
    dirs.close(clean=clean)
    _, log = open_log(tmp_path)
    assert (log.log_start_offset, log.log_end_offset) == (2, 2)
    assert list(log.producers) == []
    assert log.producers.first_undecided_offset is None
    begin(log, 1)
    assert log.producers.first_undecided_offset == 2
