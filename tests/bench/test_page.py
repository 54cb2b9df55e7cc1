"""docs/performance.md: put together from what is there, and the same again from the same files."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import FIGURES, FULL
from bench.report import Results, svg, write
from bench.report.page import BEGIN, END, how_measured

positive = st.floats(min_value=1e-3, max_value=1e7)


@pytest.fixture
def results() -> Results:
    """A run in which every row has a value of every broker."""
    found = Results("now", "a machine", False, 2, {"kwire": "", "kafka": ""}, environment={"kernel": "Linux"})
    for figure in FIGURES.values():
        for step in figure.steps(FULL):
            found.add_rows(step.rows)
    for number, row in enumerate(found.rows):
        for broker in found.brokers:
            for round_number in range(2):
                found.add(round_number, broker, row.key, 1.0 + number)
    return found


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with the results of the other programs."""
    folder = tmp_path / "results"
    folder.mkdir()
    points = [{"count": n, "cpu_us": 10.0 * n, "p50_us": 11.0 * n, "p99_us": 12.0 * n} for n in (1, 10, 100)]
    series: dict[str, object] = {
        "title": "fetch of n",
        "per": "partitions",
        "shape": "linear",
        "points": points,
    }
    series |= {"each_us": 10.0, "excess": 1.6, "too_fast": True}
    scale = {"when": "then", "machine": "m", "broker": "kwire", "series": {"fetch-n": series}}
    (folder / "scale.json").write_text(json.dumps(scale))
    case: dict[str, object] = {
        "case": "a hog",
        "alone_p99_ms": 1.0,
        "beside_p99_ms": 5.0,
        "ratio": 5.0,
        "difference_ms": 4.0,
    }
    case |= {"control_p99_ms": 0.1, "waited": 0.02, "holds": True}
    unread: dict[str, object] = {
        "case": "no reader",
        "rss_before_mib": 40.0,
        "rss_after_3_s_mib": 50.0,
        "holds": False,
    }
    unread |= {"rss_after_6_s_mib": 60.0, "mib_a_connection": 0.4}
    fairness = {"when": "then", "machine": "m", "broker": "kwire", "cases": [case, unread]}
    (folder / "fairness.json").write_text(json.dumps(fairness))
    return folder


def test_the_page_has_every_part_of_which_there_is_something(
    results: Results, kept: Path, tmp_path: Path
) -> None:
    page = tmp_path / "performance.md"
    (tmp_path / "performance-tried.md").write_text("# What was tried\n\n| tried | ratio |\n")
    write(results, page, kept)
    text = page.read_text()
    for part in ("## Targets", "## Figures", "| kernel | Linux |", "## What was tried\n\n| tried | ratio |"):
        assert part in text
    assert "Too fast: fetch of n." in text
    assert "| fetch of n | linear | 1 to 100 | 10 µs | 1,000 µs | 10 µs | **1.6** |" in text
    assert "| a hog | 1 ms | 5 ms | 5.0x | +4.0 ms | 0.1 ms | 2.0% | yes |" in text
    assert (
        "| no reader | 40 MiB resident | after 3 and 6 s 50, 60 MiB |  | 0.4 MiB each |  |  | **no** |"
        in text
    )


def test_every_picture_that_the_page_shows_is_there(results: Results, kept: Path, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    write(results, page, kept)
    shown = [part.partition(")")[0] for part in page.read_text().split("](performance/")[1:]]
    assert "scale.svg" in shown
    for name in shown:
        assert ElementTree.fromstring((tmp_path / "performance" / name).read_text()).tag.endswith("svg")


def test_what_is_not_there_is_left_out(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    write(results, page, tmp_path / "nothing")
    for part in ("## Scale of cost", "## Fairness", "## What was tried"):
        assert part not in page.read_text()


def test_what_is_written_by_hand_is_kept_and_the_rest_written_anew(
    results: Results, kept: Path, tmp_path: Path
) -> None:
    page = tmp_path / "performance.md"
    write(results, page, kept)
    first = page.read_text()
    page.write_text(f"By hand.\n\n{first}\nAfter it.\n")
    write(results, page, kept)
    assert page.read_text() == f"By hand.\n\n{first}\nAfter it.\n"
    assert first.count(BEGIN) == first.count(END) == 1


def test_a_page_without_its_marks_is_left_alone(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("By hand.")
    with pytest.raises(ValueError, match="has no part between"):
        write(results, page, tmp_path)
    assert page.read_text() == "By hand."


def test_every_figure_says_how_it_is_measured() -> None:
    assert len(how_measured().splitlines()) == len(FIGURES) + 1
    assert all(len(line) > 60 for line in how_measured().splitlines())


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=5), st.booleans())
def test_bars_of_any_length_are_within_the_picture(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[float, float]], log: bool
) -> None:
    rows = [(f"<{n}>", [svg.Bar(max(pair), min(pair), max(pair)), None]) for n, pair in enumerate(values)]
    path = svg.bars(tmp_path_factory.mktemp("bars") / "a.svg", "ms", ["a", "b"], rows, log=log)
    picture = ElementTree.fromstring(path.read_text())
    for one in picture.iter("{http://www.w3.org/2000/svg}rect"):
        if one.get("x"):
            assert (
                0 <= float(one.get("x", "")) + float(one.get("width", "")) <= float(picture.get("width", ""))
            )


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=9))
def test_lines_through_any_points_are_within_the_picture(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[float, float]]
) -> None:
    panel = svg.Panel("a & b", "n", "µs", [("cost", sorted(points))])
    path = svg.panels(tmp_path_factory.mktemp("panels") / "a.svg", [panel, panel])
    picture = ElementTree.fromstring(path.read_text())
    for dot in picture.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(dot.get("cx", "")) <= float(picture.get("width", ""))
        assert 0 <= float(dot.get("cy", "")) <= float(picture.get("height", ""))
