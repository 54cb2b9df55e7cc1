"""Compare what a Java suite's JUnit ran with the tests.allow beside it.

    python -m compat.junit_ids FOLDER RELEASE=REPORTS... [--part | --short | --write-allow]

REPORTS is a folder of surefire's XML. A line of tests.allow is `Class.method` (with `[N]` for its Nth
parameter), and, where not every release has the test, two spaces and the releases that do. A skipped test
counts as one that was not found. `--part`: less than all was asked for, so that none is missed;
`--short` is that with the suite's short form. All but a part is written to $KWIRE_RESULTS (results.py).
Exit code 1, with CI=true, for a difference; 2 where no test ran at all.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

from compat import results
from compat.broker import broker_kind
from compat.ids import read_allowed, read_later, reason_for

_PARAMETER_TYPES = re.compile(r"(\([\w, .\[\]]*\)|\{[\w, .\[\]]*\})(?=\[\d+\]$|$)")


def ran(reports: Path) -> dict[str, bool]:
    """The ids of the tests that ran and were not skipped, and whether each succeeded."""
    found: dict[str, bool] = {}
    for report in reports.glob("TEST-*.xml"):
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            if case.find("skipped") is None:
                name = _PARAMETER_TYPES.sub("", case.get("name", ""))
                succeeded = case.find("failure") is None and case.find("error") is None
                found[f"{case.get('classname', '').rpartition('.')[2]}.{name}"] = succeeded
    return found


def differences(found: Mapping[str, set[str]], lines: Iterable[str], *, part: bool) -> list[str]:
    """What is wrong between the tests of each release and the list, one sentence each."""
    listed: dict[str, set[str]] = {release: set() for release in found}
    for line in lines:
        name, _, releases = line.partition("  ")
        for release in releases.split() or listed:
            if release in listed:
                listed[release].add(name)
    wrong = []
    for release, names in found.items():
        wrong += [
            f"{name} ran with {release} and is not in tests.allow" for name in sorted(names - listed[release])
        ]
        if not part:
            missing = sorted(listed[release] - names)
            wrong += [f"{name} is in tests.allow and did not run with {release}" for name in missing]
    return wrong


def outcomes(reports: Mapping[str, Mapping[str, bool]], later: dict[str, str]) -> dict[str, str]:
    """What results.py keeps, of all releases. One of later.txt that failed is a success to JUnit."""
    told = {}
    for release, tests in reports.items():
        for name, succeeded in tests.items():
            success = results.PASSED if reason_for(name, later) is None else results.LATER
            told[f"{release} {name}"] = success if succeeded else results.FAILED
    return told


def text_of(found: Mapping[str, set[str]]) -> str:
    """tests.allow for what was found."""
    lines = ["# Every test of this suite; made by run.sh --write-allow."]
    for name in sorted(set().union(*found.values())):
        having = [release for release in found if name in found[release]]
        lines.append(name if len(having) == len(found) else f"{name}  {' '.join(having)}")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m compat.junit_ids")
    parser.add_argument("folder", type=Path)
    parser.add_argument("reports", nargs="+", metavar="RELEASE=REPORTS")
    parser.add_argument("--part", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--write-allow", action="store_true")
    asked = parser.parse_args()
    pairs = [each.partition("=") for each in asked.reports]
    reports = {release: ran(Path(folder)) for release, _, folder in pairs}
    found = {release: set(tests) for release, tests in reports.items()}
    name = asked.folder.resolve().name
    if not all(found.values()):
        print(f"{name}: no test ran")
        return 2
    if asked.write_allow:
        (asked.folder / "tests.allow").write_text(text_of(found))
        return 0
    for release, names in found.items():
        print(f"{name}: {len(names)} tests ran with {release}")
    if not asked.part:
        later = read_later(asked.folder) if broker_kind() == "kwire" else {}
        form = "fast" if asked.short else "whole"
        results.write(asked.folder.resolve(), outcomes(reports, later), ", ".join(found), form)
    wrong = differences(found, read_allowed(asked.folder), part=asked.part or asked.short)
    for sentence in wrong:
        print(f"{name}: {sentence}")
    return 1 if wrong and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
