"""Consumer groups as handlers see them, and what they need of the cluster: topics, settings, expressions.

The machine is handed the cluster as a `View`; which topics an expression matches is looked up here, away from
the loop, when the machine asks for it by a message. Routing is that of groups.py.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

import trio
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.topics import Topic
from kwire.coordinators.groups.consumer.values import (
    DescribedConsumerGroup,
    HeartbeatRequest,
    HeartbeatResult,
    ResolveExpressions,
    problem_with,
)
from kwire.coordinators.groups.settings import ConsumerGroupSettings, GroupSettings
from kwire.coordinators.metadata.group_configs import consumer_group_settings
from kwire.coordinators.metadata.image import ClusterImage, TopicImage
from kwire.coordinators.outcome import Outcome
from kwire.partitions.threads import run_in_thread
from kwire.runtime.group_host import Host
from kwire.runtime.shard import Shard
from kwire.runtime.soon import Soon, awaited

if TYPE_CHECKING:
    from kwire.coordinators.groups.coordinator import GroupCoordinator
    from kwire.coordinators.regular_expressions import ExpressionCache

logger = logging.getLogger("kwire.runtime")

R = TypeVar("R")
_GROUPS_A_TURN = 20
"""So many groups are described before others have their turn; each may have many members."""


class ImageTopics:
    """An image's topics. Immutable, as the image is."""

    __slots__ = ("_has_racks", "_image", "_with_racks")

    def __init__(self, image: ClusterImage) -> None:
        self._image = image
        self._has_racks = any(broker.rack is not None for broker in image.brokers.values())
        self._with_racks: dict[str, Topic] = {}

    @property
    def version(self) -> int:
        return self._image.offset

    def by_name(self, name: str) -> Topic | None:
        found = self._image.topics.get(name)
        return None if found is None else self._seen(found)

    def by_id(self, topic_id: UUID) -> Topic | None:
        found = self._image.topic_by_id(topic_id)
        return None if found is None else self._seen(found)

    def names(self) -> Collection[str]:
        return self._image.topics.keys()

    def _seen(self, topic: TopicImage) -> Topic:
        if not self._has_racks:
            return Topic(topic.name, topic.id, len(topic.partitions))
        seen = self._with_racks.get(topic.name)
        if seen is None:
            racks = [self._racks(partition.replicas) for partition in topic.partitions]
            seen = self._with_racks[topic.name] = Topic(topic.name, topic.id, len(racks), racks)
        return seen

    def _racks(self, replicas: Iterable[int]) -> list[str]:
        found = (self._image.brokers.get(node_id) for node_id in replicas)
        return [broker.rack for broker in found if broker is not None and broker.rack is not None]


class ClusterView:
    """The cluster as it is now."""

    __slots__ = ("_host", "_seen", "_topics", "new_topics_version")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._seen: ClusterImage | None = None
        self._topics = ImageTopics(ClusterImage())
        self.new_topics_version = 0

    @property
    def topics(self) -> ImageTopics:
        image = self._host.controller.image
        if image is not self._seen:
            self._seen = image
            self._topics = ImageTopics(image)
        return self._topics

    def settings_of(self, group_id: str) -> ConsumerGroupSettings:
        return consumer_group_settings(self._host.controller.image, self._host.config, group_id)


class Begin(Protocol):
    """Has a group's shard carry out an operation (groups.py)."""

    def __call__(
        self,
        node_id: int,
        group_id: str,
        operation: Callable[[GroupCoordinator, int], Outcome[R, Any]],
        refused: Callable[[ErrorCode], R],
        /,
    ) -> Soon[R]: ...


class ConsumerGroups:
    """What is asked of consumer groups, of all shards of one cluster.

    :param shards_of: the shards that are open now; of one group, or (None) all.
    :param spawn: starts a task in the nursery of the service.
    """

    def __init__(
        self,
        host: Host,
        settings: GroupSettings,
        begin: Begin,
        shards_of: Callable[[str | None], Sequence[Shard[GroupCoordinator]]],
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
    ) -> None:
        self.view = ClusterView(host)
        self._host = host
        self._settings = settings
        self._begin = begin
        self._shards_of = shards_of
        self._spawn = spawn
        self._cache: ExpressionCache | None = None
        self._looking = trio.Lock()

    def start(self) -> None:
        """Expressions that were looked up before the cluster started may have missed topics."""
        self.view.new_topics_version = self._host.controller.image.offset

    # Requests

    def heartbeat(self, node_id: int, request: HeartbeatRequest) -> Soon[HeartbeatResult]:
        """ConsumerGroupHeartbeat."""
        refusal = problem_with(request, self._settings.consumer_assignors)
        if refusal is not None:
            return HeartbeatResult(refusal.error_code, refusal.message)
        return self._begin(
            node_id,
            request.group_id,
            lambda machine, now_ms: machine.consumer_heartbeat(request, now_ms),
            HeartbeatResult,
        )

    async def describe(self, node_id: int, group_ids: Sequence[str]) -> list[DescribedConsumerGroup]:
        """ConsumerGroupDescribe, in the order asked."""
        described: list[DescribedConsumerGroup] = []
        for number, group_id in enumerate(group_ids, 1):
            if not number % _GROUPS_A_TURN:
                await trio.lowlevel.checkpoint()
            described.append(await awaited(self._describe(node_id, group_id)))
        return described

    def _describe(self, node_id: int, group_id: str) -> Soon[DescribedConsumerGroup]:
        if not group_id:
            return DescribedConsumerGroup(ErrorCode.INVALID_GROUP_ID, group_id)
        return self._begin(
            node_id,
            group_id,
            lambda machine, _: machine.describe_consumer_group(group_id),
            lambda error_code: DescribedConsumerGroup(error_code, group_id),
        )

    # Following the cluster

    def image_changed(self, old: ClusterImage, new: ClusterImage) -> None:
        """Topics may have come, changed or gone: groups that subscribe to them look again when their members
        heartbeat.
        """
        changed = new.changed_topics
        if old.topics is new.topics or not changed:
            return
        if any(_is_new(name, old, new) for name in changed):
            self.view.new_topics_version = new.offset
        for shard in self._shards_of(None):
            shard.begin(lambda machine, _: machine.topics_changed(changed))

    # Regular expressions

    def deliver(self, message: object) -> None:
        """Take a message of a shard's machine."""
        assert isinstance(message, ResolveExpressions), message
        self._spawn(partial(self._resolve, message))

    async def _resolve(self, message: ResolveExpressions) -> None:
        topics, started_ms = self.view.topics, self._host.clock.now_ms()
        found: dict[str, frozenset[str]] = {}
        try:
            async with self._looking:
                found = await run_in_thread(self._look_up, message.expressions, topics)
        except Exception:
            logger.exception("the expressions of group %s could not be looked up", message.group_id)
        for shard in self._shards_of(message.group_id):
            try:
                await shard.run(
                    lambda machine, now_ms: machine.expressions_resolved(
                        message.group_id, found, topics.version, started_ms, now_ms
                    )
                )
            except Exception:
                logger.exception("the expressions of group %s could not be updated", message.group_id)

    def _look_up(self, expressions: Sequence[str], topics: ImageTopics) -> dict[str, frozenset[str]]:
        """In a thread, one at a time."""
        from kwire.coordinators.regular_expressions import ExpressionCache

        if self._cache is None:
            self._cache = ExpressionCache()
        return self._cache.resolve(expressions, frozenset(topics.names()))


def _is_new(name: str, old: ClusterImage, new: ClusterImage) -> bool:
    before, after = old.topic(name), new.topic(name)
    return after is not None and (before is None or before.id != after.id)
