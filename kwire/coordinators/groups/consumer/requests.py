"""What is asked of consumer groups by their ids: the group is found, made or converted, and then decides.

A refusal leaves everything as it was; a group that is new, or has changed its kind, joins the table only when
nothing is refused any more. (Kafka: GroupMetadataManager.getOrMaybeCreateConsumerGroup and its callers.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import ClassicGroup
from kwire.coordinators.groups.classic_group import State as ClassicState
from kwire.coordinators.groups.consumer import conversion, expressions, fencing
from kwire.coordinators.groups.consumer import heartbeat as heartbeats
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.member import JOIN_EPOCH, Assignment, ConsumerGroupMember
from kwire.coordinators.groups.consumer.surroundings import Group, Surroundings
from kwire.coordinators.groups.consumer.topics import Topics
from kwire.coordinators.groups.consumer.values import (
    DescribedConsumer,
    DescribedConsumerGroup,
    DescribedTopic,
    HeartbeatRequest,
    HeartbeatResult,
    Refusal,
    ResolveExpressions,
)
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.records import GroupsRecord, group_tombstone
from kwire.coordinators.outcome import Outcome


def heartbeat(
    around: Surroundings, request: HeartbeatRequest, now_ms: int
) -> Outcome[HeartbeatResult, GroupsRecord]:
    """ConsumerGroupHeartbeat."""
    effects = Effects(now_ms)
    before = around.groups.get(request.group_id)
    result: HeartbeatResult | Refusal
    if request.member_epoch < JOIN_EPOCH:
        if not isinstance(before, ConsumerGroup):
            return _refused(_not_found(request.group_id, before))
        result = fencing.leave(around, before, request, effects)
        return _refused(result) if isinstance(result, Refusal) else effects.outcome(result)
    group = _found(around, request, before, effects)
    if isinstance(group, Refusal):
        return _refused(group)
    result = heartbeats.heartbeat(around, group, request, effects)
    if isinstance(result, Refusal):
        return _refused(result)
    if group is not before:
        around.groups[request.group_id] = group
        if isinstance(before, ClassicGroup):
            conversion.finish_upgrade(before, group, effects)
    mark_resolving(around, effects)
    return effects.outcome(result)


def _refused(refusal: Refusal) -> Outcome[HeartbeatResult, GroupsRecord]:
    return Outcome(HeartbeatResult(refusal.error_code, refusal.message))


def _found(
    around: Surroundings, request: HeartbeatRequest, group: Group | None, effects: Effects
) -> ConsumerGroup | Refusal:
    if isinstance(group, ConsumerGroup):
        return group
    group_id = request.group_id
    if request.member_epoch != JOIN_EPOCH:
        if group is None:
            return Refusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group {group_id} not found.")
        return _not_found(group_id, group)
    if group is None:
        return ConsumerGroup(group_id)
    if group.state is ClassicState.EMPTY:
        effects.records.append(group_tombstone(group_id))
        return ConsumerGroup(group_id)
    return conversion.refuses_upgrade(around, group) or conversion.to_consumer(around, group, effects)


def _not_found(group_id: str, group: Group | None) -> Refusal:
    what = "not found" if group is None else "is not a consumer group"
    return Refusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} {what}.")


def mark_resolving(around: Surroundings, effects: Effects) -> None:
    """Remember which groups' expressions are being looked up from now on."""
    for message in effects.messages:
        if isinstance(message, ResolveExpressions):
            group = around.groups.get(message.group_id)
            if isinstance(group, ConsumerGroup):
                group.resolving = True


def expressions_resolved(
    around: Surroundings,
    group_id: str,
    results: Mapping[str, Collection[str]],
    version: int,
    started_ms: int,
    now_ms: int,
) -> Outcome[None, GroupsRecord]:
    """The owner of the shard has looked up what `ResolveExpressions` asked for."""
    effects = Effects(now_ms)
    group = around.groups.get(group_id)
    if isinstance(group, ConsumerGroup):
        expressions.resolved(around, group, results, version, started_ms, effects)
    return effects.outcome(None)


def topics_changed(around: Surroundings, names: Collection[str]) -> None:
    """These topics were created, changed or deleted: groups that subscribe to them look at theirs again."""
    changed = frozenset(names)
    for name in changed:
        around.hashes.pop(name, None)
    for group in around.groups.values():
        if isinstance(group, ConsumerGroup) and not changed.isdisjoint(group.subscriptions):
            group.refresh_deadline_ms = group.refresh_epoch = 0


# ConsumerGroupDescribe


def describe(around: Surroundings, group_id: str) -> DescribedConsumerGroup:
    """One group with its members."""
    group = around.groups.get(group_id)
    if not isinstance(group, ConsumerGroup):
        refusal = _not_found(group_id, group)
        return DescribedConsumerGroup(refusal.error_code, group_id, refusal.message)
    topics = around.view.topics
    return DescribedConsumerGroup(
        ErrorCode.NONE,
        group_id,
        None,
        group.state.value,
        group.group_epoch,
        group.assignment_epoch,
        group.preferred_assignor() or around.settings.consumer_assignors[0],
        [_described(group, member, topics) for member in group.members.values()],
    )


def _described(group: ConsumerGroup, member: ConsumerGroupMember, topics: Topics) -> DescribedConsumer:
    # What it has yet to give back is still its.
    owned: dict[UUID, list[int]] = {}
    for partitions_by_topic in (member.assigned_partitions, member.partitions_pending_revocation):
        for topic_id, partitions in partitions_by_topic.items():
            owned.setdefault(topic_id, []).extend(partitions)
    return DescribedConsumer(
        member.member_id,
        member.instance_id,
        member.rack_id,
        member.member_epoch,
        member.client_id,
        member.client_host,
        sorted(member.subscribed_topic_names),
        member.subscribed_topic_regex,
        _named(owned, topics),
        _named(group.target_of(member.member_id), topics),
        member.uses_classic_protocol,
    )


def _named(assignment: Assignment, topics: Topics) -> Sequence[DescribedTopic]:
    found = ((topics.by_id(topic_id), partitions) for topic_id, partitions in assignment.items())
    return [
        DescribedTopic(topic.topic_id, topic.name, sorted(partitions))
        for topic, partitions in found
        if topic is not None
    ]
