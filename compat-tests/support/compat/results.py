"""The results of a client's whole run, in one form for all clients: `FOLDER.json` in $KWIRE_RESULTS.

    {"client": "kcat", "date": "2026-01-31", "broker": "kwire 0.1", "release": "1.7.1", "form": "whole",
     "tests": {"test id": "passed"}}

`release` is there where the run and no file of the folder says it: from the caller, or $KWIRE_CLIENT_RELEASE.
`form` is "fast" where the run was the suite's short form. From other languages:

    echo '{"test id": "passed"}' | python -m compat.results FOLDER [RELEASE]

A test has `passed`, `failed`, or `later`: it failed, as later.txt beside it expects. Nothing is written
without $KWIRE_RESULTS, nor where the broker is not kwire. `scripts/clients-table` reads them.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from compat.broker import broker_kind, kwire_python

PASSED, LATER, FAILED = "passed", "later", "failed"


def outcome(passed: bool, is_later: bool) -> str:
    """What to write for a test, where one of later.txt must fail."""
    if is_later:
        return FAILED if passed else LATER
    return PASSED if passed else FAILED


def write(folder: Path, outcomes: Mapping[str, str], release: str = "", form: str = "whole") -> None:
    """Write the results of `folder`'s whole run, or of its form "fast"; those of an earlier run go."""
    into = os.environ.get("KWIRE_RESULTS")
    if not into or broker_kind() != "kwire":
        return
    said = subprocess.run(
        [kwire_python(), "-m", "kwire", "--version"], capture_output=True, text=True, check=False
    )
    row: dict[str, str | dict[str, str]] = {
        "client": folder.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "broker": said.stdout.strip(),
        "form": form,
        "tests": dict(sorted(outcomes.items())),
    }
    if release := release or os.environ.get("KWIRE_CLIENT_RELEASE", ""):
        row["release"] = release
    Path(into).mkdir(parents=True, exist_ok=True)
    Path(into, f"{folder.name}.json").write_text(json.dumps(row, indent=1) + "\n")


def main() -> int:
    folder, *release = sys.argv[1:]
    write(Path(folder).resolve(), json.load(sys.stdin), *release)
    return 0


if __name__ == "__main__":
    sys.exit(main())
