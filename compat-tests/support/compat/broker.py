"""The broker that a suite talks to: one found at an address, or a child process started for the suite.

Environment:
  KWIRE_TEST_BOOTSTRAP  host:port of a running broker; the suite starts none.
  KWIRE_TEST_SERVE      a command that starts a broker, with {port} (0: any) and {data} (a directory) filled
                        in.  It must print `... ready: HOST:PORT` on standard output and stop at SIGTERM.
  KWIRE_TEST_IS         `kwire` or `kafka`: which of the two it is.  Scenarios in later.txt must fail on kwire
                        and pass on Kafka.  Without it, one given by address or command is taken for Kafka.
  KWIRE_PYTHON          the interpreter that can import kwire, for the default command.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
READY = re.compile(rb"ready: (\S+)(.*)\n")
REPOSITORY = Path(__file__).resolve().parents[3]


class BrokerError(Exception):
    """The broker could not be started, or ended when it should not have."""


def kwire_python() -> str:
    """The interpreter for `-m kwire`: $KWIRE_PYTHON, the checkout's environment, or the one on the path."""
    given = os.environ.get("KWIRE_PYTHON")
    if given:
        return given
    for folder in (REPOSITORY / ".venv", REPOSITORY.parent / "venv"):
        if (folder / "bin" / "python").exists():
            return str(folder / "bin" / "python")
    return shutil.which("python3") or "python3"


@dataclass
class Broker:
    """An address to connect to, and what is known about who answers there."""

    bootstrap: str
    kind: str
    process: ServedBroker | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        return self.bootstrap.rsplit(":", 1)[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.bootstrap.rsplit(":", 1)[1])

    def fetch_min_version(self) -> int:
        """The lowest Fetch version advertised: 0 where the versions of the first Kafkas are still served."""
        return api_versions(self.host, self.port)[1][0]


class ServedBroker:
    """A broker as a child process.  Its owner ends it; `start` again uses the same port and directory."""

    def __init__(self, *options: str, persistent: bool = False) -> None:
        """`options` go to the command's end.  `persistent`: a directory of its own, kept until `close`."""
        self.options = options
        self.home = Path(tempfile.mkdtemp(prefix="kwire-compat-"))
        self.data = self.home / "data" if persistent else None
        self.log = self.home / "broker.log"
        self.port = 0
        self.bootstrap = ""
        self.listeners: dict[str, str] = {}
        """Other listeners that the ready line names, as `NAME=HOST:PORT`."""
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        serve = os.environ.get("KWIRE_TEST_SERVE")
        if serve:
            data = str(self.data or self.home / "data")
            return [word.format(port=self.port, data=data) for word in shlex.split(serve)] + list(
                self.options
            )
        store = ["--data", str(self.data)] if self.data else ["--memory"]
        return [kwire_python(), "-m", "kwire", "serve", "--port", str(self.port), *store, *self.options]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=subprocess.PIPE, stderr=log, cwd=self.home, start_new_session=True
            )
        try:
            self.bootstrap = self._await_ready()
        except BaseException:
            self.kill()
            raise
        self.port = int(self.bootstrap.rsplit(":", 1)[1])

    def _await_ready(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        seen = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if not selector.select(timeout=0.5):
                    continue
                part = os.read(self.process.stdout.fileno(), 65536)
                seen += part
                ready = READY.search(seen)
                if ready:
                    named = (word.partition("=") for word in ready.group(2).decode().split())
                    self.listeners = {name: address for name, _, address in named}
                    return ready.group(1).split(b",")[0].decode()
                if not part:
                    break
        raise BrokerError(
            f"{shlex.join(self.command())} did not become ready:\n{seen.decode()}\n{self.tail()}"
        )

    def stop(self) -> None:
        """An orderly end, by SIGTERM; a broker that takes too long is killed and that is an error."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerError(f"the broker did not stop within {STOP_TIMEOUT_S:.0f} s of SIGTERM") from None
        self._forget()

    def kill(self) -> None:
        """The end that no process can prepare for: SIGKILL to it and its children."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._forget()

    def _forget(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None

    def close(self) -> None:
        """Stop, and remove the directory."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def tail(self, start: int = 0, limit: int = 8000) -> str:
        """The broker's standard error from byte `start`, its last `limit` bytes."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(start, self.log_size() - limit))
            return log.read().decode(errors="replace")


@contextlib.contextmanager
def session_broker() -> Iterator[Broker]:
    """The broker of a whole run: the one at KWIRE_TEST_BOOTSTRAP, or a child that ends with the run."""
    kind = broker_kind()
    address = os.environ.get("KWIRE_TEST_BOOTSTRAP")
    if address:
        yield Broker(address, kind)
        return
    served = ServedBroker()
    served.start()
    try:
        yield Broker(served.bootstrap, kind, served)
    finally:
        served.close()


def broker_kind() -> str:
    given = os.environ.get("KWIRE_TEST_IS")
    if given:
        if given not in ("kwire", "kafka"):
            raise BrokerError(f"KWIRE_TEST_IS is {given!r}: it must be kwire or kafka")
        return given
    return "kafka" if "KWIRE_TEST_BOOTSTRAP" in os.environ or "KWIRE_TEST_SERVE" in os.environ else "kwire"


def can_restart() -> bool:
    """Whether this run may start and stop brokers of its own."""
    return "KWIRE_TEST_BOOTSTRAP" not in os.environ


def api_versions(host: str, port: int) -> dict[int, tuple[int, int]]:
    """Ask ApiVersions v0 over a plain socket: {api key: (lowest, highest version)}."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    with socket.create_connection((host, port), timeout=START_TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", receive_exactly(connection, 4))
        answer = receive_exactly(connection, size)
    _, error, count = struct.unpack_from(">ihi", answer)
    if error:
        raise BrokerError(f"ApiVersions v0 was answered with error {error}")
    rows = (struct.unpack_from(">hhh", answer, 10 + 6 * index) for index in range(count))
    return {key: (lowest, highest) for key, lowest, highest in rows}


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise BrokerError("the broker closed the connection in the middle of an answer")
        received += part
    return received
