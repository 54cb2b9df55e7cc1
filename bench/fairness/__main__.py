"""`python -m bench.fairness`: the p99 of 30 small clients alone, and beside one large client of each kind.

The small clients send 20 requests a second each: a one-record produce, and a heartbeat or ApiVersions, in
turn. Where we may, they run at a higher priority than the broker, and a broker that we started at a higher
one than everything else, so that what is measured is the broker and not who gets a core. Two figures say
whether that went well: `control` is the p99 of an echo by a third process at the same time, and `waited` the
share of the time in which the broker was ready to run and had no core. Fairness is within a broker: alone and
beside are measured in turns, the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.brokers import Broker, BrokerError
from bench.brokers.options import add_broker_options, broker_of
from bench.fairness.loads import Hog, LoadFailed, build, run
from bench.fairness.verdict import Verdict
from bench.machine import summary

CASES: dict[str, tuple[str, dict[str, object]]] = {
    "1 MiB batches as fast as they go": ("produce", {"topic": "batches"}),
    "a reader that takes no answer": ("slow-reader", {"topic": "large", "connections": 2}),
    "fetches of 2,000 partitions": ("fetch-many", {"topic": "wide", "n": 2000}),
    "metadata of 2,000 topics": ("metadata", {}),
    "a storm of topic creations": ("create", {}),
    "catching up on 1 GB": ("catch-up", {"topic": "large", "size": 8 << 20}),
}
"""What is shown of a case, the hog's kind and options. The storm leaves topics behind."""
PRIORITY = -15
BROKER_PRIORITY = -10
BEGAN = time.monotonic()
MANY_READERS = 50
MEBIBYTE = 1 << 20


