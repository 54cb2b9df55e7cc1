"""One run: every broker started afresh in each round, every step on each of them in turn.

Rules: within a round all brokers stay up, and idle while another has its turn; the order of turns rotates,
so that none is always the one after the heaviest. Data lies in one temporary folder, removed at the end;
whatever ends the run, the brokers end with it. What is found is kept turn by turn, and a run that goes on
with kept results takes only the turns that are not done: one that failed is taken again. A broker that ended
is started again for its next turn, so that one crash costs one figure.
"""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import limits
from bench.brokers import Broker, BrokerError, Given, Started
from bench.figures import FIGURES, Commands, Figure, Lacking, Row, Scale, Step, Turn, start
from bench.machine import environment, summary
from bench.report import Results, turn_name

WARM_UP = "memory"
"""The figure whose steps come first on every fresh broker, asked for or not."""


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


@dataclass
class Run:
    """What all rounds share. `keep` gets the results after each turn."""

    brokers: Sequence[Broker]
    commands: Commands
    steps: Sequence[tuple[Figure, Step]]
    scale: Scale
    results: Results
    keep: Callable[[Results], None]
    end_s: float = math.inf
    progress: Progress = field(default_factory=lambda: Progress(0))

    @property
    def is_over(self) -> bool:
        """Whether the time for it has passed (`time.monotonic`)."""
        return time.monotonic() > self.end_s

    def is_done(self, number: int, broker: Broker, step: Step) -> bool:
        return turn_name(number, broker.name, step.title) in self.results.done

    def left(self, number: int, broker: Broker) -> list[tuple[Figure, Step]]:
        """The turns that this broker takes in this round, the warm-up included; none where all is done."""
        left = [(figure, step) for figure, step in self.steps if not self.is_done(number, broker, step)]
        if not left or isinstance(broker, Given):
            return left
        warm_up = [(figure, step) for figure, step in self.steps if figure.name == WARM_UP]
        return [*warm_up, *(one for one in left if one[0].name != WARM_UP)]


def measure(
    brokers: Sequence[Broker],
    commands: Commands,
    chosen: Sequence[str],
    scale: Scale,
    rounds: int,
    keep: Callable[[Results], None],
    earlier: Results | None = None,
    minutes: float = math.inf,
) -> Results:
    """Run `rounds` rounds of the figures named `chosen` (empty: all) over brokers that are built.

    `keep` gets what was found after each turn, so that a run that is broken off was not for nothing; given
    back as `earlier`, what it holds is not measured again. After `minutes` no turn is begun. Raises
    ValueError where `earlier` is of another scale.
    """
    if earlier is not None and earlier.is_quick != scale.is_quick:
        raise ValueError("the kept results are of another scale (--quick)")
    figures = [FIGURES[name] for name in FIGURES if not chosen or name in chosen or name == WARM_UP]
    results = earlier or Results(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=summary(),
        is_quick=scale.is_quick,
        rounds=rounds,
        brokers={},
    )
    results.rounds = max(results.rounds, rounds)
    results.environment |= environment()
    results.brokers |= {broker.name: broker.version() for broker in brokers}
    results.add_rows(start.ROWS)
    steps = [(figure, step) for figure in figures for step in figure.steps(scale)]
    run = Run(brokers, commands, steps, scale, results, keep, time.monotonic() + 60 * minutes)
    for name in FIGURES:  # in the order of the list, even where a later run adds some
        for step in FIGURES[name].steps(scale):
            results.add_rows(step.rows)
    turns = [len(run.left(number, broker)) for number in range(rounds) for broker in brokers]
    starts = sum(
        bool(run.left(number, broker)) and not isinstance(broker, Given)
        for number in range(rounds)
        for broker in brokers
    )
    run.progress = Progress((not results.limits) + starts + sum(turns))
    try:
        if not results.limits:
            run.progress.says("limits of the machine")
            results.limits = dict(limits.measure(quick=scale.is_quick))
            keep(results)
        for number in range(rounds):
            if not run.is_over:
                _round(run, number)
        if run.is_over:
            run.progress.notes("the time is over: what is missing can be measured with --resume")
    finally:
        run.progress.end()
    return results


