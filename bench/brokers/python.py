"""kwire itself: `kwire serve --set log.dirs=DIR --port 0` of the interpreter that runs the benchmark.

Rules: an installed kwire has its bytecode, for pip compiles what it installs. So this tree is compiled before
it is measured, and what our shell says to Python is not handed down.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .broker import Broker, Started, environment_without
from .process import BrokerError, Child, wait_for_answer

ROOT = Path(__file__).parents[2]
SOURCES = (".", "codecs", "storage")
PACKAGES = ("kwire", "codecs/kwire_codecs", "storage/kwire_storage")


class Kwire(Broker):
    """kwire from this tree, or from `tree` (another checkout, to compare two states of the source)."""

    def __init__(self, name: str = "kwire", tree: Path = ROOT, options: Sequence[str] = ()) -> None:
        super().__init__(name)
        self._tree = tree
        self._options = options

    def build(self) -> None:
        packages = [str(self._tree / package) for package in PACKAGES]
        done = subprocess.run(
            [sys.executable, "-m", "compileall", "-q", *packages],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
        )
        if done.returncode != 0:
            raise BrokerError(f"kwire could not be compiled: {(done.stdout + done.stderr)[-800:]}")

    def environment(self) -> dict[str, str]:
        """What the broker's process is given: ours, without what is said to kwire or to Python."""
        environment = {
            name: value
            for name, value in environment_without("KWIRE_").items()
            if not name.startswith("PYTHON")
        }
        environment["PYTHONPATH"] = ":".join(str(self._tree / source) for source in SOURCES)
        return environment

    def start(self, directory: Path) -> Started:
        environment = self.environment()
        began = time.perf_counter()
        self.child = Child(
            [sys.executable, "-P", "-m", "kwire", "serve", "--port", "0",
             "--set", f"log.dirs={self.log_dirs(directory)}",
             *self._options],
            directory / "kwire.log",
            environment,
        )  # fmt: skip
        line = self.child.read_line(30)
        while not line.startswith("kwire ready: "):
            line = self.child.read_line(30)
        self.address = line.removeprefix("kwire ready: ").split(",")[0]
        wait_for_answer(self.address, self.child)
        return Started(time.perf_counter() - began)

    def version(self) -> str:
        return f"kwire of this tree, Python {sys.version.split()[0]}"
