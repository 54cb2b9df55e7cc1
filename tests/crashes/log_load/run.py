"""A run: all kinds of logs are written and read while the broker is killed; whatever was told is held against
whatever is told later.

Rules: when, and what the broker is looked for doing, comes from the seed; what happens in between is the
machine's. The broker is frozen before it is killed and what it had answered is let through, so that it is
known which requests are cut; a kill that cuts none is put off, and is a failure if there is no other moment.
A kill of a broker that does not serve yet finds what the kill before it has cut: those requests wait for an
answer.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs

from tests.crashes.checks import Broken
from tests.crashes.log_load.broker import Broker
from tests.crashes.log_load.facts import Facts
from tests.crashes.log_load.link import Link, Traffic
from tests.crashes.log_load.mover import Mover
from tests.crashes.log_load.readers import Auditor, TailReader, now_ms
from tests.crashes.log_load.topics import COMMON_SETTINGS, INTERNAL, TOPICS, Keeping
from tests.crashes.log_load.watch import CHECKPOINT, CLEAN, MOVE, MOVED, RECOVER, RETAIN, ROLL, SWAP, Watch
from tests.crashes.log_load.writers import (
    Clerk,
    Committer,
    Deleter,
    IdempotentWriter,
    Known,
    Stop,
    TransactionalWriter,
)
from tests.crashes.proxy import WRITES

MOMENTS = {
    "any": 20,
    "Produce": 15,
    "EndTxn": 10,
    "OffsetCommit": 3,
    "DeleteRecords": 3,
    ROLL: 12,
    RETAIN: 10,
    CLEAN: 12,
    SWAP: 8,
    CHECKPOINT: 7,
    MOVE: 8,
    MOVED: 8,
}
"""What is waited for before a kill, and how often."""
LONG_RUN_KILLS = 100
"""A run of so many must have met every kind."""
WORTH_KILLS = 20
"""In a run of so many something must have been compacted, and something let go of."""
WANTED_KINDS = (RECOVER, ROLL, RETAIN, CLEAN, SWAP, CHECKPOINT, MOVE, MOVED)
MOMENT_SECONDS = 2.0
"""So long a certain moment is waited for; then it is any."""
PROGRESS_SECONDS = 120.0
TOPIC = 2
"""A kind of resource that has settings."""
FREEZES = 60
STARTING = "starting"


@dataclass
class Summary:
    """What a run did."""

    seed: int
    kills: int = 0
    met: Counter[str] = field(default_factory=Counter)
    """Kills by what they met."""
    cut: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    """Events in the data directory."""
    acknowledged: int = 0
    audited: int = 0
    seconds: float = 0.0


class Run:
    """One run. `tell(line)` is called with what happens."""

    def __init__(self, seed: int, kills: int, tell: Callable[[str], None]) -> None:
        self.summary = Summary(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="kwire-log-crashes-"))
        self._kills = kills
        self._random = random.Random(seed)
        self._tell = tell
        self._traffic = Traffic()
        self._known = Known()
        self._stop = Stop()
        self._watching = Stop()
        self._facts = [Facts(topic, index) for topic in TOPICS for index in range(topic.partitions)]
        self._auditor = Auditor(Link(self._traffic, "auditor"), self._known, self._chance())
        self._data = [self.folder / "data", self.folder / "more"]
        self._mover = Mover(self._data, self._clerk("mover"))
        self._acknowledged = 0

    async def run(self) -> Summary:
        """All of it. Raises Broken; the folder with data and log is kept then."""
        began = time.monotonic()
        for each in self._data:
            each.mkdir()
        self._watch = Watch(self._data)
        try:
            with (self.folder / "broker.log").open("wb") as log:
                self._broker = Broker(self._data, log)
                try:
                    await self._under_load()
                finally:
                    with trio.CancelScope(shield=True):
                        await self._broker.kill()
                    for link in self._traffic.links:
                        link.drop()
        finally:
            self._watch.close()
        if b"Traceback" in (self.folder / "broker.log").read_bytes():
            raise Broken("the broker's log has a traceback")
        self._judge_run()
        shutil.rmtree(self.folder)
        self.summary.seconds = time.monotonic() - began
        return self.summary

    async def _under_load(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch.run)
            await self._start_broker()
            await self._make_topics()
            nursery.start_soon(TailReader(self._traffic, self._facts).run)
            async with trio.open_nursery() as writing:
                for writer in self._writers():
                    writing.start_soon(writer.run)
                writing.start_soon(self._mover.run)
                writing.start_soon(self._auditor.run, self._facts, self._stop)
                while self.summary.kills < self._kills:
                    await self._kill()
                await self._progress(0.5)
                await self._until_worth_it()
                self._stop.stopping = True
            await self._settle()
            nursery.cancel_scope.cancel()

    def _chance(self) -> random.Random:
        return random.Random(self._random.randrange(2**32))

    def _clerk(self, name: str) -> Clerk:
        return Clerk(Link(self._traffic, name), name, self._known, self._stop, self._chance(), now_ms)

    def _writers(self) -> list[IdempotentWriter | TransactionalWriter | Committer | Deleter]:
        clerk = self._clerk
        found: list[IdempotentWriter | TransactionalWriter | Committer | Deleter] = [
            IdempotentWriter(facts, clerk(f"writer-{facts}"))
            for facts in self._facts
            if not facts.topic.transactional
        ]
        found.append(IdempotentWriter(self._facts[0], clerk("second-writer")))
        decided = [facts for facts in self._facts if facts.topic.transactional]
        found += [
            TransactionalWriter(decided, is_newest, clerk(f"transactional-{is_newest}"))
            for is_newest in (False, True)
        ]
        found += [Committer(clerk("committer"))]
        found += [
            Deleter(facts, clerk(f"deleter-{facts}"))
            for facts in self._facts
            if facts.topic.keeping is Keeping.ASKED
        ]
        return found

    async def _start_broker(self) -> None:
        await self._broker.begin()
        self._traffic.is_at(await self._broker.ready())

    async def _make_topics(self) -> None:
        link = Link(self._traffic, "maker")
        asked = CreateTopics.Request.Topic
        topics = [
            asked(
                name=topic.name,
                num_partitions=topic.partitions,
                replication_factor=1,
                assignments=[],
                configs=[
                    asked.Config(name=name, value=value)
                    for name, value in {**COMMON_SETTINGS, **topic.settings}.items()
                ],
            )
            for topic in TOPICS
        ]
        made = await link.ask(CreateTopics.Request(topics=topics, timeout_ms=30_000), 7)
        for told in made.topics:
            if told.error_code:
                raise Broken(f"{told.name} is not made: {told.error_message}")
        await link.ask_until_answered(FindCoordinator.Request(key="anybody", key_type=1), 3)
        resource = IncrementalAlterConfigs.Request.Resource
        resources = [
            resource(
                resource_type=TOPIC,
                resource_name=name,
                configs=[
                    resource.Config(name=setting, config_operation=0, value=value)
                    for setting, value in COMMON_SETTINGS.items()
                ],
            )
            for name in INTERNAL
        ]
        altered = await link.ask(IncrementalAlterConfigs.Request(resources=resources, validate_only=False), 1)
        for told in altered.responses:
            if told.error_code:
                raise Broken(f"{told.resource_name} is not altered: {told.error_message}")
        await link.close()

    # Kills

    async def _kill(self) -> None:
        chance = self._random
        moment = chance.choices(list(MOMENTS), list(MOMENTS.values()))[0]
        if moment in (CLEAN, SWAP, MOVE, MOVED) and not self._watch.happens(moment):
            moment = "any"
        pause_seconds = chance.choice((0.0, chance.uniform(0.1, 0.8), chance.uniform(0.3, 2.0)))
        delay_seconds = chance.choice((0.0, chance.uniform(0.0, 0.002), chance.uniform(0.0, 0.02)))
        away_seconds = chance.choice((0.0, 0.0, chance.uniform(0.0, 0.3)))
        while_starting = chance.choices((0, 1, 2), (75, 20, 5))[0]
        await self._progress(pause_seconds)
        began = trio.current_time()
        cut, met = await self._cut(moment, delay_seconds)
        self._killed(moment, cut, met, trio.current_time() - began)
        await trio.sleep(away_seconds)
        for _ in range(min(while_starting, self._kills - self.summary.kills)):
            await self._kill_while_starting()
        await self._start_broker()

    def _killed(self, moment: str, cut: Counter[str], met: set[str], seconds: float) -> None:
        self.summary.kills += 1
        self.summary.cut += cut
        self.summary.met.update(met)
        acknowledged = self._known.acknowledged - self._acknowledged
        self._acknowledged = self._known.acknowledged
        requests = ", ".join(f"{count} {name}" for name, count in sorted(cut.items()))
        self._tell(
            f"kill {self.summary.kills}: {moment}; met {', '.join(sorted(met)) or 'nothing'}; "
            f"on the way: {requests}; acknowledged since the last kill: {acknowledged} records; "
            f"{seconds:.1f} s"
        )

    async def _progress(self, pause_seconds: float) -> None:
        """Something is acknowledged after the last kill, and a while has passed."""
        before = self._known.acknowledged
        with trio.move_on_after(PROGRESS_SECONDS) as scope:
            while self._known.acknowledged == before:  # noqa: ASYNC110  # a time-out
                await trio.sleep(0.01)
        if scope.cancelled_caught:
            raise Broken(f"nothing was acknowledged for {PROGRESS_SECONDS:.0f} s, and nobody was killed")
        await trio.sleep(pause_seconds)

    async def _cut(self, moment: str, delay_seconds: float) -> tuple[Counter[str], set[str]]:
        """Kills the broker at that moment: the requests that it cut, and what it met."""
        for freezes in range(FREEZES):
            await self._wait_for(moment if freezes < 5 else "any")
            # Less and less, so that there is something in the end.
            await trio.sleep(delay_seconds * max(0.0, 1 - freezes / 20))
            asked = self._traffic.writes()
            await self._broker.freeze()
            met = self._watch.met()
            for _ in range(5):  # what it had answered arrives
                await trio.sleep(0.002)
            cut = [asked[number] for number in asked.keys() & self._traffic.on_the_way.keys()]
            if cut:
                self._traffic.is_at(None)
                await self._broker.kill()
                return Counter(each.api for each in cut), met - {RECOVER}
            if self._broker.process.returncode is not None:
                raise Broken(f"the broker ended by itself, with exit code {self._broker.process.returncode}")
            self._broker.thaw()
        raise Broken("a kill of the broker had no request in flight")

    async def _wait_for(self, moment: str) -> None:
        if moment in WRITES or moment == "DeleteRecords":
            await self._traffic.next_request(lambda request: request.api == moment, MOMENT_SECONDS)
        elif moment != "any":
            await self._watch.next(moment, MOMENT_SECONDS)
        await self._traffic.next_request(lambda request: request.api in WRITES, MOMENT_SECONDS)

    async def _kill_while_starting(self) -> None:
        waiting = self._traffic.unanswered
        if not waiting:
            raise Broken("a kill of the starting broker had no request waiting for it")
        began = trio.current_time()
        await self._broker.begin()
        if self._random.random() < 0.6:
            await self._watch.next(RECOVER, MOMENT_SECONDS)
            await trio.sleep(self._random.uniform(0.0, 0.04))
        else:
            await trio.sleep(self._random.uniform(0.05, 0.5))
        met = {RECOVER} if self._watch.since(RECOVER, began) else set()
        await self._broker.kill()
        met |= self._watch.met() & {CLEAN, SWAP, MOVE, MOVED}
        self._killed(STARTING, Counter({"waiting": waiting}), met, trio.current_time() - began)

    # The end

    async def _settle(self) -> None:
        """Nobody writes any more: all is read and judged, after one more kill, and after a clean stop."""
        for end in ("kill", "stop", None):
            for facts in self._facts:
                self.summary.audited += await self._auditor.audit(facts, whole=True)
            await self._mover.settle()
            await self._auditor.leader_epochs(self._facts)
            await self._auditor.commits()
            if end is not None:
                self._traffic.is_at(None)
                await (self._broker.kill() if end == "kill" else self._broker.stop())
                await self._start_broker()
        self.summary.acknowledged = self._known.acknowledged
        self.summary.happened = self._watch.seen

    @property
    def notes(self) -> list[str]:
        """What was asked, how often, in which version."""
        return [
            "asked: " + ", ".join(f"{count} {what}" for what, count in sorted(self._traffic.seen.items()))
        ]

    async def _until_worth_it(self) -> None:
        """How much is written between kills depends on the machine: the last writes may take their time."""
        with trio.move_on_after(PROGRESS_SECONDS):
            while self._missing():  # noqa: ASYNC110  # a time-out
                await trio.sleep(0.05)

    def _missing(self) -> str:
        """What a run that was worth something has, and this one has not."""
        silent = [str(facts) for facts in self._facts if not facts.acknowledged]
        if silent:
            return f"nothing was ever acknowledged in {', '.join(silent)}"
        if not self._watch.seen[ROLL]:
            return "no segment was ever sealed"
        if self.summary.kills < WORTH_KILLS:
            return ""
        if not self._watch.seen[SWAP]:
            return "nothing was ever compacted"
        if not self._watch.seen[MOVED]:
            return "nothing was ever moved"
        still = [
            str(facts)
            for facts in self._facts
            if facts.topic.keeping in (Keeping.RECENT, Keeping.ASKED) and not facts.log_start
        ]
        return f"nothing was ever let go of in {', '.join(still)}" if still else ""

    def _judge_run(self) -> None:
        """It was worth something."""
        if missing := self._missing():
            raise Broken(missing)
        if self.summary.kills < LONG_RUN_KILLS:
            return
        if unmet := [kind for kind in WANTED_KINDS if not self.summary.met[kind]]:
            raise Broken(f"no kill ever met {', '.join(unmet)}")
