"""`scripts/crashes`: what it does and prints is said there and in docs/crashes.md."""

from __future__ import annotations

import argparse
import random
import sys

import trio

from tests.crashes.checks import Broken
from tests.crashes.run import Run


def main() -> int:
    """Runs; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(
        prog="crashes", description="Kills a broker and its clients, and counts."
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--librdkafka-python", help="a Python that has confluent-kafka; without one only wire clients"
    )
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.kills} kills", flush=True)
    run = Run(
        arguments.seed, arguments.kills, arguments.librdkafka_python, lambda line: print(line, flush=True)
    )
    try:
        summary = trio.run(run.run)
    except (Broken, BaseExceptionGroup) as error:
        broken = [error] if isinstance(error, Broken) else _broken(error)
        for each in broken:
            print(f"BROKEN: {each}")
        print(*run.notes, sep="\n")
        print(f"data and logs: {run.folder}\n0 passed, 1 failed")
        return 1
    kills = ", ".join(f"{count} {what}" for what, count in sorted(summary.kills.items()))
    cut = ", ".join(f"{count} {what}" for what, count in sorted(summary.cut.items()))
    outputs = ", ".join(f"{count} in {target}" for target, count in sorted(summary.outputs.items()))
    print(*run.notes, sep="\n")
    print(
        f"{summary.kills.total()} kills ({kills}) in {summary.seconds:.0f} s; requests that they cut: {cut}"
    )
    print(f"{summary.inputs} inputs, each once; outputs, each once: {outputs}")
    print("1 passed, 0 failed")
    return 0


def _broken(group: BaseExceptionGroup) -> list[BaseException]:
    """The broken promises of a group, which holds nothing else."""
    broken, others = group.split(Broken)
    if broken is None or others is not None:
        raise group
    leaves: list[BaseException] = []
    for each in broken.exceptions:
        leaves += _broken(each) if isinstance(each, BaseExceptionGroup) else [each]
    return leaves


if __name__ == "__main__":
    sys.exit(main())
