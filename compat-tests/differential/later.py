"""What kwire is known not to answer yet as Kafka does: later.txt, a case and its versions a line.

The list is strict both ways: a trial that is on it must fail, and one that is not must pass. What begins to
pass is taken off by `pytest compat-tests/differential --recorded --shorten-later`, which adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .case import Case, Trial, versions

PATH = Path(__file__).with_name("later.txt")

Key = tuple[str, int, str]
LIFE = "Life"
"""Stands where an API would, for random lives."""


class Later:
    """The trials that are expected to fail on kwire. `done` takes one off; `save` writes the rest."""

    def __init__(self, path: Path = PATH) -> None:
        self._path = path
        self.keys: dict[Key, None] = dict.fromkeys(_read(path)) if path.exists() else {}

    def __contains__(self, trial: Trial) -> bool:
        return _key(trial.case, trial.version) in self.keys

    def has_life(self, name: str) -> bool:
        """Whether random lives of that kind (test_random_lives.py) are expected to differ."""
        return (LIFE, 0, name) in self.keys

    def line_of_life(self, name: str) -> str:
        return next(lines([(LIFE, 0, name)]))

    def done(self, trial: Trial) -> None:
        self.keys.pop(_key(trial.case, trial.version), None)

    def save(self) -> None:
        self._path.write_text("".join(f"{line}\n" for line in lines(self.keys)))


def lines(keys: Iterable[Key]) -> Iterator[str]:
    """`API first-last name`, a line for each run of versions."""
    runs: list[tuple[str, str, list[int]]] = []
    for api, version, name in keys:
        if runs and runs[-1][:2] == (api, name) and runs[-1][2][-1] + 1 == version:
            runs[-1][2].append(version)
        else:
            runs.append((api, name, [version]))
    for api, name, run in runs:
        yield f"{api} {run[0]}-{run[-1]} {name}"


def _read(path: Path) -> Iterator[Key]:
    for line in path.read_text().splitlines():
        api, numbers, name = line.split(" ", 2)
        for version in versions(numbers):
            yield api, version, name


def _key(case: Case, version: int) -> Key:
    return case.api, version, case.name
