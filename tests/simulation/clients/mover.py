"""Somebody who moves logs from one directory of a node to another, where nodes have two.

Rules: a move is begun after a look at where a log lies; some are called off, some are asked of a directory
that has failed, some go back at once, some are slow. What an answer promises may end with a fault; once
nothing fails any more it does not.
"""

from __future__ import annotations

import contextlib
from typing import Final, NamedTuple

from kwire_codecs.apis.alter_replica_log_dirs import AlterReplicaLogDirs
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.errors import ErrorCode

from kwire.broker.move_limits import LIMIT
from tests.simulation.checks import History
from tests.simulation.clients.calling import Caller, Lost
from tests.simulation.world import World

BROKER: Final = 4
"""A kind of resource that has settings."""
SET, DELETE = 0, 1
LIMITS: Final = (None, None, "3000", "30000")
"""Bytes a second that a node may copy: a log has some thousands, and so is on its way for a while."""
PARTITIONS: Final = 3
"""Of a topic, at most, that are looked at."""
LOOKS: Final = 8
"""How often it is looked, at most, whether a move is over."""
REFUSALS: Final = frozenset(
    (
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REPLICA_NOT_AVAILABLE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    )
)
"""A directory or the whole node fails, the partition has gone, or has no log there."""

Key = tuple[str, int]


class Places(NamedTuple):
    """What a node says of its directories."""

    paths: list[str]
    offline: set[str]
    logs: dict[Key, str]
    futures: dict[Key, str]
    """Where logs are on their way to."""