def _round(run: Run, number: int) -> None:
    results, name = run.results, f"round {number + 1}/{run.results.rounds}"
    left = {broker.name: run.left(number, broker) for broker in run.brokers}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kwire-bench-")))
        alive: list[Broker] = []
        for broker in _rotated([one for one in run.brokers if left[one.name]], number):
            if isinstance(broker, Given):
                alive.append(broker)
                continue
            run.progress.says(f"{name}: {broker.name}: start")
            stack.callback(broker.stop)
            try:
                found = start.values(_start(broker, folder))
                if turn_name(number, broker.name, "start") not in results.done:
                    _keep(results, number, broker, found)
                    results.done[turn_name(number, broker.name, "start")] = 0.0
                alive.append(broker)
            except BrokerError as error:
                run.progress.notes(f"  {broker.name} does not start: {error}")
                _lack(results, broker, [row for _, step in run.steps for row in step.rows], str(error))
                _lack(results, broker, start.ROWS, str(error))
        for place, (figure, step) in enumerate(run.steps):
            for broker in _rotated(alive, number + place):
                if all(one is not step for _, one in left[broker.name]):
                    continue
                if run.is_over:
                    return
                run.progress.says(f"{name}: {broker.name}: {step.title}")
                for reason in _turn(run, number, figure, step, broker, folder):
                    run.progress.notes(f"  {broker.name}, {step.title}: {reason}")
                run.keep(results)


def _turn(run: Run, number: int, figure: Figure, step: Step, broker: Broker, folder: Path) -> set[str]:
    """Run a step on a broker; the reasons for what it did not give."""
    results, turn = run.results, Turn(broker, run.commands, run.scale.timeout_s)
    is_known, began = run.is_done(number, broker, step), time.monotonic()
    if reason := broker.lacks.get(figure.name):
        _lack(results, broker, step.rows, reason)
        results.done[turn_name(number, broker.name, step.title)] = 0.0
        return set()
    try:
        _revive(run, broker, folder)
        began = time.monotonic()
        values = step.run(turn)
    except (Lacking, BrokerError, OSError, ValueError, ArithmeticError, LookupError) as error:
        # One that isn't foreseen is a mistake of the figure's; it costs the figure, not the run.
        reason = str(error) if isinstance(error, Lacking | BrokerError) else repr(error)
        _lack(results, broker, step.rows, reason)
        if reason in broker.lacks.values():
            results.done[turn_name(number, broker.name, step.title)] = 0.0
            return set()
        return {reason}
    for key, reason in turn.reasons.items():
        results.lack(broker.name, key, reason)
    failed = set(turn.reasons.values()) - set(broker.lacks.values())
    if not is_known:
        _keep(results, number, broker, values)
        if not failed:
            results.done[turn_name(number, broker.name, step.title)] = round(time.monotonic() - began, 3)
    return failed


def _revive(run: Run, broker: Broker, folder: Path) -> None:
    """Start and warm up a broker that has ended. Raises BrokerError, Lacking."""
    if isinstance(broker, Given) or (broker.child is not None and broker.child.is_running):
        return
    run.progress.notes(f"  {broker.name} had ended; it is started again")
    broker.stop()
    _start(broker, folder)
    for figure, step in run.steps:
        if figure.name == WARM_UP:
            step.run(Turn(broker, run.commands, run.scale.timeout_s))


def _start(broker: Broker, folder: Path) -> Started:
    """Start it in a directory of its own."""
    return broker.start(Path(tempfile.mkdtemp(prefix=f"{broker.name}-", dir=folder)))


def _keep(results: Results, number: int, broker: Broker, values: Mapping[str, float]) -> None:
    for key, value in values.items():
        results.add(number, broker.name, key, value)


def _lack(results: Results, broker: Broker, rows: Sequence[Row], reason: str) -> None:
    for row in rows:
        results.lack(broker.name, row.key, reason)


def _rotated(brokers: Sequence[Broker], by: int) -> list[Broker]:
    by %= max(1, len(brokers))
    return [*brokers[by:], *brokers[:by]]
