"""The records of `__consumer_offsets` that consumer groups are kept in, as plain values.

    key                           value (None is a tombstone)
    EpochKey(group)               EpochValue(epoch, metadata hash)                              type 3
    PartitionMetadataKey(group)   True: written before 4.1, removed at the next change          type 4
    MemberKey(group, member)      ConsumerGroupMember, as far as the member told of itself      type 5
    TargetKey(group)              TargetValue(epoch, timestamp)                                 type 6
    MemberTargetKey(group, member)     Assignment                                               type 7
    MemberCurrentKey(group, member)    CurrentValue(epochs, state, partitions)                  type 8
    ExpressionKey(group, expression)   ResolvedExpression(topics, version, timestamp)           type 16

Values are written as Kafka 4.4 writes them, in version 0. (Kafka: GroupCoordinatorRecordHelpers.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from kwire_codecs.internal import group_records as codec
from kwire_codecs.internal.coordinator import encode_key, encode_value
from kwire_codecs.wire import Message

from kwire.coordinators.groups.consumer.member import (
    Assignment,
    ClassicMetadata,
    ConsumerGroupMember,
    MemberState,
    OwnedPartitions,
)
from kwire.coordinators.groups.values import Protocol
from kwire.coordinators.outcome import CoordinatorRecord

_MemberCodec = codec.ConsumerGroupMemberMetadataValue
_CurrentCodec = codec.ConsumerGroupCurrentMemberAssignmentValue
_TargetCodec = codec.ConsumerGroupTargetAssignmentMemberValue


class EpochKey(NamedTuple):
    """Names one consumer group; its tombstone is the group's end."""

    group: str


class EpochValue(NamedTuple):
    """The group's epoch, and the hash of what it knew of its topics."""

    epoch: int
    metadata_hash: int = 0


class PartitionMetadataKey(NamedTuple):
    """Names what a group of Kafka 4.0 and before knew of its topics."""

    group: str


class MemberKey(NamedTuple):
    """Names what one member told of itself."""

    group: str
    member_id: str


class TargetKey(NamedTuple):
    """Names the target assignment of a group."""

    group: str


class TargetValue(NamedTuple):
    """For which epoch of the group the target was computed, and when (milliseconds; 0: not known)."""

    assignment_epoch: int
    timestamp_ms: int = 0


class MemberTargetKey(NamedTuple):
    """Names one member's part of the target assignment."""

    group: str
    member_id: str


class MemberCurrentKey(NamedTuple):
    """Names what one member owns."""

    group: str
    member_id: str


class CurrentValue(NamedTuple):
    """How far one member is, and what it owns."""

    member_epoch: int
    previous_member_epoch: int
    state: MemberState
    assigned_partitions: OwnedPartitions
    partitions_pending_revocation: OwnedPartitions


class ExpressionKey(NamedTuple):
    """Names one regular expression that members of a group subscribe to."""

    group: str
    expression: str


class ResolvedExpression(NamedTuple):
    """Which topics an expression matches, in which version of the metadata, looked up when (milliseconds)."""

    topics: frozenset[str]
    version: int = 0
    timestamp_ms: int = -1


ConsumerKey = (
    EpochKey
    | PartitionMetadataKey
    | MemberKey
    | TargetKey
    | MemberTargetKey
    | MemberCurrentKey
    | ExpressionKey
)
ConsumerValue = (
    EpochValue
    | bool
    | ConsumerGroupMember
    | TargetValue
    | dict[UUID, tuple[int, ...]]
    | CurrentValue
    | ResolvedExpression
)
ConsumerRecord = CoordinatorRecord[ConsumerKey, ConsumerValue]
CONSUMER_KEYS = (
    EpochKey,
    PartitionMetadataKey,
    MemberKey,
    TargetKey,
    MemberTargetKey,
    MemberCurrentKey,
    ExpressionKey,
)


def epoch_record(group: str, epoch: int, metadata_hash: int) -> ConsumerRecord:
    return CoordinatorRecord(EpochKey(group), EpochValue(epoch, metadata_hash))


def member_record(group: str, member: ConsumerGroupMember) -> ConsumerRecord:
    """What the member told of itself; its epochs and partitions are no part of it."""
    told = ConsumerGroupMember(
        member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=member.subscribed_topic_names,
        subscribed_topic_regex=member.subscribed_topic_regex,
        server_assignor=member.server_assignor,
        classic=member.classic,
    )
    return CoordinatorRecord(MemberKey(group, member.member_id), told)


def target_record(group: str, assignment_epoch: int, timestamp_ms: int) -> ConsumerRecord:
    return CoordinatorRecord(TargetKey(group), TargetValue(assignment_epoch, timestamp_ms))


