"""What `bench.cold`, `bench.cleaning` and `bench.moving` are made of: a producer is measured alone and beside
something, broker by broker, and told is whether its p99 stays low.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from bench.asking import is_still_low
from bench.brokers import Broker, BrokerError
from bench.machine import summary

Figures: TypeAlias = dict[str, dict[str, float]]
"""Of each phase, by their names."""


def options_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """The options that they share."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--brokers", default="kwire,kafka", help="whom to measure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each phase, at most")
    parser.add_argument("--rate", type=int, default=500, help="records a second, at most")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    return parser


def measure(
    program: str,
    options: argparse.Namespace,
    kinds: Mapping[str, Callable[[], Broker]],
    measured: Callable[[Broker, Path, argparse.Namespace], Figures],
    *,
    before: str,
    beside: str,
) -> int:
    """Measures each broker, and prints its figures. The exit code: 0, 1 where one failed, 2 where kwire's
    p99 in the phase `beside` is too far above the one in `before`.
    """
    found: dict[str, Figures] = {}
    for name in options.brokers.split(","):
        broker = kinds[name]()
        with tempfile.TemporaryDirectory(prefix=f"kwire-{program.rpartition('.')[2]}-") as directory:
            try:
                broker.build()
                broker.start(Path(directory))
                found[name] = measured(broker, Path(directory), options)
            except (BrokerError, TimeoutError, OSError) as failure:
                print(f"{program}: {name}: {failure}", file=sys.stderr)
                return 1
            finally:
                broker.stop()
        for phase, figures in found[name].items():
            print(f"{name:8} {phase:8} " + "  ".join(f"{key} {value:,.2f}" for key, value in figures.items()))
    if options.json:
        kept = {"when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": summary(), **found}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    kwire = found.get("kwire")
    return 2 if kwire and not is_still_low(kwire[before], kwire[beside]) else 0
