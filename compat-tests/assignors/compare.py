"""Asks kwire and Kafka's own classes the same, at random, or writes Kafka's answers down.

compare.py [--seconds N] [--seed N]     # compare; a difference is printed, and the exit code is 1
compare.py --write                      # make tests/vectors/assignors/ anew
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "codecs"), str(ROOT / "storage")]

from cases import histories  # noqa: E402
from kafka_classes import VERSION, kafka  # noqa: E402

from tests.coordinators.groups.kafka_answers import answer, is_same  # noqa: E402

VECTORS = ROOT / "tests" / "vectors" / "assignors"
KEPT = {"target": 260, "assign": 160, "reconcile": 260, "regex": 20}
LONGEST_LINE = 6000
SEED = 848


def main() -> int:
    """Run one of the two commands; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with kafka() as ask:
        return _write(ask) if options.write else _compare(ask, options.seed, options.seconds)


def _played(ask: Callable[[Any], Any], seed: int) -> Iterator[tuple[Any, Any]]:
    for history in histories(seed):
        kafkas = None
        while True:
            try:
                case = history.send(kafkas)
            except StopIteration:
                break
            kafkas = ask(case)
            yield case, kafkas


def _compare(ask: Callable[[Any], Any], seed: int, seconds: float) -> int:
    print(f"Kafka {VERSION}, seed {seed}, {seconds:g} s", flush=True)
    counts: Counter[str] = Counter()
    until = float("inf")
    for case, kafkas in _played(ask, seed):
        ours = json.loads(json.dumps(answer(case)))
        if not is_same(ours, kafkas):
            print(
                f"after {counts}:\n{json.dumps(case)}\nkwire: {json.dumps(ours)}\nKafka: {json.dumps(kafkas)}"
            )
            return 1
        counts[case["kind"]] += len(case.get("expressions", [1]))
        if until == float("inf"):
            # Java has compiled its program by now.
            until = time.monotonic() + seconds
        elif time.monotonic() > until:
            break
    print("the same:", ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    return 0


def _write(ask: Callable[[Any], Any]) -> int:
    lines: dict[str, list[str]] = {kind: [] for kind in KEPT}
    for case, kafkas in _played(ask, SEED):
        line = json.dumps([case, kafkas], separators=(",", ":"))
        kept = lines[case["kind"]]
        if len(line) <= LONGEST_LINE and len(kept) < KEPT[case["kind"]]:
            kept.append(line)
        if all(len(lines[kind]) == count for kind, count in KEPT.items()):
            break
    VECTORS.mkdir(parents=True, exist_ok=True)
    for kind, kept in lines.items():
        (VECTORS / f"{kind}.jsonl").write_text("\n".join(kept) + "\n")
        print(f"{kind}: {len(kept)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
