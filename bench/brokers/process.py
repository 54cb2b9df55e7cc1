"""A child process: started with its own session, watched in /proc, stopped by its pid.

Rules: nothing that was started outlives the benchmark. `stop` ends it politely and then for sure; if we are
killed ourselves, the kernel ends it (PR_SET_PDEATHSIG). Linux only, as the whole benchmark is.
"""

from __future__ import annotations

import contextlib
import ctypes
import selectors
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PR_SET_PDEATHSIG = 1
# A frame of 15 bytes: ApiVersions version 0, correlation id 1, client id "bench".
API_VERSIONS = struct.pack(">ihhih5s", 15, 18, 0, 1, 5, b"bench")


class BrokerError(Exception):
    """A broker could not be built, started or asked; the message says why."""


@dataclass(frozen=True)
class Memory:
    """What a process holds of the machine's memory, in bytes: all it maps, and its share where it shares."""

    rss: int
    pss: int


class Child:
    """A running process. Its standard input is a pipe that only we hold; its complaints go to `log`."""

    def __init__(self, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self._log = log
        with log.open("wb") as complaints:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                bufsize=0,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us; we end it
                preexec_fn=_end_with_parent,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self, patience_s: float = 10.0) -> None:
        """End it: SIGTERM, and SIGKILL where it is still there after `patience_s` seconds."""
        process = self._process
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
            if process.poll() is None:
                process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def ask(self, line: str) -> None:
        """Write a line to its standard input. Raises BrokerError where it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise BrokerError(f"it has ended: {self.complaints()}") from error

    def read_line(self, timeout_s: float) -> str:
        """The next line it prints. Raises BrokerError where it ends or says nothing in `timeout_s`."""
        pipe = self._process.stdout
        assert pipe is not None
        line = b""
        end = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise BrokerError(f"it said nothing for {timeout_s:.0f} s: {self.complaints()}")
                if not (byte := pipe.read(1)):  # what comes after the line stays in the pipe
                    raise BrokerError(f"it ended: {self.complaints()}")
                line += byte
        return line.decode(errors="replace").strip()

    def complaints(self) -> str:
        """The last lines it wrote to its standard error."""
        with contextlib.suppress(OSError):
            return " / ".join(self._log.read_text(errors="replace").strip().splitlines()[-5:])
        return ""

    def cpu_seconds(self) -> float:
        """User and kernel time of all its threads so far."""
        return cpu_seconds(self.pid)

    def memory(self) -> Memory:
        return memory(self.pid)


def cpu_seconds(pid: int) -> float:
    """CPU seconds of process `pid` so far, to the nanosecond: the clock that clock_getcpuclockid(3) names."""
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid: int) -> Memory:
    """Resident bytes of process `pid`."""
    found = {"Rss": 0, "Pss": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return Memory(found["Rss"], found["Pss"])


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether a broker answers ApiVersions at this address now."""
    try:
        with socket.create_connection((host, port), timeout_s) as sock:
            sock.sendall(API_VERSIONS)
            got = b""
            while len(got) < 10:
                if not (piece := sock.recv(4096)):
                    return False
                got += piece
            return struct.unpack(">ih", got[4:10]) == (1, 0)
    except OSError:
        return False


def wait_for_answer(address: str, child: Child | None, timeout_s: float = 60.0) -> None:
    """Until the broker at HOST:PORT answers ApiVersions. Raises BrokerError where it doesn't."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + timeout_s
    while not answers(host, int(port)):
        if child is not None and not child.is_running:
            raise BrokerError(f"it ended while starting: {child.complaints()}")
        if time.monotonic() > end:
            raise BrokerError(f"{address} did not answer within {timeout_s:.0f} s")
        time.sleep(0.002)


_LIBC = ctypes.CDLL(None)


def _end_with_parent() -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
