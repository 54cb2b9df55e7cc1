"""A whole cluster of kwire in one loop, and what may happen to it.

    report = simulate(seed, main)          # trio.run on a clock that jumps; `main(world)` is the test

The world owns the network, the disk and the broker; `main` owns its clients. What kwire breaks its word in is
told to `violation`; a log line with a traceback, a broker that ends by itself and whatever is left over after
the clean stop are violations without anybody's doing.
"""

from __future__ import annotations

import gc
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import trio
from kwire_storage.engine import StorageError

from kwire.config import BrokerConfig
from kwire.partitions.clock import Clock
from kwire.server.launch import DiskFailed, Running, Settings, run_broker
from tests.simulation import schedule
from tests.simulation.disk import Disk, ProcessFiles
from tests.simulation.network import HOST, SimulatedNetwork, SimulatedStream
from tests.simulation.trace import Trace

T = TypeVar("T")

DATA: Final = "/data"
SECOND: Final = "/more"
"""Where each node has another log directory, in some runs."""
FIRST_PORT: Final = 9092
LONGEST_RUN_SECONDS: Final = 4 * 3600.0
"""Of virtual time: a run that takes longer hangs."""
QUIET_SECONDS: Final = 100.0
"""After this long without clients, everything that belonged to one is gone (idle connections, sessions)."""


TRIES: Final = 4
"""How often the broker is started on a disk that fails."""


class BrokerCannotStart(Exception):
    """The broker refused to start, or ended before it served."""


def usual_properties(rng: random.Random) -> dict[str, str]:
    """A broker's settings for a short run: what takes days otherwise (rolls, syncs, retention's rounds)
    happens often, and each seed has its own.
    """
    return {
        "connections.max.idle.ms": "60000",
        "offsets.topic.num.partitions": rng.choice(("1", "3", "8")),
        "offsets.topic.replication.factor": rng.choice(("1", "3")),
        "log.roll.ms": rng.choice(("100", "1000", "604800000")),
        "log.index.interval.bytes": rng.choice(("0", "200", "4096")),
        "log.flush.offset.checkpoint.interval.ms": rng.choice(("500", "2000", "5000")),
        "log.cleaner.backoff.ms": "300",
        "log.retention.check.interval.ms": rng.choice(("2000", "20000")),
        "max.incremental.fetch.session.cache.slots": rng.choice(("2", "1000")),
        "group.initial.rebalance.delay.ms": rng.choice(("0", "100")),
        "transaction.state.log.num.partitions": rng.choice(("1", "3")),
        "transaction.state.log.replication.factor": rng.choice(("1", "3")),
        "transaction.state.log.min.isr": "1",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": rng.choice(("300", "2000")),
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.min.heartbeat.interval.ms": "100",
        "group.consumer.heartbeat.interval.ms": "500",
        "group.consumer.assignment.interval.ms": rng.choice(("0", "1000")),
        "group.consumer.assignors": rng.choice(("uniform,range", "range,uniform")),
        "group.consumer.migration.policy": rng.choice(
            ("bidirectional", "bidirectional", "upgrade", "downgrade", "disabled")
        ),
    }


