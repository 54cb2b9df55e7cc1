"""Compacted logs for tests: what is written to them, what a reader sees, and a cleaning from plan to end."""

from collections.abc import Sequence
from pathlib import Path

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import BatchHeader, Record
from kwire_storage.cleaner.cleaning import clean
from kwire_storage.cleaner.job import CleaningJob, CleaningResult
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, PartitionLog, ValidBatch
from kwire_storage.files import Files
from kwire_storage.segments.compaction import CleaningResources
from kwire_storage.segments.log import SegmentedLog

from tests.storage.batches import Fields, marker, read_all
from tests.storage.disks import TOPIC_ID, uuids

CONFIG = LogConfig(segment_bytes=1 << 20, index_interval_bytes=100, compacts=True, delete_retention_ms=1000)
Pair = tuple[bytes | None, bytes | None]


def open_dirs(path: Path, files: Files | None = None) -> LogDirs:
    return LogDirs([str(path)], node_id=1, new_uuid=uuids(), files=files)


def open_log(dirs: LogDirs, config: LogConfig = CONFIG) -> SegmentedLog:
    return dirs.open("topic", 0, TOPIC_ID, config)


def write(log: SegmentedLog, pairs: Sequence[Pair], *, timestamp: int = 1000, **fields: object) -> None:
    """Append one batch of these keys and values."""
    built = record_batch.build(
        [Record(key, value, timestamp + at) for at, (key, value) in enumerate(pairs)],
        base_offset=log.log_end_offset,
        leader_epoch=0,
        **fields,  # type: ignore[arg-type]
    )
    log.append([ValidBatch(memoryview(built), record_batch.read_header(built))], 0)


def end_transaction(log: SegmentedLog, producer_id: int, *, commit: bool) -> None:
    log.append([marker(log.log_end_offset, commit=commit, producer_id=producer_id, producer_epoch=0)], 0)


def limit(log: PartitionLog) -> int:
    """The last stable offset."""
    undecided = log.producers.first_undecided_offset
    return log.log_end_offset if undecided is None else undecided


def run(job: CleaningJob, files: Files | None = None) -> CleaningResult:
    """A job and its result, as they would go through a pipe."""
    return CleaningResult.decode(clean(CleaningJob.decode(job.encode()), files or Files()).encode())


def compact(
    log: SegmentedLog,
    now_ms: int = 0,
    *,
    resources: CleaningResources = CleaningResources(),  # noqa: B008  # frozen
    files: Files | None = None,
) -> CleaningResult | None:
    """Plan, work, commit; None where nothing was dirty."""
    cleaning = log.compaction.plan(limit(log), now_ms, resources)
    if cleaning is None:
        return None
    result = run(cleaning.job, files)
    for group in result.groups:
        assert log.compaction.commit(cleaning, group, now_ms)
    log.compaction.end(cleaning, result.dirty_offset)
    return result


def roll_and_compact(log: SegmentedLog, now_ms: int = 0) -> CleaningResult | None:
    """Everything that is written and decided is cleaned."""
    log.roll(0)
    write(log, [(b"in the last segment", b"")])
    return compact(log, now_ms)


def headers(log: PartitionLog) -> list[BatchHeader]:
    """Of all batches from the beginning on; their checksums must be right."""
    found = []
    data = read_all(log)
    for position, header in record_batch.walk(data):
        assert record_batch.crc_is_valid(data, position, header)
        found.append(header)
    return found


def records(log: PartitionLog, *, committed: bool = False) -> list[Record]:
    """All records from the beginning on, without markers; with `committed`, without aborted ones."""
    aborted = log.aborted_transactions(log.log_start_offset, log.log_end_offset) if committed else []
    found: list[Record] = []
    data = read_all(log)
    for position, header in record_batch.walk(data):
        assert record_batch.crc_is_valid(data, position, header)
        is_aborted = header.is_transactional and any(
            each.producer_id == header.producer_id
            and each.first_offset <= header.base_offset < each.last_offset
            for each in aborted
        )
        if not header.is_control and not is_aborted:
            found += record_batch.records(data, position, header, 1 << 30)
    return found


def pairs(log: PartitionLog, *, committed: bool = False) -> list[tuple[int, bytes | None, bytes | None]]:
    """Offset, key and value of each record, but for what `roll_and_compact` adds."""
    return [
        (each.offset, each.key, each.value)
        for each in records(log, committed=committed)
        if each.key != b"in the last segment"
    ]


__all__ = [
    "CONFIG",
    "Fields",
    "Pair",
    "compact",
    "end_transaction",
    "headers",
    "limit",
    "open_dirs",
    "open_log",
    "pairs",
    "records",
    "roll_and_compact",
    "run",
    "write",
]
