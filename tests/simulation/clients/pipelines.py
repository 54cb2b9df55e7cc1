"""Pipelines: what a group reads of committed records is written to another topic, and the group's offsets are
committed in the same transaction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from kwire_codecs.errors import ErrorCode

from tests.simulation.checks import History, Place
from tests.simulation.clients.calling import Caller, KnownPartition, Lost, Retry
from tests.simulation.clients.classic_members import Member
from tests.simulation.clients.consumer_members import ConsumerMember
from tests.simulation.clients.groups import fetch_commits
from tests.simulation.clients.readers import Reader
from tests.simulation.clients.transactions import AGAIN, Fenced, Spoiled, Transactor
from tests.simulation.world import World

Key = tuple[str, int]


class Pipeline:
    """What a member of the group does with what it owns, a transaction at a time."""

    def __init__(self, caller: Caller, group: str, source: str, sink: str) -> None:
        self._caller = caller
        self._group = group
        self._sink = sink
        self._transactor: Transactor | None = None
        self._lives = 0
        self._reader = Reader(caller.world, caller.history, f"{caller.name} reader", [source], committed=True)
        self._reader.max_wait_ms = 100
        self._reader.on_record = self._read
        self._began: dict[Key, int] = {}
        """Where reading began, of those that are being read."""
        self._records: list[tuple[KnownPartition, int]] = []

    def _read(self, known: KnownPartition, offset: int, text: str) -> None:
        self._records.append((known, offset))

    async def close(self) -> None:
        await self._reader.close()

    async def step(self, node: int, member: tuple[int, str, str | None], owned: Iterable[Key]) -> None:
        """Reads something, and writes and commits it. Retry: the group refuses its member; Lost."""
        try:
            if not await self._find(node, owned):
                return
            await self._reader.round()
            if self._records:
                await self._transaction(node, member)
                self._records.clear()
        except Fenced:
            self._transactor = None
            self.begin_again()
        except BaseException:
            self.begin_again()
            raise

    def begin_again(self) -> None:
        """What was read is read again, from what is committed on."""
        self._began.clear()
        self._records.clear()

    async def _find(self, node: int, owned: Iterable[Key]) -> bool:
        """Sees to it that it reads what it owns, from the committed offsets on."""
        reader = self._reader
        owned = sorted(owned)
        if not owned or any(key not in reader.partitions for key in owned):
            await reader.refresh(reader.topics)
        if reader.only == set(owned) and set(self._began) == set(owned):
            return bool(owned)
        self.begin_again()
        reader.only = set(owned)
        if not owned or any(key not in reader.partitions for key in owned):
            return False
        found = await fetch_commits(self._caller, node, self._group, owned, stable=True)
        if isinstance(found, ErrorCode):
            return False
        for key, offset in found.items():
            self._began[key] = reader.positions[reader.partitions[key].place] = max(offset, 0)
        reader.sessions.clear()
        return True

    async def _transaction(self, node: int, member: tuple[int, str, str | None]) -> None:
        caller = self._caller
        transactor = self._transactor
        if transactor is None:
            transactor = self._transactor = Transactor(caller, f"of {caller.name}")
            self._lives += 1
            transactor.count_from(self._lives * 100_000)
            await transactor.initialise()
        transactor.begin()
        try:
            await self._write(transactor, node, member)
        except (Spoiled, Lost, Retry):
            current = transactor.current
            if current is not None and not current.commit_asked:
                caller.world.met["transaction of a pipeline aborted"] += 1
                if caller.rng.random() < 0.3:
                    self._transactor = None
                    raise Lost from None  # as if it had died
                with contextlib.suppress(Spoiled):
                    await transactor.end(is_commit=False)
            await transactor.initialise(goes_on=True)
            raise Retry from None

    async def _write(self, transactor: Transactor, node: int, member: tuple[int, str, str | None]) -> None:
        caller, reader = self._caller, self._reader
        by_partition: dict[Place, tuple[KnownPartition, list[int]]] = {}
        for known, offset in self._records:
            by_partition.setdefault(known.place, (known, []))[1].append(offset)
        offsets = {}
        for place, (known, read) in by_partition.items():
            target = await caller.led(self._sink, known.index)
            if target is None:
                raise Spoiled
            await transactor.produce(target, len(read), [(place, offset) for offset in read])
            offsets[known.topic, known.index] = reader.positions[place]
        await caller.pause(0.3)
        for key in offsets:
            if key not in caller.partitions:
                await caller.refresh([key[0]])
        code = await transactor.commit_offsets(self._group, node, member, offsets)
        if code:
            caller.world.met["offsets of a transaction refused"] += 1
            raise Lost if code in AGAIN else Retry
        await caller.pause(0.2)
        is_commit = caller.rng.random() < 0.85
        await transactor.end(is_commit=is_commit)
        if not is_commit:
            self.begin_again()


class ClassicPipeline(Member):
    """A pipeline of a classic group's member."""

    def __init__(self, world: World, history: History, name: str, group: str, source: str, sink: str) -> None:
        super().__init__(world, history, name, group, [source], static=False)
        self._pipeline = Pipeline(self, group, source, sink)

    async def _live(self) -> None:
        owned = await self._join()
        self._pipeline.begin_again()
        for _ in range(self.rng.randint(3, 15)):
            if self.stopping or self.coordinator is None:
                return
            await self.pause(3 if self.is_calm else 0.4)
            await self._pipeline.step(
                self.coordinator, (self.generation, self.member_id, self.instance_id), owned
            )
            await self._heartbeat()
        await self._meet_fate(self.rng.random())

    async def close(self) -> None:
        await self._pipeline.close()
        await super().close()


class ConsumerPipeline(ConsumerMember):
    """A pipeline of a consumer group's member."""

    def __init__(self, world: World, history: History, name: str, group: str, source: str, sink: str) -> None:
        super().__init__(world, history, name, group, [source], static=False)
        self._pipeline = Pipeline(self, group, source, sink)

    async def _step(self) -> None:
        await self._revoke()
        await self._pipeline.step(
            await self.coordinator(), (self.epoch, self.member_id, self.instance_id), self.owned
        )
        await self._heartbeat()

    async def revoking(self, given_up: list[Key]) -> None:
        self._pipeline.begin_again()

    async def close(self) -> None:
        await self._pipeline.close()
        await super().close()
