"""A run: inputs go through pipelines while broker and clients are killed; then everything is counted.

Rules: what is killed, when, and how long it stays away comes from the seed; what happens in between is the
machine's. Before the broker is killed it is frozen, and what it had answered is let through: so it is known
which requests are cut. A kill that cuts none that would have changed something is put off to a later moment,
and is a failure if there is no such moment. (A killed client's are those whose answers it has not been sent.)
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

from kwire.testing.topics import create_topic
from tests.broker_client import Client
from tests.crashes import checks
from tests.crashes.broker import Broker
from tests.crashes.checks import Broken
from tests.crashes.crew import Crew, Post
from tests.crashes.proxy import WRITES, OnTheWay, Proxy

MOMENTS = (
    "any",
    "any",
    "Produce",
    "Produce",
    "EndTxn",
    "EndTxn",
    "TxnOffsetCommit",
    "TxnOffsetCommit",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "InitProducerId",
    "JoinGroup",
    "SyncGroup",
    "ConsumerGroupHeartbeat",
)
"""What is on the way at the kill that a run looks for; `any` is any that changes something."""
MOMENT_SECONDS = 3.0
"""So long a certain request is waited for; then it is any."""
PROGRESS_SECONDS = 120.0
"""So long nothing may be acknowledged while nothing is killed."""
DRAIN_SECONDS = 180.0
"""So long a group may take to read what is there once nobody is killed."""
CALM_SECONDS = 60.0
"""So long a transaction that nobody ends may stay open: its time-out of 8 s, and what a slow machine adds."""
CLIENT_SECONDS = 10.0
"""So long a client is waited for that is to be killed and asks for nothing; then it is another."""
FREEZES = 60
"""So often a kill is put off because nothing was cut."""


@dataclass
class Summary:
    """What a run did."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    inputs: int = 0
    outputs: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Run:
    """One run. `tell(line)` is called with what happens."""

    def __init__(
        self,
        seed: int,
        kills: int,
        librdkafka_python: str | None,
        tell: Callable[[str], None],
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self.summary = Summary(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="kwire-crashes-"))
        self._kills = kills
        self._drain_seconds = drain_seconds
        self._random = random.Random(seed)
        self._librdkafka = librdkafka_python
        self._tell = tell
        self._proxy = Proxy()
        self._acknowledged = (0, 0, 0)

    async def run(self) -> Summary:
        """All of it. Raises Broken; the folder with data and logs is kept then."""
        began = time.monotonic()
        with (self.folder / "broker.log").open("wb") as log, (self.folder / "workers.log").open("wb") as said:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._proxy.run)
                self._broker = Broker(self.folder / "data", log, self._proxy.port)
                bootstrap = f"127.0.0.1:{self._proxy.port}"
                self._crew = Crew(bootstrap, self._librdkafka, said)
                try:
                    await self._start_broker()
                    await trio.to_thread.run_sync(self._create_topics, bootstrap)
                    nursery.start_soon(self._crew.run)
                    for number in range(1, self._kills + 1):
                        await self._kill(number)
                    await self._settle()
                finally:
                    self._crew.kill_all()
                    self._broker.kill_now()
                nursery.cancel_scope.cancel()
        if b"Traceback" in (self.folder / "broker.log").read_bytes():
            raise Broken("the broker's log has a traceback")
        shutil.rmtree(self.folder)
        self.summary.seconds = time.monotonic() - began
        return self.summary

    async def _start_broker(self) -> None:
        self._proxy.broker = await self._broker.start()

    def _create_topics(self, bootstrap: str) -> None:
        for name, partitions in checks.PARTITIONS.items():
            create_topic(bootstrap, name, partitions)
        for target in self._targets():
            create_topic(bootstrap, target, checks.TARGET_PARTITIONS)

    def _targets(self) -> dict[str, str]:
        """Pipelines: the group of each output."""
        return {post.target: post.group for post in self._crew.posts if not post.feeds}

    # Kills

    async def _kill(self, number: int) -> None:
        chance = self._random
        what = chance.choices(("broker", "client", "broker and client"), (60, 25, 15))[0]
        moment = chance.choice(MOMENTS)
        in_quick_succession = chance.random() < 0.15
        pause_seconds = chance.uniform(0.05, 1.2)
        delay_seconds = chance.choice((0.0, chance.uniform(0.0, 0.002), chance.uniform(0.0, 0.006)))
        away_seconds = chance.choice((0.0, 0.0, chance.uniform(0.0, 0.7)))
        post = chance.choice(self._crew.posts)
        renamed = chance.random() < 0.15
        if not in_quick_succession:
            await self._progress(pause_seconds)
        began = time.monotonic()
        cut: list[OnTheWay] = []
        if "client" in what:
            while not (killed := await self._kill_client(post, moment, delay_seconds)):
                # Members without partitions have little to say.
                post = chance.choice(self._crew.posts)
            cut += killed
            if renamed:
                post.names += 1
        if "broker" in what:
            cut += await self._kill_broker(moment, delay_seconds)
            await trio.sleep(away_seconds)
            await self._start_broker()
        self.summary.kills[what] += 1
        self.summary.cut.update(each.api for each in cut)
        self._report(number, what, post, moment, cut, time.monotonic() - began)
        if self._crew.heard.broken:
            raise Broken("; ".join(self._crew.heard.broken))

    def _report(
        self, number: int, what: str, post: Post, moment: str, cut: list[OnTheWay], seconds: float
    ) -> None:
        heard = self._crew.heard
        now = len(heard.fed), heard.transformed, heard.transactions
        fed, transformed, transactions = (new - old for new, old in zip(now, self._acknowledged, strict=True))
        self._acknowledged = now
        who = what.replace("client", post.name)
        requests = ", ".join(
            f"{count} {name}"
            for name, count in sorted(Counter(f"{each.api} v{each.version}" for each in cut).items())
        )
        self._tell(
            f"kill {number}: {who} ({moment}), on the way: {requests}; acknowledged since the last kill: "
            f"{fed} inputs, {transformed} outputs in {transactions} transactions; {seconds:.1f} s"
        )

    async def _progress(self, pause_seconds: float) -> None:
        """Something is acknowledged after the last kill, and a while has passed."""
        before = self._crew.heard.transformed
        with trio.move_on_after(PROGRESS_SECONDS) as scope:
            while self._crew.heard.transformed == before:
                await self._crew.next_word()
        if scope.cancelled_caught:
            raise Broken(f"no output was acknowledged for {PROGRESS_SECONDS:.0f} s, and nobody was killed")
        await trio.sleep(pause_seconds)

    async def _moment(
        self, wanted: str, clients: tuple[str, ...] | None, timeout_seconds: float, *, patient: bool
    ) -> bool:
        """The next request that is looked for, or one like it; False if there is none."""

        def fits(request: OnTheWay, name: str) -> bool:
            return (request.api == name if name != "any" else request.api in WRITES) and (
                clients is None or request.client in clients
            )

        if wanted == "any" or not (
            patient and await self._proxy.next_request(lambda request: fits(request, wanted), MOMENT_SECONDS)
        ):
            return await self._proxy.next_request(lambda request: fits(request, "any"), timeout_seconds)
        return True

    async def _kill_broker(self, moment: str, delay_seconds: float) -> list[OnTheWay]:
        for freezes in range(FREEZES):
            await self._moment(moment, None, PROGRESS_SECONDS, patient=freezes < 5)
            # Less and less, so that there is something in the end.
            await trio.sleep(delay_seconds * max(0.0, 1 - freezes / 20))
            asked = self._proxy.writes_on_the_way()
            await self._broker.freeze()
            for _ in range(5):  # what it had answered arrives
                await trio.sleep(0.002)
            cut = [asked[key] for key in asked.keys() & self._proxy.on_the_way.keys()]
            if cut:
                self._proxy.broker = None
                await self._broker.kill()
                return cut
            if self._broker.exit_code is not None:
                raise Broken(f"the broker ended by itself, with exit code {self._broker.exit_code}")
            self._broker.thaw()
        raise Broken("a kill of the broker had no request in flight")

    async def _kill_client(self, post: Post, moment: str, delay_seconds: float) -> list[OnTheWay]:
        clients = (post.name,)
        until = trio.current_time() + CLIENT_SECONDS
        for attempts in range(FREEZES):
            if not await self._moment(moment, clients, until - trio.current_time(), patient=not attempts):
                return []
            await trio.sleep(delay_seconds * max(0.0, 1 - attempts / 20))
            cut = list(self._proxy.writes_on_the_way(clients).values())
            if cut and self._crew.is_there(post):
                self._crew.kill(post)
                return cut
        return []

    # The end

    async def _settle(self) -> None:
        heard = self._crew.heard
        await self._crew.leave(lambda post: post.feeds)
        port = self._proxy.broker
        assert port is not None
        async with checks.asking(port) as client:
            inputs = await checks.check_inputs(client, heard.fed)
            ends = await checks.ends(client, checks.SOURCE, checks.PARTITIONS[checks.SOURCE])
            for group in self._targets().values():
                await self._until_all_is_read(client, group, ends)
        await self._crew.leave(lambda post: not post.feeds)
        for again in (False, True):
            if again:
                self._proxy.broker = None
                await self._broker.stop()
                await self._start_broker()
                port = self._proxy.broker
                assert port is not None
            async with checks.asking(port) as client:
                await self._until_nothing_is_open(client)
                if await checks.check_inputs(client, heard.fed) != inputs:
                    raise Broken(
                        "the inputs are others after a restart" if again else "the inputs have changed"
                    )
                for target, group in self._targets().items():
                    self.summary.outputs[target] = await checks.check_outputs(client, target, inputs)
                    await self._until_all_is_read(client, group, ends)
        self.summary.inputs = inputs.total()
        if heard.broken:
            raise Broken("; ".join(heard.broken))
        silent = [group for group in self._targets().values() if not heard.committed[group]]
        if silent:
            raise Broken(f"no transaction of {', '.join(silent)} was ever acknowledged")

    async def _until_all_is_read(self, client: Client, group: str, ends: list[int]) -> None:
        wanted = {index: end if end else -1 for index, end in enumerate(ends)}
        found: dict[int, int] | None = None
        with trio.move_on_after(self._drain_seconds):
            while (found := await checks.committed_offsets(client, group)) != wanted:
                if found and any(found[index] > end for index, end in wanted.items()):
                    raise Broken(f"{group} has committed {found}; the ends are {wanted}")
                await trio.sleep(0.1)
        if found != wanted:
            raise Broken(
                f"{group} has committed {found} after {self._drain_seconds:.0f} s; the ends are {wanted}"
            )

    async def _until_nothing_is_open(self, client: Client) -> None:
        left: list[str] = []
        with trio.move_on_after(CALM_SECONDS):
            while left := await checks.open_transactions(client):  # noqa: ASYNC110  # a time-out
                await trio.sleep(0.2)
        if left:
            raise Broken(f"transactions that nobody ends: {'; '.join(left)}")

    @property
    def notes(self) -> list[str]:
        """What clients said of themselves, and which versions of which requests there were."""
        heard = self._crew.heard
        lines = [f"{count} x {what}" for what, count in sorted(heard.notes.items())]
        lines += [f"{count} x ended by itself: {what}" for what, count in sorted(heard.ends.items())]
        seen = sorted(
            (name, version, count) for (name, version), count in self._proxy.seen.items() if name in WRITES
        )
        lines.append("asked: " + ", ".join(f"{count} {name} v{version}" for name, version, count in seen))
        return lines
