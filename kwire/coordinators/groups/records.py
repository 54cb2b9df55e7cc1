"""The records of `__consumer_offsets` that classic groups and offsets are kept in, as plain values.

    key                                   value (None is a tombstone)
    OffsetKey(group, topic, partition)    OffsetValue(offset, leader epoch, metadata, timestamps)
    GroupKey(group)                       GroupValue(protocol type, generation, protocol, leader, members)

`to_bytes` and `from_bytes` are the only place that knows Kafka's key types and value versions (Kafka:
GroupCoordinatorRecordHelpers, GroupCoordinatorRecordSerde). Values are written as Kafka 4.x writes them:
group metadata v3, offsets v3, or v1 for an offset with its own expiry, or v4 when it carries a topic id.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from kwire.coordinators.groups.values import NO_LEADER_EPOCH, NO_TIMESTAMP, ZERO_UUID
from kwire.coordinators.outcome import CoordinatorRecord


class OffsetKey(NamedTuple):
    """Names one committed offset."""

    group: str
    topic: str
    partition: int


class OffsetValue(NamedTuple):
    """A committed offset. Timestamps in milliseconds since the epoch; -1 is none."""

    offset: int
    leader_epoch: int = NO_LEADER_EPOCH
    metadata: str = ""
    commit_timestamp_ms: int = NO_TIMESTAMP
    expire_timestamp_ms: int = NO_TIMESTAMP
    topic_id: UUID = ZERO_UUID


class GroupKey(NamedTuple):
    """Names one classic group."""

    group: str


class MemberValue(NamedTuple):
    """One member of a stable generation."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


class GroupValue(NamedTuple):
    """A classic group as it survives: a stable generation, or an empty group."""

    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    current_state_timestamp_ms: int
    members: tuple[MemberValue, ...] = ()


GroupsKey = OffsetKey | GroupKey
GroupsValue = OffsetValue | GroupValue
GroupsRecord = CoordinatorRecord[GroupsKey, GroupsValue]


def offset_record(key: OffsetKey, value: OffsetValue) -> GroupsRecord:
    return CoordinatorRecord(key, value)


def offset_tombstone(group: str, topic: str, partition: int) -> GroupsRecord:
    return CoordinatorRecord(OffsetKey(group, topic, partition), None)


def group_record(group: str, value: GroupValue) -> GroupsRecord:
    return CoordinatorRecord(GroupKey(group), value)


def group_tombstone(group: str) -> GroupsRecord:
    return CoordinatorRecord(GroupKey(group), None)
