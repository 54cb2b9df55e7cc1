"""Show what `cargo test` prints, and hold it against a folder's tests.allow and later.txt.

    cargo test --no-fail-fast --tests 2>&1 | python -m compat.cargo_ids FOLDER [--strict-ids] [OPTION]

OPTION is --part or --write-allow. A test's id is `FILE::NAME`. One in later.txt must fail where the broker is
kwire. Exit code 1 for a test that failed or that passed against later.txt, for nothing run and, when strict
(or with CI=true), for a difference to the list.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from compat import ids, results
from compat.broker import broker_kind

_FILE = re.compile(r"\s*Running (?:unittests )?(?:tests|src)/(\w+)\.rs")
_TEST = re.compile(r"test (\S+) \.\.\. (?:.*\b)?(ok|FAILED|ignored)$")
_BUILD_FAILED = re.compile(r"error: could not compile")


def read(lines: Iterable[str]) -> tuple[dict[str, str], bool]:
    """{id: ok, FAILED or ignored}, and whether all was built."""
    found: dict[str, str] = {}
    file, built = "", True
    for line in lines:
        if running := _FILE.match(line):
            file = running.group(1)
        elif told := _TEST.match(line.rstrip()):
            found[f"{file}::{told.group(1)}"] = told.group(2)
        elif _BUILD_FAILED.match(line):
            built = False
    return found, built


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m compat.cargo_ids")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--strict-ids", action="store_true")
    parser.add_argument("--part", action="store_true")
    parser.add_argument("--write-allow", action="store_true")
    asked = parser.parse_args()
    folder: Path = asked.folder.resolve()
    lines = list(sys.stdin)
    found, built = read(lines)
    later = ids.read_later(folder) if broker_kind() == "kwire" else {}
    outcomes = {
        name: results.outcome(status == "ok", name in later)
        for name, status in found.items()
        if status != "ignored"
    }
    failed = [name for name, outcome in outcomes.items() if outcome == results.FAILED]
    if failed or not built:
        sys.stdout.writelines(lines)
        for name in failed:
            print(f"FAILED: {name}" + (", which later.txt expects to fail, passed" if name in later else ""))
    if asked.write_allow:
        ids.write_allowed(folder, found)
    problems = [] if asked.part else ids.differences(outcomes, ids.read_allowed(folder))
    for problem in problems:
        print(f"the list of tests: {problem}")
    if not asked.part:
        results.write(folder, outcomes)
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    strict = asked.strict_ids or os.environ.get("CI") == "true"
    return 1 if failed or not built or not outcomes or (strict and problems) else 0


if __name__ == "__main__":
    sys.exit(main())
