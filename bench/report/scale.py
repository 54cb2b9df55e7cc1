"""What `python -m bench.scale` kept, as a section of the page with its plots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import plots
from .tables import as_markdown
from .words import number

_INTRODUCTION = """\
What one request costs the broker when there is more of something: its CPU time by the kernel's clock of the
process, over one connection and one request at a time. *flat*: the cost must not grow with the count;
*linear*: each one more may cost as much as the one before. *Growth* is how many times faster than that it
grows (over 1.5 is too fast)."""


def section(kept: Path, folder: Path, beside: Path) -> list[str]:
    """The parts of the section, its plots drawn into `folder` and linked relative to `beside`; none where
    the file isn't there. Raises ValueError, KeyError for another file."""
    if not kept.exists():
        return []
    found = json.loads(kept.read_text())
    path = plots.draw_series(list(found["series"].values()), folder / "scale.svg")
    too_fast = [one["title"] for one in found["series"].values() if one["too_fast"]]
    verdict = (
        f"Too fast: {', '.join(too_fast)}." if too_fast else "None of the series grows faster than it must."
    )
    return [
        "## Scale of cost",
        _INTRODUCTION,
        f"{found['broker']}, {found['when']}. {verdict}",
        f"![scale]({path.relative_to(beside)})",
        as_markdown(table(found["series"])),
    ]


def table(series: Mapping[str, Mapping[str, Any]]) -> Sequence[Sequence[str]]:
    """A row a series: CPU microseconds at its smallest and largest count, what one more costs, the growth."""
    rows = [["request", "may grow", "count", "CPU at the smallest", "at the largest", "one more", "growth"]]
    for one in series.values():
        points = sorted(one["points"], key=lambda point: float(point["count"]))
        costs = [point["cpu_us"] or point["p50_us"] for point in points]
        rows.append(
            [
                str(one["title"]),
                str(one["shape"]),
                f"{points[0]['count']:,} to {points[-1]['count']:,}",
                f"{number(costs[0])} µs",
                f"{number(costs[-1])} µs",
                f"{number(one['each_us'])} µs" if one["shape"] == "linear" else "-",
                f"**{one['excess']:.1f}**" if one["too_fast"] else f"{one['excess']:.1f}",
            ]
        )
    return rows