class Mover(Caller):
    """Moves the logs of these topics; one of `often` every other time."""

    def __init__(
        self, world: World, history: History, name: str, topics: list[str], often: list[str]
    ) -> None:
        super().__init__(world, history, name)
        self._topics = topics
        self._often = often
        self._asked: dict[tuple[int, Key], tuple[str, int]] = {}
        """By node and partition: where a log was asked to go, and how many crashes there had been."""

    async def run(self) -> None:
        while not self.stopping:
            await self.pause(1.2)
            with contextlib.suppress(Lost):
                if self.rng.random() < 0.1:
                    await self._limit(self.rng.choice(LIMITS))
                else:
                    await self._move_something()
        await self.close()

    async def judge(self) -> None:
        """Once nothing fails any more, each log can be moved, and nothing is left of a move."""
        while True:
            with contextlib.suppress(Lost):
                await self._limit(None)
                break
            await self.back_off()
        for node in self.world.node_ids:
            for topic in self._often:
                await self._judge(node, topic)
        await self.close()
        left = [path for path in self.world.disk.directories() if path.endswith("-future")]
        if left:
            self.history.broken("copy-left", "moves", f"{', '.join(left)}: on its way for ever")

    async def _judge(self, node: int, topic: str) -> None:
        """The logs of the topic that this node has go to another directory, and come to lie there."""
        wanted: dict[Key, str] = {}
        while True:
            with contextlib.suppress(Lost):
                places = await self._look(node, [topic])
                for key, path in places.logs.items():
                    other = next(each for each in places.paths if each != path)
                    is_new = self._is_home(node, key) and key not in wanted and key not in places.futures
                    if is_new and await self._alter(node, key, other) is ErrorCode.NONE:
                        wanted[key] = other
                if not places.futures and all(
                    places.logs.get(key, path) == path for key, path in wanted.items()
                ):
                    return
            await self.back_off()

    async def _move_something(self) -> None:
        rng = self.rng
        if self._asked and rng.random() < 0.3:
            node, (topic, _) = rng.choice(list(self._asked))
            await self._look(node, [topic])
        topic = rng.choice(self._often if rng.random() < 0.5 else self._topics)
        node = self.some_node()
        places = await self._look(node, [topic])
        if not places.logs:
            return
        key = rng.choice(sorted(places.logs))
        if not self._is_home(node, key) and rng.random() < 0.8:
            # It has no files there: one of the others has.
            node = next((each for each in self.world.node_ids if self._is_home(each, key)), node)
            places = await self._look(node, [topic])
            if key not in places.logs:
                return
        path = rng.choice([each for each in places.paths if each != places.logs[key]])
        if key in places.futures and rng.random() < 0.5:
            path = places.logs[key]
        code = await self._alter(node, key, path)
        if code is ErrorCode.KAFKA_STORAGE_ERROR and path in places.offline:
            self.world.met["move to a directory that is offline refused"] += 1
        if code is not ErrorCode.NONE:
            return
        if path == places.logs[key]:
            self.world.met["move called off"] += 1
        for _ in range(rng.randrange(LOOKS)):
            await self.pause(0.3)
            places = await self._look(node, [topic])
            if key not in places.futures:
                break
            if rng.random() < 0.1:
                await self._alter(node, key, places.logs.get(key, path))
                self.world.met["move called off"] += 1

    def _is_home(self, node: int, key: Key) -> bool:
        """Whether the node has the log's files: no client is told."""
        running = self.world.running
        return running is not None and running.cluster.home_of(*key) == node

    async def _look(self, node: int, topics: list[str]) -> Places:
        """Where the logs of these topics lie. Lost."""
        asked = DescribeLogDirs.Request.Topic
        request = DescribeLogDirs.Request(
            topics=[asked(topic=name, partitions=list(range(PARTITIONS))) for name in topics]
        )
        crashes = self.world.counted["process crash"]
        answer, stamp = await self.ask(node, request, self.rng.randint(1, 4))
        places = Places([], set(), {}, {})
        for result in answer.results:
            places.paths.append(result.log_dir)
            if result.error_code:
                places.offline.add(result.log_dir)
            for topic in result.topics:
                for each in topic.partitions:
                    key = topic.name, each.partition_index
                    known = places.futures if each.is_future_key else places.logs
                    if key in known:
                        self.history.broken(
                            "two-places", key, f"{key} is in {known[key]} and {result.log_dir} of node {node}"
                        )
                    known[key] = result.log_dir
        if self.history.counts(stamp):
            self._compare(node, places, crashes)
        return places

    def _compare(self, node: int, places: Places, crashes: int) -> None:
        """With what was asked."""
        for key, path in places.logs.items():
            asked, crashes_then = self._asked.get((node, key), (None, 0))
            if asked is None or key in places.futures:
                continue
            del self._asked[node, key]
            if asked == path and self._is_home(node, key):
                self.world.met["log moved"] += 1
                if crashes_then < crashes:
                    self.world.met["move outlived a crash"] += 1

    async def _alter(self, node: int, key: Key, path: str) -> ErrorCode:
        asked = AlterReplicaLogDirs.Request.Dir
        topic, index = key
        request = AlterReplicaLogDirs.Request(
            dirs=[asked(path=path, topics=[asked.Topic(name=topic, partitions=[index])])]
        )
        crashes = self.world.counted["process crash"]
        answer, _ = await self.ask(node, request, self.rng.randint(0, 2))
        code: ErrorCode = answer.results[0].partitions[0].error_code
        if code is ErrorCode.NONE:
            self._asked[node, key] = path, crashes
        elif code not in REFUSALS:
            self.history.broken("server-error", key, f"moving {key} to {path} of node {node}: {code.name}")
        return code

    async def _limit(self, limit: str | None) -> None:
        """How many bytes a second any node may copy."""
        asked = IncrementalAlterConfigs.Request.Resource
        operation = DELETE if limit is None else SET
        config = asked.Config(name=LIMIT, config_operation=operation, value=limit)
        request = IncrementalAlterConfigs.Request(
            resources=[asked(resource_type=BROKER, resource_name="", configs=[config])], validate_only=False
        )
        answer, _ = await self.ask(self.some_node(), request, 1)
        if answer.responses[0].error_code:
            raise Lost
