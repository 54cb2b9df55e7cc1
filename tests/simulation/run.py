"""A whole run from a seed: random work of many clients, random faults, and then what must be true."""

from __future__ import annotations

import time
from typing import Final, TextIO

import trio
from kwire_codecs.errors import ErrorCode

from tests.simulation.checks import History
from tests.simulation.clients import (
    EARLIEST,
    Admin,
    Caller,
    Lost,
    Member,
    Producer,
    Reader,
    Retry,
    fetch_commits,
    find_coordinator,
)
from tests.simulation.faults import Faults
from tests.simulation.report import Report
from tests.simulation.world import World, simulate

LASTING: Final = ["s0", "s1"]
"""Topics that nobody deletes."""
PASSING: Final = ["r0", "r1"]
"""Topics that are deleted and made again under the same name."""
GROUPS: Final = ("g0", "g1")
OPERATIONS: Final = 2200
FAULTS: Final = 22
LONGEST_WORK_SECONDS: Final = 600
"""Virtual seconds of work; it ends sooner once enough has been done and has failed."""
SETTLE_SECONDS: Final = 300.0
"""Virtual seconds in which everyone must get done what is left, once nothing fails any more."""
WAKE_SECONDS: Final = 5.0


def run_seed(seed: int, *, short: bool = False, trace_file: TextIO | None = None) -> Report:
    """Runs one seed. `short` does a fifth of the work."""
    report = Report(seed=seed)
    began = time.process_time()

    def tell(world: World) -> None:
        report.by_operation = world.operations
        report.operations = world.operations.total()
        report.faults = world.faults
        report.violations = world.violations
        report.trace_hash = world.trace.hash
        report.virtual_seconds = world.now()

    async def main(world: World) -> None:
        await _Run(world, 5 if short else 1).main()

    simulate(seed, main, trace_file=trace_file, report=tell)
    report.cpu_seconds = time.process_time() - began
    return report


