"""Consumer groups on a clock that tests step by hand, and members that behave as real ones do.

`Cluster` holds topics that come, grow and go; `Consumer` is a member as it sees itself: it reports what it
owns when it has been given something else, and gives back what it was told to. Expressions are looked up
when `Groups.resolve()` is called, as the shard's owner does some time after it is asked to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.surroundings import FixedView
from kwire.coordinators.groups.consumer.topics import FixedTopics, Topic
from kwire.coordinators.groups.consumer.values import (
    DescribedConsumerGroup,
    HeartbeatRequest,
    HeartbeatResult,
    ResolveExpressions,
)
from kwire.coordinators.groups.records import GroupsRecord
from kwire.coordinators.groups.settings import ConsumerGroupSettings, GroupSettings
from tests.coordinators.groups.context import GROUP, Shard, answered

AT_ONCE = ConsumerGroupSettings(assignment_interval_ms=0)
"""Targets are computed whenever they are due."""


class View(FixedView):
    """Every group has the same settings."""

    def __init__(self) -> None:
        super().__init__()
        self.all = AT_ONCE

    def settings_of(self, group_id: str) -> ConsumerGroupSettings:
        return self.settings.get(group_id, self.all)


class Groups(Shard):
    """One shard with consumer groups, and the topics of its cluster."""

    view: View

    def __init__(self, settings: GroupSettings | None = None, **topics: int) -> None:
        self._topics: dict[str, Topic] = {}
        self._ids = 0
        super().__init__(settings, view=View())
        for name, count in topics.items():
            self.create(name, count)

    # Topics

    def create(self, name: str, count: int) -> UUID:
        self._ids += 1
        topic = Topic(name, UUID(int=self._ids * 2**64 + self._ids), count)
        self._topics[name] = topic
        self._change(name, is_new=True)
        return topic.topic_id

    def grow(self, name: str, count: int) -> None:
        self._topics[name] = self._topics[name]._replace(partition_count=count)
        self._change(name)

    def delete(self, name: str) -> None:
        del self._topics[name]
        self._change(name)

    def id_of(self, name: str) -> UUID:
        return self._topics[name].topic_id

    @property
    def topics(self) -> dict[str, Topic]:
        return self._topics

    def _change(self, name: str, *, is_new: bool = False) -> None:
        self.view.topics = FixedTopics(self._topics.values(), self.view.topics.version + 1)
        if is_new:
            self.view.new_topics_version = self.view.topics.version
        self.run(self.machine.topics_changed([name]))

    def run_record(self, record: GroupsRecord) -> None:
        """A record of somebody else's."""
        self.machine.replay(record)
        self.log.append(record)

    # Requests

    def beat(self, member_id: str, epoch: int, **options: Any) -> HeartbeatResult:
        """A heartbeat as it is: what is not given is null."""
        options = {"client_id": "client", "client_host": "/127.0.0.1", **options}
        request = HeartbeatRequest(options.pop("group_id", GROUP), member_id, epoch, **options)
        return answered(self.run(self.machine.consumer_heartbeat(request, self.now_ms)))

    def join_as(
        self, member_id: str, *topics: str, expect: ErrorCode = ErrorCode.NONE, **options: Any
    ) -> Consumer:
        """A new member; `topics` are the names that it subscribes to."""
        consumer = Consumer(self, member_id, topics, **options)
        assert consumer.beat().error_code is expect
        return consumer

    def resolve(self) -> int:
        """Look up all expressions that are asked for; says how many groups asked."""
        asked = [message for message in self.messages if isinstance(message, ResolveExpressions)]
        self.messages.clear()
        for message in asked:
            found = {
                expression: [name for name in self._topics if re.fullmatch(expression, name)]
                for expression in message.expressions
            }
            version = self.view.topics.version
            outcome = self.machine.expressions_resolved(
                message.group_id, found, version, self.now_ms, self.now_ms
            )
            self.run(outcome)
        return len(asked)

    # What it became

    def consumers(self, group_id: str = GROUP) -> ConsumerGroup:
        group = self.machine.consumer_group(group_id)
        assert group is not None
        return group

    def describe(self, group_id: str = GROUP) -> DescribedConsumerGroup:
        return answered(self.run(self.machine.describe_consumer_group(group_id)))

    def configure(self, **changes: Any) -> None:
        self.view.all = replace(self.view.all, **changes)


