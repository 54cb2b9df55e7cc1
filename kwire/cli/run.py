"""`kwire run [options] -- CMD ...`: a broker for the time that a command takes.

The broker is a child of its own (`kwire serve`), so that the command finds standard input, output, limits
and environment as they were, but for the two variables. SIGTERM, SIGHUP and SIGINT go on to the command,
which decides what to do about them. The exit code is the command's: 128 + N when signal N killed it, 127 when
there is no such command, 126 when it cannot be run; 1 when the broker cannot run as asked, 2 for a wrong
command line.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from kwire.cli import serve
from kwire.cli.refusal import Refusal
from kwire.testing.broker_process import BrokerFailed, BrokerProcess

DESCRIPTION = """\
Starts a broker on a free port, in memory unless --data is given, and runs the command behind -- with
KAFKA_BOOTSTRAP_SERVERS and SPRING_KAFKA_BOOTSTRAP_SERVERS set to its address. When the command ends, so
does the broker, and the exit code is the command's.

    kwire run -- pytest -q
    kwire run --brokers 3 --set num.partitions=6 -- mvn test"""

VARIABLES = ("KAFKA_BOOTSTRAP_SERVERS", "SPRING_KAFKA_BOOTSTRAP_SERVERS")
NOT_FOUND = 127
CANNOT_RUN = 126
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `kwire run`: those of `kwire serve`."""
    parser.usage = "kwire run [options] -- CMD [ARGUMENT ...]"
    serve.add_broker_arguments(parser, port="a free one", data="none, all is in memory")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; gives its exit code."""
    try:
        return _run(arguments)
    except Refusal as refusal:
        print(f"kwire: {refusal}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    command: list[str] = arguments.command
    found = _look_for(command[0])
    if found:
        return found
    options = list(arguments.options)
    listeners_are_set = any(entry.partition("=")[0].strip() == "listeners" for entry in arguments.settings)
    if arguments.port is None and not listeners_are_set:
        options += ["--port", "0"]
    if arguments.data is None and not arguments.memory:
        options.append("--memory")
    signals = _Signals()
    try:
        try:
            with signals, BrokerProcess(options) as broker:
                exit_code = _run_command(command, broker.bootstrap_servers, signals)
                if broker.exit_code is not None:
                    print(
                        f"kwire: the broker ended before the command did, with exit code {broker.exit_code}",
                        file=sys.stderr,
                    )
                return exit_code
        except BrokerFailed as failure:
            # Exit codes 1 and 2 come with the broker's own message.
            if failure.exit_code in (1, 2):
                return failure.exit_code
            raise Refusal(str(failure)) from failure
    except _Interrupted as interruption:
        return 128 + interruption.number


def _run_command(command: Sequence[str], bootstrap_servers: str, signals: _Signals) -> int:
    environment = {**os.environ, **dict.fromkeys(VARIABLES, bootstrap_servers)}
    signals.hold()
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        print(f"kwire: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN
    signals.forward_to(process)
    exit_code = process.wait()
    return exit_code if exit_code >= 0 else 128 - exit_code


def _look_for(command: str) -> int:
    """0 if there is such a command; else says what is wrong and gives the exit code."""
    if shutil.which(command) is not None:
        return 0
    if shutil.which(command, mode=os.F_OK) is not None:
        print(f"kwire: {command} is not executable; chmod +x it, or name its interpreter", file=sys.stderr)
        return CANNOT_RUN
    where = "" if os.sep in command else " on the PATH"
    print(f"kwire: there is no command {command}{where}; it is the first word behind --", file=sys.stderr)
    return NOT_FOUND


class _Interrupted(Exception):
    """A signal came before the command was started."""

    def __init__(self, number: int) -> None:
        self.number = number


class _Signals:
    """What becomes of a signal: before the command it ends us; from then on it is the command's."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._held: list[int] | None = None
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> None:
        for number in _FORWARDED:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue  # as under nohup; the command will ignore it too
            self._before[number] = signal.signal(number, self._take)

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def hold(self) -> None:
        """From now on nothing is interrupted; what comes waits for `forward_to`."""
        self._held = []

    def forward_to(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        for number in self._held or ():
            self._forward(number)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._process is not None:
            self._forward(number)
        elif self._held is not None:
            self._held.append(number)
        else:
            raise _Interrupted(number)

    def _forward(self, number: int) -> None:
        # The terminal's Ctrl-C has reached the command already, which is in the same process group.
        if number == signal.SIGINT and _in_foreground():
            return
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


def _in_foreground() -> bool:
    """Whether we are what a controlling terminal sends its Ctrl-C to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
