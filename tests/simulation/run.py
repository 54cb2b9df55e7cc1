"""A whole run from a seed: random work of many clients, random faults, and then what must be true."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Final, TextIO

import trio
from kwire_codecs.errors import ErrorCode

from tests.simulation import schedule
from tests.simulation.checks import History, Place
from tests.simulation.clients.admin import Admin
from tests.simulation.clients.calling import Caller, Lost, Retry
from tests.simulation.clients.classic_members import Member
from tests.simulation.clients.consumer_members import ConsumerMember
from tests.simulation.clients.groups import fetch_commits, find_coordinator
from tests.simulation.clients.keepers import KEPT, SYNCED, Keeper
from tests.simulation.clients.mover import Mover
from tests.simulation.clients.pipelines import ClassicPipeline, ConsumerPipeline
from tests.simulation.clients.producers import Producer
from tests.simulation.clients.readers import EARLIEST, Reader
from tests.simulation.clients.transactional import TransactionalProducer
from tests.simulation.faults import Faults
from tests.simulation.report import Report
from tests.simulation.world import World, simulate

LASTING: Final = ["s0", "s1"]
"""Topics that nobody deletes."""
INPUT: Final = "in"
OUTPUT: Final = "out"
"""What pipelines read and write; nobody deletes records there."""
INTERNAL: Final = ["__consumer_offsets", "__transaction_state"]
STEADY: Final = [*LASTING, INPUT, OUTPUT]
PARTITIONS: Final = {INPUT: 2, OUTPUT: 2}
"""Of those that have not three."""
PASSING: Final = ["r0", "r1"]
"""Topics that are deleted and made again under the same name."""
GROUPS: Final = ("g0", "c0", "m0", "p0")
"""A classic one, a consumer group, one of both, and that of the pipelines."""
PIPED: Final = "p0"
OPERATIONS: Final = 2200
FAULTS: Final = 22
WORK_SECONDS: Final = 20
SHORT_WORK_SECONDS: Final = 15
"""Virtual seconds of work at least."""
LONGEST_WORK_SECONDS: Final = 600
"""Virtual seconds of work; it ends sooner once enough has been done and has failed."""
SETTLE_SECONDS: Final = 300.0
"""Virtual seconds in which everyone must get done what is left, once nothing fails any more."""
WAKE_SECONDS: Final = 5.0
LONGEST_TRANSACTION_SECONDS: Final = 15.0
"""After so long everything that was left alone is aborted."""


def run_seed(
    seed: int, *, short: bool = False, loses_power: bool = False, trace_file: TextIO | None = None
) -> Report:
    """Runs one seed. `short` does a fifth of the work; `loses_power` whatever the seed says."""
    report = Report(seed=seed)
    began = time.process_time()

    def tell(world: World) -> None:
        report.by_operation = world.operations
        report.operations = world.operations.total()
        report.faults = world.faults
        report.violations = world.violations
        world.met["append in a thread"] = schedule.jobs_done.get()["SegmentAppend.work"]
        report.met = world.met
        report.trace_hash = world.trace.hash
        report.virtual_seconds = world.now()

    async def main(world: World) -> None:
        await _Run(world, 5 if short else 1, loses_power=loses_power).main()

    log_dirs = random.Random(f"{seed}/log dirs").choice((1, 2))
    simulate(seed, main, log_dirs=log_dirs, trace_file=trace_file, report=tell)
    report.cpu_seconds = time.process_time() - began
    return report


class _Run:
    def __init__(self, world: World, divisor: int, *, loses_power: bool = False) -> None:
        self.world = world
        self.loses_power = loses_power
        self.history = History(world)
        self.operations = OPERATIONS // divisor
        self.least_faults = FAULTS // divisor
        self.least_seconds = SHORT_WORK_SECONDS if divisor > 1 else WORK_SECONDS
        history = self.history
        self.producers = [
            Producer(world, history, f"producer{number}", [*LASTING, INPUT, *PASSING]) for number in range(3)
        ]
        self.transactional = [
            TransactionalProducer(
                world, history, f"transactional{number}", f"t{number % 2}", [*LASTING, INPUT]
            )
            for number in range(4)
        ]
        self.readers = [Reader(world, history, f"reader{number}", LASTING) for number in range(2)]
        self.readers += [
            Reader(world, history, f"committed reader{number}", STEADY, committed=True) for number in range(2)
        ]
        self.readers.append(Reader(world, history, "reader of all", STEADY + PASSING))
        self.members: list[Member | ConsumerMember] = [
            Member(world, history, f"g0-member{number}", "g0", LASTING, number == 2) for number in range(3)
        ]
        self.members += [
            ConsumerMember(world, history, f"c0-member{number}", "c0", LASTING, number == 2)
            for number in range(3)
        ]
        self.members += [
            Member(world, history, f"m0-classic{number}", "m0", LASTING, False) for number in (0, 1)
        ]
        self.members += [
            ConsumerMember(world, history, f"m0-member{number}", "m0", LASTING, False)
            for number in range(world.rng_for("mixed group").randint(1, 2))
        ]
        kind = world.rng_for("pipelines").choice((ClassicPipeline, ConsumerPipeline))
        self.members += [kind(world, history, f"pipeline{number}", PIPED, INPUT, OUTPUT) for number in (1, 2)]
        self.keepers = [Keeper(world, history, topic) for topic in (*KEPT, SYNCED)]
        self.admin = Admin(world, history, "admin", LASTING, PASSING)
        self.movers: list[Mover] = []
        if len(world.data) > 1:
            moved = [*STEADY, *PASSING, *INTERNAL, *(topic.name for topic in (*KEPT, SYNCED))]
            self.movers.append(Mover(world, history, "mover", moved, [*LASTING, SYNCED.name]))
        self.steward = Admin(world, history, "steward", LASTING, PASSING)

    async def main(self) -> None:
        world = self.world
        await world.start()
        for name in STEADY:
            await self.steward.make(name, PARTITIONS.get(name, 3))
        for keeper in self.keepers:
            await keeper.make()
        faults = Faults(world, loses_power=self.loses_power)
        clients: list[Caller] = [
            *self.producers,
            *self.transactional,
            *self.readers,
            *self.members,
            *self.keepers,
            *self.movers,
            self.admin,
        ]
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
            for second in range(LONGEST_WORK_SECONDS):
                await trio.sleep(1)
                is_enough = world.operations.total() >= self.operations and second >= self.least_seconds
                if is_enough and self._faults() >= self.least_faults:
                    break
            await faults.end()
            world.note("faults end")
            for name in STEADY:
                await self.steward.make(name, PARTITIONS.get(name, 3))  # a loss of power may have taken it
            for client in clients:
                client.stopping = client not in self.members
            await self._converges()
            for member in self.members:
                member.stopping = True
            with trio.move_on_after(SETTLE_SECONDS):
                await finished.wait()
            if left:
                self.history.broken("stuck", "run", f"{', '.join(sorted(left))} can't finish")
            nursery.cancel_scope.cancel()
        for client in [*clients, self.steward]:
            await client.close()
        await self._finally()
        await world.stop()

    async def _converges(self) -> None:
        """Members of consumer groups that stay come to own everything that their groups read."""
        for member in self.members:
            member.is_calm = True
        wanted: dict[str, list[str]] = {"c0": LASTING}
        if isinstance(self.members[-1], ConsumerPipeline):
            wanted[PIPED] = [INPUT]
        watcher = Admin(self.world, self.history, "watcher", LASTING, PASSING)
        with trio.move_on_after(SETTLE_SECONDS) as waited:
            while wanted:
                await trio.sleep(1)
                await watcher.refresh([*LASTING, INPUT])
                for group, topics in list(wanted.items()):
                    members = [each for each in self.members if each.group == group]
                    owned = sorted(key for each in members for key in each.owned)
                    if owned == sorted(key for key in watcher.partitions if key[0] in topics):
                        del wanted[group]
        await watcher.close()
        if waited.cancelled_caught:
            for group in wanted:
                said: object = {each.name: sorted(each.owned) for each in self.members if each.group == group}
                self.history.broken("not-assigned", group, f"{group}: {said}")

    def _faults(self) -> int:
        """A refused connection is the echo of another fault."""
        faults = self.world.faults
        return faults.total() - faults["connection refused"]

    async def _finally(self) -> None:
        history, world = self.history, self.world
        await trio.sleep(LONGEST_TRANSACTION_SECONDS)
        fresh = Reader(world, history, "fresh reader", STEADY + PASSING)
        decided = Reader(world, history, "fresh committed reader", STEADY, committed=True)
        for reader in (fresh, decided):
            reader.max_wait_ms, reader.max_bytes = 0, 100_000
        reading = [fresh, self.readers[0]]
        if world.power_losses:
            await self._close_holes()
        else:
            reading.append(decided)
        with trio.move_on_after(SETTLE_SECONDS) as settling:
            for reader in reading:
                reader.sessions.clear()
                await reader.refresh(reader.topics)
                if reader is not self.readers[0]:
                    await self._from_the_start(reader)
                while not await reader.has_read_all():
                    await reader.round()
                    await reader.pause()
        if settling.cancelled_caught:
            history.broken("stuck", "run", f"{reader.name} can't read everything")
        else:
            starts = {}
            for known in fresh.partitions.values():
                starts[known.place] = start = await fresh.offset_of(known, EARLIEST) or 0
                history.check_log(known.place, known.topic, start, fresh.positions.get(known.place, 0))
            if not world.power_losses:
                self._transactions(fresh, decided, starts)
        there = {known.topic_id for known in fresh.partitions.values()}
        for topic_id, name in history.created.items():
            if topic_id not in there:
                history.broken("topic-lost", name, f"{name} {topic_id} was created, and is not there")
        commits = await self._commits(fresh)
        if not world.power_losses and not settling.cancelled_caught:
            self._pipeline(fresh, decided, commits)
        await self._wakes(fresh)
        for keeper in self.keepers:
            with trio.move_on_after(SETTLE_SECONDS) as judging:
                await keeper.judge()
            if judging.cancelled_caught:
                history.broken("stuck", keeper.name, f"{keeper.name} can't read everything")
        for mover in self.movers:
            with trio.move_on_after(SETTLE_SECONDS) as judging:
                await mover.judge()
            if judging.cancelled_caught:
                history.broken("stuck", mover.name, "logs can't be moved")
        history.look_inside()
        for reader in reading:
            await reader.close()

    def _transactions(self, fresh: Reader, decided: Reader, starts: dict[Place, int]) -> None:
        history = self.history
        logs = {}
        for key, known in decided.partitions.items():
            place = known.place
            end = fresh.positions.get(place, 0)
            if decided.positions.get(place, 0) < end:
                history.broken(
                    "hanging", place, f"{key}: {decided.positions.get(place, 0)} of {end} is stable"
                )
            logs[place] = (history.logs[place], max(starts[place], history.logs[place].asked_start), end)
        history.transactions.check(logs)

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

    def _pipeline(self, fresh: Reader, decided: Reader, commits: dict[tuple[str, int], int]) -> None:
        history = self.history
        outputs: Counter[str] = Counter()
        for key, known in decided.partitions.items():
            if key[0] == OUTPUT:
                outputs.update(history.logs[known.place].visible.values())
        for key, known in decided.partitions.items():
            if key[0] == INPUT:
                log, committed = history.logs[known.place], max(commits.get(key, 0), 0)
                history.transactions.check_pipeline(known.place, log, 0, committed, outputs.items())

    async def _commits(self, caller: Caller) -> dict[tuple[str, int], int]:
        """Fetches what all groups have committed; gives that of the pipelines."""
        piped: dict[tuple[str, int], int] = {}
        for group in GROUPS:
            topics = [INPUT] if group == PIPED else LASTING
            # A loss of power may leave a transaction open for ever, as it may with Kafka.
            is_stable = group == PIPED and not self.world.power_losses
            wanted = sorted(key for key in caller.partitions if key[0] in topics)
            with trio.move_on_after(SETTLE_SECONDS) as waited:
                while True:
                    try:
                        node = await find_coordinator(caller, group)
                        found = await fetch_commits(caller, node, group, wanted, stable=is_stable)
                    except (Lost, Retry):
                        found = ErrorCode.NOT_COORDINATOR
                    if not isinstance(found, ErrorCode):
                        piped = found
                        break
                    await caller.back_off()
            if waited.cancelled_caught:
                self.history.broken("stuck", group, f"the commits of {group} can't be fetched")
                piped = {}
        return piped

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