class _Run:
    def __init__(self, world: World, divisor: int) -> None:
        self.world = world
        self.history = History(world)
        self.operations = OPERATIONS // divisor
        self.least_faults = FAULTS // divisor
        history = self.history
        self.producers = [
            Producer(world, history, f"producer{number}", LASTING + PASSING) for number in range(4)
        ]
        self.readers = [Reader(world, history, f"reader{number}", LASTING) for number in range(2)]
        self.readers.append(Reader(world, history, "reader of all", LASTING + PASSING))
        self.members = [
            Member(world, history, f"{group}-member{number}", group, LASTING, number == 2)
            for group in GROUPS
            for number in range(3)
        ]
        self.admin = Admin(world, history, "admin", LASTING, PASSING)
        self.steward = Admin(world, history, "steward", LASTING, PASSING)

    async def main(self) -> None:
        world = self.world
        await world.start()
        for name in LASTING:
            await self.steward.make(name, 3)
        faults = Faults(world)
        clients: list[Caller] = [*self.producers, *self.readers, *self.members, self.admin]
        left = {client.name for client in clients}

        finished = trio.Event()

        async def live(client: Caller) -> None:
            await client.run()
            left.discard(client.name)
            if not left:
                finished.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(faults.run)
            for client in clients:
                nursery.start_soon(live, client)
            for _ in range(LONGEST_WORK_SECONDS):
                await trio.sleep(1)
                if world.operations.total() >= self.operations and self._faults() >= self.least_faults:
                    break
            await faults.end()
            world.note("faults end")
            for name in LASTING:
                await self.steward.make(name, 3)  # a loss of power may have taken it
            for client in clients:
                client.stopping = True
            with trio.move_on_after(SETTLE_SECONDS):
                await finished.wait()
            if left:
                self.history.broken("stuck", "run", f"{', '.join(sorted(left))} can't finish")
            nursery.cancel_scope.cancel()
        for client in [*clients, self.steward]:
            await client.close()
        await self._finally()
        await world.stop()

    def _faults(self) -> int:
        """A refused connection is the echo of another fault."""
        faults = self.world.faults
        return faults.total() - faults["connection refused"]

    async def _finally(self) -> None:
        history = self.history
        fresh = Reader(self.world, history, "fresh reader", LASTING + PASSING)
        fresh.max_wait_ms = 0
        old = self.readers[0]
        if self.world.power_losses:
            await self._close_holes()
        with trio.move_on_after(SETTLE_SECONDS) as settling:
            for reader in (fresh, old):
                reader.sessions.clear()
                await reader.refresh(reader.topics)
                if reader is fresh:
                    await self._from_the_start(fresh)
                while not await reader.has_read_all():
                    await reader.round()
                    await reader.pause()
        if settling.cancelled_caught:
            await fresh.close()
            history.broken("stuck", "run", "not everything can be read")
        else:
            for known in fresh.partitions.values():
                start = await fresh.offset_of(known, EARLIEST)
                end = fresh.positions.get(known.place, 0)
                history.check_log(known.place, known.topic, start or 0, end)
        there = {known.topic_id for known in fresh.partitions.values()}
        for topic_id, name in history.created.items():
            if topic_id not in there:
                history.broken("topic-lost", name, f"{name} {topic_id} was created, and is not there")
        await self._commits(fresh)
        await self._wakes(fresh)
        history.look_inside()
        await fresh.close()
        await old.close()

    async def _close_holes(self) -> None:
        """A loss of power may take the end of a sealed segment, whose successor has begun: offsets at the end
        of a log that nobody can ever read. Behind a record more a reader passes over them, as in Kafka.
        """
        writer = Producer(self.world, self.history, "closer", LASTING + PASSING)
        with trio.move_on_after(SETTLE_SECONDS):
            await writer.refresh(writer.topics)
            for topic, index in sorted(writer.partitions):
                lane = await writer.lane_of(topic, index)
                if lane is not None:
                    await writer.work(lane, 1)
        await writer.close()

    async def _from_the_start(self, reader: Reader) -> None:
        for known in reader.partitions.values():
            reader.positions[known.place] = await reader.offset_of(known, EARLIEST) or 0

    async def _commits(self, caller: Caller) -> None:
        for group in GROUPS:
            wanted = sorted(key for key in caller.partitions if key[0] in LASTING)
            with trio.move_on_after(SETTLE_SECONDS) as waited:
                while True:
                    try:
                        node = await find_coordinator(caller, group)
                        found = await fetch_commits(caller, node, group, wanted)
                    except (Lost, Retry):
                        found = ErrorCode.NOT_COORDINATOR
                    if not isinstance(found, ErrorCode):
                        break
                    await caller.back_off()
            if waited.cancelled_caught:
                self.history.broken("stuck", group, f"the commits of {group} can't be fetched")

    async def _wakes(self, reader: Reader) -> None:
        """A reader at the end of everything gets what is written now."""
        writer = Producer(self.world, self.history, "waker", LASTING)
        reader.max_wait_ms = 20_000
        reader.uses_sessions = False
        reader.sessions.clear()
        for topic in LASTING:
            lane = await writer.lane_of(topic, 1)
            if lane is None:
                self.history.broken("stuck", topic, f"{topic}-1 has no leader")
                continue
            key = (topic, 1)
            reader.partitions = {key: writer.partitions[key]}
            position = reader.positions.get(lane.place, 0)

            async def read() -> None:
                while reader.positions.get(lane.place, 0) <= position:  # noqa: B023
                    await reader.round()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.sleep(1)
                await writer.work(lane, 1)
                await trio.sleep(WAKE_SECONDS)
                nursery.cancel_scope.cancel()
            await reader.close()  # with the answer that may still come
            if reader.positions.get(lane.place, 0) <= position:
                self.history.broken("not-woken", lane.place, f"{topic}-1: a reader waits on")
        await writer.close()
