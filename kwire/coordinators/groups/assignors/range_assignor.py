"""`range`: of each topic every member gets one stretch of partitions; the first members get one more if they
do not divide evenly.

Topics with the same subscribers and as many partitions are so assigned alike, which joins rely on. Static
members come first, by instance id, and keep their stretch over restarts; the others follow by member id. What
members own so far does not count. (Kafka: RangeAssignor.)
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from kwire.coordinators.groups.assignors.group_spec import (
    Assignment,
    GroupAssignment,
    GroupSpec,
    TopicDescriber,
    partition_count,
)
from kwire.coordinators.groups.java_hash import slots_for, utf16_order, uuid_hash, walked


class _Stretches:
    """One topic's partitions, handed out from the first on."""

    __slots__ = ("extra", "next", "quota", "subscribers", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.subscribers = 0
        self.next = 0

    def share_out(self) -> None:
        self.quota, self.extra = divmod(self.total, self.subscribers)

    def take(self) -> range:
        start = self.next
        self.next += self.quota
        if self.extra:
            self.extra -= 1
            self.next += 1
        return range(start, self.next)


def assign(spec: GroupSpec, topics: TopicDescriber) -> GroupAssignment:
    """The new target of every member. Raises AssignorError for a topic that is not there."""
    order = sorted(spec.members, key=_by_instance_then_member(spec))
    # In a homogeneous group the first member speaks for all.
    first = order[:1]
    all_topics: dict[UUID, _Stretches] = {}
    subscribed: dict[str, list[UUID]] = {}
    for member_id in first if spec.is_homogeneous else order:
        ids = subscribed[member_id] = list(spec.members[member_id].subscribed_topic_ids)
        for topic_id in ids:
            if topic_id not in all_topics:
                all_topics[topic_id] = _Stretches(partition_count(topics, topic_id))
            all_topics[topic_id].subscribers += len(order) if spec.is_homogeneous else 1
    for stretches in all_topics.values():
        stretches.share_out()
    result: GroupAssignment = {}
    for member_id in order:
        ids = subscribed[first[0] if spec.is_homogeneous else member_id]
        count = len(ids) if spec.is_homogeneous else len(spec.members[member_id].subscribed_topic_ids)
        mine = {
            topic_id: stretches.take()
            for topic_id in ids
            if (stretches := all_topics[topic_id]).next < stretches.total
        }
        result[member_id] = _in_java_order(mine, slots_for(count * 4 // 3 + 1))
    return result


def _by_instance_then_member(spec: GroupSpec) -> Callable[[str], tuple[bool, bytes]]:
    def key(member_id: str) -> tuple[bool, bytes]:
        instance_id = spec.members[member_id].instance_id
        return instance_id is None, utf16_order(member_id if instance_id is None else instance_id)

    return key


def _in_java_order(mine: dict[UUID, range], slots: int) -> Assignment:
    return {topic_id: mine[topic_id] for topic_id in walked(mine, uuid_hash, slots)}
