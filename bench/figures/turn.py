"""A broker's turn: run a client program against it, and know what the broker spent meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import IO, Protocol

from bench.brokers import Broker, BrokerError
from bench.clients import arguments

_LINE = 120  # of a complaint, so many characters are told
_names = count(1)


class Lacking(Exception):
    """The broker, or the client, cannot do this; the message is the reason that the report keeps."""


class Commands(Protocol):
    """Gives the command line of a client program by its name, or None where it could not be built."""

    def __call__(self, client: str, /) -> Sequence[str] | None: ...


@dataclass(frozen=True)
class Load:
    """What a client program said."""

    said: Mapping[str, float]

    @property
    def cpu_seconds(self) -> float | None:
        """The broker's over the timed part (with Kafka's tools: over all of the tool); None where its process
        isn't ours."""
        return self.said.get("broker_cpu_seconds")

    def __getitem__(self, name: str) -> float:
        if name not in self.said:
            raise Lacking(f"the client program gave no {name}")
        return float(self.said[name])


class Turn:
    """What a step gets: the broker, and ways to load it. `reasons`: row key to why it gave none."""

    def __init__(self, broker: Broker, commands: Commands, timeout_s: float = 60.0) -> None:
        self.broker = broker
        self.reasons: dict[str, str] = {}
        self._commands = commands
        self._timeout_s = timeout_s

    def load(self, client: str, workload: str, timeout_s: float | None = None, /, **options: object) -> Load:
        """Run `client`'s `workload` to its end; `options` as for bench.clients.arguments.

        Raises Lacking with the program's own words where it fails or takes too long.
        """
        if reason := self.broker.lacks.get(f"client {client}"):
            raise Lacking(reason)
        command = self._commands(client)
        if command is None:
            raise Lacking(f"the client {client} could not be built")
        asked = {**self.broker.client_options.get(client, {}), **options}
        line = [*command, workload, *arguments(self.broker.address, asked)]
        if self.broker.child is not None:
            line += ["--pid", str(self.broker.child.pid)]
        said = _json_of(line, timeout_s or self._timeout_s)
        if self.broker.child is not None and not self.broker.child.is_running:
            raise BrokerError(f"it ended: {self.broker.child.complaints()}")
        return Load(said)

    @contextlib.contextmanager
    def topic(self, partitions: int = 1) -> Iterator[str]:
        """A topic for the length of the block."""
        name = f"bench-{os.getpid()}-{next(_names)}"
        made_here = self.broker.make_topic(name, partitions)
        if not made_here:
            self.load("franz", "topics", names=name, partitions=partitions)
        try:
            yield name
        finally:
            if not made_here:
                with contextlib.suppress(Lacking):  # the figures are there; what is left goes with the broker
                    self.load("franz", "delete", names=name)


def _json_of(line: Sequence[str], timeout_s: float) -> dict[str, float]:
    """Run a program; the JSON object of its last line."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=output, stderr=complaints, start_new_session=True
        )
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired as late:
            raise Lacking(f"not done after {timeout_s:.0f} s; {_end_of(complaints)}".strip("; ")) from late
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # a session of its own: JVMs behind scripts too
                process.wait()
        if process.returncode != 0:
            raise Lacking(_end_of(complaints) or f"exit status {process.returncode}")
        lines = _text(output).strip().splitlines()
    try:
        said = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise Lacking("the client program said no JSON") from error
    if not isinstance(said, dict):
        raise Lacking("the client program said no JSON object")
    return said


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _end_of(file: IO[bytes]) -> str:
    """The last complaints of a program, on one line."""
    return " / ".join(line[:_LINE] for line in _text(file).strip().splitlines()[-3:])
