"""scripts/steady: what it says of tests that hold, that fail, that fail once, and that can't be run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

STEADY = Path(__file__).resolve().parents[2] / "scripts" / "steady"
HOLDS = "def test_holds_{n}():\n    pass\n"
FAILS = "def test_fails_{n}():\n    assert False\n"
FAILS_ONCE = (
    "def test_fails_once_{n}():\n"
    "    seen = __import__('pathlib').Path('seen-{n}')\n"
    "    was_seen = seen.exists()\n"
    "    seen.touch()\n"
    "    assert was_seen\n"
)


@pytest.mark.parametrize(
    ("tests", "exit_code", "unsteady", "runs"),
    [
        ([HOLDS, HOLDS], 0, [], 1),
        ([HOLDS, FAILS], 1, [], 2),
        ([HOLDS, FAILS_ONCE], 0, [1], 2),
        ([FAILS_ONCE, HOLDS, FAILS_ONCE], 0, [0, 2], 2),
        ([FAILS_ONCE, FAILS], 1, [], 2),
        ([FAILS_ONCE] * 3, 1, [], 1),
        (["this is no Python\n"], 2, [], 1),
        ([], 5, [], 1),
    ],
)
def test_what_fails_once_is_named_and_what_fails_twice_fails(
    tmp_path: Path, tests: list[str], exit_code: int, unsteady: list[int], runs: int
) -> None:
    (tmp_path / "test_them.py").write_text(
        "".join(text.replace("{n}", str(number)) for number, text in enumerate(tests))
    )
    done = subprocess.run(
        [sys.executable, str(STEADY), "test_them.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("UNSTEADY")]
    assert said == [
        f"UNSTEADY: test_them.py::test_fails_once_{number} failed, and held when it was run again"
        for number in unsteady
    ]
    assert len(re.findall(r" in [0-9.]+s", done.stdout)) == runs
