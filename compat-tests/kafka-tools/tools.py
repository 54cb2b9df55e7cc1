"""Kafka's command-line tools: which class is which in a release, how it is told the broker, how it is run.

A tool is called by the name of its script without `kafka-`. All of a run share one JVM (Tools.java).
"""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from compat.broker import ServedBroker
from oracle import tool_command

HERE = Path(__file__).resolve().parent
RELEASES = ("2.6.2", "3.9.2", "4.4.0")
CALL_TIMEOUT_S = 40

_NEW = "org.apache.kafka.tools."
# Scala's objects keep what they counted: such a class is loaded anew for each call.
_STATEFUL = {"kafka.tools.ConsoleConsumer"}
# name: (class in 2.6.2, in 3.9.2, in 4.x)
CLASSES = {
    "topics": ("kafka.admin.TopicCommand", _NEW + "TopicCommand", _NEW + "TopicCommand"),
    "configs": ("kafka.admin.ConfigCommand",) * 3,
    "consumer-groups": (
        "kafka.admin.ConsumerGroupCommand",
        _NEW + "consumer.group.ConsumerGroupCommand",
        _NEW + "consumer.group.ConsumerGroupCommand",
    ),
    "groups": ("", "", _NEW + "GroupsCommand"),
    "console-producer": (
        "kafka.tools.ConsoleProducer",
        "kafka.tools.ConsoleProducer",
        _NEW + "ConsoleProducer",
    ),
    "console-consumer": (
        "kafka.tools.ConsoleConsumer",
        _NEW + "consumer.ConsoleConsumer",
        _NEW + "consumer.ConsoleConsumer",
    ),
    "get-offsets": ("kafka.tools.GetOffsetShell", _NEW + "GetOffsetShell", _NEW + "GetOffsetShell"),
    "delete-records": (
        "kafka.admin.DeleteRecordsCommand",
        _NEW + "DeleteRecordsCommand",
        _NEW + "DeleteRecordsCommand",
    ),
    "log-dirs": ("kafka.admin.LogDirsCommand", _NEW + "LogDirsCommand", _NEW + "LogDirsCommand"),
    "broker-api-versions": (
        "kafka.admin.BrokerApiVersionsCommand",
        "kafka.admin.BrokerApiVersionsCommand",
        _NEW + "BrokerApiVersionsCommand",
    ),
    "leader-election": (
        "kafka.admin.LeaderElectionCommand",
        _NEW + "LeaderElectionCommand",
        _NEW + "LeaderElectionCommand",
    ),
    "reassign-partitions": (
        "kafka.admin.ReassignPartitionsCommand",
        _NEW + "reassign.ReassignPartitionsCommand",
        _NEW + "reassign.ReassignPartitionsCommand",
    ),
    "acls": ("kafka.admin.AclCommand", "kafka.admin.AclCommand", _NEW + "AclCommand"),
    "transactions": ("", _NEW + "TransactionsCommand", _NEW + "TransactionsCommand"),
    "features": ("", _NEW + "FeatureCommand", _NEW + "FeatureCommand"),
    "cluster": ("", _NEW + "ClusterTool", _NEW + "ClusterTool"),
    "metadata-quorum": ("", _NEW + "MetadataQuorumCommand", _NEW + "MetadataQuorumCommand"),
    "delegation-tokens": (
        "kafka.admin.DelegationTokenCommand",
        _NEW + "DelegationTokenCommand",
        _NEW + "DelegationTokenCommand",
    ),
    "share-groups": ("", "", _NEW + "consumer.group.ShareGroupCommand"),
    "streams-groups": ("", "", _NEW + "streams.StreamsGroupCommand"),
    "streams-application-reset": (
        "kafka.tools.StreamsResetter",
        _NEW + "StreamsResetter",
        _NEW + "StreamsResetter",
    ),
    "client-metrics": ("", _NEW + "ClientMetricsCommand", _NEW + "ClientMetricsCommand"),
    "producer-perf-test": (_NEW + "ProducerPerformance",) * 3,
    "consumer-perf-test": (
        "kafka.tools.ConsumerPerformance",
        _NEW + "ConsumerPerformance",
        _NEW + "ConsumerPerformance",
    ),
    "verifiable-producer": (_NEW + "VerifiableProducer",) * 3,
    "verifiable-consumer": (_NEW + "VerifiableConsumer",) * 3,
}
_BROKER_LIST = {"console-producer", "get-offsets", "verifiable-producer", "verifiable-consumer"}


@dataclass(frozen=True)
class Result:
    """What a tool did: its exit status (`hung` if it did not end) and what it printed."""

    status: str
    output: str
    errors: str


class ToolRunner:
    """One JVM with a release's tools, for as long as the block."""

    def __init__(self, release: str) -> None:
        self.release = release

    def __enter__(self) -> Self:
        command = tool_command(self.release, str(HERE / "Tools.java"), [])
        command.insert(1, "--add-opens=java.base/java.lang=ALL-UNNAMED")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, bootstrap: str, words: list[str], typed: str = "") -> Result:
        """Run the tool `words[0]` with the other words and the broker's address; `typed` is its input."""
        name, *options = words
        main_class = CLASSES[name][RELEASES.index(self.release)]
        assert main_class, f"Kafka {self.release} has no kafka-{name}"
        arguments = self._with_address(name, options, bootstrap)
        loaded = "!" + main_class if main_class in _STATEFUL else main_class
        call = [str(CALL_TIMEOUT_S), loaded, _encoded(typed), *(_encoded(word) for word in arguments)]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(call) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().rsplit(" ", 2)
        assert len(answer) == 3, "the JVM of the tools has ended"
        return Result(answer[0], _decoded(answer[1]), _decoded(answer[2]))

    def in_background(self, bootstrap: str, words: list[str], log: Path) -> subprocess.Popen[bytes]:
        """The tool in a JVM of its own that goes on; what it says goes to `log`, and its owner ends it."""
        name, *options = words
        main_class = CLASSES[name][RELEASES.index(self.release)]
        command = tool_command(self.release, main_class, self._with_address(name, options, bootstrap))
        with log.open("wb") as said:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def _with_address(self, name: str, options: list[str], bootstrap: str) -> list[str]:
        if name == "producer-perf-test":
            return [*options, "--producer-props", f"bootstrap.servers={bootstrap}", "acks=all"]
        option = "--bootstrap-server"
        if self.release == "2.6.2" and name in _BROKER_LIST:
            option = "--broker-list"
        address = [option, bootstrap]
        return [*options, *address] if name == "cluster" else [*address, *options]


@dataclass(frozen=True)
class Bench:
    """What a case runs on: addresses of a Kafka and of kwire, one broker each or three."""

    release: str
    tools: ToolRunner
    kafka: str
    kwire: str
    broker: ServedBroker


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode() if text else "-"


def _decoded(word: str) -> str:
    word = word.strip()
    return "" if word == "-" else base64.b64decode(word).decode(errors="replace")
