"""The Go program that loads a broker for fairness and scale: built once, run as a child, its answer read.

Rules: it is kept in the cache, not in the tree. A workload prints one JSON object as its last line; one that
fails raises LoadFailed with what it said. A hog runs until it is stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.brokers import cache

SOURCE = Path(__file__).parent / "load"
PATIENCE_SECONDS = 180.0


class LoadFailed(Exception):
    """The load program could not be built, or a workload failed; the message says why."""


def build() -> Path:
    """The program, compiled if need be. Raises LoadFailed."""
    go = shutil.which("go")
    if go is None:
        raise LoadFailed("Go is missing (Debian: golang)")
    target = cache() / "bench" / "load"
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [go, "build", "-o", str(target), "."], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LoadFailed(f"the load program could not be built: {done.stderr[-800:]}")
    return target


def command(workload: str, bootstrap: str, **options: object) -> list[str]:
    """How the program is called; an option that is None is left out."""
    line = [str(cache() / "bench" / "load"), workload, "--bootstrap", bootstrap]
    for name, value in options.items():
        if value is not None:
            line += [f"--{name}", str(value)]
    return line


def run(workload: str, bootstrap: str, *, niceness: int = 0, **options: object) -> dict[str, float]:
    """Runs a workload to its end. Raises LoadFailed."""
    try:
        done = subprocess.run(
            [*nice(niceness), *command(workload, bootstrap, **options)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise LoadFailed(f"{workload} {options} took over {PATIENCE_SECONDS:.0f} s") from late
    if done.returncode:
        raise LoadFailed(f"{workload} {options}: {done.stderr.strip()[-400:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def nice(niceness: int) -> list[str]:
    """What to put before a command; a priority above the others' needs root, and is left out without."""
    if niceness == 0 or (niceness < 0 and os.geteuid() != 0):
        return []
    return ["nice", "-n", str(niceness)]


class Hog:
    """A workload that goes on while the context lasts; `result` is there afterwards."""

    def __init__(self, workload: str, bootstrap: str, *, niceness: int = 0, **options: object) -> None:
        self.result: dict[str, Any] = {}
        self._name = f"{workload} {options}"
        self.process = subprocess.Popen(
            [*nice(niceness), *command(workload, bootstrap, **options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def first_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it. Raises LoadFailed where it had ended by itself."""
        try:
            out, complaints = self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            out, complaints = "", "it would not end"
        if self.process.returncode == 0 and out:
            self.result = json.loads(out.splitlines()[-1])
        elif error is None:
            raise LoadFailed(f"{self._name}: {complaints.strip()[-400:]}")
