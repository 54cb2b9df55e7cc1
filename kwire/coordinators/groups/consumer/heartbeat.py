"""ConsumerGroupHeartbeat: a member joins, says that it is there and what it owns, hears what it shall own.

Each heartbeat takes the group one step on, in this order: the member's record, if it told something new; the
group's epoch, if subscriptions or topics have changed; a new target, if the epoch is ahead of it; the
member's next step towards the target. Leaving and being thrown out is fencing.py.

Every function decides on one group and gathers what follows in an `Effects`. A `Refusal` ends the operation,
and nothing of what was gathered counts. (Kafka: GroupMetadataManager.consumerGroupHeartbeat; order of checks,
error codes and texts are its own.)
"""

from __future__ import annotations

from typing import NamedTuple

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer import expressions
from kwire.coordinators.groups.consumer.expressions import REFRESH_INTERVAL_MS, Change
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.member import (
    JOIN_EPOCH,
    LEAVE_STATIC_EPOCH,
    Assignment,
    ConsumerGroupMember,
    MemberState,
    OwnedPartitions,
)
from kwire.coordinators.groups.consumer.reconciliation import UNKNOWN_STATE_MESSAGE, Goal, reconcile
from kwire.coordinators.groups.consumer.records import (
    PartitionMetadataKey,
    current_record,
    epoch_record,
    member_record,
    member_target_record,
    member_tombstones,
    tombstone,
)
from kwire.coordinators.groups.consumer.surroundings import Surroundings
from kwire.coordinators.groups.consumer.target import update_target
from kwire.coordinators.groups.consumer.topic_ids import subscribed_topic_ids
from kwire.coordinators.groups.consumer.values import HeartbeatRequest, HeartbeatResult, Owned, Refusal
from kwire.coordinators.groups.consumer.watch import Watch
from kwire.coordinators.groups.effects import Effects

_NONE = ErrorCode.NONE
_UNREVOKED = MemberState.UNREVOKED_PARTITIONS


def heartbeat(
    around: Surroundings, group: ConsumerGroup, request: HeartbeatRequest, effects: Effects
) -> HeartbeatResult | Refusal:
    """A member joins or stays; `group` may be one that is not in the table yet."""
    member_id = request.member_id or request.new_member_id
    if is_full(around, group, request.member_id, request.instance_id):
        return too_many(around)
    if request.instance_id is None:
        member = _dynamic_member(group, request, member_id)
    else:
        member = _static_member(group, request, member_id, request.instance_id, effects)
    if isinstance(member, Refusal):
        return member
    updated = _told(member, request)
    if updated is not member and not fits_a_record(updated, around.settings.max_record_bytes):
        return Refusal(ErrorCode.UNKNOWN_SERVER_ERROR)
    names_changed = record_what_was_told(group, member, updated, effects)
    change = expressions.update(around, group, member, updated, effects)
    if isinstance(change, Refusal):
        return change
    raises_epoch = (
        names_changed or change is Change.RESOLVED or prefers_another_assignor(around, group, member, updated)
    )
    epoch = group.group_epoch
    if raises_epoch or group.needs_refresh(effects.now_ms):
        epoch = look_at_topics(around, group, member, updated, raises_epoch, effects)
    goal = target_for(around, group, epoch, member, updated, effects)
    if isinstance(goal, Refusal):
        return goal
    stepped = step(
        around, group, updated, goal, request.owned, names_changed or change is not Change.NONE, effects
    )
    if isinstance(stepped, Refusal):
        return stepped
    settings = around.view.settings_of(group.group_id)
    watch_of(group, member_id).keep_alive(group.group_id, member_id, settings.session_timeout_ms, effects)
    assigned: OwnedPartitions | None = None
    if (
        request.member_epoch == JOIN_EPOCH
        or request.is_full
        or member.assigned_partitions != stepped.assigned_partitions
    ):
        assigned = stepped.assigned_partitions
    return HeartbeatResult(
        _NONE, None, member_id, stepped.member_epoch, settings.heartbeat_interval_ms, assigned
    )


def watch_of(group: ConsumerGroup, member_id: str) -> Watch:
    """What the group waits for from a member."""
    watch = group.watches.get(member_id)
    if watch is None:
        watch = group.watches[member_id] = Watch()
    return watch


# Who it is


def is_full(around: Surroundings, group: ConsumerGroup, member_id: str, instance_id: str | None) -> bool:
    """Whether the group has no room for a member that is not in it yet, and takes nobody's place."""
    members = group.members
    return (
        len(members) >= around.settings.consumer_max_size
        and member_id not in members
        and group.static_member(instance_id) is None
    )


