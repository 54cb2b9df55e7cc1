"""`scripts/crashes`: what it does and prints is said there and in docs/crashes.md."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Mapping

import trio

from tests.crashes.checks import Broken
from tests.crashes.log_load.run import Run as LogRun
from tests.crashes.log_load.run import Summary as LogSummary
from tests.crashes.run import Run, Summary


def main() -> int:
    """Runs; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="crashes", description="Kills a broker under load, and counts.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--load",
        choices=("exactly-once", "log", "all"),
        default="exactly-once",
        help="pipelines whose clients are killed too; all kinds of logs; or one after the other",
    )
    parser.add_argument(
        "--librdkafka-python", help="a Python that has confluent-kafka; without one only wire clients"
    )
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.kills} kills", flush=True)
    passed = failed = 0
    if arguments.load != "log":
        run = Run(arguments.seed, arguments.kills, arguments.librdkafka_python, _tell)
        if _is_right(run):
            passed += 1
            _tell_exactly_once(run.summary)
        else:
            failed += 1
    if arguments.load != "exactly-once":
        log_run = LogRun(arguments.seed, arguments.kills, _tell)
        if _is_right(log_run):
            passed += 1
            _tell_log(log_run.summary)
        else:
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _is_right(run: Run | LogRun) -> bool:
    """Runs it, and tells what was broken."""
    right = True
    try:
        trio.run(run.run)
    except (Broken, BaseExceptionGroup) as error:
        right = False
        for each in [error] if isinstance(error, Broken) else _broken(error):
            print(f"BROKEN: {each}")
    print(*run.notes, sep="\n")
    if not right:
        print(f"data and logs: {run.folder}")
    return right


def _counts(counter: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counter.items()))


def _tell_exactly_once(summary: Summary) -> None:
    outputs = ", ".join(f"{count} in {target}" for target, count in sorted(summary.outputs.items()))
    print(
        f"{summary.kills.total()} kills ({_counts(summary.kills)}) in {summary.seconds:.0f} s; requests that "
        f"they cut: {_counts(summary.cut)}"
    )
    print(f"{summary.inputs} inputs, each once; outputs, each once: {outputs}")


def _tell_log(summary: LogSummary) -> None:
    print(
        f"{summary.kills} kills in {summary.seconds:.0f} s; requests that they cut: {_counts(summary.cut)}; "
        f"kills that met: {_counts(summary.met)}"
    )
    print(
        f"{summary.acknowledged} records acknowledged; {summary.audited} read and judged at the end; in the "
        f"data directory: {_counts(summary.happened)}"
    )


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
