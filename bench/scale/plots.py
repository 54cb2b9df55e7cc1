"""The series as SVG pictures: CPU time and latency of a request over the count, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.scale.series import Series


def draw(series: Series, results: Sequence[dict[str, float]], directory: Path) -> Path:
    """Writes KIND.svg there and gives its path. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "kwire"  # the same figures give the same file
    from matplotlib import pyplot

    counts = [result["count"] for result in results]
    figure: Any
    axes: Any
    figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
    for name, label, style in (
        ("cpu_us", "broker CPU", "o-"),
        ("p50_us", "latency, median", "s--"),
        ("p99_us", "latency, p99", "^:"),
    ):
        if any(result.get(name) for result in results):
            axes.plot(counts, [result[name] for result in results], style, label=label, markersize=4)
    axes.set(xscale="log", yscale="log", xlabel=series.per, ylabel="µs a request", title=series.title)
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize="small")
    path = directory / f"{series.kind}.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path
