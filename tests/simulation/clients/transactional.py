"""Producers of transactions. Several share a transactional id: each that begins fences those before it, which
go on as zombies until they notice.
"""

from __future__ import annotations

import contextlib
from typing import Final

import trio

from tests.simulation.checks import History
from tests.simulation.clients.calling import Caller, Lost
from tests.simulation.clients.transactions import Fenced, Spoiled, Transactor
from tests.simulation.world import World

RESTS: Final = (0.5, 2, 6)


class TransactionalProducer(Caller):
    """Lives again and again: some transactions, of which some are aborted, some left alone."""

    def __init__(
        self, world: World, history: History, name: str, transactional_id: str, topics: list[str]
    ) -> None:
        super().__init__(world, history, name)
        self.transactional_id = transactional_id
        self.topics = topics
        self._lives = 0

    async def run(self) -> None:
        while not self.stopping:
            await self.pause(1)
            try:
                await self._live()
            except Fenced:
                self.world.met["producer fenced"] += 1
            except Lost:
                self.world.met["transaction left alone"] += 1
            await trio.sleep(self.rng.choice(RESTS))
        if self.rng.random() < 0.5:
            await self._leave_one_open()
        await self.close()

    async def _leave_one_open(self) -> None:
        """Its last transaction is for the broker to end."""
        transactor = Transactor(self, self.transactional_id)
        self._lives += 1
        transactor.count_from(self._lives * 100_000)
        with contextlib.suppress(Fenced, Spoiled, Lost):
            await transactor.initialise()
            led = await self.led(self.topics[0], 1)
            if led is not None:
                transactor.begin()
                await transactor.produce(led, 1)

    async def _live(self) -> None:
        transactor = Transactor(self, self.transactional_id)
        self._lives += 1
        transactor.count_from(self._lives * 100_000)
        await transactor.initialise()
        for _ in range(self.rng.randint(1, 8)):
            if self.stopping:
                return
            await self.pause(0.4)
            try:
                await self._transaction(transactor)
            except Spoiled:
                self.world.met["transaction spoiled"] += 1
                if transactor.current is not None and not transactor.current.commit_asked:
                    await self._abort(transactor)
                await transactor.initialise(goes_on=self.rng.random() < 0.7)

    async def _transaction(self, transactor: Transactor) -> None:
        known = [key for key in sorted(self.partitions) if key[0] in self.topics]
        if not known or self.rng.random() < 0.05:
            await self.refresh(self.topics)
            known = [key for key in sorted(self.partitions) if key[0] in self.topics]
        if not known:
            return
        transactor.begin()
        for _ in range(self.rng.randint(1, 3)):
            for key in self.rng.sample(known, self.rng.randint(1, min(3, len(known)))):
                led = await self.led(*key)
                if led is not None:
                    await transactor.produce(led, self.rng.choice((1, 1, 2, 4)))
            await self.pause(3 if self.rng.random() < 0.1 else 0.2)
        transaction = transactor.current
        assert transaction is not None
        fate = self.rng.random()
        if fate < 0.07:
            raise Lost
        await transactor.end(is_commit=fate < 0.75 and bool(transaction.first))

    async def _abort(self, transactor: Transactor) -> None:
        try:
            await transactor.end(is_commit=False)
        except Spoiled:
            return
