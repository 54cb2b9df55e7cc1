"""The broker as a process that may be killed while it starts, too."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import trio

from tests.crashes.broker import state_of
from tests.crashes.checks import Broken
from tests.crashes.log_load.topics import BROKER_SETTINGS

READY = b"kwire ready: "
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class Broker:
    """One broker on its log directories, started again and again."""

    def __init__(self, data: Sequence[Path], log: IO[Any]) -> None:
        self._command = [sys.executable, "-P", "-m", "kwire", "serve", "--exit-with-stdin"]
        self._command += ["--port", "0", "--host", "127.0.0.1"]
        settings = {**BROKER_SETTINGS, "log.dirs": ",".join(map(str, data))}
        for name, value in settings.items():
            self._command += ["--set", f"{name}={value}"]
        self._log = log
        self._process: trio.Process | None = None
        self._line = b""

    @property
    def process(self) -> trio.Process:
        assert self._process is not None
        return self._process

    async def begin(self) -> None:
        """Starts it, and does not wait."""
        self._line = b""
        self._process = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )

    async def ready(self) -> int:
        """The port, once clients are served. Raises Broken."""
        assert self.process.stdout is not None
        with trio.move_on_after(START_SECONDS):
            while b"\n" not in self._line:
                received = await self.process.stdout.receive_some()
                if not received:
                    raise Broken(
                        f"the broker ended with exit code {await self.process.wait()} before it served"
                    )
                self._line += received
        if not self._line.startswith(READY):
            raise Broken(f"the broker did not serve in {START_SECONDS:.0f} s; it said {self._line!r}")
        return int(self._line.partition(b"\n")[0].rpartition(b":")[2])

    async def freeze(self) -> None:
        """Stops it in the middle of whatever it does; returns once it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        while state_of(self.process.pid) not in "TZX":  # noqa: ASYNC110  # nobody tells
            await trio.sleep(0.0002)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL: frozen or not, it does nothing more. Nothing, if there is none."""
        if self._process is None:
            return
        self.process.kill()
        await self.process.wait()
        await self._close()

    async def stop(self) -> None:
        """As a user would. Raises Broken."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()
        with trio.move_on_after(STOP_SECONDS):
            await self.process.wait()
        if self.process.returncode != 0:
            raise Broken(f"the broker did not stop as it should: exit code {self.process.returncode}")
        await self._close()

    async def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                await pipe.aclose()
        self._process = None
