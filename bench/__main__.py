"""`python -m bench`: kwire beside Apache Kafka, kfake and librdkafka's mock cluster, in one run."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import report
from bench.brokers import KINDS, Broker, BrokerError, Given
from bench.figures import FIGURES, FULL, QUICK
from bench.programs import Programs
from bench.run import measure

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ROOT = Path(__file__).parents[1]
_EXAMPLES = """examples:
  python -m bench --quick
  python -m bench --only roundtrips --only throughput --brokers kwire,kafka --rounds 5
  python -m bench --broker redpanda=127.0.0.1:9092 --brokers kwire
  python -m bench --resume bench/results/full.json --page      # goes on where it was broken off
  python -m bench --from bench/results/full.json --page
"""


def main(arguments: Sequence[str]) -> int:
    """Measure and report; the exit status: 1 where a broker or client is missing, 2 where kwire gave no
    figure that it was asked for, 130 after Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        results = report.load(options.results) if options.results else _measured(parser, options)
        _print(results)
        if options.page:
            report.write(results, _ROOT / "docs" / "performance.md", _ROOT / "bench" / "results")
    except KeyboardInterrupt:
        print("\nstopped; the brokers are gone, and so is their data", file=sys.stderr)
        return 130
    except (BrokerError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 2 if _kwire_lacks(results) else 0


def _kwire_lacks(results: report.Results) -> bool:
    """Whether a figure failed on kwire, which has all of them."""
    return any(
        report.KWIRE in by_broker and results.middle(key, report.KWIRE) is None
        for key, by_broker in results.absent.items()
    )


def _measured(parser: argparse.ArgumentParser, options: argparse.Namespace) -> report.Results:
    names = [name for name in options.brokers.split(",") if name]
    for name in names:
        if name not in KINDS:
            parser.error(f"no broker {name!r}: choose from {', '.join(KINDS)}")
    brokers: list[Broker] = [KINDS[name]() for name in names]
    brokers += [Given(name, address) for name, address in options.broker]
    if not brokers or len({broker.name for broker in brokers}) < len(brokers):
        parser.error("name at least one broker, and none twice")
    for broker in (one for one in brokers if not isinstance(one, Given)):
        print(f"building {broker.name}", file=sys.stderr, flush=True)
        broker.build()
    print("building the clients", file=sys.stderr, flush=True)
    programs = Programs.build()
    scale, rounds = (QUICK, options.rounds or 1) if options.quick else (FULL, options.rounds or 3)

    kept = options.resume or options.save
    earlier = report.load(options.resume) if options.resume and options.resume.exists() else None

    def keep(results: report.Results) -> None:
        if kept:
            results.save(kept)

    return measure(brokers, programs, options.only, scale, rounds, keep, earlier, options.minutes)


def _print(results: report.Results) -> None:
    print(f"{results.when}, {results.machine}, {results.rounds} round(s)")
    for name, version in results.brokers.items():
        print(f"  {name}: {version}")
    for make in (report.figures, report.targets, report.aims, report.limits, report.reasons):
        table = make(results)
        if len(table) > 1:
            print(f"\n{report.as_text(table)}")
    print(f"\n{report.verdict(results)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one round of little, under two minutes")
    parser.add_argument(
        "--rounds", type=int, help="how often each broker has its turn (default: 3; quick: 1)"
    )
    parser.add_argument("--only", action="append", default=[], choices=list(FIGURES), help="may be repeated")
    parser.add_argument(
        "--brokers", default=",".join(KINDS), metavar="A,B", help="which to start (default: %(default)s)"
    )
    parser.add_argument(
        "--broker", type=_named_address, action="append", default=[], metavar="NAME=HOST:PORT",
        help="one that runs already; may be repeated",
    )  # fmt: skip
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--save", type=Path, metavar="FILE", help="keep the figures as JSON, turn by turn")
    files.add_argument(
        "--resume", type=Path, metavar="FILE",
        help="the same, but go on with what FILE holds: what is there is not measured again",
    )  # fmt: skip
    files.add_argument(
        "--from", type=Path, metavar="FILE", dest="results", help="measure nothing: report what FILE keeps"
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin nothing after that long; report what there is"
    )
    parser.add_argument("--page", action="store_true", help="write docs/performance.md and its plots")
    return parser


def _named_address(text: str) -> tuple[str, str]:
    name, equals, address = text.partition("=")
    if not name or not equals or not address.rpartition(":")[2].isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=HOST:PORT")
    return name, address


def _interrupt(number: int, frame: object) -> None:
    """Unwind, which ends the brokers; not interrupted again."""
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
