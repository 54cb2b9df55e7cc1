"""Who moves logs from one of the broker's directories to the other, and back.

Rules: what the broker has answered with NONE is carried out, whoever is killed: a log comes to lie where it
was asked to last, and in one directory only. No disk fails here, so that nothing else may be answered.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import trio
from kwire_codecs.apis.alter_replica_log_dirs import AlterReplicaLogDirs
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs

from tests.crashes.checks import Broken
from tests.crashes.log_load.topics import INTERNAL, TOPICS
from tests.crashes.log_load.watch import FUTURE
from tests.crashes.log_load.writers import Clerk, Writer

SETTLE_SECONDS = 60.0
LOOK_SECONDS = 0.05

Key = tuple[str, int]


class Places(NamedTuple):
    """Where logs lie, and where those on their way are going."""

    logs: dict[Key, str]
    futures: dict[Key, str]
    empty: set[Key]


class Mover(Writer):
    """Asks for one move after the other, many at once; `paths` are the broker's two directories."""

    def __init__(self, paths: list[Path], clerk: Clerk) -> None:
        super().__init__(clerk)
        self._paths = [str(path) for path in paths]
        self._keys = [(topic.name, index) for topic in TOPICS for index in range(topic.partitions)]
        self._keys += [(name, 0) for name in INTERNAL]
        self._asked: dict[Key, str] = {}
        """Where each was asked to go last."""

    async def run(self) -> None:
        while not self.stop.stopping:
            await trio.sleep(self.chance.uniform(0.05, 0.4))
            places = await self._look()
            key = self.chance.choice(self._keys)
            if key not in places.logs or key in places.empty:
                continue  # it has no files yet: where it lies is not written down with the answer
            away = self.chance.random() < (0.2 if key in places.futures else 0.95)
            here = places.logs[key]
            await self._alter(key, next(path for path in self._paths if (path != here) == away))
        await self.link.close()

    async def settle(self) -> None:
        """Waits until nothing is on its way. Raises Broken where a log does not lie where it was asked to."""
        with trio.move_on_after(SETTLE_SECONDS) as waited:
            while (places := await self._look()).futures:  # noqa: ASYNC110  # nobody tells
                await trio.sleep(LOOK_SECONDS)
        if waited.cancelled_caught:
            raise Broken(f"logs are on their way for {SETTLE_SECONDS:.0f} s: {places.futures}")
        for key, path in self._asked.items():
            if places.logs.get(key) != path:
                raise Broken(f"{key} is in {places.logs.get(key)}, and was asked to go to {path}")
        self._check_directories()
        await self.link.close()

    def _check_directories(self) -> None:
        one, other = ({each.name for each in Path(path).iterdir() if each.is_dir()} for path in self._paths)
        if one & other:
            raise Broken(f"{sorted(one & other)} are in both directories")
        if left := [name for name in one | other if name.endswith(FUTURE)]:
            raise Broken(f"nothing is on its way, and there is {', '.join(sorted(left))}")

    async def _look(self) -> Places:
        answer = await self.link.ask_until_answered(
            DescribeLogDirs.Request(topics=None),
            4,
            lambda answer: [answer.error_code, *(each.error_code for each in answer.results)],
        )
        places = Places({}, {}, set())
        for result in answer.results:
            if result.error_code:
                raise Broken(f"{result.log_dir}: {result.error_code.name}")
            for topic in result.topics:
                for each in topic.partitions:
                    key = topic.name, each.partition_index
                    known = places.futures if each.is_future_key else places.logs
                    if key in known:
                        raise Broken(f"{key} is told to be in {known[key]} and in {result.log_dir}")
                    known[key] = result.log_dir
                    if not each.partition_size and not each.is_future_key:
                        places.empty.add(key)
        return places

    async def _alter(self, key: Key, path: str) -> None:
        topic, index = key
        asked = AlterReplicaLogDirs.Request.Dir
        request = AlterReplicaLogDirs.Request(
            dirs=[asked(path=path, topics=[asked.Topic(name=topic, partitions=[index])])]
        )
        answer = await self.link.ask_until_answered(
            request, 2, lambda answer: [answer.results[0].partitions[0].error_code]
        )
        code = answer.results[0].partitions[0].error_code
        if code:
            raise Broken(f"{key} may not be moved to {path}: {code.name}")
        self._asked[key] = path
