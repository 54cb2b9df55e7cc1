"""Somebody who changes topics."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from kwire_codecs.apis.create_partitions import CreatePartitions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs

from tests.simulation.checks import History
from tests.simulation.clients.calling import Caller, Lost
from tests.simulation.world import World


class Admin(Caller):
    """Creates and deletes topics, adds partitions, changes settings, deletes records."""

    def __init__(
        self, world: World, history: History, name: str, lasting: list[str], passing: list[str]
    ) -> None:
        super().__init__(world, history, name)
        self.lasting = lasting
        self.passing = passing

    async def run(self) -> None:
        actions: list[Callable[[], Any]] = [
            self._recreate,
            self._recreate,
            self._add_partition,
            self._alter,
            self._delete_records,
            self._delete_records,
        ]
        while not self.stopping:
            await self.pause(1.5)
            self.history.look_inside()
            with contextlib.suppress(Lost):
                await self.rng.choice(actions)()
                if self.world.power_losses:
                    for name in self.lasting:
                        await self.make(name, 3)
        await self.close()

    async def make(self, name: str, partitions: int) -> None:
        """Creates a topic where there is none, and looks until it is there."""
        self.partitions.pop((name, 0), None)
        await self.refresh([name])
        while (name, 0) not in self.partitions:
            with contextlib.suppress(Lost):
                await self._create(name, partitions)
            await self.refresh([name])
            await self.back_off()

    async def _create(self, name: str, partitions: int) -> None:
        asked = CreateTopics.Request.Topic
        configs = {"min.insync.replicas": self.rng.choice(("1", "2"))}
        if self.rng.random() < 0.5:
            configs["segment.ms"] = self.rng.choice(("200", "5000"))
        self.history.look_at_power()
        deleted = frozenset(self.history.deleted)
        answer, stamp = await self.ask(
            self.some_node(),
            CreateTopics.Request(
                topics=[
                    asked(
                        name=name,
                        num_partitions=partitions,
                        replication_factor=self.rng.randint(1, 3) if name.startswith("r") else 3,
                        assignments=[],
                        configs=[asked.Config(name=key, value=value) for key, value in configs.items()],
                    )
                ],
                timeout_ms=5000,
            ),
            7,
        )
        created = answer.topics[0]
        if not created.error_code and self.history.counts(stamp):
            self.history.saw_topic(name, created.topic_id, deleted, stamp)
            self.history.created[created.topic_id] = name

    async def _recreate(self) -> None:
        name = self.rng.choice(self.passing)
        await self.refresh([name])
        known = self.partitions.get((name, 0))
        if known is None:
            await self._create(name, self.rng.randint(1, 2))
            return
        asked = DeleteTopics.Request
        by_id = self.rng.random() < 0.5
        self.history.deleting.add(known.topic_id)
        self.history.created.pop(known.topic_id, None)
        request = (
            asked(topics=[asked.Topic(topic_id=known.topic_id)], timeout_ms=5000)
            if by_id
            else asked(topic_names=[name], timeout_ms=5000)
        )
        answer, stamp = await self.ask(self.some_node(), request, 6 if by_id else self.rng.randint(0, 5))
        if not answer.responses[0].error_code and self.history.counts(stamp):
            self.history.deleted.add(known.topic_id)

    async def _add_partition(self) -> None:
        name = self.lasting[-1]
        await self.refresh([name])
        count = sum(1 for topic, _ in self.partitions if topic == name)
        if not 0 < count < 6:
            return
        asked = CreatePartitions.Request
        await self.ask(
            self.some_node(),
            asked(
                topics=[asked.Topic(name=name, count=count + 1, assignments=None)],
                timeout_ms=5000,
                validate_only=False,
            ),
            self.rng.randint(0, 3),
        )

    async def _alter(self) -> None:
        asked = IncrementalAlterConfigs.Request.Resource
        setting, value = self.rng.choice(
            (
                ("min.insync.replicas", "1"),
                ("min.insync.replicas", "2"),
                ("segment.ms", "100"),
                ("segment.ms", "60000"),
                ("max.message.bytes", "900000"),
            )
        )
        resource = asked(
            resource_type=2,
            resource_name=self.rng.choice(self.lasting),
            configs=[asked.Config(name=setting, config_operation=0, value=value)],
        )
        request = IncrementalAlterConfigs.Request(resources=[resource], validate_only=False)
        await self.ask(self.some_node(), request, self.rng.randint(0, 1))

    async def _delete_records(self) -> None:
        name = self.rng.choice(self.lasting)
        await self.refresh([name])
        known = self.partitions.get((name, 0))
        if known is None or known.leader < 0:
            return
        log = self.history.logs[known.place]
        end = max(log.at, default=0)
        offset = self.rng.randint(min(log.asked_start, end), end)
        log.asked_start = max(log.asked_start, offset)
        asked = DeleteRecords.Request.Topic
        topic = asked(name=name, partitions=[asked.Partition(partition_index=0, offset=offset)])
        request = DeleteRecords.Request(topics=[topic], timeout_ms=5000)
        await self.ask(known.leader, request, self.rng.randint(0, 2))
