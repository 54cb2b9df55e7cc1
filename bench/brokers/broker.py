"""What every broker under measurement is: something to build, start, load, look at and stop.

Rules: `start` returns at the first answered ApiVersions and says how long that took from the spawn; nothing
is warmed up in it. A broker that cannot do something says so in `lacks`, by the figure's name, and is not
asked.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .process import Child, Memory


@dataclass(frozen=True)
class Started:
    """How long a start took, in seconds; `format_s`: what had to be done once before, where there is such."""

    start_s: float
    format_s: float | None = None


@dataclass
class Broker(ABC):
    """A broker by the name that the tables give it; `lacks`: a figure, a row, or `client NAME`, to the reason
    why it isn't measured; `client_options`: client to the options that it needs to speak with this broker."""

    name: str
    lacks: dict[str, str] = field(default_factory=dict)
    address: str = ""
    client_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    child: Child | None = None
    directories: Sequence[str] = ("data",)
    """Where its logs lie, below the directory that it is given."""

    def build(self) -> None:  # noqa: B027 (most have nothing to build)
        """Fetch and compile what it needs, into the cache. Raises BrokerError."""

    @abstractmethod
    def start(self, directory: Path) -> Started:
        """Start it with its data and its log under `directory`. Raises BrokerError."""

    def make_topic(self, name: str, partitions: int) -> bool:
        """Make a topic by other means than a request; False where requests do."""
        return False

    def version(self) -> str:
        """What is measured, for the report."""
        return ""

    def log_dirs(self, directory: Path) -> str:
        """Its `log.dirs`."""
        return ",".join(str(directory / name) for name in self.directories)

    def cpu_seconds(self) -> float | None:
        """CPU seconds so far; None where the process isn't ours."""
        return None if self.child is None else self.child.cpu_seconds()

    def memory(self) -> Memory | None:
        """Resident bytes; None where the process isn't ours."""
        return None if self.child is None else self.child.memory()

    def stop(self) -> None:
        """End it; does nothing where it doesn't run or isn't ours."""
        child, self.child = self.child, None
        if child is not None:
            child.stop(patience_s=0.5)  # its data is thrown away


class Given(Broker):
    """A broker that runs already: neither started nor stopped, and its process isn't looked at."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name, {"start": "runs already", "memory": "not our process"}, address)

    def start(self, directory: Path) -> Started:
        raise AssertionError("a given broker is never started")

    def version(self) -> str:
        return f"at {self.address}"


def cache() -> Path:
    """Where binaries and jars are kept between runs."""
    named = os.environ.get("KWIRE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "kwire"


def environment_without(prefix: str) -> Mapping[str, str]:
    """Our environment without the variables that begin with `prefix`: a broker is measured as shipped."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefix)}