class _Listener(logging.Handler):
    """Puts kwire's log into the trace, and its tracebacks among the violations."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.DEBUG)
        self._world = world
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        world = self._world
        if world.dying:
            return
        message = record.getMessage()
        world.note(f"log {record.levelname} {message}")
        if record.exc_info and record.exc_info[0] is not None:
            world.violation(f"{message}\n{self._formatter.formatException(record.exc_info)}")


class World:
    """One run. `start` before anything else; `stop` at the end."""

    def __init__(
        self,
        seed: int,
        nursery: trio.Nursery,
        *,
        nodes: int,
        properties: Mapping[str, str],
        trace_file: TextIO | None,
        log_dirs: int,
    ) -> None:
        self.seed = seed
        self.nodes = nodes
        self.data = (DATA, SECOND)[:log_dirs]
        """The nodes' log directories lie in these."""
        self.properties = {**usual_properties(random.Random(f"{seed}/properties")), **properties}
        self.trace = Trace(trace_file)
        self.rng = self.rng_for("workload")
        self.time = schedule.SimulatedTime()
        self.network = SimulatedNetwork(self.rng_for("network"), self.trace)
        self.disk = Disk(self.rng_for("disk"), self.trace, self.time.now_ms)
        self.disk.on_crash = self.kill
        self.disk.slow_writes = self.rng_for("slow disk").choice((0.0, 0.5))
        self.network.on_crash = self.kill
        self.running: Running | None = None
        """The broker, while it serves."""
        self.violations: list[str] = []
        self.counted: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        """What clients asked, by kind; counted by themselves."""
        self.met: Counter[str] = Counter()
        """What a run came across, by kind (`coverage.py`)."""
        self.power_losses = 0
        """After the first, only what was synced is promised."""
        self.died = trio.Event()
        """Set when the broker's process was killed; a new one with each start."""
        self.dying = False
        """Between a kill and the end of its tasks, what the broker does and says counts for nothing."""
        self._nursery = nursery
        self._files: ProcessFiles | None = None
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._stopping = False
        self._starts = 0

    # -- for tests and workloads

    def rng_for(self, name: str) -> random.Random:
        """A generator of its own for everyone who wants one, so that nobody's draws move another's."""
        return random.Random(f"{self.seed}/{name}")

    def now(self) -> float:
        """Virtual seconds."""
        return trio.current_time()

    def note(self, text: str) -> None:
        """One line of the trace."""
        self.trace.note(text)

    def violation(self, text: str) -> None:
        """kwire has broken its word."""
        self.note(f"VIOLATION {text}")
        self.violations.append(text)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where each node listens, whether it is up or not."""
        return [(HOST, FIRST_PORT + position) for position in range(self.nodes)]

    @property
    def node_ids(self) -> list[int]:
        return list(range(1, self.nodes + 1))

    async def connect(self, host: str, port: int) -> SimulatedStream:
        """A client's connection; ConnectionRefusedError when nobody listens."""
        return await self.network.connect(host, port)

    @property
    def faults(self) -> Counter[str]:
        """What has happened so far, by kind."""
        return self.counted + self.network.faults + self.disk.counted

    @property
    def offline(self) -> list[str]:
        """The log directories that have failed since the start, while others go on."""
        if self.running is None:
            return []
        return [path for each in self.running.cluster.directories.values() for path in each.offline]

    # -- the broker's life

    async def start(self) -> None:
        """Starts the broker's process. Raises BrokerCannotStart."""
        assert self._files is None, "it runs"
        self._starts += 1
        self.note(f"start {self._starts}")
        self.dying = False
        self._stopping = False
        self.died = trio.Event()
        self._files = files = self.disk.process()
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        settings = Settings(
            host=HOST,
            port=FIRST_PORT,
            data=[Path(each) for each in self.data],
            brokers=self.nodes,
            config=BrokerConfig(self.properties),
            clock=Clock(self.time),
            rng=self.rng_for(f"broker {self._starts}"),
            files=files,
            network=self.network,
        )
        ready = trio.Event()
        failures: list[BaseException] = []

        async def serve(task_status: Any) -> None:
            await run_broker(settings, task_status=task_status)

        async def process() -> None:
            try:
                with self._scope:
                    async with trio.open_nursery() as nursery:
                        running: Running = await nursery.start(serve)
                        if not files.dead:
                            self.running = running
                        ready.set()
            except Exception as failure:
                failures.append(failure)
            finally:
                self._process_ended(files, failures, started=ready.is_set())
                ready.set()

        self._nursery.start_soon(process)
        await ready.wait()
        if self.running is None and not self.died.is_set():
            raise BrokerCannotStart(str(failures[0]) if failures else "it ended at once") from (
                failures[0] if failures else None
            )

    def _process_ended(self, files: ProcessFiles, failures: list[BaseException], *, started: bool) -> None:
        self.running = None
        self._files = None
        if not files.dead:
            if failures and started and self.disk.errors and _is_about_the_disk(failures[0]):
                self.counted["stopped by its disk"] += 1
                self.died.set()
            elif failures and started:
                self.violation(f"the broker ended by itself: {failures[0]!r}")
            if self._stopping and files.open_paths:
                self.violation(f"files are open after the stop: {files.open_paths}")
            files.die()
            self.network.crash()
        self.note("process ended")
        self._ended.set()

    def kill(self) -> None:
        """SIGKILL, at this very point of the program: nothing that the process still does has an effect."""
        files = self._files
        if files is None or files.dead:
            return
        self.counted["process crash"] += 1
        self.note("killed")
        self.dying = True
        files.die()
        self.network.crash()
        self._scope.cancel()
        self.running = None
        self.died.set()

    async def crash(self, *, power: bool = False) -> None:
        """The process dies; with `power` the machine goes down, and what was not synced may be lost."""
        self.kill()
        await self._ended.wait()
        self.dying = False
        gc.collect()
        kind, self.disk.crashed_at = self.disk.crashed_at, None
        if kind is not None:
            self.met[f"{'power lost' if power else 'crash'} at {kind}"] += 1
        if power:
            self.counted["power loss"] += 1
            self.power_losses += 1
            self.disk.lose_power()

    async def restart(self) -> None:
        """Starts it again after a crash. While the disk fails, it may refuse; after a few times the disk is
        mended.
        """
        tries = 0
        while True:
            await self._ended.wait()
            self.dying = False
            errors = self.disk.errors
            try:
                await self.start()
            except BrokerCannotStart as refusal:
                self.note(f"cannot start: {refusal}")
                if self.disk.errors == errors:
                    raise
                tries += 1
                if tries == TRIES:
                    self.disk.heal()
                await trio.sleep(1)
            if self.running is not None:
                return

    async def stop_node(self, node_id: int, *, controlled: bool = True) -> None:
        """Stops one node: its leaders move first, or (a crash of that node) its connections are cut."""
        self.counted["node stop" if controlled else "node crash"] += 1
        self.note(f"stop node {node_id} {'controlled' if controlled else 'at once'}")
        running = self.running
        assert running is not None
        await self._until_done(
            f"stopping node {node_id}", running, lambda: running.stop_node(node_id, controlled=controlled)
        )

    async def start_node(self, node_id: int) -> None:
        """Starts a stopped node."""
        self.note(f"start node {node_id}")
        running = self.running
        assert running is not None
        await self._until_done(f"starting node {node_id}", running, lambda: running.start_node(node_id))

    async def _until_done(self, what: str, running: Running, action: Callable[[], Awaitable[None]]) -> None:
        """Tries until the metadata could be written, or the process has died."""
        tries = 0
        with trio.move_on_after(300) as waited:
            while self.running is running:
                try:
                    await action()
                    break
                except StorageError as error:
                    self.note(f"{what}: {error}")
                    tries += 1
                    if tries == TRIES:
                        self.disk.heal()
                    await trio.sleep(0.3)
                except Exception as failure:
                    if self.running is running and not running.is_stopping:
                        self.violation(f"{what} failed: {failure!r}")
                    break
        if waited.cancelled_caught and self.running is running:
            self.violation(f"{what} takes for ever")

    async def stop(self) -> None:
        """The clean stop at the end of a run, once the clients are gone. What is left over is a violation."""
        running = self.running
        assert running is not None, "it does not run"
        await trio.sleep(QUIET_SECONDS)
        for leak in self._left_over(running):
            self.violation(leak)
        self._stopping = True
        with trio.move_on_after(60) as waited:
            running.stop()
            await self._ended.wait()
        if waited.cancelled_caught:
            self.violation("the broker did not stop within a minute")
            self.kill()
            await self._ended.wait()

    def _left_over(self, running: Running) -> list[str]:
        cluster = running.cluster
        found = []
        if running.server.connection_count:
            found.append(f"{running.server.connection_count} connections are open without clients")
        for (topic, index), partition in cluster.open_partitions.opened.items():
            if partition.readers_waiting:
                found.append(f"{partition.readers_waiting} readers wait on {topic}-{index} without clients")
        timers = sum(1 for entry in cluster.clock._heap if entry[2].callback is not None)
        if timers > 200:
            found.append(f"{timers} timers are set")
        return found


