"""A write that was torn at any byte, of any file of a log: recovery keeps exactly the whole batches before
it, and everything that is looked up in an index is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import pytest
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.compression import Compression
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, PartitionLog, ValidBatch
from kwire_storage.memory import MemoryLog
from kwire_storage.segments.log import SegmentedLog
from kwire_storage.tail import TailBudget

from tests.storage.batches import batch, marker, read_all
from tests.storage.disks import TOPIC_ID, uuids
from tests.storage.power import PowerDisk, contents, holding

CONFIG = LogConfig(segment_bytes=500, index_interval_bytes=60)
ROOT = "/data"
UNCHECKED = {*range(0, 8), *range(12, 16)}
"""The base offset and the leader epoch of a batch lie outside its checksum, in Kafka's format."""


def plain() -> Iterator[ValidBatch]:
    for at in range(0, 30, 2):
        yield batch(at, 2, leader_epoch=at // 14)


def compressed() -> Iterator[ValidBatch]:
    for at in range(0, 40, 4):
        yield batch(at, 4, value=b"v" * 60, compression=Compression.LZ4)


def idempotent() -> Iterator[ValidBatch]:
    for at in range(15):
        yield batch(at, producer_id=5 + at % 2, producer_epoch=0, base_sequence=at // 2)


def transactional() -> Iterator[ValidBatch]:
    sequence = 0
    for at in range(0, 15, 3):
        for offset in (at, at + 1):
            yield batch(
                offset, producer_id=7, producer_epoch=0, base_sequence=sequence, is_transactional=True
            )
            sequence += 1
        yield marker(at + 2, commit=at % 2 == 0, producer_id=7, producer_epoch=0)
    yield batch(15, producer_id=7, producer_epoch=0, base_sequence=sequence, is_transactional=True)


def timeless() -> Iterator[ValidBatch]:
    for at in range(20):
        yield batch(at, timestamps=[-1])


SHAPES: dict[str, Callable[[], Iterator[ValidBatch]]] = {
    each.__name__: each for each in (plain, compressed, idempotent, transactional, timeless)
}


def opened(disk: PowerDisk) -> tuple[LogDirs, SegmentedLog]:
    dirs = LogDirs([ROOT], node_id=1, new_uuid=uuids(), files=disk.process(), tails=TailBudget(0, 0))
    return dirs, dirs.open("topic", 0, TOPIC_ID, CONFIG)


@cache
def written(shape: str, clean: bool) -> dict[str, bytes]:
    """The files of a log that was stopped; sealed segments were synced, and their recovery point written."""
    disk = PowerDisk(0)
    dirs, log = opened(disk)
    for each in SHAPES[shape]():
        log.append([each], 0)
    for job in dirs.plan_flushes():
        if job is not None:
            job.work()
            dirs.commit_flush(job)
    dirs.checkpoint()
    assert len(log.segment_offsets) > 2
    dirs.close(clean=clean)
    return contents(disk)


def seen(log: PartitionLog) -> dict[str, Any]:
    """All that can be asked of a log."""
    start, end = log.log_start_offset, log.log_end_offset
    times = [-1, *range(999, 1045, 6), 5000, 5001]
    return {
        "data": read_all(log),
        "end": end,
        "times": {time: log.offset_for_timestamp(time) for time in times},
        "newest": log.max_timestamp_offset(),
        "aborted": log.aborted_transactions(start, end),
        "producers": {
            # Of a producer's newest batches, Kafka's snapshots keep the last.
            entry.producer_id: (entry.epoch, [each.last_sequence for each in entry.batches][-1:])
            for entry in log.producers
        },
        "undecided": log.producers.first_undecided_offset,
        "epochs": log.epochs.entries(),
    }


@cache
def expected(shape: str, count: int) -> dict[str, Any]:
    """What a log says that has the first `count` batches of a shape, from an engine without files."""
    log = MemoryLog(CONFIG)
    for each in list(SHAPES[shape]())[:count]:
        log.append([each], 0)
    return seen(log)


def damages(data: bytes, at: Sequence[int]) -> Iterator[tuple[str, int, bytes]]:
    """The file cut off before each byte, and with each byte another one."""
    for position in at:
        yield "cut", position, data[:position]
        yield "garbled", position, data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_log_torn_at_any_byte_of_its_last_batches_keeps_what_lies_before(shape: str) -> None:
    files = written(shape, False)
    path = max(name for name in files if name.endswith(".log"))
    data = files[path]
    starts = [position for position, _ in record_batch.walk(data)]
    total = len(list(SHAPES[shape]()))
    first = starts[-2]
    for how, position, damaged in damages(data, range(first, len(data))):
        begun = max(start for start in starts if start <= position)
        if how == "garbled" and position - begun in UNCHECKED:
            continue
        kept = total - len(starts) + starts.index(begun)
        dirs, log = opened(holding({**files, path: damaged}))
        assert seen(log) == expected(shape, kept), f"{path} {how} at byte {position}"
        dirs.close(clean=False)


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_other_file_torn_at_any_byte_costs_nothing(shape: str, clean: bool) -> None:
    files = written(shape, clean)
    whole = expected(shape, len(list(SHAPES[shape]())))
    endings = (".index", ".timeindex", ".txnindex", ".snapshot", "-checkpoint", "partition.metadata")
    torn = [path for path in files if path.endswith(endings)]
    assert {ending for ending in endings if any(path.endswith(ending) for path in torn)} >= {
        ".index", ".timeindex", "-checkpoint", "partition.metadata",
    }  # fmt: skip
    for path in torn:
        for how, position, damaged in damages(files[path], range(len(files[path]))):
            if how == "garbled" and (clean or path.endswith(".txnindex")):
                continue  # what was synced is not torn so; Kafka's format has no checksum for aborted data
            dirs, log = opened(holding({**files, path: damaged}))
            assert seen(log) == whole, f"{path} {how} at byte {position}"
            dirs.close(clean=False)