def member_target_record(group: str, member_id: str, assignment: Assignment) -> ConsumerRecord:
    value = {topic_id: tuple(partitions) for topic_id, partitions in assignment.items()}
    return CoordinatorRecord(MemberTargetKey(group, member_id), value)


def current_record(group: str, member: ConsumerGroupMember) -> ConsumerRecord:
    value = CurrentValue(
        member.member_epoch,
        member.previous_member_epoch,
        member.state,
        member.assigned_partitions,
        member.partitions_pending_revocation,
    )
    return CoordinatorRecord(MemberCurrentKey(group, member.member_id), value)


def expression_record(group: str, expression: str, resolved: ResolvedExpression) -> ConsumerRecord:
    return CoordinatorRecord(ExpressionKey(group, expression), resolved)


def tombstone(key: ConsumerKey) -> ConsumerRecord:
    return CoordinatorRecord(key, None)


def member_tombstones(group: str, member_id: str) -> list[ConsumerRecord]:
    """A member goes: what it owns, what it shall own, and it."""
    return [
        tombstone(MemberCurrentKey(group, member_id)),
        tombstone(MemberTargetKey(group, member_id)),
        tombstone(MemberKey(group, member_id)),
    ]


def group_tombstones(
    group: str, member_ids: Iterable[str], expressions: Iterable[str]
) -> list[ConsumerRecord]:
    """A whole group goes, in the order in which Kafka's replay takes it."""
    ids = list(member_ids)
    return [
        *(tombstone(MemberCurrentKey(group, member_id)) for member_id in ids),
        *(tombstone(MemberTargetKey(group, member_id)) for member_id in ids),
        tombstone(TargetKey(group)),
        *(tombstone(MemberKey(group, member_id)) for member_id in ids),
        *(tombstone(ExpressionKey(group, expression)) for expression in expressions),
        tombstone(PartitionMetadataKey(group)),
        tombstone(EpochKey(group)),
    ]


# Their bytes


def to_bytes(key: ConsumerKey, value: ConsumerValue | None) -> tuple[bytes, bytes | None]:
    """Key and value of one record."""
    return encode_key(_key_message(key)), None if value is None else encode_value(_value_message(value), 0)


def _key_message(key: ConsumerKey) -> Message:
    match key:
        case EpochKey(group):
            return codec.ConsumerGroupMetadataKey(group_id=group)
        case PartitionMetadataKey(group):
            return codec.ConsumerGroupPartitionMetadataKey(group_id=group)
        case MemberKey(group, member_id):
            return codec.ConsumerGroupMemberMetadataKey(group_id=group, member_id=member_id)
        case TargetKey(group):
            return codec.ConsumerGroupTargetAssignmentMetadataKey(group_id=group)
        case MemberTargetKey(group, member_id):
            return codec.ConsumerGroupTargetAssignmentMemberKey(group_id=group, member_id=member_id)
        case MemberCurrentKey(group, member_id):
            return codec.ConsumerGroupCurrentMemberAssignmentKey(group_id=group, member_id=member_id)
        case ExpressionKey(group, expression):
            return codec.ConsumerGroupRegularExpressionKey(group_id=group, regular_expression=expression)


def _value_message(value: ConsumerValue) -> Message:
    match value:
        case EpochValue(epoch, metadata_hash):
            return codec.ConsumerGroupMetadataValue(epoch=epoch, metadata_hash=metadata_hash)
        case ConsumerGroupMember():
            return _member_message(value)
        case TargetValue(epoch, timestamp_ms):
            return codec.ConsumerGroupTargetAssignmentMetadataValue(
                assignment_epoch=epoch, assignment_timestamp=timestamp_ms
            )
        case CurrentValue():
            return _CurrentCodec(
                member_epoch=value.member_epoch,
                previous_member_epoch=value.previous_member_epoch,
                state=value.state,
                assigned_partitions=_owned_message(value.assigned_partitions),
                partitions_pending_revocation=_owned_message(value.partitions_pending_revocation),
            )
        case ResolvedExpression(topics, version, timestamp_ms):
            return codec.ConsumerGroupRegularExpressionValue(
                topics=sorted(topics), version=version, timestamp=timestamp_ms
            )
        case dict():
            return _TargetCodec(
                topic_partitions=[
                    _TargetCodec.TopicPartitions(topic_id=topic_id, partitions=list(partitions))
                    for topic_id, partitions in value.items()
                ]
            )
        case bool():
            # Only ever read: what stood in it is not kept.
            return codec.ConsumerGroupPartitionMetadataValue(topics=[])


