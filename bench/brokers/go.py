"""The peers that are Go programs beside this file: kfake, and librdkafka's mock cluster behind cgo."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

from .broker import Broker, Started, cache
from .process import BrokerError, Child, wait_for_answer

HERE = Path(__file__).parent


class _GoBroker(Broker):
    """A program that prints `ready HOST:PORT` and ends with its standard input."""

    folder = ""

    def build(self) -> None:
        go = shutil.which("go")
        if go is None:
            raise BrokerError("Go is missing (Debian: golang)")
        target = cache() / "bench" / self.folder
        target.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [go, "build", "-o", str(target), "."],
            cwd=HERE / self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BrokerError(f"{self.folder} could not be built: {done.stderr[-800:]}")

    def start(self, directory: Path) -> Started:
        began = time.perf_counter()
        command = [str(cache() / "bench" / self.folder), *self._arguments(directory)]
        self.child = Child(command, directory / f"{self.folder}.log")
        self.address = self.child.read_line(30).removeprefix("ready ")
        wait_for_answer(self.address, self.child)
        return Started(time.perf_counter() - began)

    def _arguments(self, directory: Path) -> list[str]:
        return []

    def _required(self, module: str) -> str:
        """The version of `module` that go.mod names."""
        found = re.search(re.escape(module) + r" (v\S+)", (HERE / self.folder / "go.mod").read_text())
        return found[1] if found else "?"


class Kfake(_GoBroker):
    """kfake, in memory or with its data directory option."""

    folder = "kfake"

    def __init__(self, name: str, *, on_disk: bool) -> None:
        super().__init__(name)
        self._on_disk = on_disk

    def _arguments(self, directory: Path) -> list[str]:
        return [str(directory / "data")] if self._on_disk else []

    def version(self) -> str:
        where = "its data directory" if self._on_disk else "memory"
        return f"kfake {self._required('github.com/twmb/franz-go/pkg/kfake')}, in {where}"


class Mock(_GoBroker):
    """librdkafka's mock cluster, in memory; it keeps the newest 5 MB of a partition."""

    folder = "mock"

    def __init__(self, name: str = "mock") -> None:
        super().__init__(name)
        bounded = "keeps 5 MB of a partition only, so that nothing is there to consume"
        self.lacks = {
            "consume": bounded,
            "fan-out": bounded,
            "topics": "answers no CreateTopics",
            "client kafka": "Kafka's client sees no topic in its Metadata, and waits",
            "group/10": "franz-go's members are answered INVALID_REQUEST as they join",
        }
        # franz-go cannot read its answers to ApiVersions version 3 and later.
        self.client_options = {"franz": {"kafka": "v2.3"}}

    def make_topic(self, name: str, partitions: int) -> bool:
        assert self.child is not None
        self.child.ask(f"{name} {partitions}")
        if (said := self.child.read_line(30)) != "made":
            raise BrokerError(f"it made no topic: {said}")
        return True

    def version(self) -> str:
        module = "github.com/confluentinc/confluent-kafka-go/v2"
        return f"librdkafka's mock cluster (confluent-kafka-go {self._required(module)}), in memory"
