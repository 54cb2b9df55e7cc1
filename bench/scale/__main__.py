"""`python -m bench.scale`: what a request costs when there is more of something, as a table.

Each series has a broker of its own; each count in it is measured over one connection, one request at a time:
the broker's CPU time (all its threads, from the kernel's clock) and the latency. The smallest count is looked
at once before, uncounted: a broker's first requests are slow. A cost that grows faster than it must is
flagged, and the exit code is 2; it is 1 where a series could not be measured. docs/performance.md
(`python -m bench --from FILE --page`) shows what `--json bench/results/scale.json` kept, with plots.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.brokers import Broker, BrokerError, Given
from bench.brokers.options import add_broker_options, broker_of
from bench.fairness.loads import LoadFailed, build, run
from bench.machine import summary
from bench.scale.growth import Point, each_us, excess, grows_too_fast
from bench.scale.series import SERIES, Series

BEGAN = time.monotonic()
KWIRE_OPTIONS = ("--set", "message.max.bytes=100000000", "--set", "group.initial.rebalance.delay.ms=0")
"""Batches of 64 MiB are let in, and groups of one member need not wait for a second."""


def main() -> int:
    options = _options()
    results: dict[str, dict[str, Any]] = {}
    failed = False
    try:
        build()
        for series in SERIES:
            if options.only and series.kind not in options.only:
                continue
            try:
                results[series.kind] = _series(series, options)
            except (BrokerError, LoadFailed) as failure:  # the other series are worth having
                print(f"bench.scale: {series.kind}: {failure}", file=sys.stderr)
                failed = True
                continue
            if options.json:
                _keep(results, options)
    except LoadFailed as failure:
        print(f"bench.scale: {failure}", file=sys.stderr)
        return 1
    finally:
        print(_table(results))
    if failed:
        return 1
    return 2 if any(result["too_fast"] for result in results.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    add_broker_options(parser)
    parser.add_argument("--quick", action="store_true", help="three counts a series, fewer requests")
    kinds = [series.kind for series in SERIES]
    parser.add_argument("--only", nargs="+", choices=kinds, metavar="KIND", help=" ".join(kinds))
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there, series by series")
    return parser.parse_args()


def _series(series: Series, options: argparse.Namespace) -> dict[str, Any]:
    counts = series.counts
    if options.quick:
        counts = (counts[0], *counts[-2:])
    asked = (200, 1.0) if options.quick else (600, 2.0)
    broker = broker_of(options, KWIRE_OPTIONS)
    points: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="kwire-scale-") as directory:
        try:
            if not isinstance(broker, Given):
                broker.build()
                broker.start(Path(directory))
            _cost(broker, series, counts[0], "warm", 200, 0.5)
            for count in counts:
                points.append({"count": count, **_cost(broker, series, count, "counted", *asked)})
        finally:
            broker.stop()
    costs = _costs(points)
    result = {
        "title": series.title,
        "per": series.per,
        "shape": series.shape,
        "points": points,
        "each_us": each_us(costs),
        "excess": excess(costs, series.shape),
        "too_fast": grows_too_fast(costs, series.shape),
    }
    shown = " ".join(f"{point:.0f}:{cost:.0f}us" for point, cost in costs)
    flag = "  GROWS TOO FAST" if result["too_fast"] else ""
    print(f"{time.monotonic() - BEGAN:5.0f} s  {series.kind}: {shown}{flag}", file=sys.stderr, flush=True)
    return result


def _keep(results: dict[str, dict[str, Any]], options: argparse.Namespace) -> None:
    """Of an earlier run, what wasn't measured anew stays."""
    file: Path = options.json
    earlier = json.loads(file.read_text())["series"] if file.exists() else {}
    found = earlier | results
    kept = {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": summary(),
        "broker": broker_of(options).name,
        "series": {series.kind: found[series.kind] for series in SERIES if series.kind in found},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=1) + "\n")


def _cost(
    broker: Broker, series: Series, count: int, name: str, requests: int, seconds: float
) -> dict[str, float]:
    return run(
        "cost",
        broker.address,
        kind=series.kind,
        topic=f"{series.kind}-{count}-{name}",
        n=count,
        pid=broker.child.pid if broker.child else None,
        requests=requests,
        seconds=seconds,
    )


def _costs(points: list[dict[str, float]]) -> list[Point]:
    """The CPU time where the process is ours, else the median latency."""
    return [(int(point["count"]), point["cpu_us"] or point["p50_us"]) for point in points]


def _table(results: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| request | may grow | count: CPU µs, median µs | one more, µs | times as fast as it must |",
        "|---|---|---|---|---|",
    ]
    for result in results.values():
        points = " · ".join(
            f"{point['count']:,}: {point['cpu_us']:,.0f}, {point['p50_us']:,.0f}"
            for point in result["points"]
        )
        flag = f"**{result['excess']:.1f}**" if result["too_fast"] else f"{result['excess']:.1f}"
        lines.append(
            f"| {result['title']} | {result['shape']} | {points} | {result['each_us']:.4g} | {flag} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
