"""Apache Kafka, one KRaft node, with the JVM options that its own start scripts give it.

The settings are compat-tests/oracle's (one node, small internal topics, a quick start); its JVM options are
not: they start faster and serve slower. Formatting the data directory is measured apart from the start.
"""

from __future__ import annotations

import importlib
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from bench.java import JavaMissing, java_with

from .broker import Broker, Started
from .process import BrokerError, Child, wait_for_answer

VERSION = "4.4.0"
HEAP = ("-Xmx1G", "-Xms1G")
"""bin/kafka-server-start.sh: KAFKA_HEAP_OPTS."""


class Kafka(Broker):
    def __init__(self, name: str = "kafka") -> None:
        super().__init__(name)
        self._java: list[str] = []
        self._settings: Mapping[str, str] = {}

    def build(self) -> None:
        try:
            self._java = java_with(VERSION, *HEAP)
        except JavaMissing as error:
            raise BrokerError(str(error)) from error
        self._settings = importlib.import_module("oracle.broker").PROPERTIES

    def start(self, directory: Path) -> Started:
        port, controller = _free_ports()
        self.address = f"127.0.0.1:{port}"
        listeners = f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}"
        settings = {
            **self._settings,
            "log.dirs": self.log_dirs(directory),
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        config = directory / "server.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        began = time.perf_counter()
        self._format(config)
        format_s = time.perf_counter() - began
        began = time.perf_counter()
        self.child = Child([*self._java, "kafka.Kafka", str(config)], directory / "kafka.log")
        wait_for_answer(self.address, self.child)
        return Started(time.perf_counter() - began, format_s)

    def version(self) -> str:
        return f"Apache Kafka {VERSION}, KRaft, its scripts' JVM options (G1, 1 GB heap)"

    def _format(self, config: Path) -> None:
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", "kwireBenchClusterIdAA", "-c"]
        done = subprocess.run(
            [*command, str(config)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BrokerError(f"Kafka could not format its directory: {(done.stdout + done.stderr)[-500:]}")


def _free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on now, held together so that they differ."""
    with ExitStack() as held:
        socks = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        first, second = (int(sock.getsockname()[1]) for sock in socks)
        return first, second