def _is_about_the_disk(failure: BaseException) -> bool:
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return isinstance(failure, DiskFailed)


def simulate(
    seed: int,
    main: Callable[[World], Awaitable[T]],
    *,
    nodes: int = 3,
    log_dirs: int = 1,
    properties: Mapping[str, str] | None = None,
    trace_file: TextIO | None = None,
    report: Callable[[World], None] | None = None,
) -> T:
    """Runs `main(world)` from the seed and gives what it gives; `report(world)` looks at the world at the
    end, in the loop.
    """

    async def run() -> T:
        with trio.fail_after(LONGEST_RUN_SECONDS):
            async with trio.open_nursery() as nursery:
                world = World(
                    seed,
                    nursery,
                    nodes=nodes,
                    properties=properties or {},
                    trace_file=trace_file,
                    log_dirs=log_dirs,
                )
                listener = _Listener(world)
                loggers = [logging.getLogger(name) for name in ("kwire", "kwire_storage")]
                before = [(each.level, each.propagate) for each in loggers]
                for each in loggers:
                    each.addHandler(listener)
                    each.setLevel(logging.INFO)
                    each.propagate = False
                try:
                    nursery.start_soon(world.network.run)
                    result = await main(world)
                    if report is not None:
                        report(world)
                finally:
                    world.dying = True
                    for each, (level, propagate) in zip(loggers, before, strict=True):
                        each.removeHandler(listener)
                        each.setLevel(level)
                        each.propagate = propagate
                nursery.cancel_scope.cancel()
        return result

    try:
        return schedule.run(run, seed)
    except BaseExceptionGroup as group:
        failure: BaseException = group
        while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
            failure = failure.exceptions[0]
        raise failure from None
