"""`kwire log` as its user meets it: lines, JSON, exit codes, pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_serve import COMMAND, DEADLINE_SECONDS, running
from tests.storage.damage import flip
from tests.storage.test_inspection import last, write_directory


def kwire(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "log", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_directory(tmp_path / "data")
    return tmp_path / "data"


def test_a_directory_in_order_says_what_was_looked_at(directory: Path) -> None:
    done = kwire("verify", "--data", directory)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 partitions, 100 batches, ")
    assert done.stdout.endswith("bytes: no findings\n")


def test_one_partition_is_one(directory: Path) -> None:
    done = kwire("verify", directory / "other-3")
    assert done.stdout.startswith("1 partition, ")


def test_findings_are_lines_and_the_exit_code_is_1(directory: Path) -> None:
    path = max((directory / "other-3").glob("*.log"))
    flip(path, 70)
    done = kwire("verify", "--data", directory)
    assert (done.returncode, done.stderr) == (1, "")
    finding, summary = done.stdout.splitlines()
    assert finding.startswith(f"{path} at byte 0: the batch at offset ")
    assert summary.endswith(": 1 finding")
    done = kwire("verify", "--json", path.parent, path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["type"], row.get("file"), row.get("position")) for row in rows] == [
        ("finding", str(path), 0),
        ("finding", str(path), 0),
        ("summary", None, None),
    ]
    assert rows[-1]["findings"] == 2


@pytest.mark.parametrize(
    "arguments",
    [("verify", "--data", "nowhere"), ("verify", "nowhere"), ("verify", "--data", "."), ("dump", "nowhere")],
)
def test_what_can_not_be_looked_at_is_exit_code_2_and_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = kwire(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kwire: ")
    assert done.stderr.count("\n") == 1


def test_the_data_directory_of_serve_is_the_default(tmp_path: Path) -> None:
    write_directory(tmp_path / "kwire")
    done = kwire("verify", XDG_DATA_HOME=str(tmp_path))
    assert (done.returncode, done.stdout[:12]) == (0, "2 partitions")


def test_rows_are_text_for_people_and_json_for_programs(directory: Path) -> None:
    done = kwire("dump", "--records", directory)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert str(directory / "topic-0" / "leader-epoch-checkpoint") in lines
    assert any(line.startswith("  batch position=0 size=") for line in lines)
    assert any(line.startswith("    record offset=0 timestamp=") for line in lines)
    done = kwire("dump", "--records", "--json", directory)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["type"] for row in rows} >= {
        "batch",
        "record",
        "entry",
        "aborted",
        "producer",
        "epoch",
        "offset",
    }


def test_a_file_is_dumped_up_to_where_it_is_damaged(directory: Path) -> None:
    path = last(directory, ".log")
    path.write_bytes(path.read_bytes()[:-1])
    done = kwire("dump", path)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{path}\n  batch position=0")
    assert "half a batch" in done.stderr
    assert done.stderr.count("\n") == 1


def test_who_has_read_enough_may_go(directory: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "log", "dump", "--records", *[str(directory)] * 200],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(DEADLINE_SECONDS) in (0, -signal.SIGPIPE)
    process.stderr.close()


def test_a_directory_in_use_is_looked_at_without_its_lock(tmp_path: Path) -> None:
    with running("--port", "0", "--data", str(tmp_path / "data")) as (process, _):
        done = kwire("verify", "--records", "--data", tmp_path / "data")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"note: {tmp_path / 'data'}: a broker runs on it, or was killed")
        process.terminate()
        assert process.wait(DEADLINE_SECONDS) == 0
    done = kwire("verify", "--records", "--data", tmp_path / "data")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    done = kwire("dump", "--records", "--json", tmp_path / "data" / "__cluster_metadata-0")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"RegisterBrokerRecord", "FeatureLevelRecord"} <= {row.get("record") for row in records}
    assert "LEADER_CHANGE" in {row.get("control") for row in records}


def test_each_brokers_directory_is_found(tmp_path: Path) -> None:
    with running("--port", "0", "--brokers", "3", "--data", str(tmp_path / "data")) as (process, _):
        process.terminate()
        process.wait(DEADLINE_SECONDS)
    done = kwire("verify", "--data", tmp_path / "data")
    assert done.returncode == 0, done
    assert done.stdout.startswith("1 partition, ")
