"""Kafka's answers, kept: a JSON file an API, a line for each case and run of versions of one outcome."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .case import Case, Outcome, Trial

FOLDER = Path(__file__).parent / "recorded"


class Recording:
    """The outcomes by trial. `keep` replaces one; `save` writes the files of all APIs that were touched."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._outcomes: dict[str, dict[str, Outcome]] = {}
        self._touched: set[str] = set()

    def outcome(self, trial: Trial) -> Outcome | None:
        """What Kafka answered, or None if nobody has recorded it."""
        return self._of(trial.case.api).get(_key(trial.case, trial.version))

    def keep(self, trial: Trial, outcome: Outcome) -> None:
        self._of(trial.case.api)[_key(trial.case, trial.version)] = outcome
        self._touched.add(trial.case.api)

    def save(self, cases: Sequence[Case]) -> None:
        """Write what was touched, in the order of `cases`; outcomes of other cases are dropped."""
        self._folder.mkdir(exist_ok=True)
        for api in self._touched:
            lines = [line for case in cases if case.api == api for line in self._lines(case)]
            (self._folder / f"{api}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")

    def _lines(self, case: Case) -> list[str]:
        found: list[tuple[list[int], Outcome]] = []
        for trial in case.trials():
            outcome = self.outcome(trial)
            if outcome is None:
                continue
            if found and found[-1][1] == outcome:
                found[-1][0].append(trial.version)
            else:
                found.append(([trial.version], outcome))
        return [json.dumps([case.name, versions, outcome]) for versions, outcome in found]

    def _of(self, api: str) -> dict[str, Outcome]:
        if api not in self._outcomes:
            path = self._folder / f"{api}.json"
            rows = json.loads(path.read_text()) if path.exists() else []
            self._outcomes[api] = {
                f"{name} v{version}": outcome for name, versions, outcome in rows for version in versions
            }
        return self._outcomes[api]


def _key(case: Case, version: int) -> str:
    return f"{case.name} v{version}"
