"""How members of a consumer group go: they leave, are removed, or their time is over.

A group whose last member of the consumer protocol goes becomes classic, if the migration policy lets it
(conversion.py). A static member that leaves for a while (-2) keeps what it owns until its session ends.
(Kafka: GroupMetadataManager.consumerGroupLeave, consumerGroupFenceMembers and its time-outs.)
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer import conversion, expressions
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.heartbeat import (
    fenced_instance,
    stop_watching,
    unknown_instance,
    unknown_member,
    watch_of,
)
from kwire.coordinators.groups.consumer.member import (
    LEAVE_STATIC_EPOCH,
    NOTHING_OWNED,
    ConsumerGroupMember,
    MemberState,
)
from kwire.coordinators.groups.consumer.records import (
    ExpressionKey,
    current_record,
    epoch_record,
    member_tombstones,
    target_record,
    tombstone,
)
from kwire.coordinators.groups.consumer.surroundings import Surroundings
from kwire.coordinators.groups.consumer.values import HeartbeatRequest, HeartbeatResult, Refusal
from kwire.coordinators.groups.effects import Effects


def leave(
    around: Surroundings, group: ConsumerGroup, request: HeartbeatRequest, effects: Effects
) -> HeartbeatResult | Refusal:
    """ConsumerGroupHeartbeat with epoch -1 or -2."""
    member_id, instance_id = request.member_id, request.instance_id
    epoch = request.member_epoch
    if instance_id is None:
        member = group.members.get(member_id)
        if member is None:
            return unknown_member(group, member_id)
    else:
        member = group.static_member(instance_id)
        if member is None:
            return unknown_instance(instance_id)
        if member.member_id != member_id:
            return fenced_instance(member_id, instance_id, member)
        if epoch == LEAVE_STATIC_EPOCH:
            effects.records.append(current_record(group.group_id, _away(member)))
            return HeartbeatResult(ErrorCode.NONE, None, member_id, epoch)
    fence(around, group, [member], effects)
    return HeartbeatResult(ErrorCode.NONE, None, member_id, epoch)


def _away(member: ConsumerGroupMember) -> ConsumerGroupMember:
    """A static member that is away: whoever comes back in its place has been given all of it at epoch 0."""
    return member._replace(
        member_epoch=LEAVE_STATIC_EPOCH,
        partitions_pending_revocation=NOTHING_OWNED,
        assigned_partitions={
            topic_id: dict.fromkeys(partitions, 0)
            for topic_id, partitions in member.assigned_partitions.items()
        },
    )


def fence(
    around: Surroundings, group: ConsumerGroup, members: Sequence[ConsumerGroupMember], effects: Effects
) -> None:
    """Members are out, all at once; the others share what was theirs."""
    if not members:
        return
    if conversion.becomes_classic_without(around, group, members) and conversion.to_classic(
        around, group, effects, leaving=members
    ):
        return
    group_id = group.group_id
    for member in members:
        effects.records += member_tombstones(group_id, member.member_id)
    gone = expressions.only_of(group, members)
    effects.records += [tombstone(ExpressionKey(group_id, expression)) for expression in gone]
    metadata_hash = around.metadata_hash(group.subscriptions_without(members, gone))
    effects.records.append(epoch_record(group_id, group.group_epoch + 1, metadata_hash))
    if len(members) == len(group.members):
        # Nobody is left to be assigned to: the target is that of the epoch already (Kafka 4.4).
        effects.records.append(target_record(group_id, group.group_epoch + 1, 0))
    for member in members:
        stop_watching(group, member.member_id, effects)


# Time-outs


def expire_session(around: Surroundings, group: ConsumerGroup, member_id: str, effects: Effects) -> None:
    """A session's timer fired: the member may have been heard of since, or is out."""
    watch = group.watches.get(member_id)
    if watch is None:
        return
    watch.timer_at_ms = None
    if watch.deadline_ms > effects.now_ms:
        watch.keep_alive(group.group_id, member_id, watch.deadline_ms - effects.now_ms, effects)
        return
    _fence_one(around, group, member_id, effects)


def expire_revocation(around: Surroundings, group: ConsumerGroup, member_id: str, effects: Effects) -> None:
    """A member that still owns what it has to give back, in the same epoch, is out."""
    watch, member = group.watches.get(member_id), group.members.get(member_id)
    if watch is None or member is None:
        return
    epoch, watch.revoking_epoch = watch.revoking_epoch, None
    if member.member_epoch == epoch:
        _fence_one(around, group, member_id, effects)


def expire_classic_join(around: Surroundings, group: ConsumerGroup, member_id: str, effects: Effects) -> None:
    """A classic member that was told to join again has not."""
    watch_of(group, member_id).awaits_join = False
    _fence_one(around, group, member_id, effects)


def expire_classic_sync(around: Surroundings, group: ConsumerGroup, member_id: str, effects: Effects) -> None:
    """A classic member that has joined has not fetched its assignment."""
    watch_of(group, member_id).awaits_sync = False
    _fence_one(around, group, member_id, effects)


def _fence_one(around: Surroundings, group: ConsumerGroup, member_id: str, effects: Effects) -> None:
    member = group.members.get(member_id)
    if member is None:
        stop_watching(group, member_id, effects)
    else:
        fence(around, group, [member], effects)


def watch_all(around: Surroundings, group: ConsumerGroup, effects: Effects) -> None:
    """The group was loaded: its members' time begins now."""
    timeout_ms = around.view.settings_of(group.group_id).session_timeout_ms
    for member_id, member in group.members.items():
        watch = watch_of(group, member_id)
        watch.keep_alive(group.group_id, member_id, timeout_ms, effects)
        if member.state is MemberState.UNREVOKED_PARTITIONS:
            watch.await_revocation(
                group.group_id, member_id, member.member_epoch, member.rebalance_timeout_ms, effects
            )
