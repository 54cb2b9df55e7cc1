"""A directory that any earlier release of kwire wrote, or a Kafka, opens, and serves what it held.

tests/vectors/directories has them, each with what clients saw of the broker that wrote it;
scripts/sample-directory makes one. An unclean stop is a copy without its mark, indexes and recovery points.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from kwire_storage.files import Files
from kwire_storage.inspection import dump
from kwire_storage.inspection.decoders import decoder_for
from kwire_storage.inspection.directory_check import DirectoryCheck

from kwire.testing.broker_process import BrokerProcess
from tests.directories.life import BROKER, see

SAMPLES = sorted((Path(__file__).parents[1] / "vectors" / "directories").glob("*.tar.xz"))
DEADLINE_SECONDS = 60


def unpacked(archive: Path, to: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extractall(to, filter="data")
    return to


def expected(archive: Path) -> object:
    return json.loads(archive.with_name(archive.name.removesuffix(".tar.xz") + ".json").read_text())


def told(data: Path) -> object:
    """What clients see of a broker that is started on the directory, as JSON has it."""
    settings = [word for name, value in BROKER.items() for word in ("--set", f"{name}={value}")]
    with BrokerProcess(["--port", "0", "--data", str(data), *settings]) as broker:
        return json.loads(json.dumps(see(broker.bootstrap_servers)))


def faults(data: Path) -> list[str]:
    found = DirectoryCheck(Files(), records=True).run([str(data)])
    return [str(finding) for finding in found if not finding.is_note]


def test_there_are_samples_of_kwire_and_of_kafka() -> None:
    names = [archive.name for archive in SAMPLES]
    for start in ("kwire-0.1", "kafka-4.4.0", "kafka-3.9.2"):
        assert any(name.startswith(start) for name in names), start
    assert all(archive.stat().st_size < 20_000 for archive in SAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("archive", SAMPLES, ids=lambda archive: archive.name.removesuffix(".tar.xz"))
@pytest.mark.parametrize("stop", ["clean", "unclean", "no indexes"])
def test_a_sample_is_served_as_it_was_written(tmp_path: Path, archive: Path, stop: str) -> None:
    data = unpacked(archive, tmp_path / "data")
    assert faults(data) == []
    if stop == "unclean":
        (data / ".kafka_cleanshutdown").unlink()
        (data / "recovery-point-offset-checkpoint").unlink()
    if stop != "clean":
        for suffix in (".index", ".timeindex", ".txnindex"):
            for path in data.rglob(f"*{suffix}"):
                path.unlink()
    for _ in range(2):  # and once more, from what kwire has made of it
        assert told(data) == expected(archive)
        assert faults(data) == []


@pytest.mark.parametrize("archive", SAMPLES, ids=lambda archive: archive.name.removesuffix(".tar.xz"))
def test_every_record_that_kwire_or_kafka_wrote_for_itself_is_decoded(tmp_path: Path, archive: Path) -> None:
    data = unpacked(archive, tmp_path / "data")
    kinds: set[object] = set()
    for folder in sorted(data.glob("__*")):
        for path in folder.glob("*.log"):
            for row in dump.rows(str(path), Files(), records=True, decoder=decoder_for(folder.name)):
                assert "not_decoded" not in row, row
                kinds |= {row.get("record"), row.get("control")}
    assert kinds >= {
        "OffsetCommit",
        "TransactionLog",
        "TopicRecord",
        "PartitionRecord",
        "ConfigRecord",
        "FeatureLevelRecord",
        "RegisterBrokerRecord",
        "LEADER_CHANGE",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version=2\n", "has version '2', and only version 1 (KRaft) can be used"),
        ("version=0\ncluster.id=a\nbroker.id=1\n", "has version '0', and only version 1 (KRaft) can be used"),
    ],
)
def test_a_directory_of_a_version_that_nobody_knows_is_refused_and_left_as_it_was(
    tmp_path: Path, text: str, says: str
) -> None:
    data = unpacked(SAMPLES[0], tmp_path / "data")
    (data / "meta.properties").write_text(text)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-m", "kwire", "serve", "--port", "0", "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert "choose another data directory" in done.stderr
    after = {path: path.read_bytes() for path in data.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before
