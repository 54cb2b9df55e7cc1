"""kwire's log reads a data directory that a real Kafka wrote: cleanly stopped, and as if it had been killed.

Run: `pytest compat-tests/interchange`. Needs Java, and Maven for the first fetch; skipped where it lacks.
"""

import shutil
from pathlib import Path

import pytest
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig
from kwire_storage.segments.log import SegmentedLog

from tests.storage.batches import fill, offsets
from tests.storage.disks import uuids

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="there is no java to run Kafka with")

RECORDS = 4000
MEGABYTE = 1 << 20


@pytest.fixture(scope="module", params=["4.4.0", "3.9.2"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a Kafka that has stopped cleanly, after RECORDS records in several segments."""
    from oracle import Kafka, OracleError, run_tool

    data = tmp_path_factory.mktemp("kafka") / "data"
    properties = {
        "num.partitions": "1",
        "log.segment.bytes": str(MEGABYTE),
        "log.index.interval.bytes": "4096",
    }
    try:
        with Kafka(request.param, properties, data=data, warm=False) as kafka:
            done = run_tool(
                request.param,
                "org.apache.kafka.tools.ProducerPerformance",
                [
                    *("--topic", "topic", "--num-records", str(RECORDS), "--record-size", "1000"),
                    *(
                        "--throughput",
                        "-1",
                        "--producer-props",
                        f"bootstrap.servers={kafka.bootstrap}",
                        "acks=all",
                    ),
                ],
            )
    except OracleError as error:
        pytest.skip(f"Kafka {request.param} can't be had: {error}")
    assert done.returncode == 0, done.stderr
    return data


def open_log(path: Path) -> tuple[LogDirs, SegmentedLog]:
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids())
    (found,) = [found for found in dirs.existing() if found.topic == "topic"]
    assert found.topic_id is not None
    return dirs, dirs.open("topic", 0, found.topic_id, LogConfig(segment_bytes=MEGABYTE))


@pytest.mark.parametrize("clean", [True, False], ids=["clean stop", "as if killed"])
def test_every_record_is_there_and_the_log_goes_on(
    written: Path, tmp_path: Path, clean: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "data"
    (log_directory,) = [found.parent for found in written.rglob("meta.properties")]
    shutil.copytree(log_directory, path)
    assert (path / ".kafka_cleanshutdown").exists()
    if not clean:
        (path / ".kafka_cleanshutdown").unlink()
        (path / "recovery-point-offset-checkpoint").unlink()
    dirs, log = open_log(path)
    assert dirs.was_clean == clean
    assert caplog.text == ""
    assert log.log_end_offset == RECORDS
    assert len(log.segment_offsets) >= 3
    found = offsets(log)
    assert [first for first, _ in found] == [0, *(last + 1 for _, last in found[:-1])]
    assert found[-1][1] == RECORDS - 1
    assert [epoch for epoch, _ in log.epochs.entries()] == [0]
    (producer,) = log.producers
    assert producer.last_sequence == RECORDS - 1
    newest = log.max_timestamp_offset()
    assert newest is not None
    assert log.offset_for_timestamp(newest.timestamp_ms) == newest
    for offset in range(0, RECORDS, 97):
        assert offsets(log, offset, 1)[0][0] <= offset <= offsets(log, offset, 1)[0][1]
    fill(log, 3)
    dirs.close(clean=True)
    dirs, log = open_log(path)
    assert log.log_end_offset == RECORDS + 3
    dirs.close(clean=False)
