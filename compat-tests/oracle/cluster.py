"""Start three real Apache Kafka brokers (KRaft) on 127.0.0.1, stop one of them and start it again.

Node 1 is broker and the only controller, so it can't be stopped; nodes 2 and 3 are brokers. Each has a rack
(`a`, `b`, `c`). Internal topics have a replica on each. As with one broker, everything ends when we do, and
the temporary directories go away.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from .broker import _WARM, HOST, Kafka, _answers, _free_ports, _PortTaken, _request
from .jars import OracleError, fetch

RACKS = ("a", "b", "c")
CONTROLLER = 1

PROPERTIES = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "share.coordinator.state.topic.replication.factor": "3",
    "broker.session.timeout.ms": "3000",
    "controller.quorum.request.timeout.ms": "1000",
    "controlled.shutdown.retry.backoff.ms": "200",
    "auto.leader.rebalance.enable": "false",
    "replica.fetch.wait.max.ms": "100",
}

# Lives as long as our end of its pipe, then removes what the brokers leave.
_SWEEPER = 'cat >/dev/null; sleep 2; rm -rf "$1"'


class _Node(Kafka):
    """One broker of the cluster."""

    def __init__(self, node_id: int, voter: str, home: Path, version: str, **options: object) -> None:
        super().__init__(version, data=home, warm=False, heap="256m", **options)  # type: ignore[arg-type]
        self._node_id = node_id
        self._voter = voter

    def _formatted_as(self) -> str:
        return f"-node-{self._node_id}"

    def _settings(self, home: Path) -> dict[str, str]:
        settings = super()._settings(home)
        settings |= {
            "node.id": str(self._node_id),
            "broker.rack": RACKS[self._node_id - 1],
            "controller.quorum.voters": self._voter,
        }
        if self._node_id != CONTROLLER:
            settings["process.roles"] = "broker"
            settings["listeners"] = settings["advertised.listeners"]
        return settings


class KafkaCluster:
    """Three running brokers. `properties` go to each of them; `features` are levels to format with."""

    def __init__(
        self,
        version: str = "4.4.0",
        properties: Mapping[str, str] | None = None,
        *,
        features: Mapping[str, int] | None = None,
        start_timeout_s: float = 120.0,
    ) -> None:
        self.version = version
        self._properties = {**PROPERTIES, **(properties or {})}
        self._features = dict(features or {})
        self._start_timeout_s = start_timeout_s
        self._nodes: dict[int, _Node] = {}
        self._home: Path | None = None
        self._sweeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def addresses(self) -> list[str]:
        """HOST:PORT of nodes 1, 2 and 3."""
        return [self._nodes[node_id].address() for node_id in sorted(self._nodes)]

    @property
    def bootstrap(self) -> str:
        """All addresses, as clients take them."""
        return ",".join(self.addresses)

    @property
    def home(self) -> Path | None:
        """Where each node has a directory named by its id, for as long as they run."""
        return self._home

    def start(self) -> None:
        """Start all three and wait until each knows the others and the coordinators are loaded."""
        fetch(self.version)
        for _ in range(5):
            try:
                self._start_once()
                return
            except _PortTaken:
                self.stop()
        raise OracleError("found no free ports for three Kafkas in five attempts")

    def stop(self) -> None:
        """End all brokers at once; their directories go."""
        for node in self._nodes.values():
            node.kill()
        self._nodes.clear()
        home, self._home = self._home, None
        if home is not None:
            shutil.rmtree(home, ignore_errors=True)
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None and sweeper.stdin is not None:
            sweeper.stdin.close()
            sweeper.wait()

    def stop_node(self, node_id: int, *, controlled: bool = True) -> None:
        """Stop a broker, its leaders moving first; or kill it. Returns when the others know of it."""
        assert node_id != CONTROLLER, "the controller lives there"
        node = self._nodes[node_id]
        if controlled:
            node.stop()
        else:
            node.kill()
        self._until(lambda brokers: node_id not in brokers, but=node_id)

    def start_node(self, node_id: int) -> None:
        """Start a broker again, at its old address, and wait until the others and itself know of it."""
        self._nodes[node_id].start()
        self._until(lambda brokers: node_id in brokers)

    def wait(self) -> int:
        """Wait until the controller ends by itself; its exit status."""
        return self._nodes[CONTROLLER].wait()

    def _start_once(self) -> None:
        home = self._home = Path(tempfile.mkdtemp(prefix="kwire-kafkas-"))
        self._sweeper = subprocess.Popen(
            ["/bin/sh", "-c", _SWEEPER, "kafka-sweeper", str(home)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        ports = _free_ports([0] * 6)
        voter = f"{CONTROLLER}@{HOST}:{ports[1]}"
        for node_id in (1, 2, 3):
            plain, controller = ports[2 * node_id - 2 : 2 * node_id]
            self._nodes[node_id] = _Node(
                node_id,
                voter,
                home / str(node_id),
                self.version,
                properties=self._properties,
                features=self._features,
                ports={"PLAINTEXT": plain, "CONTROLLER": controller},
                start_timeout_s=self._start_timeout_s,
            )
            (home / str(node_id)).mkdir()
        failures: list[BaseException] = []

        def start(node: _Node) -> None:
            try:
                node.start()
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=start, args=(node,)) for node in self._nodes.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            self.stop()
            raise failures[0]
        self._until(lambda brokers: brokers == {1, 2, 3})
        deadline = time.monotonic() + self._start_timeout_s
        for request, is_good in _WARM[:3]:
            while not _answers(self._port(1), request, is_good):
                if time.monotonic() > deadline:
                    raise OracleError("the coordinators of the three Kafkas do not load")
                time.sleep(0.05)

    def _port(self, node_id: int) -> int:
        return int(self._nodes[node_id].address().rpartition(":")[2])

    def _until(self, is_so: Callable[[set[int]], bool], but: int = 0) -> None:
        """Wait until every running node tells of brokers as wanted."""
        deadline = time.monotonic() + self._start_timeout_s
        for node_id, node in self._nodes.items():
            while node_id != but and node.is_running and not self._tells(node_id, is_so):
                if time.monotonic() > deadline:
                    raise OracleError(f"node {node_id} does not learn which of the others run")
                time.sleep(0.05)

    def _tells(self, node_id: int, is_so: Callable[[set[int]], bool]) -> bool:
        # Metadata v1 for no topics.
        return _answers(
            self._port(node_id), _request(3, 1, struct.pack(">i", 0)), lambda answer: is_so(_brokers(answer))
        )


def _brokers(answer: bytes) -> set[int]:
    """The node ids in an answer to Metadata v1, from its correlation id on."""
    (count,) = struct.unpack_from(">i", answer, 4)
    position, found = 8, set()
    for _ in range(count):
        node_id, size = struct.unpack_from(">ih", answer, position)
        found.add(node_id)
        position += 6 + size + 4
        (size,) = struct.unpack_from(">h", answer, position)
        position += 2 + max(0, size)
    return found