def too_many(around: Surroundings) -> Refusal:
    limit = around.settings.consumer_max_size
    return Refusal(
        ErrorCode.GROUP_MAX_SIZE_REACHED,
        f"The consumer group has reached its maximum capacity of {limit} members.",
    )


def unknown_member(group: ConsumerGroup, member_id: str) -> Refusal:
    return Refusal(
        ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {group.group_id}."
    )


def unknown_instance(instance_id: str) -> Refusal:
    return Refusal(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")


def fenced_instance(member_id: str, instance_id: str, holder: ConsumerGroupMember) -> Refusal:
    return Refusal(
        ErrorCode.FENCED_INSTANCE_ID,
        f"Static member {member_id} with instance id {instance_id} was fenced by member {holder.member_id}.",
    )


def _dynamic_member(
    group: ConsumerGroup, request: HeartbeatRequest, member_id: str
) -> ConsumerGroupMember | Refusal:
    member = group.members.get(member_id)
    if member is None:
        if request.member_epoch != JOIN_EPOCH:
            return unknown_member(group, member_id)
        member = ConsumerGroupMember(member_id)
    return _wrong_epoch(member, request) or member


def _static_member(
    group: ConsumerGroup, request: HeartbeatRequest, member_id: str, instance_id: str, effects: Effects
) -> ConsumerGroupMember | Refusal:
    holder = group.static_member(instance_id)
    if request.member_epoch != JOIN_EPOCH:
        if holder is None:
            return unknown_instance(instance_id)
        if holder.member_id != member_id:
            return fenced_instance(member_id, instance_id, holder)
        return _wrong_epoch(holder, request) or holder
    if holder is None:
        return group.members.get(member_id) or ConsumerGroupMember(member_id)
    if not holder.uses_classic_protocol and holder.member_epoch != LEAVE_STATIC_EPOCH:
        return Refusal(
            ErrorCode.UNRELEASED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} cannot join the group because "
            f"the instance id is owned by {holder.member_id} member.",
        )
    return take_place(group, holder, member_id, effects)


def take_place(
    group: ConsumerGroup, holder: ConsumerGroupMember, member_id: str, effects: Effects
) -> ConsumerGroupMember:
    """A static member is back under another id: it takes over all that is the holder's."""
    group_id = group.group_id
    newcomer = holder._replace(member_id=member_id, member_epoch=JOIN_EPOCH, previous_member_epoch=JOIN_EPOCH)
    effects.records += member_tombstones(group_id, holder.member_id)
    effects.records.append(member_record(group_id, newcomer))
    target = group.target_of(holder.member_id)
    effects.records.append(member_target_record(group_id, member_id, target))
    effects.records.append(current_record(group_id, newcomer))
    # The holder's timers stay, in case that this is refused after all; they will find nobody.
    return newcomer


def stop_watching(group: ConsumerGroup, member_id: str, effects: Effects) -> None:
    """Nobody waits for this member any more."""
    watch = group.watches.pop(member_id, None)
    if watch is not None:
        watch.end(group.group_id, member_id, effects)


def _wrong_epoch(member: ConsumerGroupMember, request: HeartbeatRequest) -> Refusal | None:
    """Whether the member's epoch is not the one that it was last told; then it starts anew.

    The previous one is taken from a member that owns no more than it should: it may have missed an answer.
    """
    epoch, known = request.member_epoch, member.member_epoch
    if epoch in (known, JOIN_EPOCH):
        return None
    if epoch > known:
        size = "greater"
    elif epoch == member.previous_member_epoch and _is_part_of(request.owned, member.assigned_partitions):
        return None
    else:
        size = "smaller"
    return Refusal(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {size} member epoch ({epoch}) than the one known by the group "
        f"coordinator ({known}). The member must abandon all its partitions and rejoin.",
    )


def _is_part_of(owned: Owned | None, assigned: OwnedPartitions) -> bool:
    if owned is None:
        return False
    return all(
        topic_id in assigned and all(partition in assigned[topic_id] for partition in partitions)
        for topic_id, partitions in owned
    )


# What it told


def _told(member: ConsumerGroupMember, request: HeartbeatRequest) -> ConsumerGroupMember:
    """The member with what is new; itself if nothing is."""
    names = request.subscribed_topic_names
    told = member._replace(
        instance_id=member.instance_id if request.instance_id is None else request.instance_id,
        rack_id=member.rack_id if request.rack_id is None else request.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms
        if request.rebalance_timeout_ms == -1
        else request.rebalance_timeout_ms,
        client_id=request.client_id,
        client_host=request.client_host,
        subscribed_topic_names=member.subscribed_topic_names if names is None else frozenset(names),
        subscribed_topic_regex=member.subscribed_topic_regex
        if request.subscribed_topic_regex is None
        else request.subscribed_topic_regex,
        server_assignor=member.server_assignor
        if request.server_assignor is None
        else request.server_assignor,
        classic=None,
    )
    return member if told == member else told


