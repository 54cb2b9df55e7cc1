"""A consumer group: its epochs, its members, their target, and the books that follow from them.

    Empty       no members
    Assigning   the group's epoch is ahead of its target's: a new target is due
    Reconciling some member is not where the target wants it
    Stable      every member owns what the target gives it

The *group epoch* rises when members, subscriptions or topics change; the *target* is computed for a group
epoch (`assignment_epoch`); each member follows by itself (its own epoch), and gets a partition only when
nobody else holds it (`partition_epoch`). All that is hard state: only replay changes it, by the methods
under "Replay". What lies under `watches` and `refresh_*` is soft. A group that is not there is "Dead" to
those who ask. (Kafka: ConsumerGroup, ModernGroup.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from kwire.coordinators.groups.consumer.member import (
    NO_ASSIGNMENT,
    Assignment,
    ConsumerGroupMember,
    OwnedPartitions,
)
from kwire.coordinators.groups.consumer.records import ResolvedExpression
from kwire.coordinators.groups.consumer.watch import Watch
from kwire.coordinators.groups.java_hash import hash_map_order
from kwire.coordinators.groups.values import CONSUMER_PROTOCOL_TYPE, Protocol

INITIAL_EPOCH: Final = 1
"""Of a group without records, and of its target."""
NO_EPOCH: Final = -1
"""Nobody holds a partition; a target that was removed."""


class State(Enum):
    """A group's state, by the name that clients see."""

    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"


class SubscriptionCount(NamedTuple):
    """How many members name a topic, and how many expressions of the group match it."""

    by_name: int = 0
    by_expression: int = 0


Subscriptions = dict[str, SubscriptionCount]
_NOBODY: Final = SubscriptionCount()


def count_names(counts: Subscriptions, names: Iterable[str], change: int) -> None:
    """Enter that so many members more (or fewer) name these topics."""
    for name in names:
        by_name, by_expression = counts.get(name, _NOBODY)
        _enter(counts, name, by_name + change, by_expression)


def count_matches(counts: Subscriptions, topics: Iterable[str], change: int) -> None:
    """Enter that so many expressions more (or fewer) match these topics."""
    for name in topics:
        by_name, by_expression = counts.get(name, _NOBODY)
        _enter(counts, name, by_name, by_expression + change)


def _enter(counts: Subscriptions, name: str, by_name: int, by_expression: int) -> None:
    # Fewer than nobody would be where a tombstone is replayed whose value was compacted away.
    if by_name > 0 or by_expression > 0:
        counts[name] = SubscriptionCount(max(by_name, 0), max(by_expression, 0))
    else:
        counts.pop(name, None)


def _count(counts: dict[str, int], name: str | None, change: int) -> None:
    if not name:
        return
    count = counts.get(name, 0) + change
    if count > 0:
        counts[name] = count
    else:
        counts.pop(name, None)


def is_homogeneous(
    expressions: Mapping[str, int], subscriptions: Mapping[str, SubscriptionCount], member_count: int
) -> bool:
    """Whether all members subscribe to the same topics (Kafka: ConsumerGroup.subscriptionType)."""
    if not expressions:
        return all(count.by_name == member_count for count in subscriptions.values())
    if next(iter(expressions.values())) != member_count:
        return False
    return all(count.by_expression == 1 and not count.by_name for count in subscriptions.values())


