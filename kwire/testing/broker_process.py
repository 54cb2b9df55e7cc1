"""A broker as a child process, which ends with its parent.

Rules: the child holds the reading end of a pipe (`kwire serve --exit-with-stdin`). However the parent ends,
killed even, the kernel closes the other end and the broker stops. The child has a session of its own: a
Ctrl-C at the terminal reaches the tests, not their broker.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Any

STOP_SECONDS = 10.0
ANSWER_SECONDS = 5.0
_READY = "kwire ready: "


class BrokerFailed(Exception):
    """The broker did not start, or is gone, or does not answer. `exit_code` is None while it runs."""

    def __init__(self, message: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class BrokerProcess:
    """`kwire serve OPTIONS` that serves. A context manager; `stop()` at the end."""

    def __init__(self, options: Sequence[str], *, log: IO[Any] | int | None = None) -> None:
        """Returns once clients are served. The broker's standard error goes to `log` (None: to ours).

        Raises BrokerFailed.
        """
        # -P: a folder called kwire where the tests run is not the one that is meant.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "kwire", "serve", "--exit-with-stdin", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            line = self._out.readline().decode()
            if not line.startswith(_READY):
                exit_code = self._process.wait(STOP_SECONDS)
                raise BrokerFailed(f"the broker ended with exit code {exit_code} before it served", exit_code)
        except BaseException:
            self.stop()
            raise
        self.bootstrap_servers = line.removeprefix(_READY).strip()
        """`HOST:PORT`, and a comma between several brokers."""

    @property
    def _out(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a negative number is a signal."""
        return self._process.poll()

    def ask(self, question: str) -> Any:
        """The answer to a line on the broker's standard input (`kwire/cli/control.py` has them).

        Raises BrokerFailed.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(question.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            # Closing would try to write the rest again, and fail again.
            raise BrokerFailed("the broker is gone", self.exit_code) from None
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        if not poll.poll(ANSWER_SECONDS * 1000):
            raise BrokerFailed(f"the broker gave no answer in {ANSWER_SECONDS:.0f} s", self.exit_code)
        line = self._out.readline()
        if not line:
            raise BrokerFailed("the broker is gone", self.exit_code)
        return json.loads(line)

    def stop(self) -> None:
        """Lets the broker answer what is in progress and close; kills one that takes over STOP_SECONDS."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._out.close()

    def __enter__(self) -> BrokerProcess:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
