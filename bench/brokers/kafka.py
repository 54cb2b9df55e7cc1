"""Apache Kafka, one KRaft node, with the JVM options that its own start scripts give it.

The settings are compat-tests/oracle's (one node, small internal topics, a quick start); its JVM options are
not: they start faster and serve slower. Formatting the data directory is measured apart from the start.
"""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from .broker import Broker, Started
from .process import BrokerError, Child, wait_for_answer

VERSION = "4.4.0"
# bin/kafka-run-class.sh and bin/kafka-server-start.sh: KAFKA_JVM_PERFORMANCE_OPTS and KAFKA_HEAP_OPTS.
JVM_OPTIONS = (
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
    "-Xmx1G",
    "-Xms1G",
    "-Dorg.apache.logging.log4j.level=WARN",
)


class Kafka(Broker):
    def __init__(self, name: str = "kafka") -> None:
        super().__init__(name)
        self._java: list[str] = []
        self._settings: Mapping[str, str] = {}

    def build(self) -> None:
        folder = str(Path(__file__).parents[2] / "compat-tests")
        if folder not in sys.path:
            sys.path.insert(0, folder)
        jars = importlib.import_module("oracle.jars")
        fetch = cast(Callable[[str], list[Path]], jars.fetch)
        java = cast(Callable[[], str], jars.java)
        try:
            path = os.pathsep.join(str(jar) for jar in fetch(VERSION))
            self._java = [java(), *JVM_OPTIONS, "-cp", path]
        except jars.OracleError as error:
            raise BrokerError(str(error)) from error
        self._settings = importlib.import_module("oracle.broker").PROPERTIES

    def start(self, directory: Path) -> Started:
        port, controller = _free_ports()
        self.address = f"127.0.0.1:{port}"
        listeners = f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}"
        settings = {
            **self._settings,
            "log.dirs": str(directory / "data"),
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
