"""The guard: what it makes of counts, and that all of its rows still do their work.

The counts themselves need callgrind; `python -m bench.guard --self-test` is that test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.guard import figures, rows
from bench.guard.__main__ import PLANTED_ROW, ratios_hold, run
from bench.guard.counting import PROBE_STEPS, instructions, steps_for
from bench.guard.figures import Verdict, compare
from bench.guard.ratios import Ratio

ROOT = Path(__file__).parents[2]
IDENTITY = "CPython 3.11.2"
USUAL = {PLANTED_ROW: 1000, "other": 500}


class CountedBefore:
    """A Python that has counted already; a planted slow-down costs `planted` instructions in all."""

    def __init__(self, counts: Mapping[str, float], planted: float = 1150.0) -> None:
        self._counts = dict(counts)
        self._planted = planted

    def identity(self) -> str:
        return IDENTITY

    def rehearse(self, group: str) -> None:
        pass

    def count(self, group: str, planted: str | None = None) -> dict[str, float]:
        if planted is not None:
            return {planted: self._planted}
        return self._counts if group == "functions" else {}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A file with the usual figures."""
    path = tmp_path / "figures.json"
    figures.record(IDENTITY, USUAL, path)
    return path


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (1000, 1000, Verdict.HOLDS),
        (1000, 1100, Verdict.HOLDS),
        (1000, 1101, Verdict.ROSE),
        (1000, 900, Verdict.HOLDS),
        (1000, 899, Verdict.FELL),
    ],
)
def test_ten_percent_either_way_decide(before: int, now: int, verdict: Verdict) -> None:
    [line] = compare({"row": before}, {"row": now})
    assert line.verdict is verdict
    assert line.ratio == now / before


def test_a_row_without_a_figure_and_a_figure_without_a_row_fail() -> None:
    lines = compare({"gone": 5}, {"new": 6})
    assert {line.name: line.verdict for line in lines} == {"new": Verdict.NEW, "gone": Verdict.GONE}
    assert all(line.verdict.fails for line in lines)


def test_the_table_says_what_was_what_is_and_which_rows_rose() -> None:
    shown = figures.table(compare({"steady": 1000, "slower": 2000}, {"steady": 1001, "slower": 2400}))
    assert shown.splitlines() == [
        "instructions      before         now   ratio",
        "steady             1,000       1,001   1.001",
        "slower             2,000       2,400   1.200  ROSE",
    ]


@pytest.mark.parametrize(
    ("arguments", "counts", "code"),
    [
        ([], USUAL, 0),
        ([], {**USUAL, "other": 551}, 1),
        ([], {**USUAL, "other": 400}, 0),
        ([], {PLANTED_ROW: 1000}, 1),
        (["--planted"], USUAL, 1),
        (["--self-test"], USUAL, 0),
        (["--self-test"], {**USUAL, "other": 551}, 1),
    ],
)
def test_the_exit_code_is_1_where_a_row_rose(
    recorded: Path, arguments: list[str], counts: dict[str, float], code: int
) -> None:
    assert run(arguments, CountedBefore(counts), recorded) == code


@pytest.mark.parametrize(("row", "holds"), [(2000, True), (2001, False)])
def test_a_row_may_cost_so_much_of_another(capsys: pytest.CaptureFixture[str], row: int, holds: bool) -> None:
    ratios = [Ratio("row", "other", 2.0), Ratio("row", "missing", 0.1), Ratio("row", "other", None)]
    assert ratios_hold({"row": row, "other": 1000}, ratios) is holds
    assert capsys.readouterr().out.count("2.00 x other") == 2


def test_the_exit_code_is_1_where_a_row_costs_too_much_of_another(tmp_path: Path) -> None:
    for count, code in ((2000, 0), (2001, 1)):
        counts = {"a whole produce": 1000, "a whole heartbeat": count}
        path = tmp_path / f"{count}.json"
        figures.record(IDENTITY, counts, path)
        assert run([], CountedBefore(counts), path) == code


def test_the_self_test_fails_where_a_planted_slow_down_goes_unnoticed(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--self-test"], CountedBefore(USUAL, planted=1050), recorded) == 1
    assert "does not notice it" in capsys.readouterr().out


def test_a_python_without_figures_is_told_how_to_record_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    figures.record("another Python", {"row": 1}, path)
    assert run([], CountedBefore(USUAL), path) == 2
    assert "--record" in capsys.readouterr().out
    assert run(["--record"], CountedBefore({"row": 7.4}), path) == 0
    assert figures.load(IDENTITY, path) == {"row": 7}
    assert figures.load("another Python", path) == {"row": 1}


def test_the_total_is_read_from_callgrinds_file() -> None:
    assert instructions("version: 1\nevents: Ir\nsummary: 9\n\nfn=(1) a\n3 4\n\ntotals: 713271\n") == 713271
    with pytest.raises(ValueError, match="without totals"):
        instructions("version: 1\n")


@pytest.mark.parametrize(
    ("plain", "no_steps", "probe_steps", "steps"),
    [
        (1000.0, 1000.0, 1000.0 + PROBE_STEPS, 150),
        (1000.0, 1050.0, 1050.0 + 10 * PROBE_STEPS, 10),
        (1000.0, 1200.0, 1200.0 + 10 * PROBE_STEPS, 0),
        (0.0, 0.0, 0.0, 0),
    ],
)
def test_a_slow_down_is_made_of_as_many_steps_as_come_to_its_share(
    plain: float, no_steps: float, probe_steps: float, steps: int
) -> None:
    assert steps_for(plain, no_steps, probe_steps, 1.15) == steps


def test_every_row_has_a_figure() -> None:
    kept = json.loads(figures.FIGURES.read_text(encoding="utf-8"))
    assert kept
    for counts in kept.values():
        assert sorted(counts) == sorted(rows.NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["functions"], ["wholes"], ["functions", "--planted", "a whole produce"]],
    ids=" ".join,
)
def test_all_rows_do_their_work(tmp_path: Path, arguments: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bench.guard.child", "--rehearsal", *arguments]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)
    counts = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
    expected = arguments[2:] or [row.name for row in rows.GROUPS[arguments[0]]]
    assert list(counts) == expected