def main() -> int:
    options = _options()
    try:
        build()
        cases = [case for case in CASES if not options.only or CASES[case][0] in options.only]
        results = []
        with _broker(options) as broker:
            _say(f"{broker.name}: topics and data")
            gigabyte = (100 if options.quick else 1000) * MEBIBYTE
            run("fill", broker.address, topic="large", n=1, size=gigabyte)
            kinds = {CASES[case][0] for case in cases}
            if kinds & {"fetch-many", "metadata"}:
                run("fill", broker.address, topic="wide", n=2000, size=1000)
            if "metadata" in kinds:
                run("fill", broker.address, topic="many", connections=2000, n=1, size=0)
            for case in cases:
                results.append(_case(broker, case, options))
                _say(_line(results[-1]))
                _keep(broker, results, options)
            if broker.memory() is not None and (not options.only or "slow-reader" in options.only):
                results.append(_unread_answers(broker))
                _say(_line(results[-1]))
                _keep(broker, results, options)
    except (BrokerError, LoadFailed) as failure:
        print(f"bench.fairness: {failure}", file=sys.stderr)
        return 1
    print(_table(broker.name, results))
    return 0 if all(result["holds"] for result in results) else 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    add_broker_options(parser)
    parser.add_argument("--quick", action="store_true", help="one short round, and 100 MB to catch up on")
    parser.add_argument("--rounds", type=int, help="how often alone and beside take turns (default: 3)")
    parser.add_argument("--seconds", type=float, help="of one measurement (default: 6; --quick: 2)")
    parser.add_argument(
        "--only", nargs="+", metavar="KIND", help=" ".join(kind for kind, _ in CASES.values())
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    options.seconds = options.seconds or (2.0 if options.quick else 6.0)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def _keep(broker: Broker, results: list[dict[str, object]], options: argparse.Namespace) -> None:
    if options.json:
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        kept = {"when": when, "machine": summary(), "broker": broker.name, "cases": results}
        Path(options.json).write_text(json.dumps(kept, indent=1) + "\n")


@contextmanager
def _broker(options: argparse.Namespace) -> Iterator[Broker]:
    broker = broker_of(options)
    if options.bootstrap:
        yield broker
        return
    broker.build()
    with tempfile.TemporaryDirectory(prefix="kwire-fairness-") as directory:
        try:
            broker.start(Path(directory))
            _prefer(broker)
            yield broker
        finally:
            broker.stop()


def _prefer(broker: Broker) -> None:
    """Gives all its threads a high priority; those that it starts later inherit it."""
    if broker.child is None or os.geteuid() != 0:
        return
    for thread in Path(f"/proc/{broker.child.pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), BROKER_PRIORITY)


def _waited_s(broker: Broker) -> float:
    """Seconds that the main thread was ready to run and did not; 0 where we cannot know."""
    if broker.child is None:
        return 0.0
    return int(Path(f"/proc/{broker.child.pid}/schedstat").read_text().split()[1]) / 1e9


def _case(broker: Broker, case: str, options: argparse.Namespace) -> dict[str, object]:
    kind, asked = CASES[case]
    alone, beside, rates = [], [], []
    grown = 0.0
    waited = []
    with Hog("echo", "none") as echo:
        control = echo.first_line()
        for _ in range(options.rounds):
            alone.append(_small(broker, control, options.seconds))
            before = broker.memory()
            with Hog("hog", broker.address, kind=kind, niceness=0, **asked) as hog:
                time.sleep(0.5)
                began, waited_s = time.monotonic(), _waited_s(broker)
                beside.append(_small(broker, control, options.seconds))
                waited.append((_waited_s(broker) - waited_s) / (time.monotonic() - began))
                after = broker.memory()
            if before is not None and after is not None:
                grown = max(grown, (after.rss - before.rss) / MEBIBYTE)
            rates.append(hog.result)
    verdict = Verdict(case, _middle(alone, "p99_ms"), _middle(beside, "p99_ms"))
    return {
        "case": case,
        "alone_p99_ms": verdict.alone_ms,
        "beside_p99_ms": verdict.beside_ms,
        "ratio": verdict.ratio,
        "difference_ms": verdict.difference_ms,
        "limit_ms": verdict.limit_ms,
        "holds": verdict.holds,
        "beside_p50_ms": _middle(beside, "p50_ms"),
        "beside_max_ms": max(figures["max_ms"] for figures in beside),
        "beside_produce_p99_ms": _middle(beside, "produce_p99_ms"),
        "beside_light_p99_ms": _middle(beside, "light_p99_ms"),
        "control_p99_ms": _middle(beside, "control_p99_ms"),
        "waited": median(waited),
        "hog_requests_per_second": median(rate["requests"] / rate["seconds"] for rate in rates),
        "hog_mb_per_second": median(rate["bytes"] / rate["seconds"] / 1e6 for rate in rates),
        "grown_mib": grown,
        "spread_p99_ms": [figures["p99_ms"] for figures in beside],
    }


def _unread_answers(broker: Broker) -> dict[str, object]:
    """What the broker holds for many connections that ask for much and read nothing: it must stop growing."""
    sizes = [broker.memory()]
    with Hog("hog", broker.address, kind="slow-reader", topic="large", connections=MANY_READERS):
        for _ in range(2):
            time.sleep(3)
            sizes.append(broker.memory())
    before, early, late = (size.rss / MEBIBYTE if size is not None else 0.0 for size in sizes)
    return {
        "case": f"{MANY_READERS} connections that take no answer",
        "rss_before_mib": before,
        "rss_after_3_s_mib": early,
        "rss_after_6_s_mib": late,
        "mib_a_connection": (late - before) / MANY_READERS,
        "holds": late - early <= max(0.1 * (early - before), 2.0),
    }


def _small(broker: Broker, control: str, seconds: float) -> dict[str, float]:
    return run("small", broker.address, niceness=PRIORITY, topic="small", seconds=seconds, control=control)


def _middle(figures: list[dict[str, float]], name: str) -> float:
    return median(figure[name] for figure in figures)


def _line(result: dict[str, object]) -> str:
    return ", ".join(
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in result.items()
        if name != "case"
    ).join((f"{result['case']}: ", ""))


def _table(name: str, results: list[dict[str, object]]) -> str:
    columns = ("p99 alone", "p99 beside", "ratio", "more", "control", "waited", "holds")
    rows: list[tuple[str, ...]] = [(f"{name}: 30 small clients beside", *columns), ("---",) * 8]
    for result in results:
        holds = "yes" if result["holds"] else "**no**"
        if "rss_before_mib" in result:
            grown = f"{result['rss_after_3_s_mib']:.0f}, then {result['rss_after_6_s_mib']:.0f} MiB"
            each = f"{result['mib_a_connection']:.2f} MiB each"
            rows.append(
                (str(result["case"]), f"{result['rss_before_mib']:.0f} MiB", grown, "", each, "", "", holds)
            )
            continue
        rows.append(
            (
                str(result["case"]),
                f"{result['alone_p99_ms']:.2f} ms",
                f"{result['beside_p99_ms']:.2f} ms",
                f"{result['ratio']:.1f}",
                f"{result['difference_ms']:+.1f} ms",
                f"{result['control_p99_ms']:.2f} ms",
                f"{result['waited']:.1%}",
                holds,
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:5.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
