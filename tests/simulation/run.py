"""One seed: a cluster, its clients, its faults, and what became of the promises."""

from __future__ import annotations

import time
from typing import Final, TextIO

import trio

from tests.simulation.faults import Faults
from tests.simulation.report import Report
from tests.simulation.work import Work
from tests.simulation.world import World, simulate

OPERATIONS: Final = 2200
SHORT: Final = 440
PRODUCERS: Final = 4
READERS: Final = 2
MEMBERS: Final = 5


def run_seed(seed: int, *, short: bool = False, trace_file: TextIO | None = None) -> Report:
    """Runs one seed and tells what came of it. Never raises: an exception is a violation too."""
    report = Report(seed=seed)
    worlds: list[World] = []
    began = time.process_time()

    async def main(world: World) -> None:
        worlds.append(world)
        work = Work(world, SHORT if short else OPERATIONS)
        await world.start()
        await work.make_topics()
        faults = Faults(world, mean_seconds=world.rng.choice((0.2, 0.5, 1)))
        async with trio.open_nursery() as breaking:
            breaking.start_soon(faults.run)
            async with trio.open_nursery() as working:
                for number in range(PRODUCERS):
                    working.start_soon(work.produce, number)
                for number in range(READERS):
                    working.start_soon(work.read, number)
                for number in range(MEMBERS):
                    working.start_soon(work.be_member, number)
                working.start_soon(work.churn)
            await faults.end()
        await work.check_everything()
        await world.stop()
        report.virtual_seconds = world.now()

    try:
        simulate(seed, main, nodes=1 if seed % 5 == 0 else 3, trace_file=trace_file)
    except Exception as failure:
        report.violations.append(f"the run ended by {failure!r}")
        report.violations += [str(each) for each in getattr(failure, "exceptions", ())]
    if worlds:
        [world] = worlds
        report.operations = world.operations.total()
        report.by_operation = world.operations
        report.faults = world.faults
        report.violations[:0] = world.violations
        report.trace_hash = world.trace.hash
    report.cpu_seconds = time.process_time() - began
    return report
