"""What each record of a consumer group does to the table of groups, live and while the log is loaded.

A log that is being compacted may tell of a tombstone whose value is gone already, so that a tombstone for
what is not there does nothing; and whatever comes last counts. A group that only holds offsets of
consumers without a group gives way to a consumer group of its name. (Kafka: GroupMetadataManager.replay.)
"""

from __future__ import annotations

from kwire.coordinators.groups.consumer.group import NO_EPOCH, ConsumerGroup
from kwire.coordinators.groups.consumer.member import (
    LEAVE_EPOCH,
    NOTHING_OWNED,
    ConsumerGroupMember,
)
from kwire.coordinators.groups.consumer.records import (
    ConsumerKey,
    ConsumerValue,
    CurrentValue,
    EpochKey,
    EpochValue,
    ExpressionKey,
    MemberCurrentKey,
    MemberKey,
    MemberTargetKey,
    PartitionMetadataKey,
    ResolvedExpression,
    TargetKey,
    TargetValue,
)
from kwire.coordinators.groups.consumer.surroundings import Surroundings


def replay(around: Surroundings, key: ConsumerKey, value: ConsumerValue | None) -> None:
    """Apply one record."""
    group = around.groups.get(key.group)
    if not isinstance(group, ConsumerGroup):
        if value is None or key.group in around.downgraded:
            # Of a group that became classic: memory is ahead of its last records.
            return
        group = around.groups[key.group] = ConsumerGroup(key.group)
    match key:
        case EpochKey():
            _epoch(around, group, value)
        case MemberKey():
            _member(group, key.member_id, value)
        case MemberCurrentKey():
            _current(group, key.member_id, value)
        case MemberTargetKey():
            assert value is None or isinstance(value, dict)
            group.set_target(key.member_id, value)
        case TargetKey():
            assert value is None or isinstance(value, TargetValue)
            group.assignment_epoch, group.assignment_timestamp_ms = (NO_EPOCH, 0) if value is None else value
        case ExpressionKey():
            assert value is None or isinstance(value, ResolvedExpression)
            group.set_resolved(key.expression, value)
        case PartitionMetadataKey():
            group.has_partition_metadata = value is not None


def _epoch(around: Surroundings, group: ConsumerGroup, value: ConsumerValue | None) -> None:
    if value is None:
        del around.groups[group.group_id]
        return
    assert isinstance(value, EpochValue)
    group.group_epoch, group.metadata_hash = value


def _member(group: ConsumerGroup, member_id: str, value: ConsumerValue | None) -> None:
    if value is None:
        if member_id in group.members:
            group.remove_member(member_id)
        return
    assert isinstance(value, ConsumerGroupMember)
    known = group.members.get(member_id)
    if known is not None:
        value = value._replace(
            member_epoch=known.member_epoch,
            previous_member_epoch=known.previous_member_epoch,
            state=known.state,
            assigned_partitions=known.assigned_partitions,
            partitions_pending_revocation=known.partitions_pending_revocation,
        )
    group.update_member(value)


def _current(group: ConsumerGroup, member_id: str, value: ConsumerValue | None) -> None:
    known = group.members.get(member_id)
    if value is None:
        if known is None:
            return
        value = CurrentValue(LEAVE_EPOCH, LEAVE_EPOCH, known.state, NOTHING_OWNED, NOTHING_OWNED)
    assert isinstance(value, CurrentValue)
    member_epoch, previous_member_epoch, state, assigned, pending = value
    group.update_member(
        (known or ConsumerGroupMember(member_id))._replace(
            member_epoch=member_epoch,
            previous_member_epoch=previous_member_epoch,
            state=state,
            assigned_partitions=assigned,
            partitions_pending_revocation=pending,
        )
    )
