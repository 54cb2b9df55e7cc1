"""kwire itself: `kwire serve --data DIR --port 0` of the interpreter that runs the benchmark."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .broker import Broker, Started, environment_without
from .process import Child, wait_for_answer

ROOT = Path(__file__).parents[2]


class Kwire(Broker):
    """kwire from this tree, or from `tree` (another checkout, to compare two states of the source)."""

    def __init__(self, name: str = "kwire", tree: Path = ROOT, options: Sequence[str] = ()) -> None:
        super().__init__(name)
        self._tree = tree
        self._options = options

    def start(self, directory: Path) -> Started:
        environment = dict(environment_without("KWIRE_"))
        environment["PYTHONPATH"] = ":".join(
            str(self._tree / source) for source in (".", "codecs", "storage")
        )
        began = time.perf_counter()
        self.child = Child(
            [sys.executable, "-P", "-m", "kwire", "serve", "--data", str(directory / "data"), "--port", "0",
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
