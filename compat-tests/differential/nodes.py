"""Two clusters of three nodes that are compared: real Kafkas, and kwire as a child process.

Both take the same orders: stop a node (its leaders move first, or it dies), start it again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from oracle import KafkaCluster

from .peers import FEATURES, ROOT, SETTINGS

NODES = (1, 2, 3)
PROPERTIES = {
    **SETTINGS,
    "auto.leader.rebalance.enable": "false",
    "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
}


class Nodes(Protocol):
    """A cluster of three: where its nodes are reached, and how one is stopped and started."""

    @property
    def addresses(self) -> Sequence[str]: ...
    def stop_node(self, node_id: int, *, controlled: bool = True) -> None: ...
    def start_node(self, node_id: int) -> None: ...


@contextmanager
def kafka_nodes() -> Iterator[Nodes]:
    """Three Apache Kafka brokers."""
    properties = {**PROPERTIES, "offsets.topic.num.partitions": "50"}
    with KafkaCluster("4.4.0", properties, features=FEATURES["4.4.0"]) as cluster:
        yield cluster


class KwireNodes:
    """kwire with three nodes in one process, and orders to it by a pipe (`kwire_nodes.py`)."""

    def __init__(self, process: subprocess.Popen[str], addresses: Sequence[str]) -> None:
        self._process = process
        self.addresses = addresses

    def stop_node(self, node_id: int, *, controlled: bool = True) -> None:
        self._order("stop" if controlled else "crash", node_id)

    def start_node(self, node_id: int) -> None:
        self._order("start", node_id)

    def _order(self, what: str, node_id: int) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {node_id}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer == "done", f"{what} {node_id}: {answer!r}"


@contextmanager
def kwire_nodes(*, on_disk: bool = False) -> Iterator[Nodes]:
    """Three nodes of kwire."""
    script = Path(__file__).with_name("kwire_nodes.py")
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory(prefix="kwire-differential-") as data:
        process = subprocess.Popen(
            [sys.executable, script, json.dumps(PROPERTIES), data if on_disk else ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, _import_paths()))},
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("["):
                process.wait(10)
                log.seek(0)
                said = log.read().decode(errors="replace")
                raise RuntimeError(f"kwire did not start; it said {line!r} and logged:\n{said}")
            yield KwireNodes(process, json.loads(line))
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _import_paths() -> list[Path]:
    return [ROOT, ROOT / "codecs", ROOT / "storage"]
