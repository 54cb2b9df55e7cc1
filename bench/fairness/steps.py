"""`python -m bench.fairness.steps`: how long kwire holds its loop in one go beside large clients, and where.

The broker runs in this process, with an instrument that times every step of every task by the CPU that the
loop's thread used, which does not depend on how busy the machine is. A thread looks at the loop's stack
while a step is long: the places that it saw are shown with how often. Steps of the readiness hub are those of
all the connections that it dispatches in one go.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import trio

from bench.fairness.__main__ import CASES
from bench.fairness.loads import Hog, build, run
from kwire.cli.garbage import keep_pauses_short
from kwire.config import BrokerConfig
from kwire.server.launch import Running, Settings, run_broker
from kwire.server.warm_up import warm_up

LONG_SECONDS = 0.002
LOOK_SECONDS = 0.0005
SHOWN_FRAMES = 3
MEBIBYTE = 1 << 20


class Steps(trio.abc.Instrument):
    """Times the steps of one trio.run; `begin` forgets those so far."""

    def __init__(self) -> None:
        self.loop_thread = threading.get_ident()
        self._clock = time.pthread_getcpuclockid(self.loop_thread)
        self._began: float | None = None
        self.begin()

    def begin(self) -> None:
        self.count = 0
        self.longest = 0.0
        self.long = 0
        self.places: Counter[str] = Counter()
        self.places_of_longest: Counter[str] = Counter()
        self._places_now: Counter[str] = Counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._began is None:  # the instrument came in the midst of this one
            return
        took = time.thread_time() - self._began
        self._began = None
        self.count += 1
        if took > self.longest:
            self.longest, self.places_of_longest = took, self._places_now
        if self._places_now:
            self.places += self._places_now
            self._places_now = Counter()
        self.long += took > LONG_SECONDS

    def look(self) -> None:
        """Called by another thread now and then: where the loop is, if it has been there for long."""
        began = self._began
        if began is not None and time.clock_gettime(self._clock) - began > LONG_SECONDS:
            frame = sys._current_frames().get(self.loop_thread)
            if frame is not None and self._began == began:
                self._places_now[_place(frame)] += 1


def _place(frame: FrameType | None) -> str:
    """The innermost functions of kwire's."""
    names: list[str] = []
    while frame is not None and len(names) < SHOWN_FRAMES:
        code = frame.f_code
        if "kwire" in code.co_filename:
            names.append(f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(names)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fairness.steps", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each large client (default: 3)")
    parser.add_argument(
        "--only", nargs="+", metavar="KIND", help=" ".join(kind for kind, _ in CASES.values())
    )
    options = parser.parse_args()
    build()
    with tempfile.TemporaryDirectory(prefix="kwire-steps-") as directory:
        trio.run(partial(_measure, Path(directory), options))
    return 0


async def _measure(directory: Path, options: argparse.Namespace) -> None:
    settings = Settings(
        host="127.0.0.1", port=0, config=BrokerConfig({}), rng=random.Random(), data=[directory / "data"]
    )
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(run_broker, settings)
        keep_pauses_short()
        [address] = running.addresses
        kinds = {kind for kind, _ in CASES.values() if not options.only or kind in options.only}
        if kinds & {"slow-reader", "catch-up"}:
            await _in_thread(run, "fill", address, topic="large", n=1, size=100 * MEBIBYTE)
        if kinds & {"fetch-many", "metadata"}:
            await _in_thread(run, "fill", address, topic="wide", n=2000, size=1000)
        if "metadata" in kinds:
            await _in_thread(run, "fill", address, topic="many", connections=2000, n=1, size=0)
        await warm_up()
        await _in_thread(run, "small", address, topic="small", seconds=1)
        steps = Steps()
        stop = threading.Event()
        looking = threading.Thread(target=_look, args=(steps, stop))
        looking.start()
        trio.lowlevel.add_instrument(steps)
        try:
            for case, (kind, asked) in CASES.items():
                if kind in kinds:
                    steps.begin()
                    await _in_thread(_beside, kind, address, options.seconds, asked)
                    print(_told(case, steps), flush=True)
        finally:
            trio.lowlevel.remove_instrument(steps)
            stop.set()
            looking.join()
        running.stop()


async def _in_thread(function: Callable[..., object], *arguments: object, **options: object) -> None:
    await trio.to_thread.run_sync(partial(function, *arguments, **options))


def _look(steps: Steps, stop: threading.Event) -> None:
    while not stop.wait(LOOK_SECONDS):
        steps.look()


def _beside(kind: str, address: str, seconds: float, asked: dict[str, object]) -> None:
    with Hog("hog", address, kind=kind, niceness=0, **asked):
        run("small", address, topic="small", seconds=seconds)


def _told(case: str, steps: Steps) -> str:
    lines = [
        f"{case}: {steps.count} steps, {steps.long} above {LONG_SECONDS * 1000:.0f} ms, "
        f"the longest {steps.longest * 1000:.1f} ms"
    ]
    lines += [f"  {count:5d} {place}" for place, count in steps.places.most_common(8)]
    lines += [
        f"  in the longest {count:5d} {place}" for place, count in steps.places_of_longest.most_common(4)
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
