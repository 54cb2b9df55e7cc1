"""Kafka's tools move a partition between the directories of a broker, kwire or Kafka, and tell of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from compat.broker import ServedBroker, kwire_python
from oracle import Kafka
from tools import Result, ToolRunner

RELEASES = ("3.9.2", "4.4.0")
AWAITED_S = 30


class TwoDirectories(ServedBroker):
    """kwire with two log.dirs."""

    def command(self) -> list[str]:
        directories = ",".join(str(self.home / name) for name in ("one", "two"))
        served = [kwire_python(), "-m", "kwire", "serve", "--port", str(self.port), "--host", "127.0.0.1"]
        return [*served, "--set", f"log.dirs={directories}"]


@pytest.fixture(scope="module", params=["kwire", "kafka"])
def bootstrap(request: pytest.FixtureRequest) -> Iterator[str]:
    with ExitStack() as stack:
        if request.param == "kwire":
            broker = TwoDirectories()
            stack.callback(broker.close)
            broker.start()
            yield broker.bootstrap
        else:
            yield stack.enter_context(Kafka("4.4.0", directories=("second",))).bootstrap


@pytest.mark.parametrize("release", RELEASES)
def test_a_partition_is_moved_and_told_of(bootstrap: str, release: str, tmp_path: Path) -> None:
    topic = f"moved-{release}"
    with ToolRunner(release) as tools:

        def told() -> dict[str, int]:
            """Of each directory that has the partition, its size."""
            result = tools.run(bootstrap, ["log-dirs", "--describe", "--topic-list", topic])
            found = json.loads(result.output.splitlines()[-1])["brokers"][0]["logDirs"]
            assert all(each["error"] is None for each in found)
            return {
                each["logDir"]: partition["size"]
                for each in found
                for partition in each["partitions"]
                if not partition["isFuture"] and partition["offsetLag"] == 0
            }

        def move(path: str, *options: str) -> Result:
            wanted = {"topic": topic, "partition": 0, "replicas": [1], "log_dirs": [path]}
            file = tmp_path / "move.json"
            file.write_text(json.dumps({"version": 1, "partitions": [wanted]}))
            return tools.run(
                bootstrap, ["reassign-partitions", *options, "--reassignment-json-file", str(file)]
            )

        tools.run(bootstrap, ["topics", "--create", "--topic", topic, "--partitions", "1"])
        tools.run(bootstrap, ["console-producer", "--topic", topic], "first\nsecond\n")
        result = tools.run(bootstrap, ["log-dirs", "--describe"])
        paths = {
            each["logDir"] for each in json.loads(result.output.splitlines()[-1])["brokers"][0]["logDirs"]
        }
        assert len(paths) == 2
        [(before, size)] = told().items()
        [after] = paths - {before}
        executed = move(after, "--execute", "--replica-alter-log-dirs-throttle", "1000000")
        assert f"started moving log directory to {after} for replica {topic}-0" in executed.output, executed
        deadline = time.monotonic() + AWAITED_S
        completed = re.compile(rf"Reassignment of replica {topic}-0-1 completed successfully")
        verified = move(after, "--verify")
        while not completed.search(verified.output):
            assert time.monotonic() < deadline, verified
            verified = move(after, "--verify")
        assert told() == {after: size}
        words = ["console-consumer", "--topic", topic, "--from-beginning", "--max-messages", "2"]
        consumed = tools.run(bootstrap, [*words, "--timeout-ms", "9000"])
        assert consumed.output.split() == ["first", "second"]
        refused = move("/nowhere", "--execute")
        assert "LogDirNotFoundException" in refused.output + refused.errors, refused
