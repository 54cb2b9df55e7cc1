"""The plots of docs/performance.md: bars a broker, and the cost of requests over a count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import svg
from .results import Results
from .statistics import Middle

# File name to title and the rows in it, which share a unit.
PLOTS: dict[str, tuple[str, Sequence[str]]] = {
    "throughput": (
        "MB/s, 1 KiB records, one partition",
        (
            "produce/franz/1024/none",
            "consume/franz/1024/none",
            "produce/franz/1024/lz4",
            "consume/franz/1024/lz4",
            "produce/rdkafka/1024/none",
            "consume/rdkafka/1024/none",
        ),
    ),
    "round-trips": ("requests/s, one-record produce", ("roundtrips/1/rate", "roundtrips/32/rate")),
    "latency": ("ms", ("roundtrips/1/p50", "roundtrips/1/p99", "end-to-end/p50", "end-to-end/p99")),
    "memory": ("MB resident", ("memory/idle", "memory/loaded")),
    "cpu": (
        "broker CPU seconds a GB",
        ("cpu/franz/1024/none", "cpu/franz/1024/lz4", "cpu/rdkafka/1024/none"),
    ),
    "partitions": ("records/s of 100 B", ("spread/1/rate", "spread/100/rate", "spread/1000/rate")),
    "ready": ("ms", ("start", "topics", "group/1", "group/10")),
}
LOGARITHMIC = {"latency", "partitions", "ready"}
LINES = {"cpu_us": "broker CPU", "p50_us": "latency, median", "p99_us": "latency, p99"}
"""Of a series' points: the name in the results, and in the plot."""


def draw(results: Results, folder: Path) -> list[Path]:
    """Write an SVG for each plot that shows something; their paths."""
    written = []
    titles = {row.key: row.title for row in results.rows}
    for name, (unit, wanted) in PLOTS.items():
        rows = [
            (titles[key], [_bar(results.middle(key, one)) for one in results.brokers])
            for key in wanted
            if key in titles
        ]
        rows = [(title, values) for title, values in rows if any(values)]
        if rows:
            path = folder / f"{name}.svg"
            written.append(svg.bars(path, unit, list(results.brokers), rows, log=name in LOGARITHMIC))
    return written


def draw_series(series: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """A panel a series of bench.scale, all in one file."""
    panels = []
    for one in series:
        points = sorted(one["points"], key=lambda point: float(point["count"]))
        lines = [
            (label, [(float(point["count"]), float(point[name])) for point in points])
            for name, label in LINES.items()
            if any(point.get(name) for point in points)
        ]
        panels.append(svg.Panel(str(one["title"]), str(one.get("per", "count")), "µs", lines))
    return svg.panels(path, panels)


def _bar(found: Middle | None) -> svg.Bar | None:
    return None if found is None else svg.Bar(found.median, found.least, found.most)
