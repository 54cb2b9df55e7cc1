"""One run: every broker started afresh in each round, every step on each of them in turn.

Rules: within a round all brokers stay up, and idle while another has its turn; the order of turns rotates,
so that none is always the one after the heaviest. Data lies in one temporary folder, removed at the end;
whatever ends the run, the brokers end with it.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench import limits
from bench.brokers import Broker, BrokerError, Given
from bench.figures import FIGURES, Commands, Figure, Lacking, Row, Scale, Step, Turn, start
from bench.report import Results


class Progress:
    """A line that says what is being measured: rewritten in place on a terminal, a line each elsewhere."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._began = steps, 0, time.monotonic()
        self._in_place = sys.stderr.isatty()

    def says(self, what: str) -> None:
        """One more step begins."""
        self._done += 1
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        line = f"[{self._done}/{self._steps} {minutes}:{seconds:02}] {what}"
        width = shutil.get_terminal_size().columns - 1
        print(
            f"\r\033[K{line[:width]}" if self._in_place else line,
            end="" if self._in_place else "\n",
            file=sys.stderr,
            flush=True,
        )

    def notes(self, what: str) -> None:
        """A line that stays."""
        print(f"\r\033[K{what}" if self._in_place else what, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the terminal's line empty."""
        if self._in_place:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def measure(
    brokers: Sequence[Broker],
    commands: Commands,
    chosen: Sequence[str],
    scale: Scale,
    rounds: int,
    keep: Callable[[Results], None],
) -> Results:
    """Run `rounds` rounds of the figures named `chosen` (empty: all) over brokers that are built.

    `keep` gets what was found after each step, so that a run that is broken off was not for nothing.
    """
    figures = [FIGURES[name] for name in FIGURES if not chosen or name in chosen or name == "memory"]
    steps = [(figure, step) for figure in figures for step in figure.steps(scale)]
    results = Results(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine(),
        is_quick=scale.is_quick,
        rounds=rounds,
        brokers={broker.name: broker.version() for broker in brokers},
    )
    results.add_rows(start.ROWS)
    for _, step in steps:
        results.add_rows(step.rows)
    starts = sum(not isinstance(broker, Given) for broker in brokers)
    progress = Progress(1 + rounds * (starts + len(brokers) * len(steps)))
    try:
        progress.says("limits of the machine")
        results.limits = dict(limits.measure(quick=scale.is_quick))
        for number in range(rounds):
            _round(results, number, brokers, commands, steps, progress, scale.timeout_s, keep)
    finally:
        progress.end()
    return results


def _round(
    results: Results,
    number: int,
    brokers: Sequence[Broker],
    commands: Commands,
    steps: Sequence[tuple[Figure, Step]],
    progress: Progress,
    timeout_s: float,
    keep: Callable[[Results], None],
) -> None:
    name = f"round {number + 1}/{results.rounds}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kwire-bench-")))
        alive: list[Broker] = []
        for broker in _rotated(brokers, number):
            if isinstance(broker, Given):
                alive.append(broker)
                continue
            progress.says(f"{name}: {broker.name}: start")
            stack.callback(broker.stop)
            (home := folder / broker.name).mkdir()
            try:
                _keep(results, number, broker, start.values(broker.start(home)))
                alive.append(broker)
            except BrokerError as error:
                _lack(results, broker, results.rows, str(error))
        for place, (figure, step) in enumerate(steps):
            for broker in _rotated(alive, number + place):
                progress.says(f"{name}: {broker.name}: {step.title}")
                for reason in _turn(results, number, figure, step, Turn(broker, commands, timeout_s)):
                    progress.notes(f"  {broker.name}, {step.title}: {reason}")
            keep(results)


def _turn(results: Results, number: int, figure: Figure, step: Step, turn: Turn) -> set[str]:
    """Run a step on a broker; the reasons for what it did not give."""
    broker = turn.broker
    if reason := broker.lacks.get(figure.name):
        _lack(results, broker, step.rows, reason)
        return set()
    if not isinstance(broker, Given) and (broker.child is None or not broker.child.is_running):
        _lack(results, broker, step.rows, "it had ended before")
        return {"it had ended before"}
    try:
        _keep(results, number, broker, step.run(turn))
    except (Lacking, BrokerError) as error:
        _lack(results, broker, step.rows, str(error))
        return {str(error)}
    for key, reason in turn.reasons.items():
        results.lack(broker.name, key, reason)
    return set(turn.reasons.values()) - set(broker.lacks.values())


def _keep(results: Results, number: int, broker: Broker, values: Mapping[str, float]) -> None:
    for key, value in values.items():
        results.add(number, broker.name, key, value)


def _lack(results: Results, broker: Broker, rows: Sequence[Row], reason: str) -> None:
    for row in rows:
        results.lack(broker.name, row.key, reason)


def _rotated(brokers: Sequence[Broker], by: int) -> list[Broker]:
    by %= max(1, len(brokers))
    return [*brokers[by:], *brokers[:by]]


def machine() -> str:
    """What it ran on, in a few words: cores, processor, memory, kernel."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{len(os.sched_getaffinity(0))} cores ({model}), {gigabytes:.0f} GB, Linux {platform.release()}"
