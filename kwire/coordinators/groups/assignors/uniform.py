"""`uniform`: every member gets as many partitions as every other, give or take one, and keeps what it has
where that allows it.

Here: the group whose members all subscribe to the same topics. Members keep their partitions up to their
quota; what is free or over goes to those below theirs, in the order in which it was found. The other case is
`uniform_heterogeneous`. (Kafka: UniformAssignor, UniformHomogeneousAssignmentBuilder.)
"""

from __future__ import annotations

from collections.abc import Container
from itertools import groupby, repeat
from operator import itemgetter
from uuid import UUID

from kwire.coordinators.groups.assignors import uniform_heterogeneous
from kwire.coordinators.groups.assignors.group_spec import (
    Assignment,
    AssignorError,
    GroupAssignment,
    GroupSpec,
    NewAssignment,
    TopicDescriber,
    partition_count,
    partitions_in_order,
    topics_in_order,
)
from kwire.coordinators.groups.java_hash import slots_for_copy, uuid_hash, walked

_FreePartitions = list[tuple[UUID, int]]


def assign(spec: GroupSpec, topics: TopicDescriber) -> GroupAssignment:
    """The new target of every member; empty where nobody subscribes to a topic that is there.

    Raises AssignorError where the targets so far do not fit the topics.
    """
    if not spec.members:
        return {}
    if spec.is_homogeneous:
        return _assign_homogeneous(spec, topics)
    return uniform_heterogeneous.assign(spec, topics)


def _assign_homogeneous(spec: GroupSpec, topics: TopicDescriber) -> GroupAssignment:
    ids = next(iter(spec.members.values())).subscribed_topic_ids
    subscribed = dict.fromkeys(walked(tuple(ids), uuid_hash, slots_for_copy(len(ids))))
    if not subscribed:
        return {}
    free: _FreePartitions = []
    total = 0
    for topic_id in subscribed:
        count = partition_count(topics, topic_id)
        taken = spec.inverted_target.get(topic_id, ())
        free += zip(repeat(topic_id), (each for each in range(count) if each not in taken))
        total += count
    result: GroupAssignment = {}
    changed: dict[str, NewAssignment] = {}
    unfilled: list[tuple[str, int]] = []
    least, extra = divmod(total, len(spec.members))
    for index, (member_id, member) in enumerate(spec.members.items()):
        takes_extra = extra > 0
        room, new = _keep(member.assignment, subscribed, least + takes_extra, free)
        result[member_id] = member.assignment
        if new is not None:
            changed[member_id] = new
        # The extra partition is for members that fill their quota with what they have, or else for the last.
        if room > 0 and takes_extra and len(spec.members) - index > extra:
            room -= 1
            takes_extra = False
        if room > 0:
            unfilled.append((member_id, room))
        if takes_extra:
            extra -= 1
    _fill(spec, changed, unfilled, free)
    for member_id, new in changed.items():
        result[member_id] = new.built()
    return result


def _keep(
    old: Assignment, subscribed: Container[UUID], quota: int, free: _FreePartitions
) -> tuple[int, NewAssignment | None]:
    """How many more partitions a member may get, and what it keeps (None: all); what is over becomes free."""
    new: NewAssignment | None = None
    for topic_id in topics_in_order(old):
        partitions = old[topic_id]
        if topic_id not in subscribed:
            new = new or NewAssignment(old)
            new.remove_topic(topic_id)
        elif len(partitions) <= quota:
            quota -= len(partitions)
        else:
            new = new or NewAssignment(old)
            for partition in partitions_in_order(partitions)[quota:]:
                new.remove(topic_id, partition)
                free.append((topic_id, partition))
            quota = 0
    return quota, new


def _fill(
    spec: GroupSpec, changed: dict[str, NewAssignment], unfilled: list[tuple[str, int]], free: _FreePartitions
) -> None:
    """Give the free partitions to the members that have room, one member after the other."""
    start = 0
    for member_id, room in unfilled:
        new = changed.get(member_id)
        if new is None:
            new = changed[member_id] = NewAssignment(spec.members[member_id].assignment)
        for topic_id, some in groupby(free[start : start + room], key=itemgetter(0)):
            new.add(topic_id, [partition for _, partition in some])
        start += room
    if start < len(free):
        raise AssignorError("partitions were left unassigned")
