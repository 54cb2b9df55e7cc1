"""The results of a client's whole run, in one form for all clients: `FOLDER.json` in $KWIRE_RESULTS.

    {"client": "kcat", "date": "2026-01-31", "broker": "kwire 0.1", "tests": {"test id": "passed"}}

A test has `passed`, `failed`, or `later`: it failed, as later.txt beside it expects. Nothing is written
without $KWIRE_RESULTS, nor where the broker is not kwire. `scripts/clients-table` reads them.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from compat.broker import broker_kind, kwire_python

PASSED, LATER, FAILED = "passed", "later", "failed"


def outcome(passed: bool, is_later: bool) -> str:
    """What to write for a test, where one of later.txt must fail."""
    if is_later:
        return FAILED if passed else LATER
    return PASSED if passed else FAILED


def write(folder: Path, outcomes: Mapping[str, str]) -> None:
    """Write the results of `folder`'s whole run; those of an earlier run go."""
    into = os.environ.get("KWIRE_RESULTS")
    if not into or broker_kind() != "kwire":
        return
    said = subprocess.run(
        [kwire_python(), "-m", "kwire", "--version"], capture_output=True, text=True, check=False
    )
    row = {
        "client": folder.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "broker": said.stdout.strip(),
        "tests": dict(sorted(outcomes.items())),
    }
    Path(into).mkdir(parents=True, exist_ok=True)
    Path(into, f"{folder.name}.json").write_text(json.dumps(row, indent=1) + "\n")
