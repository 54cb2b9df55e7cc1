"""The cluster of three nodes: kwire in a child process that takes orders on its standard input."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from compat.broker import REPOSITORY, kwire_python

SCRIPT = REPOSITORY / "compat-tests" / "differential" / "kwire_nodes.py"
TRUE_PORTS = (9092, 29092, 39092)


class Nodes:
    """A running cluster; `order("crash 2")` returns when it is done."""

    def __init__(self, process: subprocess.Popen[str], addresses: list[str], log: Path) -> None:
        self._process = process
        self._log = log
        self.addresses = addresses
        self.bootstrap = ",".join(addresses)

    def order(self, line: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer == "done", f"{line} was answered {answer!r}; the log:\n{self.logged()}"

    def logged(self) -> str:
        return self._log.read_text(errors="replace")


@contextmanager
def three_nodes(properties: Mapping[str, str]) -> Iterator[Nodes]:
    """kwire with three nodes and data on disk; the system picks the ports unless properties name some."""
    with tempfile.TemporaryDirectory(prefix="kwire-three-nodes-") as home:
        log = Path(home, "broker.log")
        with log.open("w") as errors:
            process = subprocess.Popen(
                [kwire_python(), SCRIPT, json.dumps(dict(properties)), str(Path(home, "data"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("["), f"kwire did not start: {log.read_text(errors='replace')}"
            yield Nodes(process, json.loads(line), log)
        finally:
            process.stdin.close()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def taken(ports: tuple[int, ...]) -> list[int]:
    """Those of the ports that another program listens on."""

    def refused(port: int) -> bool:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                return True
            return False

    return [port for port in ports if refused(port)]
