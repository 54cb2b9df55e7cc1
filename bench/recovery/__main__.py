"""`python -m bench.recovery`: how long a log takes to open after a kill, and after a clean stop.

After a kill: `--gb` of log, of which `--past-gb` lie past the recovery point, in batches of `--batch` bytes,
the page cache warm. What lies below is sparse: nobody reads it. Beside it stands what only reading the same
bytes takes, and reading them with their checksums. After a clean stop: sparse logs of 1 GB and of
`--clean-gb`; the ratio of the two times says whether the size matters. The exit code is 2 where the first
takes longer than `--limit` seconds. A process needs some 0.3 s more to start.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid4

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record
from kwire_codecs.records.checksum import crc32c
from kwire_storage import checkpoints
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig
from kwire_storage.segments import file_names

GB = 1 << 30
TOPIC_ID = UUID(int=(1 << 90) | 1)
OFFSETS_A_SEGMENT = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gb", type=int, default=10)
    parser.add_argument("--past-gb", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=16 * 1024)
    parser.add_argument("--clean-gb", type=int, default=50)
    parser.add_argument("--limit", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kwire-recovery-") as directory:
        killed = Path(directory, "killed")
        path, size = _killed(killed, options.gb, int(options.past_gb * GB), options.batch)
        reading, checking = _baseline(path, check=False), _baseline(path, check=True)
        seconds, log_size = _opened(killed)
        print(
            f"after a kill, {log_size / GB:.1f} GB, {size / GB:.2f} past the recovery point: {seconds:.2f} s"
        )
        print(f"  reading those bytes {reading:.2f} s, with checksums {checking:.2f} s")
        times = []
        for gigabytes in (1, options.clean_gb):
            clean = Path(directory, f"clean-{gigabytes}")
            _clean(clean, gigabytes)
            taken, log_size = _opened(clean)
            times.append(taken)
            print(f"after a clean stop, {log_size / GB:.1f} GB (sparse): {taken * 1000:.1f} ms")
        print(f"  ratio {times[1] / times[0]:.2f}")
    return 2 if seconds > options.limit else 0


def _killed(root: Path, gigabytes: int, past_bytes: int, batch_bytes: int) -> tuple[Path, int]:
    """Files as a kill leaves them; gives the segment that has to be read, and its size."""
    partition = _partition(root)
    sparse = max(0, gigabytes - max(1, past_bytes // GB))
    for number in range(sparse):
        _sparse(partition, number * OFFSETS_A_SEGMENT, GB)
    base = sparse * OFFSETS_A_SEGMENT
    path = partition / file_names.segment_file(base, file_names.LOG)
    made = record_batch.build([Record(None, os.urandom(batch_bytes - 80), 1_700_000_000_000)])
    size = 0
    with path.open("wb", buffering=4 << 20) as file:
        while size < past_bytes:
            record_batch.stamp(made, 0, base, 0)
            file.write(made)
            size += len(made)
            base += 1
    points = {("topic", 0): sparse * OFFSETS_A_SEGMENT}
    (root / file_names.RECOVERY_POINTS).write_bytes(checkpoints.encode_offsets(points))
    return path, size


def _clean(root: Path, gigabytes: int) -> None:
    """Files as a clean stop leaves them: sealed segments, and a last one that has just begun."""
    partition = _partition(root)
    for number in range(gigabytes):
        _sparse(partition, number * OFFSETS_A_SEGMENT, GB)
    base = gigabytes * OFFSETS_A_SEGMENT
    made = record_batch.build([Record(None, b"value", 1_700_000_000_000)], base_offset=base)
    (partition / file_names.segment_file(base, file_names.LOG)).write_bytes(made)
    (root / file_names.CLEAN_SHUTDOWN).write_bytes(checkpoints.encode_clean_shutdown(1))


def _partition(root: Path) -> Path:
    dirs = LogDirs([str(root)], node_id=1, new_uuid=uuid4)
    dirs.close(clean=False)
    partition = root / "topic-0"
    partition.mkdir()
    (partition / file_names.PARTITION_METADATA).write_bytes(checkpoints.encode_partition_metadata(TOPIC_ID))
    (partition / file_names.LEADER_EPOCHS).write_bytes(b"0\n1\n0 0\n")
    return partition


def _sparse(partition: Path, base: int, size: int) -> None:
    """A segment whose first batch is there, and nothing else."""
    made = record_batch.build([Record(None, b"value", 1_700_000_000_000)], base_offset=base)
    path = partition / file_names.segment_file(base, file_names.LOG)
    path.write_bytes(made)
    os.truncate(path, size)
    for suffix in (file_names.OFFSET_INDEX, file_names.TIME_INDEX):
        path.with_suffix(suffix).write_bytes(b"")
    # Producers as they were there: none. Else the whole log would have to be read for them.
    snapshot = partition / file_names.segment_file(base + OFFSETS_A_SEGMENT, file_names.SNAPSHOT)
    snapshot.write_bytes(_NO_PRODUCERS)


def _no_producers() -> bytes:
    from kwire_storage.producer_state import ProducerState

    return ProducerState().encode_snapshot()


_NO_PRODUCERS = _no_producers()


def _opened(root: Path) -> tuple[float, int]:
    began = time.perf_counter()
    dirs = LogDirs([str(root)], node_id=1, new_uuid=uuid4)
    log = dirs.open("topic", 0, TOPIC_ID, LogConfig())
    taken = time.perf_counter() - began
    size = log.size_bytes
    dirs.close(clean=False)
    return taken, size


def _baseline(path: Path, *, check: bool) -> float:
    """What a program takes that only reads a file, a megabyte at a time, and perhaps sums it up."""
    buffer = bytearray(1 << 20)
    began = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            if check:
                crc32c(buffer)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
