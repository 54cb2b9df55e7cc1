"""What every client has: connections to nodes, metadata, patience, a generator of its own.

A client gives a request up after `PATIENCE` seconds: that is a broken promise, unless the network was told to
lose its connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import trio
from kwire_codecs import wire as w
from kwire_codecs.apis import api
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client
from tests.simulation.checks import History, Place
from tests.simulation.world import World

PATIENCE: Final = 40.0
BACKOFF: Final = (0.02, 0.1, 0.5)


class Lost(Exception):
    """The connection is gone, or there was none; whether the request had an effect is not known."""


class Retry(Exception):
    """What was asked was refused for now: the group must be joined again, or its coordinator looked for."""


@dataclass(slots=True)
class Connection:
    """A connection to a node. `stamp` and `crashes` say how often power and process had gone before it."""

    client: Client
    stamp: int
    crashes: int
    unanswered: deque[int] = field(default_factory=deque)


@dataclass(slots=True)
class KnownPartition:
    """Where a partition is led."""

    topic: str
    topic_id: UUID
    index: int
    leader: int
    leader_epoch: int

    @property
    def place(self) -> Place:
        return (self.topic_id, self.index)


class Caller:
    """What every client has: connections to nodes, metadata, patience."""

    def __init__(self, world: World, history: History, name: str) -> None:
        self.world = world
        self.history = history
        self.name = name
        self.rng = world.rng_for(name)
        self.stopping = False
        """No new work; what is begun is brought to its end."""
        self._connections: dict[int, Connection] = {}
        self.partitions: dict[tuple[str, int], KnownPartition] = {}
        self.missing: set[str] = set()
        """Topics that were not there when last asked for."""

    async def run(self) -> None:
        """Works until `stopping`."""
        raise NotImplementedError

    async def pause(self, longest: float = 0.2) -> None:
        await trio.sleep(self.rng.random() * longest)

    async def back_off(self) -> None:
        await trio.sleep(self.rng.choice(BACKOFF))

    async def connection(self, node: int) -> Connection:
        found = self._connections.get(node)
        if found is None:
            try:
                stream: Any = await self.world.connect(*self.world.addresses[node - 1])
            except OSError as error:
                raise Lost from error
            found = self._connections[node] = Connection(
                Client(stream, self.name), self.world.power_losses, self.world.counted["process crash"]
            )
        return found

    def some_node(self) -> int:
        return self.rng.choice(self.world.node_ids)

    async def drop(self, node: int) -> None:
        found = self._connections.pop(node, None)
        if found is not None:
            await found.client.stream.aclose()

    async def close(self) -> None:
        for node in list(self._connections):
            await self.drop(node)

    async def send(self, node: int, request: w.Struct, version: int) -> Connection:
        """Sends a request; the answer is for `receive`, in the same order. Lost."""
        connection = await self.connection(node)
        try:
            with trio.fail_after(PATIENCE):
                await connection.client.send(request, version)
            connection.unanswered.append(connection.client.correlation_id)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            await self.drop(node)
            raise Lost from error
        return connection

    async def receive(self, node: int, request: w.Struct, version: int) -> Any:
        """The next answer on the connection, which must be to this request. Lost."""
        connection = self._connections[node]
        declared = api(type(request).__root__.key)  # type: ignore[union-attr,arg-type]
        self.world.operations[declared.__name__] += 1
        answer: Any = None
        with trio.move_on_after(PATIENCE) as waited:
            try:
                correlation_id, answer = await connection.client.receive(declared, version)
                expected = connection.unanswered.popleft()
                if correlation_id != expected:
                    text = f"{self.name} got {correlation_id} and waited for {expected}"
                    self.history.broken("no-answer", self.name, text)
            except (AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
                answer = None
        if waited.cancelled_caught:
            link: Any = getattr(connection.client.stream, "link", None)
            if link is not None and not (link.frozen or link.requests.drop or link.answers.drop):
                self.history.broken(
                    "no-answer", self.name, f"{declared.__name__} v{version} of {self.name} on {link.name}"
                )
        if answer is None:
            await self.drop(node)
            raise Lost
        code = getattr(answer, "error_code", 0)
        if code == ErrorCode.UNKNOWN_SERVER_ERROR and not self.may_be_refused(request):
            self.history.broken("server-error", self.name, f"{declared.__name__} v{version} of {self.name}")
        return answer

    def may_be_refused(self, request: w.Struct) -> bool:
        """Whether Kafka has no other answer to this than that it does not know what went wrong."""
        return False

    async def ask(self, node: int, request: w.Struct, version: int) -> tuple[Any, int]:
        """The answer, and the stamp of its connection; -1 when power was lost since the asker took its
        floors. Lost.
        """
        losses = self.world.power_losses
        connection = await self.send(node, request, version)
        answer = await self.receive(node, request, version)
        return answer, connection.stamp if connection.stamp == losses else -1

    async def refresh(self, topics: Iterable[str]) -> None:
        """Asks some node for these topics, once. Nothing changes when that fails."""
        history = self.history
        version = self.rng.randint(10, 13)
        wanted = [Metadata.Request.Topic(name=name) for name in topics]
        history.look_at_power()
        floors = {place: log.leader_epoch for place, log in history.logs.items()}
        deleted = frozenset(history.deleted)
        request = Metadata.Request(topics=wanted, allow_auto_topic_creation=False)
        try:
            answer, stamp = await self.ask(self.some_node(), request, version)
        except Lost:
            return
        for topic in answer.topics:
            for known in [key for key in self.partitions if key[0] == topic.name]:
                del self.partitions[known]
            self.missing.discard(topic.name)
            if topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                self.missing.add(topic.name)
            if topic.error_code:
                continue
            history.saw_topic(topic.name, topic.topic_id, deleted, stamp)
            for found in topic.partitions:
                place = (topic.topic_id, found.partition_index)
                leader, epoch = found.leader_id, found.leader_epoch
                history.saw_leader(place, leader, epoch, floors.get(place, -1), stamp)
                self.partitions[topic.name, found.partition_index] = KnownPartition(
                    topic.name, topic.topic_id, found.partition_index, leader, epoch
                )

    async def led(self, topic: str, index: int) -> KnownPartition | None:
        """The partition once it has a leader; None when it isn't known after one look."""
        found = self.partitions.get((topic, index))
        if found is None or found.leader < 0:
            await self.refresh([topic])
            found = self.partitions.get((topic, index))
        return found if found is not None and found.leader >= 0 else None
