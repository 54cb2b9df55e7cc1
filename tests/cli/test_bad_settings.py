"""Configurations that make no sense: one message with the cause and what to do, exit code 1, nothing
written.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from kwire_storage.directories.log_dirs import LogDirs

from kwire.broker.metadata_log import MetadataLog
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.features import METADATA_VERSION
from tests.cli.test_serve import COMMAND, DEADLINE_SECONDS, refused, running
from tests.storage.disks import uuids

# --set ..., what the message names
SETTINGS = [
    # no such setting
    (["num.partition=3"], "did you mean num.partitions?"),
    (["listner=PLAINTEXT://:1"], "did you mean listeners?"),
    (["zzzz=1"], "there is no setting zzzz\n"),
    (["=1"], "KEY=VALUE"),
    (["num.partitions"], "KEY=VALUE"),
    # not of its kind, or out of its limits
    (["num.partitions=three"], "num.partitions: Not a number of type INT"),
    (["num.partitions="], "num.partitions"),
    (["num.partitions=0"], "num.partitions: Value must be at least 1"),
    (["num.partitions=2147483648"], "num.partitions: Not a number of type INT"),
    (["log.retention.ms=99999999999999999999"], "log.retention.ms: Not a number of type LONG"),
    (["auto.create.topics.enable=yes"], "auto.create.topics.enable: Expected value to be"),
    (["compression.type=brotli"], "compression.type"),
    (["log.cleanup.policy=delete,compress"], "compress for configuration log.cleanup.policy"),
    (["process.roles=brokre"], "brokre for configuration process.roles"),
    (["node.id=-7"], "node.id"),
    (["log.segment.bytes=1"], "log.segment.bytes"),
    # roles and listeners that contradict each other
    (["process.roles=controller"], "process.roles has no broker"),
    (["listeners=PLAINTEXT://:1,PLAINTEXT://:2"], "names PLAINTEXT twice"),
    (["listeners=PLAINTEXT://:1,plaintext://:2"], "names PLAINTEXT twice"),
    (["listeners=PLAINTEXT://:1,B://:1", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT"],
     "PLAINTEXT and B want the same port 1"),
    (["listeners=PLAINTEXT://:1", "advertised.listeners=B://h:1"], "names B, which is not among listeners"),
    (["advertised.listeners=PLAINTEXT://0.0.0.0:1"], "no client can reach"),
    (["advertised.listeners=PLAINTEXT://h:0"], "no client can reach"),
    (["listeners=CONTROLLER://:1"], "none but those of controllers"),
    (["listeners=PLAINTEXT://:1,CONTROLLER://:2", "advertised.listeners=CONTROLLER://h:2"],
     "keeps for controllers"),
    (["listeners=SASL_SSL://:1"], "kwire serves PLAINTEXT so far"),
    (["listeners=B://:1"], "listener.security.protocol.map=B:PLAINTEXT"),
    (["listener.security.protocol.map=A"], "NAME:PROTOCOL"),
    (["listeners=:9092"], "NAME://host:port"),
    (["listeners=PLAINTEXT://:99999"], "0 to 65535"),
    (["listeners="], "listeners is empty"),
    (["listeners=PLAINTEXT://no.such.host.invalid:0"], "no.such.host.invalid"),
    (["metadata.log.dir=elsewhere"], "add it to log.dirs"),
    (["log.dirs="], "log.dirs"),
    (["cordoned.log.dirs=/nowhere"], "names /nowhere, and the log directories are"),
    (["cordoned.log.dirs=*,/nowhere"], "* stands for all of them"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "said"), SETTINGS, ids=[" ".join(each) for each, _ in SETTINGS])
def test_settings_that_make_no_sense_are_refused(settings: list[str], said: str, tmp_path: Path) -> None:
    options = [option for setting in settings for option in ("--set", setting)]
    if "log.dirs=" not in settings:
        options += ["--data", str(tmp_path / "new")]
    assert said in refused(*options)
    assert list(tmp_path.iterdir()) == []


FILES = [
    (b"num.partitions=0\n", "num.partitions: Value must be at least 1"),
    (b"num.partitions=1\nnum.partitions=0\n", "num.partitions: Value must be at least 1"),  # the last counts
    (b"num.partitions=\\\n  0\n", "num.partitions: Value must be at least 1"),
    (b"num.partition\\u0073=0\n", "num.partitions: Value must be at least 1"),
    (b"num.partitions=\\u00\n", "four hexadecimal digits"),
    (b"\x7fELF\x02\x01\x01\0\0\0", "zero byte at 7"),
    (b"\xff\xfen\0u\0m\0", "zero byte"),  # Windows' "Unicode"
    (b"\xc3\xa4=1\n", "there is no setting"),
    (b"<html>\n", "there is no setting <html>"),
    (b"#" * (1 << 20) + b"#", "1048576 bytes"),
]


@pytest.mark.parametrize(("content", "said"), FILES, ids=[said for _, said in FILES])
def test_a_file_that_makes_no_sense_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_bytes(content)
    assert said in refused("--config", str(file), "--data", str(tmp_path / "new"))
    assert os.listdir(tmp_path) == ["server.properties"]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert f"cannot read {tmp_path / 'none'}: No such file" in refused("--config", str(tmp_path / "none"))
    assert f"cannot read {tmp_path}: Is a directory" in refused("--config", str(tmp_path))
    (tmp_path / "link").symlink_to("link")
    assert f"cannot read {tmp_path / 'link'}: " in refused("--config", str(tmp_path / "link"))
    assert "1048576 bytes" in refused("--config", "/dev/zero")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    (tmp_path / "mine").chmod(0)
    assert "Permission denied" in refused("--config", str(tmp_path / "mine"))


def test_data_of_another_cluster_or_node_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    for place in (data, other):
        with running("--port", "0", "--data", str(place)) as (process, _):
            process.terminate()
            process.wait(DEADLINE_SECONDS)
    before = contents(tmp_path)
    assert "node" in refused("--port", "0", "--data", str(data), "--set", "node.id=7")
    assert "different clusters" in refused("--port", "0", "--set", f"log.dirs={data},{other}")
    assert contents(tmp_path) == before


NEWER = m.feature_level_record("metadata.version", METADATA_VERSION + 1)
CONTRADICTION = m.remove_topic_record(UUID(int=77))


@pytest.mark.parametrize(
    ("record", "said"),
    [(NEWER, "open it with the Kafka that wrote it, or a newer kwire"), (CONTRADICTION, "is not there")],
    ids=["newer", "contradiction"],
)
def test_metadata_that_cannot_be_understood_is_refused_and_left_as_it_is(
    record: m.Record, said: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with running("--port", "0", "--data", str(data)) as (process, _):
        process.terminate()
        process.wait(DEADLINE_SECONDS)
    dirs = LogDirs([str(data)], node_id=1, new_uuid=uuids())
    log = MetadataLog(dirs, segment_bytes=1 << 30, now_ms=0)
    log.append([record], METADATA_VERSION, 0)
    dirs.close(clean=True)
    before = contents(data)
    assert said in refused("--port", "0", "--data", str(data))
    assert contents(data) == before


def test_a_cluster_id_that_is_not_the_datas_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("--port", "0", "--data", str(data)) as (process, _):
        process.terminate()
        process.wait(DEADLINE_SECONDS)
    before = contents(tmp_path)
    for more in ([], ["--set", f"log.dirs={tmp_path / 'new'},{data}"]):
        where = more or ["--data", str(data)]
        done = subprocess.run(
            [*COMMAND, "serve", "--from-environment", "--port", "0", *where],
            capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
            env={**os.environ, "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw"},
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
        assert "belongs to cluster" in done.stderr
        assert contents(tmp_path) == before


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_one_brokers_foreign_data_leaves_the_others_as_they_are(stop: signal.Signals, tmp_path: Path) -> None:
    """Above all, a directory that needs recovery is not taken for one that was closed."""
    with running("--port", "0", "--brokers", "3", "--data", str(tmp_path)) as (process, _):
        process.send_signal(stop)
        process.wait(DEADLINE_SECONDS)
    (tmp_path / "broker-2" / "meta.properties").write_text("version=1\nnode.id=9\ncluster.id=x\n")
    before = contents(tmp_path)
    assert "broker-2" in refused("--port", "0", "--brokers", "3", "--data", str(tmp_path))
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, but for the locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock"
    }