class Consumer:
    """A member of the consumer protocol, as it sees itself."""

    def __init__(
        self,
        shard: Groups,
        member_id: str,
        topics: Iterable[str] | None,
        *,
        group_id: str = GROUP,
        **told: Any,
    ) -> None:
        self.shard = shard
        self.group_id = group_id
        self.member_id = member_id
        self.epoch = 0
        self.topics: Sequence[str] | None = None if topics is None else tuple(topics)
        self.told: dict[str, Any] = {"rebalance_timeout_ms": 60_000, **told}
        self.owned: dict[UUID, set[int]] = {}
        self.given: dict[UUID, set[int]] = {}
        """What it was last told to own; it may yet have more."""
        self.reported: dict[UUID, set[int]] | None = None
        """What it last said that it owns."""
        self.tells_all = False
        """It does not know whether its last heartbeat arrived."""
        self.last: HeartbeatResult | None = None

    def beat(self, **changes: Any) -> HeartbeatResult:
        """Heartbeat as a client does: everything when it joins, what is new afterwards."""
        options: dict[str, Any] = {}
        if "instance_id" in self.told:
            options["instance_id"] = self.told["instance_id"]
        if self.epoch == 0 or self.tells_all:
            options |= self.told
            options["subscribed_topic_names"] = self.topics
            options["owned"] = self._report()
        elif self.owned != self.reported:
            options["owned"] = self._report()
        options |= changes
        self.tells_all = False
        result = self.shard.beat(self.member_id, self.epoch, group_id=self.group_id, **options)
        if result.error_code is ErrorCode.NONE:
            if "owned" in options:
                self.reported = (
                    {} if self.epoch == 0 else {key: set(value) for key, value in self.owned.items()}
                )
            self._take(result)
        self.last = result
        return result

    def _report(self) -> tuple[tuple[UUID, tuple[int, ...]], ...]:
        return tuple((topic_id, tuple(sorted(mine))) for topic_id, mine in self.owned.items())

    def _take(self, result: HeartbeatResult) -> None:
        self.epoch = result.member_epoch
        if result.assignment is not None:
            self.given = {topic_id: set(mine) for topic_id, mine in result.assignment.items() if mine}
            self.obey()

    def obey(self) -> None:
        """Have what it was told to, and nothing else."""
        self.owned = {topic_id: set(mine) for topic_id, mine in self.given.items()}

    def miss_an_answer(self) -> None:
        """Heartbeat, and never hear of it."""
        before = self.epoch, self.given, self.owned, self.reported
        self.beat()
        self.epoch, self.given, self.owned, self.reported = before
        self.tells_all = True

    def rejoin(self) -> None:
        """It was fenced: it gives up everything and starts anew."""
        self.epoch = 0
        self.owned = {}
        self.given = {}
        self.reported = None

    def leave(self, epoch: int = -1) -> HeartbeatResult:
        instance_id = self.told.get("instance_id")
        result = self.shard.beat(self.member_id, epoch, group_id=self.group_id, instance_id=instance_id)
        self.rejoin()
        return result

    def has(self, topic: str) -> list[int]:
        """The partitions of a topic that it owns."""
        return sorted(self.owned.get(self.shard.id_of(topic), ()))


def settle(*consumers: Consumer, rounds: int = 6) -> None:
    """Heartbeats until nothing changes any more."""
    for _ in range(rounds):
        for consumer in consumers:
            result = consumer.beat()
            assert result.error_code is ErrorCode.NONE, result