class ConsumerGroup:
    """One group. It keeps its books consistent and decides nothing."""

    __slots__ = (
        "_partition_epochs",
        "assignment_epoch",
        "assignment_timestamp_ms",
        "classic_member_count",
        "classic_protocols",
        "expressions",
        "group_epoch",
        "group_id",
        "has_partition_metadata",
        "inverted_target",
        "members",
        "metadata_hash",
        "refresh_deadline_ms",
        "refresh_epoch",
        "resolved_expressions",
        "resolving",
        "server_assignors",
        "static_members",
        "subscriptions",
        "target",
        "watches",
    )

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.group_epoch = INITIAL_EPOCH
        self.metadata_hash = 0
        """Of the topics, as they were when the group's epoch was last raised."""
        self.assignment_epoch = INITIAL_EPOCH
        self.assignment_timestamp_ms = 0
        self.members: dict[str, ConsumerGroupMember] = {}
        self.static_members: dict[str, str] = {}
        """Instance id -> member id."""
        self.target: dict[str, Assignment] = {}
        self.inverted_target: dict[UUID, dict[int, str]] = {}
        """Topic id -> partition -> the member that shall own it."""
        self.resolved_expressions: dict[str, ResolvedExpression] = {}
        self.has_partition_metadata = False
        """There is a record of Kafka 4.0 that the next change removes."""
        # Books
        self.subscriptions: Subscriptions = {}
        self.expressions: dict[str, int] = {}
        """Regular expression -> how many members subscribe by it."""
        self.server_assignors: dict[str, int] = {}
        self.classic_member_count = 0
        self.classic_protocols: dict[str, int] = {}
        """Protocol -> how many of those that speak the classic protocol offer it."""
        self._partition_epochs: dict[UUID, dict[int, int]] = {}
        # Soft state
        self.watches: dict[str, Watch] = {}
        self.refresh_deadline_ms = 0
        self.refresh_epoch = 0
        self.resolving = False
        """Its expressions are being looked up."""

    # What it is

    @property
    def state(self) -> State:
        if not self.members:
            return State.EMPTY
        if self.group_epoch > self.assignment_epoch:
            return State.ASSIGNING
        epoch = self.assignment_epoch
        if all(member.is_reconciled_to(epoch) for member in self.members.values()):
            return State.STABLE
        return State.RECONCILING

    def static_member(self, instance_id: str | None) -> ConsumerGroupMember | None:
        """The member that holds an instance id."""
        member_id = None if instance_id is None else self.static_members.get(instance_id)
        return None if member_id is None else self.members.get(member_id)

    def target_of(self, member_id: str, instance_id: str | None = None) -> Assignment:
        """What a member shall own; of a static one, what the holder of its instance id shall."""
        if instance_id is None:
            return self.target.get(member_id, NO_ASSIGNMENT)
        holder = self.static_members.get(instance_id)
        return NO_ASSIGNMENT if holder is None else self.target.get(holder, NO_ASSIGNMENT)

    def partition_epoch(self, topic_id: UUID, partition: int) -> int:
        """The epoch of the member that holds a partition, or has yet to give it back; -1 for nobody."""
        return self._partition_epochs.get(topic_id, {}).get(partition, NO_EPOCH)

    def is_subscribed_to(self, topic: str) -> bool:
        return topic in self.subscriptions

    def needs_refresh(self, now_ms: int) -> bool:
        """Whether the topics may have changed since they were last looked at."""
        return now_ms >= self.refresh_deadline_ms or self.group_epoch < self.refresh_epoch

    def preferred_assignor(
        self, old: ConsumerGroupMember | None = None, new: ConsumerGroupMember | None = None
    ) -> str | None:
        """The server-side assignor that most members ask for, with `new` in the place of `old`.

        Of equals Kafka takes the one that its HashMap walks to first.
        """
        counts = dict(self.server_assignors)
        if old is not None:
            _count(counts, old.server_assignor, -1)
        if new is not None:
            _count(counts, new.server_assignor, 1)
        return max(hash_map_order(counts), key=counts.__getitem__, default=None)

    # What it would be

    def expressions_with(self, old: ConsumerGroupMember, new: ConsumerGroupMember) -> dict[str, int]:
        """Its expressions with `new` in the place of `old`."""
        counts = dict(self.expressions)
        if (old.subscribed_topic_regex or "") != (new.subscribed_topic_regex or ""):
            _count(counts, old.subscribed_topic_regex, -1)
            _count(counts, new.subscribed_topic_regex, 1)
        return counts

    def subscriptions_with(self, old: ConsumerGroupMember, new: ConsumerGroupMember) -> Subscriptions:
        """Its subscriptions with `new` in the place of `old`."""
        counts = dict(self.subscriptions)
        count_names(counts, old.subscribed_topic_names, -1)
        count_names(counts, new.subscribed_topic_names, 1)
        expression = old.subscribed_topic_regex
        if (
            expression
            and expression != new.subscribed_topic_regex
            and self.expressions.get(expression, 0) == 1
            and expression in self.resolved_expressions
        ):
            count_matches(counts, self.resolved_expressions[expression].topics, -1)
        return counts

    def subscriptions_without(
        self, members: Iterable[ConsumerGroupMember], expressions: Iterable[str]
    ) -> Subscriptions:
        """Its subscriptions without some members, and without expressions that only they had."""
        counts = dict(self.subscriptions)
        for member in members:
            count_names(counts, member.subscribed_topic_names, -1)
        for expression in expressions:
            if expression in self.resolved_expressions:
                count_matches(counts, self.resolved_expressions[expression].topics, -1)
        return counts

    # Members of the classic protocol

    def supports_classic_protocols(self, protocol_type: str, protocols: Collection[Protocol]) -> bool:
        """Whether a member that offers these may join with the classic protocol."""
        if protocol_type != CONSUMER_PROTOCOL_TYPE:
            return False
        if not self.members:
            return bool(protocols)
        count = self.classic_member_count
        return any(self.classic_protocols.get(offered.name, 0) == count for offered in protocols)

    def all_use_classic_protocol_without(self, members: Collection[ConsumerGroupMember]) -> bool:
        """Whether no member that speaks the consumer protocol is left without these."""
        leaving_classic = sum(member.uses_classic_protocol for member in members)
        return self.classic_member_count - leaving_classic == len(self.members) - len(members)

    def waits_for_unreleased(self, member: ConsumerGroupMember) -> bool:
        """Whether any partition of a member's target is still with somebody else."""
        for topic_id, partitions in self.target.get(member.member_id, NO_ASSIGNMENT).items():
            owned = member.assigned_partitions.get(topic_id, {})
            if any(
                partition not in owned and self.partition_epoch(topic_id, partition) != NO_EPOCH
                for partition in partitions
            ):
                return True
        return False

    # Replay

    def update_member(self, new: ConsumerGroupMember) -> None:
        """Take in a member, or what has become of it."""
        old = self.members.get(new.member_id)
        self.members[new.member_id] = new
        self._count_member(old, new)
        if new.instance_id is not None:
            self.static_members[new.instance_id] = new.member_id

    def remove_member(self, member_id: str) -> None:
        """Forget a member."""
        old = self.members.pop(member_id, None)
        self._count_member(old, None)
        if old is not None and old.instance_id is not None:
            self.static_members.pop(old.instance_id, None)

    def set_target(self, member_id: str, assignment: Assignment | None) -> None:
        """What a member shall own from now on; None: it is no part of the target."""
        before = self.target.get(member_id, NO_ASSIGNMENT)
        after = NO_ASSIGNMENT if assignment is None else assignment
        for topic_id in before.keys() | after.keys():
            owners = self.inverted_target.setdefault(topic_id, {})
            was, will = set(before.get(topic_id, ())), set(after.get(topic_id, ()))
            for partition in was - will:
                # It may have been given to somebody else by an earlier record.
                if owners.get(partition) == member_id:
                    del owners[partition]
            for partition in will - was:
                owners[partition] = member_id
            if not owners:
                del self.inverted_target[topic_id]
        if assignment is None:
            self.target.pop(member_id, None)
        else:
            self.target[member_id] = assignment

    def set_resolved(self, expression: str, resolved: ResolvedExpression | None) -> None:
        """Which topics an expression matches from now on; None: nobody subscribes by it."""
        before = self.resolved_expressions.pop(expression, None)
        if before is not None:
            count_matches(self.subscriptions, before.topics, -1)
        if resolved is not None:
            self.resolved_expressions[expression] = resolved
            count_matches(self.subscriptions, resolved.topics, 1)

    # Books

    def _count_member(self, old: ConsumerGroupMember | None, new: ConsumerGroupMember | None) -> None:
        if old is not None:
            self._release(old.assigned_partitions, old.member_epoch)
            self._release(old.partitions_pending_revocation, old.member_epoch)
        if new is not None:
            self._hold(new.assigned_partitions, new.member_epoch)
            self._hold(new.partitions_pending_revocation, new.member_epoch)
        if old is not None and new is not None and _told_the_same(old, new):
            return
        for member, change in ((old, -1), (new, 1)):
            if member is None:
                continue
            count_names(self.subscriptions, member.subscribed_topic_names, change)
            _count(self.server_assignors, member.server_assignor, change)
            _count(self.expressions, member.subscribed_topic_regex, change)
            if member.classic is not None:
                self.classic_member_count += change
                for offered in member.classic.protocols:
                    _count(self.classic_protocols, offered.name, change)

    def _release(self, owned: OwnedPartitions, epoch: int) -> None:
        for topic_id, partitions in owned.items():
            held = self._partition_epochs.get(topic_id)
            if held is None:
                continue
            for partition in partitions:
                # Somebody else may hold it by now: a log that is compacted may tell of that first.
                if held.get(partition) == epoch:
                    del held[partition]
            if not held:
                del self._partition_epochs[topic_id]

    def _hold(self, owned: OwnedPartitions, epoch: int) -> None:
        for topic_id, partitions in owned.items():
            held = self._partition_epochs.setdefault(topic_id, {})
            for partition in partitions:
                before = held.get(partition)
                # A static member that is away for a while holds its partitions at epoch -2.
                if before is None or before <= epoch:
                    held[partition] = epoch


def _told_the_same(old: ConsumerGroupMember, new: ConsumerGroupMember) -> bool:
    """Whether what is counted of two members is the same: a record of a current assignment changes none."""
    return (
        old.subscribed_topic_names is new.subscribed_topic_names
        and old.subscribed_topic_regex is new.subscribed_topic_regex
        and old.server_assignor is new.server_assignor
        and old.classic is new.classic
    )
