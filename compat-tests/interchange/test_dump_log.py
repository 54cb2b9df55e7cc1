"""Kafka's kafka-dump-log reads the files that kwire writes, each batch and record, without complaint.

Run: `pytest compat-tests/interchange`. Needs Java, and Maven for the first fetch; skipped where it lacks.
"""

import re
import shutil
from pathlib import Path

import pytest
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig

from tests.storage.batches import batch, marker
from tests.storage.cleaner.logs import end_transaction, headers, roll_and_compact, write
from tests.storage.disks import TOPIC_ID, uuids

pytestmark = pytest.mark.skipif(
    shutil.which("java") is None, reason="there is no java to run Kafka's tools with"
)

DUMP = {"4.4.0": "org.apache.kafka.tools.DumpLogSegments", "3.9.2": "kafka.tools.DumpLogSegments"}

# What the tool prints when an index, a time index or the offsets of a segment are not as they should be.
COMPLAINTS = re.compile(
    r"mismatch|out of order|not found|non-consecutive|exception|error|corrupt|invalid|isvalid: false",
    re.IGNORECASE,
)


def dump(version: str, *arguments: str) -> list[str]:
    """The lines that the tool prints."""
    from oracle import OracleError, run_tool

    try:
        done = run_tool(version, DUMP[version], arguments)
    except OracleError as error:
        pytest.skip(f"Kafka {version} can't be had: {error}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines() + done.stderr.splitlines()


# The 4.x tool (not 3.9's) counts from -1 in each segment, and complains of any that does not begin at 0.
COUNTED_FROM_NOWHERE = re.compile(r"Non-consecutive offsets in [^\n]*\n *-1 is followed by \d+\n?")


def complaints(lines: list[str]) -> list[str]:
    """The lines that say that something is wrong."""
    said = COUNTED_FROM_NOWHERE.sub("", "\n".join(lines)).splitlines()
    return [line for line in said if not is_fine(line)]


def is_fine(line: str) -> bool:
    if line.startswith("baseOffset"):
        return "isvalid: true" in line
    return COMPLAINTS.search(line) is None


@pytest.fixture(params=[True, False], ids=["clean stop", "kill and recovery"])
def partition(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The directory of a partition with every kind of batch, in several segments."""
    config = LogConfig(segment_bytes=20000, index_interval_bytes=500)
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
    log = dirs.open("topic", 0, TOPIC_ID, config)
    for at in range(300):
        log.append(
            [
                batch(
                    log.log_end_offset,
                    3,
                    timestamps=[1000 + 7919 * (3 * at + k) % 3001 for k in range(3)],
                    compression=at % 5,
                    producer_id=7,
                    producer_epoch=0,
                    base_sequence=3 * at,
                )
            ],
            0,
        )
    end = log.log_end_offset
    log.append([batch(end, 3, producer_id=8, producer_epoch=0, base_sequence=0, is_transactional=True)], 0)
    log.append([marker(end + 3, commit=False, producer_id=8, producer_epoch=0)], 0)
    log.append([batch(end + 4, 3, leader_epoch=3, timestamps=[-1, -1, -1])], 0)
    if not request.param:
        dirs.close(clean=False)
        dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
        dirs.open("topic", 0, TOPIC_ID, config)
    dirs.close(clean=True)
    return tmp_path / "topic-0"


def files(partition: Path, *suffixes: str) -> str:
    found = sorted(str(path) for path in partition.iterdir() if path.suffix in suffixes)
    assert len(found) >= 2
    return ",".join(found)


@pytest.mark.parametrize("version", DUMP)
def test_every_record_and_index_entry_is_read_without_complaint(partition: Path, version: str) -> None:
    lines = dump(version, "--deep-iteration", "--files", files(partition, ".log", ".index", ".timeindex"))
    assert complaints(lines) == []
    batches = [line for line in lines if line.startswith("baseOffset")]
    records = [line for line in lines if line.startswith("| offset")]
    entries = [line for line in lines if line.startswith(("offset: ", "timestamp: "))]
    assert (len(batches), len(records)) == (303, 907)
    assert len(entries) > 50


@pytest.mark.parametrize("version", DUMP)
def test_the_indexes_pass_the_tools_own_check(partition: Path, version: str) -> None:
    lines = dump(version, "--index-sanity-check", "--files", files(partition, ".index", ".timeindex"))
    assert complaints(lines) == []
    assert sum("passed sanity check" in line for line in lines) >= 4


@pytest.mark.parametrize("version", DUMP)
def test_producer_snapshots_are_read(partition: Path, version: str) -> None:
    lines = dump(version, "--files", files(partition, ".snapshot"))
    assert complaints(lines) == []
    (newest,) = [line for line in lines if line.startswith("producerId: 8 ")]
    assert "coordinatorEpoch: 7 currentTxnFirstOffset: " in newest
    assert "lastSequence: 2 lastOffset: 902" in newest


@pytest.mark.parametrize("version", DUMP)
def test_a_transaction_index_is_read(partition: Path, version: str) -> None:
    (index,) = partition.glob("*.txnindex")
    lines = dump(version, "--files", str(index))
    assert complaints(lines) == []
    (entry,) = [line for line in lines if line.startswith("version: ")]
    assert entry == "version: 0 producerId: 8 firstOffset: 900 lastOffset: 903 lastStableOffset: 904"


GAP = re.compile(r"^Non-consecutive offsets in |^ *-?\d+ is followed by \d+$")


@pytest.fixture
def compacted(tmp_path: Path) -> Path:
    """The directory of a partition that was compacted, with every kind of batch that this leaves."""
    config = LogConfig(segment_bytes=20000, index_interval_bytes=500, compacts=True, delete_retention_ms=1000)
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
    log = dirs.open("topic", 0, TOPIC_ID, config)
    for at in range(300):
        pairs = [(b"key %d" % (7 * at % 90 + k), None if at % 11 == 0 else b"x" * at) for k in range(3)]
        write(log, pairs, compression=at % 5, producer_id=7, producer_epoch=0, base_sequence=3 * at)
        if at % 50 == 0:
            producer_id = 8 + at
            write(
                log,
                [(b"of a transaction", b"1"), (b"%d" % at, b"1")],
                producer_id=producer_id,
                producer_epoch=0,
                base_sequence=0,
                is_transactional=True,
            )
            end_transaction(log, producer_id, commit=at % 100 == 0)
    roll_and_compact(log, now_ms=0)
    write(log, [(b"key 1", b"newer")])
    roll_and_compact(log, now_ms=500)
    assert any(header.delete_horizon is not None for header in headers(log))
    assert any(header.record_count == 0 for header in headers(log))
    dirs.close(clean=True)
    return tmp_path / "topic-0"


@pytest.mark.parametrize("version", DUMP)
def test_a_compacted_log_is_read_without_complaint_but_for_its_gaps(compacted: Path, version: str) -> None:
    lines = dump(version, "--deep-iteration", "--files", files(compacted, ".log", ".index", ".timeindex"))
    assert [line for line in complaints(lines) if not GAP.match(line)] == []
    batches = [line for line in lines if line.startswith("baseOffset")]
    assert any("count: 0 " in line for line in batches)
    assert any("deleteHorizonMs: OptionalLong[1000]" in line for line in batches)
    assert sum(line.startswith("| offset") for line in lines) >= 90
    checked = dump(version, "--index-sanity-check", "--files", files(compacted, ".index", ".timeindex"))
    assert complaints(checked) == []
    (index,) = compacted.glob("*.txnindex")
    aborted = [line for line in dump(version, "--files", str(index)) if line.startswith("version: ")]
    assert len(aborted) == 3
