"""The program that callgrind runs: counts some rows, and writes `counts.json` where it is started.

    python -m bench.guard.child functions|wholes [--rehearsal] [--planted ROW]

It is started in an empty folder, for its data and for callgrind's files. All of them are called by their bare
names: a path that is another one in each run has another hash each time, and costs other instructions. A
rehearsal does the same work and counts nothing: that writes Python's bytecode files beforehand.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "codecs"), str(ROOT / "storage")]

from bench.guard import rows  # noqa: E402  # the path is set above
from bench.guard.broker import Broker, serve  # noqa: E402
from bench.guard.counting import COUNTS, FUNCTION, PROBE_STEPS, WHOLE, Counter, slowed, steps_for  # noqa: E402
from bench.guard.kinds import FunctionRow  # noqa: E402
from bench.guard.stage import Stage, set_up  # noqa: E402

PLANTED_FACTOR = 1.15


async def count_row(row: rows.Row, stage: Stage, counter: Counter, steps: int | None = None) -> float:
    """One row's count; `steps` says how much it is slowed down."""

    def planted(function: Callable[..., Any]) -> Callable[..., Any]:
        return function if steps is None else slowed(function, steps)

    if isinstance(row, FunctionRow):
        return counter.count(row.prepare(stage, planted, FUNCTION.in_all), FUNCTION)
    frames = await row.requests(stage, WHOLE.in_all)
    marks = [mark * row.each for mark in WHOLE.marks]

    def sent(number: int) -> None:
        if number in marks:
            counter.mark()

    with rows.requests_through(planted):
        row.check(await stage.broker.play(frames, sent))
    return counter.result(WHOLE)


async def count_planted(row: rows.Row, broker: Broker, counter: Counter) -> float:
    """The row's count with a slow-down of 15 % planted into it."""
    plain = await count_row(row, await set_up(broker, 0), counter)
    no_steps = await count_row(row, await set_up(broker, 1), counter, 0)
    probe_steps = await count_row(row, await set_up(broker, 2), counter, PROBE_STEPS)
    steps = steps_for(plain, no_steps, probe_steps, PLANTED_FACTOR)
    return await count_row(row, await set_up(broker, 3), counter, steps)


def count(group: str, folder: Path | None, planted: str | None) -> dict[str, float]:
    """The counts of the group's rows, or of the planted one only."""
    counts: dict[str, float] = {}
    counter = Counter(folder)

    async def main(broker: Broker) -> None:
        if planted is not None:
            row = next(row for known in rows.GROUPS.values() for row in known if row.name == planted)
            counts[row.name] = await count_planted(row, broker, counter)
            return
        stage = await set_up(broker, 0)
        for row in rows.GROUPS[group]:
            counts[row.name] = await count_row(row, stage, counter)

    gc.disable()
    serve(main, Path("data"))
    return counts


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("group", choices=sorted(rows.GROUPS))
    parser.add_argument("--rehearsal", action="store_true")
    parser.add_argument("--planted", choices=rows.NAMES)
    chosen = parser.parse_args()
    counts = count(chosen.group, None if chosen.rehearsal else Path(), chosen.planted)
    Path(COUNTS).write_text(json.dumps(counts), encoding="utf-8")


if __name__ == "__main__":
    main()
