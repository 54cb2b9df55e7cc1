"""Who writes topics of which not everything stays, by compaction or by retention, or whose records are
synced before they are acknowledged; and reads them from their start, and judges what is there.

Rules: one keeper a topic, which does one thing at a time, by the writers, auditors and facts of the crash
runs (`tests/crashes/log_load`), so that both hold logs to the same. A loss of power takes back what was
known, but for what was acknowledged of a topic with `flush.messages=1`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from kwire_codecs import wire as w
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.errors import ErrorCode

from tests.crashes.checks import Broken
from tests.crashes.log_load.facts import Facts
from tests.crashes.log_load.link import COME_BACK, Errors, only_error
from tests.crashes.log_load.readers import Auditor
from tests.crashes.log_load.topics import Keeping, Topic
from tests.crashes.log_load.writers import Clerk, IdempotentWriter, Known, Size, Stop
from tests.simulation.checks import History
from tests.simulation.clients.calling import Caller, Lost
from tests.simulation.world import World

DELETE_RETENTION_MS: Final = 3000
COMMON: Final = {"internal.segment.bytes": "2500", "file.delete.delay.ms": "500"}
COMPACT: Final = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.05",
    "delete.retention.ms": str(DELETE_RETENTION_MS),
    "segment.ms": "3000",
}
KEPT: Final = (
    Topic("k0", 2, Keeping.NEWEST, settings=COMPACT),
    Topic(
        "b0",
        1,
        Keeping.NEWEST_AND_RECENT,
        settings={**COMPACT, "cleanup.policy": "compact,delete", "retention.ms": "8000"},
    ),
    Topic("t0", 1, Keeping.RECENT, settings={"retention.ms": "4000", "segment.ms": "1000"}),
    Topic("z0", 1, Keeping.RECENT, settings={"retention.bytes": "6000"}),
)
SYNCED: Final = Topic("f0", 1, Keeping.ALL, settings={"flush.messages": "1"})
"""What it acknowledges is on the device."""
SIZE: Final = Size(keys=10, records=4, padding_bytes=200)
FOR_NOW: Final = COME_BACK | {
    ErrorCode.FENCED_LEADER_EPOCH,
    ErrorCode.KAFKA_STORAGE_ERROR,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode.OFFSET_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.UNKNOWN_LEADER_EPOCH,
}


class PowerLost(Exception):
    """What was asked was asked before a loss of power, or is of no use since."""


class Way:
    """The way to a partition's leader, wherever it is."""

    def __init__(self, caller: Caller, topic: str, index: int) -> None:
        self._caller = caller
        self._key = topic, index

    async def ask_until_answered(self, request: w.Struct, version: int, errors: Errors = only_error) -> Any:
        """As `Asker` says. Raises PowerLost."""
        caller = self._caller
        losses = caller.world.power_losses
        while True:
            known = await caller.led(*self._key)
            try:
                if known is None:
                    raise Lost
                answer, _ = await caller.ask(known.leader, request, version)
            except Lost:
                answer = None
            if caller.world.power_losses != losses:
                raise PowerLost
            if answer is not None and not any(code in FOR_NOW for code in errors(answer)):
                return answer
            caller.partitions.pop(self._key, None)
            await caller.back_off()

    async def close(self) -> None: ...


class Keeper(Caller):
    """Writes and judges one topic."""

    def __init__(self, world: World, history: History, topic: Topic) -> None:
        super().__init__(world, history, f"keeper of {topic.name}")
        self.topic = topic
        self._losses = 0
        self._lives = 0
        self._is_broken = False
        self._facts = [Facts(topic, index) for index in range(topic.partitions)]
        self._begin()

    def _begin(self) -> None:
        """Another life: writers and auditors with nothing on the way."""
        self._lives += 1
        known, now_ms = Known(), self.world.time.now_ms
        self._writers: list[IdempotentWriter] = []
        self._auditors: list[Auditor] = []
        for facts in self._facts:
            way = Way(self, self.topic.name, facts.index)
            name = f"{facts}.{self._lives}"
            clerk = Clerk(way, name, known, Stop(), self.rng, now_ms, SIZE)
            self._writers.append(IdempotentWriter(facts, clerk))
            self._auditors.append(Auditor(way, known, self.rng, now_ms))

    async def make(self) -> None:
        """Creates the topic, where it is not there."""
        asked = CreateTopics.Request.Topic
        settings = {**COMMON, **self.topic.settings}
        request = CreateTopics.Request(
            topics=[
                asked(
                    name=self.topic.name,
                    num_partitions=self.topic.partitions,
                    replication_factor=3,
                    assignments=[],
                    configs=[asked.Config(name=name, value=value) for name, value in settings.items()],
                )
            ],
            timeout_ms=5000,
        )
        while (self.topic.name, 0) not in self.partitions:
            try:
                await self.ask(self.some_node(), request, 7)
            except Lost:
                await self.back_off()
            await self.refresh([self.topic.name])

    async def run(self) -> None:
        while not self.stopping:
            await self.pause(0.5)
            at = self.rng.randrange(len(self._facts))
            if self.rng.random() < 0.75:
                await self._do(lambda: self._writers[at].write())  # noqa: B023
            else:
                await self._do(lambda: self._audit(at))  # noqa: B023
        await self.close()

    async def judge(self) -> None:
        """Reads all of it, once nothing fails any more."""
        for at in range(len(self._facts)):
            await self._do(lambda: self._audit(at))  # noqa: B023
        await self.close()

    async def _audit(self, at: int) -> None:
        facts = self._facts[at]
        start = facts.log_start
        count = await self._auditors[at].audit(facts, whole=True)
        if facts.log_start > start:
            self.world.met["old records let go of"] += 1
        if facts.topic.is_compacted and count < sum(offset >= facts.log_start for offset in facts.ids):
            self.world.met["records compacted away"] += 1

    async def _do(self, action: Callable[[], Awaitable[None]]) -> None:
        self._look_at_power()
        if self._is_broken:
            return  # what follows from it says nothing new
        try:
            await action()
        except PowerLost:
            self._look_at_power()
        except Broken as broken:
            if self.topic is SYNCED and self.world.power_losses:
                self.history.broken("synced", self.topic.name, str(broken))
            else:
                self.history.broken("keeping", self.topic.name, str(broken))
            self._is_broken = True

    def _look_at_power(self) -> None:
        if self._losses != self.world.power_losses:
            self._losses = self.world.power_losses
            if self.topic is SYNCED:
                self.world.met["acknowledged record outlived a loss of power"] += len(
                    self._facts[0].acknowledged
                )
                self._facts = [facts.after_power_loss() for facts in self._facts]
            else:
                self._facts = [Facts(self.topic, facts.index) for facts in self._facts]
            self._begin()
