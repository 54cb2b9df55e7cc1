"""`kwire export-config`: the settings for a Kafka, from a directory that is only read; refusals that help."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from kwire_codecs.internal.metadata_records import NoOpRecord
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.files import Files
from kwire_storage.folder import DiskFolder

from kwire.broker.metadata_offline import read_offline
from kwire.cli import run_command_line
from kwire.config import load_properties
from kwire.coordinators.metadata import records as m
from tests.broker.test_metadata_snapshots import OnDisk
from tests.broker_client import create_topic, serving
from tests.storage.disks import uuids


def export(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command line."""
    code = run_command_line(["export-config", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


async def stopped(path: Path, **settings: object) -> Path:
    """A directory that a broker has served and left."""
    properties = {"offsets.topic.num.partitions": "7"}
    async with serving(properties, data=[path], **settings) as broker:
        await create_topic(broker, "t", 2)
    return path


async def test_a_stopped_brokers_directory_gives_all_that_a_kafka_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await stopped(tmp_path / "data")
    before = contents(path)
    code, out, err = export(capsys, "--data", str(path), "--port", "9000", "--host", "127.0.0.1")
    assert (code, err) == (0, "")
    assert load_properties(out) == {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": "1@127.0.0.1:9001",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": "PLAINTEXT://127.0.0.1:9000,CONTROLLER://127.0.0.1:9001",
        "advertised.listeners": "PLAINTEXT://127.0.0.1:9000",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(path),
        "offsets.topic.num.partitions": "7",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }
    assert "needs Kafka 4.4 or later" in out
    assert "group.version=1, metadata.version=33, transaction.version=2" in out
    assert contents(path) == before


async def test_a_kill_is_told_and_half_a_batch_at_the_end_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await stopped(tmp_path / "data")
    (path / ".kafka_cleanshutdown").unlink()
    log = path / "__cluster_metadata-0" / "00000000000000000000.log"
    log.write_bytes(log.read_bytes()[:-10])
    code, out, _ = export(capsys, "--data", str(path))
    assert code == 0
    assert "was not left by a clean stop" in out
    assert load_properties(out)["offsets.topic.num.partitions"] == "7"


async def test_metadata_is_read_from_a_snapshot_and_the_log_behind_it(tmp_path: Path) -> None:
    home = OnDisk(tmp_path, {"metadata.max.retention.bytes": "0"})
    controller = await home.start()
    for _ in range(2):
        controller._commit([m.topic_config_record("a", "retention.ms", "1"), NoOpRecord()])
        await controller.snapshot()
    controller._commit([m.topic_config_record("b", "retention.ms", "2")])
    found = read_offline(
        DiskFolder(str(home.metadata), Files()), DiskFolder(str(tmp_path), Files()), "cluster"
    )
    assert found.image == controller.image


async def test_a_path_that_java_would_misread_is_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await stopped(tmp_path / "d\u00e4ta\\x \u65e5")
    code, out, _ = export(capsys, "--data", str(path))
    assert code == 0
    assert out.isascii()
    assert load_properties(out)["log.dirs"] == str(path)


async def test_several_log_dirs_name_the_one_with_the_metadata(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    async with serving(data=paths) as broker:
        await create_topic(broker, "t", 2)
    code, out, _ = export(capsys, "--data", str(paths[0]), "--data", str(paths[1]))
    assert code == 0
    found = load_properties(out)
    assert found["log.dirs"] == f"{paths[0]},{paths[1]}"
    assert found["metadata.log.dir"] == str(paths[0])
    code, _, err = export(capsys, "--data", str(paths[1]))
    assert code == 1
    assert "there is no __cluster_metadata-0" in err


async def test_what_a_kafka_could_not_serve_is_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three = tmp_path / "three"
    async with serving(data=[three], brokers=3):
        pass
    await stopped(tmp_path / "other")
    await stopped(tmp_path / "with,comma")
    (tmp_path / "empty").mkdir()
    refused = {
        "nowhere": "there is no directory .*nowhere; name the data directory with --data",
        "empty": "is no data directory of kwire or Kafka: it has no meta.properties",
        "three": "holds the data of 3 brokers",
        "three/broker-1": "directory of broker 1 alone",
        "with,comma": "has a comma",
    }
    for name, message in refused.items():
        code, out, err = export(capsys, "--data", str(tmp_path / name))
        assert (code, out) == (1, ""), name
        assert re.search(message, err), err
    code, _, err = export(capsys, "--data", str(tmp_path / "other"), "--port", "9", "--controller-port", "9")
    assert code == 1
    assert "can't share port 9" in err


async def test_a_directory_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = await stopped(tmp_path / "data")
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids())
    code, out, err = export(capsys, "--data", str(path))
    assert (code, out) == (1, "")
    assert "is in use: stop the broker first" in err
    dirs.close(clean=True)
    assert export(capsys, "--data", str(path))[0] == 0


async def test_garbage_in_the_metadata_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await stopped(tmp_path / "data")
    (path / "meta.properties").write_bytes(os.urandom(100))
    code, _, err = export(capsys, "--data", str(path))
    assert code == 1
    assert "is not of a KRaft cluster" in err
