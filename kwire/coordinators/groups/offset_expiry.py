"""Forgets offsets whose time has come, and groups of which nothing is left, a few at a time (KIP-211).

Offsets are kept while their group lives: of an empty classic group they expire some time after it became
empty, of a stable group of consumers those of topics that it no longer subscribes to, and of a group without
members ever (a "simple" one) or of KIP-848 each some time after its commit. A partition on which a
transaction has an offset pending is left alone, and so is its group. (Kafka:
OffsetMetadataManager.cleanupExpiredOffsets, GroupCoordinatorShard.cleanupGroupMetadata.)
"""

from __future__ import annotations

from collections.abc import Mapping

from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.records import group_tombstones
from kwire.coordinators.groups.consumer.surroundings import Group
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.offset_store import OffsetStore
from kwire.coordinators.groups.records import OffsetKey, OffsetValue, group_tombstone, offset_tombstone
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import NO_TIMESTAMP

OFFSETS_A_STEP = 500
"""So many offsets, and groups, are looked at before others have their turn; all of a topic's go together."""


class OffsetExpiry:
    """A walk through the groups of one shard. It remembers where it is, which is soft state."""

    __slots__ = ("_groups", "_is_first_step", "_kept", "_topics")

    def __init__(self) -> None:
        self._groups: list[str] = []
        """Those that are left, the next one last."""
        self._topics: list[str] | None = None
        """What is left of the next group, if the walk is in the midst of it."""
        self._is_first_step = True
        self._kept = False
        """Whether the group is one to keep, or has an offset that is."""

    def step(
        self,
        groups: Mapping[str, Group],
        store: OffsetStore,
        settings: GroupSettings,
        effects: Effects,
    ) -> bool:
        """Go a bit further; the first step of a walk follows the last one of another. True if there is more
        to do, once the records are replayed.
        """
        if not self._groups:
            self._groups = list(groups)
        left = OFFSETS_A_STEP
        while self._groups and left > 0:
            group = groups.get(self._groups[-1])
            if group is not None:
                left = self._look_at(group, store, settings, effects, left)
                if self._topics is not None:
                    return True
            self._groups.pop()
        return bool(self._groups)

    def _look_at(
        self, group: Group, store: OffsetStore, settings: GroupSettings, effects: Effects, left: int
    ) -> int:
        """Go on with a group; gives how much of the step is left. The group is done if no topics are left."""
        group_id = group.group_id
        expires, since_ms = _condition(group)
        if self._topics is None:
            self._topics = store.topics(group_id) if expires else []
            self._is_first_step = True
            self._kept = not expires
        while self._topics and left > 0:
            topic = self._topics.pop()
            partitions = store.partitions(group_id, topic)
            left -= len(partitions)
            if group.is_subscribed_to(topic):
                self._kept = True
                continue
            for partition, value in partitions:
                if _has_expired(value, since_ms, settings, effects.now_ms) and not store.pending.is_pending(
                    OffsetKey(group_id, topic, partition)
                ):
                    effects.records.append(offset_tombstone(group_id, topic, partition))
                else:
                    self._kept = True
        if self._topics:
            self._is_first_step = False
            return 0
        if not self._kept and not self._is_first_step and store.has(group_id):
            # What was looked at in earlier steps may have been committed again: look once more.
            self._topics = store.topics(group_id)
            return 0
        self._topics = None
        if not self._kept and _may_go(group, store):
            if isinstance(group, ConsumerGroup):
                effects.records += group_tombstones(group_id, (), group.resolved_expressions)
            else:
                effects.records.append(group_tombstone(group_id))
        return left - 1


def _may_go(group: Group, store: OffsetStore) -> bool:
    """Whether a group may be removed that has no committed offsets."""
    if store.pending.has(group.group_id):
        return False
    if isinstance(group, ConsumerGroup):
        return not group.members
    return group.state is State.EMPTY and not group.pending_joins


def _condition(group: Group) -> tuple[bool, int | None]:
    """Whether offsets of the group expire now, and since when time counts: None is since their commit."""
    if isinstance(group, ConsumerGroup) or group.protocol_type is None:
        return True, None
    if group.state is State.EMPTY:
        return True, group.current_state_timestamp_ms
    knows_topics = group.uses_consumer_protocol and group.subscribed_topics is not None
    return knows_topics and group.state is State.STABLE, None


def _has_expired(value: OffsetValue, since_ms: int | None, settings: GroupSettings, now_ms: int) -> bool:
    if value.expire_timestamp_ms != NO_TIMESTAMP:
        return now_ms >= value.expire_timestamp_ms
    return (
        now_ms - (value.commit_timestamp_ms if since_ms is None else since_ms)
        >= settings.offsets_retention_ms
    )
