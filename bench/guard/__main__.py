"""The guard's command.

    python -m bench.guard                  # counts, and holds them against figures.json
    python -m bench.guard --record         # counts, writes figures.json
    python -m bench.guard --planted [ROW]  # the same with a slow-down of 15 % in one row: must give 1
    python -m bench.guard --self-test      # the guard, and then whether it notices a planted slow-down

Exit codes: 0 all figures hold, 1 one rose by over 10 %, 2 there are no figures of this Python, 77 there is no
way to have the pinned Python.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bench.guard import figures
from bench.guard.pinned import NoPython, Pinned, pinned

GROUPS = ("functions", "wholes")
PLANTED_ROW = "append a batch"
FAILED = 1
NO_FIGURES = 2
NO_PYTHON = 77


def counted(
    python: Pinned, *, planted: str | None = None, and_all: bool = True
) -> tuple[dict[str, int], dict[str, int]]:
    """Every row's count, and the planted one's; two at a time."""
    with ThreadPoolExecutor(2) as pool:
        groups = [pool.submit(python.count, group) for group in GROUPS if and_all]
        slowed = pool.submit(python.count, GROUPS[0], planted) if planted is not None else None
        counts = {name: round(count) for group in groups for name, count in group.result().items()}
        planted_counts = slowed.result() if slowed is not None else {}
    return counts, {name: round(count) for name, count in planted_counts.items()}


def judge(before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    """Prints the table; whether all figures hold."""
    lines = figures.compare(before, now)
    print(figures.table(lines))
    failed = [line.name for line in lines if line.verdict.fails]
    if failed:
        print(f"failed: {', '.join(failed)}")
        print("where it is meant to cost more: python -m bench.guard --record, and say why in the commit")
    elif any(line.verdict is figures.Verdict.FELL for line in lines):
        print("cheaper than recorded: python -m bench.guard --record, so that a rise from here is noticed")
    return not failed


def planted_is_noticed(counts: Mapping[str, int], planted: Mapping[str, int]) -> bool:
    """Whether a slow-down of 15 % against this run's own counts fails."""
    print("\nthe same row with a slow-down of 15 % planted into it:")
    slower = figures.compare({name: counts[name] for name in planted}, planted)
    print(figures.table(slower))
    noticed = all(line.verdict is figures.Verdict.ROSE for line in slower) and bool(slower)
    print("the guard fails on it, as it must" if noticed else "failed: the guard does not notice it")
    return noticed


def main() -> int:
    """The program; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.guard", description=(__doc__ or "").partition("\n")[0]
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--record", action="store_true", help="write the counts down as the figures")
    what.add_argument(
        "--planted", metavar="ROW", nargs="?", const=PLANTED_ROW, help="slow one row down by 15 %%"
    )
    what.add_argument("--self-test", action="store_true", help="the guard, then a planted slow-down")
    parser.add_argument(
        "--own-root", action="store_true", help="count in a Debian root even on the same Debian"
    )
    chosen = parser.parse_args()
    began = time.monotonic()
    try:
        python = pinned(own_root=chosen.own_root)
    except NoPython as missing:
        print(f"guard: skipped, {missing}")
        return NO_PYTHON
    identity = python.identity()
    print(f"counted on {identity}")
    before = figures.load(identity)
    if before is None and not chosen.record:
        print("figures.json has none of this Python; python -m bench.guard --record writes them")
        return NO_FIGURES
    for group in GROUPS:
        python.rehearse(group)
    planted_row = PLANTED_ROW if chosen.self_test else chosen.planted
    counts, planted = counted(python, planted=planted_row, and_all=chosen.planted is None)
    print(f"in {time.monotonic() - began:.0f} s")
    if chosen.record:
        figures.record(identity, counts)
        judge(before or counts, counts)
        return 0
    assert before is not None
    if chosen.planted is not None:
        return 0 if judge({name: before[name] for name in planted if name in before}, planted) else FAILED
    holds = judge(before, counts)
    if chosen.self_test:
        holds = planted_is_noticed(counts, planted) and holds
    return 0 if holds else FAILED


if __name__ == "__main__":
    sys.exit(main())