def fits_a_record(member: ConsumerGroupMember, max_bytes: int) -> bool:
    """Whether what a member told of itself can be kept. Kafka's append of it fails otherwise."""
    size = 100 + len(member.client_id) + len(member.subscribed_topic_regex or "")
    size += sum(3 + len(name) for name in member.subscribed_topic_names)
    if member.classic is not None:
        size += sum(6 + len(name) + len(metadata) for name, metadata in member.classic.protocols)
    return size <= max_bytes


def record_what_was_told(
    group: ConsumerGroup, member: ConsumerGroupMember, updated: ConsumerGroupMember, effects: Effects
) -> bool:
    """Keep what is new of a member; says whether it names other topics."""
    if updated is member or updated == member:
        return False
    effects.records.append(member_record(group.group_id, updated))
    return updated.subscribed_topic_names != member.subscribed_topic_names


def prefers_another_assignor(
    around: Surroundings, group: ConsumerGroup, member: ConsumerGroupMember, updated: ConsumerGroupMember
) -> bool:
    """Whether another assignor has most votes now: it is to assign anew (Kafka 4.4)."""
    if member.server_assignor == updated.server_assignor and updated.member_id in group.members:
        return False
    default = around.settings.consumer_assignors[0]
    before, after = group.preferred_assignor(), group.preferred_assignor(member, updated)
    return (before or default) != (after or default)


def look_at_topics(
    around: Surroundings,
    group: ConsumerGroup,
    member: ConsumerGroupMember,
    updated: ConsumerGroupMember,
    raises_epoch: bool,
    effects: Effects,
) -> int:
    """Raise the group's epoch if its topics have changed, or anyway; gives the epoch."""
    metadata_hash = around.metadata_hash(group.subscriptions_with(member, updated))
    epoch = group.group_epoch
    if raises_epoch or metadata_hash != group.metadata_hash:
        epoch += 1
        effects.records.append(epoch_record(group.group_id, epoch, metadata_hash))
    group.refresh_deadline_ms = effects.now_ms + REFRESH_INTERVAL_MS
    group.refresh_epoch = epoch
    if group.has_partition_metadata:
        effects.records.append(tombstone(PartitionMetadataKey(group.group_id)))
    return epoch


# What it shall own


class Target(NamedTuple):
    """A member's part of the group's target."""

    epoch: int
    assignment: Assignment


def target_for(
    around: Surroundings,
    group: ConsumerGroup,
    epoch: int,
    member: ConsumerGroupMember,
    updated: ConsumerGroupMember,
    effects: Effects,
) -> Target | Refusal:
    """The group's target, computed anew if the group's epoch is ahead of it and it is not too soon."""
    if group.assignment_epoch >= epoch or _too_soon(around, group, effects.now_ms):
        return Target(group.assignment_epoch, group.target_of(updated.member_id, updated.instance_id))
    assignment = update_target(around, group, epoch, member, updated, effects)
    if isinstance(assignment, Refusal):
        return assignment
    return Target(epoch, assignment)


def _too_soon(around: Surroundings, group: ConsumerGroup, now_ms: int) -> bool:
    interval_ms = around.view.settings_of(group.group_id).assignment_interval_ms
    since_ms = group.assignment_timestamp_ms
    return bool(since_ms and interval_ms) and now_ms < since_ms + interval_ms


def step(
    around: Surroundings,
    group: ConsumerGroup,
    member: ConsumerGroupMember,
    target: Target,
    owned: Owned | None,
    subscription_changed: bool,
    effects: Effects,
) -> ConsumerGroupMember | Refusal:
    """Take a member one step towards its target."""
    if not subscription_changed and member.is_reconciled_to(target.epoch):
        return member
    topic_ids = subscribed_topic_ids(member, around.view.topics, group.resolved_expressions)
    goal = Goal(
        target.epoch, target.assignment, topic_ids, group.partition_epoch, owned, subscription_changed
    )
    stepped = reconcile(member, goal)
    if stepped is None:
        return Refusal(ErrorCode.FENCED_MEMBER_EPOCH, UNKNOWN_STATE_MESSAGE)
    if stepped == member:
        return member
    group_id, member_id = group.group_id, member.member_id
    effects.records.append(current_record(group_id, stepped))
    if not stepped.uses_classic_protocol:
        watch = watch_of(group, member_id)
        if stepped.state is _UNREVOKED:
            watch.await_revocation(
                group_id, member_id, stepped.member_epoch, stepped.rebalance_timeout_ms, effects
            )
        else:
            watch.revoked(group_id, member_id, effects)
    return stepped