def _member_message(member: ConsumerGroupMember) -> Message:
    classic = member.classic
    return _MemberCodec(
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.subscribed_topic_names),
        subscribed_topic_regex=member.subscribed_topic_regex,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        server_assignor=member.server_assignor,
        classic_member_metadata=None
        if classic is None
        else _MemberCodec.ClassicMemberMetadata(
            session_timeout_ms=classic.session_timeout_ms,
            supported_protocols=[
                _MemberCodec.ClassicMemberMetadata.SupportedProtocol(name=name, metadata=metadata)
                for name, metadata in classic.protocols
            ],
        ),
    )


def _owned_message(owned: Mapping[UUID, Mapping[int, int]]) -> list[_CurrentCodec.TopicPartitions]:
    return [
        _CurrentCodec.TopicPartitions(
            topic_id=topic_id,
            partitions=(partitions := sorted(epochs)),
            assignment_epochs=[epochs[partition] for partition in partitions],
        )
        for topic_id, epochs in owned.items()
    ]


def from_messages(key: Message, value: Message | None) -> ConsumerRecord | None:
    """The record that was read; None if it is none of a consumer group's."""
    match key:
        case codec.ConsumerGroupMetadataKey():
            epoch_key = EpochKey(key.group_id)
            if value is None:
                return tombstone(epoch_key)
            assert isinstance(value, codec.ConsumerGroupMetadataValue)
            return CoordinatorRecord(epoch_key, EpochValue(value.epoch, value.metadata_hash))
        case codec.ConsumerGroupPartitionMetadataKey():
            return CoordinatorRecord(PartitionMetadataKey(key.group_id), None if value is None else True)
        case codec.ConsumerGroupMemberMetadataKey():
            member_key = MemberKey(key.group_id, key.member_id)
            assert value is None or isinstance(value, _MemberCodec)
            return CoordinatorRecord(member_key, None if value is None else _member(key.member_id, value))
        case codec.ConsumerGroupTargetAssignmentMetadataKey():
            target_key = TargetKey(key.group_id)
            if value is None:
                return tombstone(target_key)
            assert isinstance(value, codec.ConsumerGroupTargetAssignmentMetadataValue)
            return CoordinatorRecord(
                target_key, TargetValue(value.assignment_epoch, value.assignment_timestamp)
            )
        case codec.ConsumerGroupTargetAssignmentMemberKey():
            member_target_key = MemberTargetKey(key.group_id, key.member_id)
            if value is None:
                return tombstone(member_target_key)
            assert isinstance(value, _TargetCodec)
            return CoordinatorRecord(
                member_target_key,
                {topic.topic_id: tuple(topic.partitions) for topic in value.topic_partitions},
            )
        case codec.ConsumerGroupCurrentMemberAssignmentKey():
            current_key = MemberCurrentKey(key.group_id, key.member_id)
            assert value is None or isinstance(value, _CurrentCodec)
            return CoordinatorRecord(current_key, None if value is None else _current(value))
        case codec.ConsumerGroupRegularExpressionKey():
            expression_key = ExpressionKey(key.group_id, key.regular_expression)
            if value is None:
                return tombstone(expression_key)
            assert isinstance(value, codec.ConsumerGroupRegularExpressionValue)
            return CoordinatorRecord(
                expression_key, ResolvedExpression(frozenset(value.topics), value.version, value.timestamp)
            )
    return None


def _member(member_id: str, value: _MemberCodec) -> ConsumerGroupMember:
    classic = value.classic_member_metadata
    return ConsumerGroupMember(
        member_id,
        instance_id=value.instance_id,
        rack_id=value.rack_id,
        rebalance_timeout_ms=value.rebalance_timeout_ms,
        client_id=value.client_id,
        client_host=value.client_host,
        subscribed_topic_names=frozenset(value.subscribed_topic_names),
        subscribed_topic_regex=value.subscribed_topic_regex,
        server_assignor=value.server_assignor,
        classic=None
        if classic is None
        else ClassicMetadata(
            classic.session_timeout_ms,
            tuple(Protocol(offered.name, bytes(offered.metadata)) for offered in classic.supported_protocols),
        ),
    )


def _current(value: _CurrentCodec) -> CurrentValue:
    return CurrentValue(
        value.member_epoch,
        value.previous_member_epoch,
        MemberState.of(value.state),
        _owned(value.assigned_partitions, value.member_epoch),
        _owned(value.partitions_pending_revocation, value.member_epoch),
    )


def _owned(topics: Iterable[_CurrentCodec.TopicPartitions], member_epoch: int) -> OwnedPartitions:
    """The partitions with their epochs; those that a version before 4.3 wrote have their member's."""
    owned: dict[UUID, dict[int, int]] = {}
    for topic in topics:
        epochs = topic.assignment_epochs
        if epochs is None or len(epochs) != len(topic.partitions):
            owned[topic.topic_id] = dict.fromkeys(topic.partitions, max(member_epoch, 0))
        else:
            owned[topic.topic_id] = dict(zip(topic.partitions, epochs, strict=True))
    return owned
