"""The plots of docs/performance.md: bars a broker, as SVG. Needs matplotlib (the extra `bench`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .results import Results

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


def draw(results: Results, folder: Path) -> list[Path]:
    """Write an SVG for each plot that shows something; their paths. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    # The same results give the same bytes, so that a page made anew differs only where figures do.
    matplotlib.rcParams.update({"svg.hashsalt": "kwire", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    titles = {row.key: row.title for row in results.rows}
    for name, (unit, wanted) in PLOTS.items():
        keys = [key for key in wanted if any(results.middle(key, broker) for broker in results.brokers)]
        if not keys:
            continue
        bars = len(results.brokers)
        figure, axes = pyplot.subplots(figsize=(8, 0.5 + len(keys) * (0.17 * bars + 0.25)))
        for number, broker in enumerate(results.brokers):
            found = [(place, results.middle(key, broker)) for place, key in enumerate(keys)]
            drawn = [(place, one) for place, one in found if one is not None]
            axes.barh(
                [place + (number - (bars - 1) / 2) * 0.8 / bars for place, _ in drawn],
                [one.median for _, one in drawn],
                height=0.8 / bars,
                xerr=[
                    [one.median - one.least for _, one in drawn],
                    [one.most - one.median for _, one in drawn],
                ],
                error_kw={"linewidth": 0.7},
                label=broker,
            )
        axes.set_yticks(range(len(keys)), [titles[key] for key in keys])
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        if name in LOGARITHMIC:
            axes.set_xscale("log")
        axes.grid(axis="x", linewidth=0.3)
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=bars, frameon=False)
        path = folder / f"{name}.svg"
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
        written.append(path)
    return written
