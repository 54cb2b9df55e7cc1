"""A broker's turn: run a client program against it, and know what the broker spent meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import IO, Protocol

from bench.brokers import Broker, BrokerError

_SAMPLE_S = 0.05
_names = count(1)


class Lacking(Exception):
    """The broker, or the client, cannot do this; the message is the reason that the report keeps."""


class Commands(Protocol):
    """Gives the command line of a client program by its name, or None where it could not be built."""

    def __call__(self, client: str, /) -> Sequence[str] | None: ...


@dataclass(frozen=True)
class Load:
    """What a client program said, and the broker's CPU: seconds in all, and cores in the steady middle."""

    said: Mapping[str, float]
    cpu_seconds: float | None
    cpu_cores: float | None

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

    def load(self, client: str, workload: str, steady_s: float = 0.0, /, **options: object) -> Load:
        """Run `client`'s `workload` to its end; an option `batch_bytes=1` becomes `--batch-bytes 1`.

        `steady_s`: the last seconds of the program, of which the middle is looked at for `cpu_cores`.
        Raises Lacking with the program's own words where it fails or takes too long.
        """
        command = self._commands(client)
        if command is None:
            raise Lacking(f"the client {client} could not be built")
        line = [*command, workload, "--bootstrap", self.broker.address]
        for name, value in {**self.broker.client_options.get(client, {}), **options}.items():
            line += ["--" + name.replace("_", "-"), str(value)]
        samples: list[tuple[float, float]] = []

        def sample() -> None:
            if (spent := self.broker.cpu_seconds()) is not None:
                samples.append((time.monotonic(), spent))

        sample()
        said = _json_of(line, self._timeout_s, sample)
        sample()
        if self.broker.child is not None and not self.broker.child.is_running:
            raise BrokerError(f"it ended: {self.broker.child.complaints()}")
        if not samples:
            return Load(said, None, None)
        return Load(said, samples[-1][1] - samples[0][1], _steady(samples, steady_s))

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


def _json_of(line: Sequence[str], timeout_s: float, sample: Callable[[], None]) -> dict[str, float]:
    """Run a program, sampling as it goes; the JSON object of its last line."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=output, stderr=complaints, start_new_session=True
        )
        end = time.monotonic() + timeout_s
        try:
            while process.poll() is None:
                if time.monotonic() > end:
                    raise Lacking(f"not done after {timeout_s:.0f} s; {_end_of(complaints)}".strip("; "))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_SAMPLE_S)
                sample()
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


def _steady(samples: Sequence[tuple[float, float]], steady_s: float) -> float | None:
    """Cores used in the middle 80 % of the last `steady_s` seconds."""
    end = samples[-1][0]
    middle = [one for one in samples if end - 0.9 * steady_s <= one[0] <= end - 0.1 * steady_s]
    if len(middle) < 3:
        return None
    (began, before), (ended, after) = middle[0], middle[-1]
    return (after - before) / (ended - began)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _end_of(file: IO[bytes]) -> str:
    """The last words of a program's complaints, on one line."""
    return " / ".join(_text(file).strip().splitlines()[-3:])[-300:]
