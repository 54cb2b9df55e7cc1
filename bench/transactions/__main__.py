"""`python -m bench.transactions`: what transactions and heartbeats cost a broker, in plain produces.

The guard's broker (one process, one loop, socket pairs, data on disk) does each kind of work in turns,
`--rounds` times, beside plain one-record produces of the same size. Told are the least CPU time of each, its
client's share included, and its ratio to the plain produce of the same run. Instructions are steadier
(`python -m bench.guard` counts the row that has a limit); CPU time is there in ten seconds. The exit code is
2 where a ratio is above its limit (guard/ratios.py).
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.guard.broker import Broker, serve
from bench.guard.kinds import WholeRow
from bench.guard.ratios import PRODUCE, RATIOS
from bench.guard.rows import WHOLES
from bench.guard.stage import set_up
from bench.guard.transactions import TRANSACTIONS
from bench.machine import summary

ROWS = [*(row for row in WHOLES if row.name in (PRODUCE, "a whole heartbeat")), *TRANSACTIONS]
WARM = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.transactions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of which the cheapest counts")
    parser.add_argument("--count", type=int, default=400, help="how often a round does each kind of work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    options = parser.parse_args()
    found: dict[str, float] = {}

    async def rounds(broker: Broker) -> None:
        for number in range(options.rounds):
            stage = await set_up(broker, number)
            for row in ROWS:
                frames = await row.requests(stage, options.count)
                cpu_us = await _timed(broker, row, frames)
                found[row.name] = min(found.get(row.name, cpu_us), cpu_us)

    gc.disable()
    with tempfile.TemporaryDirectory(prefix="kwire-transactions-") as directory:
        serve(rounds, Path(directory))
    holds = _told(found)
    if options.json:
        kept = {
            "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": summary(),
            "cpu_us": found,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if holds else 2


async def _timed(broker: Broker, row: WholeRow, frames: Any) -> float:
    """CPU microseconds of one piece of work."""
    marks: list[float] = []

    def sent(number: int) -> None:
        if number in (WARM * row.each, len(frames)):
            marks.append(time.process_time())

    row.check(await broker.play(frames, sent))
    return (marks[1] - marks[0]) / (len(frames) / row.each - WARM) * 1e6


def _told(found: dict[str, float]) -> bool:
    """Prints the table; whether all ratios hold."""
    limits = {ratio.row: ratio.most for ratio in RATIOS}
    holds = True
    for name, cpu_us in found.items():
        ratio, most = cpu_us / found[PRODUCE], limits.get(name)
        within = most is None or ratio <= most
        holds = holds and within
        limit = "" if most is None else f"  {most} at most{'' if within else ': TOO MUCH'}"
        print(f"{name:42}{cpu_us:8.1f} us{ratio:7.2f} x{limit}")
    return holds


if __name__ == "__main__":
    sys.exit(main())
