"""`uniform` for a group whose members subscribe to different topics.

Members keep what they have of the topics that they are subscribed to. Free partitions go to their topic's
least loaded subscribers, those of the topics with the most partitions a subscriber first. Then partitions
move, topic by topic, from the most to the least loaded subscribers, until a round moves none or the rounds
are used up: with subscriptions that overlap in part the result is nearly even, not quite.
(Kafka: UniformHeterogeneousAssignmentBuilder.)
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final
from uuid import UUID

from kwire.coordinators.groups.assignors.group_spec import (
    AssignorError,
    GroupAssignment,
    GroupSpec,
    NewAssignment,
    TopicDescriber,
    partition_count,
)
from kwire.coordinators.groups.java_hash import slots_for, uuid_order

MAX_ROUNDS: Final = 16
"""How often all topics are gone through to even out the load."""

_NOBODY = -1


def assign(spec: GroupSpec, topics: TopicDescriber) -> GroupAssignment:
    """The new target of every member; empty where nobody subscribes to a topic that is there.

    Raises AssignorError for a topic that is not there, or a target with partitions that its topic has not.
    """
    return _Builder(spec, topics).build()


class _Builder:
    """Members are numbers here: their places in the group."""

    def __init__(self, spec: GroupSpec, topics: TopicDescriber) -> None:
        self.members = list(spec.members.values())
        self.member_ids = list(spec.members)
        self.subscribers: defaultdict[UUID, list[int]] = defaultdict(list)
        for number, member in enumerate(self.members):
            for topic_id in member.subscribed_topic_ids:
                self.subscribers[topic_id].append(number)
        self.owners = {
            topic_id: [_NOBODY] * partition_count(topics, topic_id) for topic_id in self.subscribers
        }
        self.sizes = [0] * len(self.members)
        self.changed: dict[int, NewAssignment] = {}

    def build(self) -> GroupAssignment:
        if not self.subscribers:
            return {}
        self._keep()
        balancer = _Balancer(self.sizes)
        order = sorted(self.subscribers, key=self._widest_first)
        for topic_id in order:
            self._assign_free(topic_id, balancer)
        self._even_out([topic_id for topic_id in order if len(self.subscribers[topic_id]) > 1], balancer)
        result = {
            member_id: member.assignment
            for member_id, member in zip(self.member_ids, self.members, strict=True)
        }
        for number, new in self.changed.items():
            result[self.member_ids[number]] = new.built()
        return result

    def _widest_first(self, topic_id: UUID) -> tuple[float, int, tuple[int, int]]:
        subscribers = len(self.subscribers[topic_id])
        return -len(self.owners[topic_id]) / subscribers, subscribers, uuid_order(topic_id)

    def _keep(self) -> None:
        """Members keep what they have, but for topics that they are not subscribed to."""
        for number, member in enumerate(self.members):
            for topic_id, partitions in member.assignment.items():
                if topic_id not in member.subscribed_topic_ids:
                    self._new(number).remove_topic(topic_id)
                    continue
                owners = self.owners[topic_id]
                if max(partitions, default=_NOBODY) >= len(owners):
                    raise AssignorError(
                        f"topic {topic_id} has {len(owners)} partitions, and more are assigned"
                    )
                self.sizes[number] += len(partitions)
                for partition in partitions:
                    owners[partition] = number

    def _assign_free(self, topic_id: UUID, balancer: _Balancer) -> None:
        owners = self.owners[topic_id]
        if _NOBODY in owners:
            balancer.start(self.subscribers[topic_id])
            for partition, owner in enumerate(owners):
                if owner == _NOBODY:
                    self._give(topic_id, partition, balancer.next_least_loaded())

    def _even_out(self, topic_ids: list[UUID], balancer: _Balancer) -> None:
        last_changed = -1
        for _ in range(MAX_ROUNDS):
            for index, topic_id in enumerate(topic_ids):
                if index == last_changed:
                    # All others have been gone through since, and nothing moved.
                    return
                if self._even_out_topic(topic_id, balancer) or last_changed == -1:
                    last_changed = index

    def _even_out_topic(self, topic_id: UUID, balancer: _Balancer) -> bool:
        """Move partitions of one topic from its most to its least loaded subscribers; whether any moved."""
        if balancer.start(self.subscribers[topic_id]) <= 1:
            return False
        owned: defaultdict[int, list[int]] = defaultdict(list)
        for partition, owner in enumerate(self.owners[topic_id]):
            owned[owner].append(partition)
        moved = False
        while not balancer.is_balanced:
            giver = balancer.next_most_loaded()
            while giver is not None and not owned[giver]:
                balancer.exclude_most_loaded()
                giver = balancer.next_most_loaded()
            if giver is None:
                break
            partition = owned[giver].pop()
            taker = balancer.next_least_loaded()
            # The two may come from ranges that have just come as near to each other as they can.
            if balancer.is_balanced:
                break
            self._new(giver).remove(topic_id, partition)
            self.sizes[giver] -= 1
            self._give(topic_id, partition, taker)
            moved = True
        return moved

    def _give(self, topic_id: UUID, partition: int, number: int) -> None:
        share = -(-len(self.owners[topic_id]) // len(self.subscribers[topic_id]))
        self._new(number).add(topic_id, (partition,), slots_for(share * 4 // 3 + 1))
        self.owners[topic_id][partition] = number
        self.sizes[number] += 1

    def _new(self, number: int) -> NewAssignment:
        new = self.changed.get(number)
        if new is None:
            new = self.changed[number] = NewAssignment(self.members[number].assignment)
        return new


class _Balancer:
    """Hands out the least and the most loaded of some members, in turns.

    The members are sorted by their load once. From the left a range of equally loaded ones grows: each gets
    one partition, then the range's level is one higher and takes in those who are at it. From the right
    another range grows likewise as its members give partitions up; those with none to give are swapped out to
    its end. `sizes` are the loads, which the caller keeps; they are looked at only for members outside of the
    ranges.
    """

    __slots__ = (
        "_least_end",
        "_least_level",
        "_members",
        "_most_end",
        "_most_level",
        "_most_start",
        "_next_least",
        "_next_most",
        "_sizes",
    )

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes

    def start(self, members: list[int]) -> int:
        """Begin with these members; how far the least and the most loaded are apart."""
        # Stable: equally loaded members stay in their order.
        self._members = sorted(members, key=self._sizes.__getitem__)
        least, most = self._sizes[self._members[0]], self._sizes[self._members[-1]]
        self._least_end = self._next_least = 0
        self._least_level = least - 1
        self._most_start = self._most_end = len(members)
        self._most_level = most + 1
        self._next_most = len(members) - 1
        return most - least

    @property
    def is_balanced(self) -> bool:
        return self._most_level - self._least_level <= 1

    def next_least_loaded(self) -> int:
        """Who gets the next partition."""
        members, sizes = self._members, self._sizes
        if self._next_least >= self._least_end:
            self._least_level += 1
            while self._least_end < len(members) and sizes[members[self._least_end]] == self._least_level:
                self._least_end += 1
            self._next_least = 0
        self._next_least += 1
        return members[self._next_least - 1]

    def next_most_loaded(self) -> int | None:
        """Who gives the next partition up; None if nobody can."""
        members, sizes = self._members, self._sizes
        if self._next_most < self._most_start:
            if self._most_end <= self._most_start and self._most_start > 0:
                # Everybody was excluded: the range must not stay empty.
                self._most_level = sizes[members[self._most_start - 1]]
            else:
                self._most_level -= 1
            while self._most_start > 0 and sizes[members[self._most_start - 1]] == self._most_level:
                self._most_start -= 1
            self._next_most = self._most_end - 1
        if self._next_most < 0:
            return None
        self._next_most -= 1
        return members[self._next_most + 1]

    def exclude_most_loaded(self) -> None:
        """The member that was handed out last has nothing to give up."""
        members, index, end = self._members, self._next_most + 1, self._most_end - 1
        members[index], members[end] = members[end], members[index]
        self._most_end = end
