"""The guard's command.

    python -m bench.guard                  # counts, and holds them against figures.json
    python -m bench.guard --record         # counts, writes figures.json
    python -m bench.guard --planted [ROW]  # the same with a slow-down of 15 % in one row: must give 1
    python -m bench.guard --self-test      # the guard, and then whether it notices a planted slow-down

Exit codes: 0 all figures hold, 1 one rose by over 10 % or is more of another than it may be (ratios.py), 2
there are no figures of this Python, 77 there is no way to have the pinned Python.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from bench.guard import figures
from bench.guard.pinned import NoPython, pinned
from bench.guard.ratios import RATIOS, Ratio

GROUPS = ("functions", "wholes")
PLANTED_ROW = "append a batch"
HOLDS = 0
FAILED = 1
NO_FIGURES = 2
NO_PYTHON = 77


class Python(Protocol):
    """What counts: `Pinned`, or something in a test."""

    def identity(self) -> str: ...

    def rehearse(self, group: str) -> None: ...

    def count(self, group: str, planted: str | None = None) -> dict[str, float]: ...


def counted(
    python: Python, groups: Sequence[str], planted: str | None
) -> tuple[dict[str, int], dict[str, int]]:
    """The count of every row of the groups, and the planted one's; two at a time."""
    for group in groups or GROUPS[:1]:
        python.rehearse(group)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(python.count, group) for group in groups]
        slowed = pool.submit(python.count, GROUPS[0], planted) if planted is not None else None
        counts = {name: round(count) for group in waiting for name, count in group.result().items()}
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


def ratios_hold(counts: Mapping[str, int], ratios: Sequence[Ratio] = RATIOS) -> bool:
    """Prints what rows cost compared with others, and whether that is within what they may."""
    holds = True
    for row, other, most in ratios:
        if row not in counts or other not in counts:
            continue
        found = counts[row] / counts[other]
        within = most is None or found <= most
        holds = holds and within
        limit = "" if most is None else f", {most} at most{'' if within else ': TOO MUCH'}"
        print(f"{row}: {found:.2f} x {other}{limit}")
    return holds


def planted_is_noticed(counts: Mapping[str, int], planted: Mapping[str, int]) -> bool:
    """Whether a slow-down of 15 % against this run's own counts fails."""
    print("\nwith a slow-down of 15 % planted into it:")
    slower = figures.compare({name: counts[name] for name in planted}, planted)
    print(figures.table(slower))
    noticed = bool(slower) and all(line.verdict is figures.Verdict.ROSE for line in slower)
    print("the guard fails on it, as it must" if noticed else "failed: the guard does not notice it")
    return noticed


def run(arguments: Sequence[str], python: Python, path: Path = figures.FIGURES) -> int:
    """Does what the command line asks for, with the figures in `path`; gives the exit code."""
    chosen = parsed(arguments)
    began = time.monotonic()
    identity = python.identity()
    print(f"counted on {identity}")
    before = figures.load(identity, path)
    if before is None and not chosen.record:
        print("figures.json has none of this Python; python -m bench.guard --record writes them")
        return NO_FIGURES
    groups = GROUPS if chosen.planted is None else ()
    counts, planted = counted(python, groups, PLANTED_ROW if chosen.self_test else chosen.planted)
    print(f"in {time.monotonic() - began:.0f} s")
    if before is None or chosen.record:
        figures.record(identity, counts, path)
        judge(before or counts, counts)
        ratios_hold(counts)
        return HOLDS
    if chosen.planted is not None:
        return HOLDS if judge({name: before[name] for name in planted if name in before}, planted) else FAILED
    holds = judge(before, counts)
    holds = ratios_hold(counts) and holds
    if chosen.self_test:
        holds = planted_is_noticed(counts, planted) and holds
    return HOLDS if holds else FAILED


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.guard", description="instruction counts, held against figures.json"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--record", action="store_true", help="write the counts down as the figures")
    what.add_argument(
        "--planted", metavar="ROW", nargs="?", const=PLANTED_ROW, help="slow one row down by 15 %%: must fail"
    )
    what.add_argument("--self-test", action="store_true", help="the guard, then a planted slow-down")
    parser.add_argument(
        "--own-root", action="store_true", help="count in a Debian root even on the same Debian"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """The program; gives its exit code."""
    own_root = parsed(arguments).own_root
    try:
        python = pinned(own_root=own_root)
    except NoPython as missing:
        print(f"guard: skipped, {missing}")
        return NO_PYTHON
    return run(arguments, python)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
