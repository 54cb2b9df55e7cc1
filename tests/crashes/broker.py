"""The broker as a process that is frozen, killed, and started again on the same data."""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from pathlib import Path
from typing import IO, Any

import trio

from kwire.testing.broker_process import BrokerProcess

PROPERTIES = {
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.num.partitions": "2",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "300",
    "group.initial.rebalance.delay.ms": "100",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "log.segment.bytes": "1048576",
    "auto.create.topics.enable": "false",
}


class Broker:
    """One broker on one folder; `advertised` is the port that clients are told."""

    def __init__(self, data: Path, log: IO[Any], advertised: int) -> None:
        settings = {**PROPERTIES, "advertised.listeners": f"PLAINTEXT://127.0.0.1:{advertised}"}
        self._options = ["--port", "0", "--host", "127.0.0.1", "--data", str(data)]
        for name, value in settings.items():
            self._options += ["--set", f"{name}={value}"]
        self._log = log
        self._process: BrokerProcess | None = None

    async def start(self) -> int:
        """Returns the port once clients are served. Raises BrokerFailed."""
        process = await trio.to_thread.run_sync(
            partial(BrokerProcess, [*self._options], log=self._log), abandon_on_cancel=False
        )
        self._process = process
        # The ready line tells the advertised address.
        return _listening_port(process.pid)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.exit_code

    async def freeze(self) -> None:
        """Stops it in the middle of whatever it does; returns once it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        while state_of(self.pid) not in "TZX":  # noqa: ASYNC110  # nobody tells
            await trio.sleep(0.0002)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL: frozen or not, it does nothing more."""
        if self._process is not None:
            os.kill(self.pid, signal.SIGKILL)
            await trio.to_thread.run_sync(self._process.stop)
            self._process = None

    async def stop(self) -> None:
        """As a user would."""
        if self._process is not None:
            await trio.to_thread.run_sync(self._process.stop)
            self._process = None

    def kill_now(self) -> None:
        """For who cannot wait."""
        if self._process is not None:
            os.kill(self.pid, signal.SIGKILL)
            self._process.stop()
            self._process = None


def state_of(pid: int) -> str:
    """The letter of /proc/PID/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _listening_port(pid: int) -> int:
    """The port that a process listens on."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it is closed meanwhile
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError(f"process {pid} listens nowhere")
