"""The records of `__consumer_offsets` that classic groups and offsets are kept in, as plain values.

    key                                   value (None is a tombstone)
    OffsetKey(group, topic, partition)    OffsetValue(offset, leader epoch, metadata, timestamps)
    GroupKey(group)                       GroupValue(protocol type, generation, protocol, leader, members)

Those of consumer groups are in consumer/records.py. `GroupsFormat` is the only place that knows which is
which; key types and value versions are Kafka's (GroupCoordinatorRecordHelpers, GroupCoordinatorRecordSerde).
Values are written as Kafka 4.4 writes them: groups in version 3, offsets in version 4, or 1 for one with its
own expiry (which can carry neither leader epoch nor topic id).
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from kwire_codecs.internal import group_records as codec
from kwire_codecs.internal.coordinator import encode_key, encode_value
from kwire_codecs.wire import Message

from kwire.coordinators.groups.consumer import records as consumer
from kwire.coordinators.groups.consumer.records import CONSUMER_KEYS, ConsumerKey, ConsumerValue
from kwire.coordinators.groups.values import NO_LEADER_EPOCH, NO_TIMESTAMP, ZERO_UUID
from kwire.coordinators.known_records import known_record
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


GroupsKey = OffsetKey | GroupKey | ConsumerKey
GroupsValue = OffsetValue | GroupValue | ConsumerValue
GroupsRecord = CoordinatorRecord[GroupsKey, GroupsValue]


def offset_record(key: OffsetKey, value: OffsetValue) -> GroupsRecord:
    return CoordinatorRecord(key, value)


def offset_tombstone(group: str, topic: str, partition: int) -> GroupsRecord:
    return CoordinatorRecord(OffsetKey(group, topic, partition), None)


def group_record(group: str, value: GroupValue) -> GroupsRecord:
    return CoordinatorRecord(GroupKey(group), value)


def group_tombstone(group: str) -> GroupsRecord:
    return CoordinatorRecord(GroupKey(group), None)


# Their bytes

_MEMBER_BYTES = 30
"""What a member takes beside its texts and bytes."""


def value_bytes(value: GroupValue) -> int:
    """About how many bytes a group takes in the log."""
    return 60 + sum(
        _MEMBER_BYTES
        + len(member.member_id)
        + len(member.group_instance_id or "")
        + len(member.client_id)
        + len(member.client_host)
        + len(member.subscription)
        + len(member.assignment)
        for member in value.members
    )


def offset_bytes(group: str, topic: str) -> int:
    """About how many bytes a committed offset takes in the log, beside its metadata."""
    return 65 + len(group) + len(topic)


_new = tuple.__new__
"""Makes a named tuple in half the time that calling its class takes."""
_GROUP_VALUE_VERSION = 3
_OFFSET_VALUE_VERSION = 4
_OFFSET_VALUE_VERSION_WITH_EXPIRY = 1

_OFFSET_KEY_TYPE = 1
_OFFSET_KEY_START = struct.Struct(">hh")
"""Type, length of the group's id."""
_LENGTH = struct.Struct(">h")
_PARTITION = struct.Struct(">i")
_OFFSET_VALUE_START = struct.Struct(">hqiB")
"""Version, offset, leader epoch, length of the metadata and 1: a varint of one byte up to _SHORT."""
_PLAIN_VALUE = struct.Struct(">hqiBqB")
"""All of a value that has neither metadata nor tagged fields."""
_SHORT = 126
_TIMESTAMP = struct.Struct(">q")
_OFFSET_KEY_BEGINS = _LENGTH.pack(_OFFSET_KEY_TYPE)
_OFFSET_VALUE_BEGINS = _LENGTH.pack(_OFFSET_VALUE_VERSION)
_NO_TAGS = b"\0"
_TOPIC_ID_TAG = b"\1\0\x10"
"""One tagged field, 0, of 16 bytes."""


class GroupsFormat:
    """How the records travel; stateless."""

    __slots__ = ()

    def to_bytes(self, record: GroupsRecord) -> tuple[bytes, bytes | None]:
        """Key and value."""
        key, value = record
        if isinstance(key, OffsetKey):
            assert value is None or isinstance(value, OffsetValue)
            return _offset_key_bytes(key), None if value is None else _offset_value_bytes(value)
        if isinstance(key, CONSUMER_KEYS):
            assert not isinstance(value, OffsetValue | GroupValue)
            return consumer.to_bytes(key, value)
        assert value is None or isinstance(value, GroupValue)
        return encode_key(codec.GroupMetadataKey(group=key.group)), _group_bytes(value)

    def from_bytes(self, key: bytes | None, value: bytes | None) -> GroupsRecord | None:
        """The record; None for one of share and streams groups, and of later versions. ValueError if it
        can't be read.
        """
        if key is None:
            raise ValueError("a record of __consumer_offsets has no key")
        usual = _usual_offset(key, value)
        if usual is not None:
            return usual
        found = known_record(codec.decode_record, key, value)
        if found is None:
            return None
        return _typed(found.key, found.value)


def _offset_key_bytes(key: OffsetKey) -> bytes:
    """`encode_key` of codec.OffsetCommitKey. Commits are most of what a coordinator writes, so their two
    structs are put together here. struct.error for a string that is too long.
    """
    group, topic = key.group.encode(), key.topic.encode()
    return b"%b%b%b%b" % (
        _OFFSET_KEY_START.pack(_OFFSET_KEY_TYPE, len(group)),
        group,
        _LENGTH.pack(len(topic)),
        topic + _PARTITION.pack(key.partition),
    )


def _offset_value_bytes(value: OffsetValue) -> bytes | None:
    """`encode_value` of codec.OffsetCommitValue."""
    offset, leader_epoch, text, commit_timestamp_ms, expire_timestamp_ms, topic_id = value
    metadata = text.encode()
    if expire_timestamp_ms != NO_TIMESTAMP or len(metadata) > _SHORT:
        return _rare_offset_value_bytes(value)
    return b"%b%b%b%b" % (
        _OFFSET_VALUE_START.pack(_OFFSET_VALUE_VERSION, offset, leader_epoch, len(metadata) + 1),
        metadata,
        _TIMESTAMP.pack(commit_timestamp_ms),
        _TOPIC_ID_TAG + topic_id.bytes if topic_id.int else _NO_TAGS,
    )


def _usual_offset(key: bytes, value: bytes | None) -> GroupsRecord | None:
    """What the two functions above have written, read again; None for anything that is not just so, which is
    the codec's to read. Offsets are nearly all that a coordinator loads.
    """
    if value is None or key[:2] != _OFFSET_KEY_BEGINS or value[:2] != _OFFSET_VALUE_BEGINS:
        return None
    try:
        group, topic = _names(key[:-4])
        (partition,) = _PARTITION.unpack_from(key, len(key) - 4)
        metadata, topic_id = "", ZERO_UUID
        if len(value) == _PLAIN_VALUE.size:
            _, offset, leader_epoch, length, timestamp, tags = _PLAIN_VALUE.unpack(value)
            if length != 1 or tags:
                return None
        else:
            _, offset, leader_epoch, length = _OFFSET_VALUE_START.unpack_from(value)
            metadata_ends = _OFFSET_VALUE_START.size + length - 1
            (timestamp,) = _TIMESTAMP.unpack_from(value, metadata_ends)
            following = value[metadata_ends + 8 :]
            if not 0 < length <= _SHORT + 1:
                return None
            if len(following) == 19 and following[:3] == _TOPIC_ID_TAG:
                topic_id = _topic_id(following[3:])
            elif following != _NO_TAGS:
                return None
            if length > 1:
                metadata = value[_OFFSET_VALUE_START.size : metadata_ends].decode()
    except (struct.error, UnicodeDecodeError):
        return None
    offset_value = (offset, leader_epoch, metadata, timestamp, NO_TIMESTAMP, topic_id)
    record = (_new(OffsetKey, (group, topic, partition)), _new(OffsetValue, offset_value))
    return _new(CoordinatorRecord, record)


@lru_cache(1_000)
def _names(start: bytes) -> tuple[str, str]:
    """Group and topic, from all of a key but its last four bytes: they come in many keys, one after the
    other. struct.error where there is something else.
    """
    group_ends = 4 + _LENGTH.unpack_from(start, 2)[0]
    topic_ends = group_ends + 2 + _LENGTH.unpack_from(start, group_ends)[0]
    if not 4 <= group_ends <= topic_ends - 2 or topic_ends != len(start):
        raise struct.error("these are not the lengths of two names")
    return start[4:group_ends].decode(), start[group_ends + 2 :].decode()


@lru_cache(1_000)
def _topic_id(data: bytes) -> UUID:
    """The offsets of a topic share one object."""
    return UUID(bytes=data)


def _rare_offset_value_bytes(value: OffsetValue) -> bytes | None:
    expires = value.expire_timestamp_ms != NO_TIMESTAMP
    return encode_value(
        codec.OffsetCommitValue(
            offset=value.offset,
            leader_epoch=value.leader_epoch,
            metadata=value.metadata,
            commit_timestamp=value.commit_timestamp_ms,
            expire_timestamp=value.expire_timestamp_ms,
            topic_id=value.topic_id,
        ),
        _OFFSET_VALUE_VERSION_WITH_EXPIRY if expires else _OFFSET_VALUE_VERSION,
    )


def _group_bytes(value: GroupValue | None) -> bytes | None:
    if value is None:
        return None
    return encode_value(
        codec.GroupMetadataValue(
            protocol_type=value.protocol_type,
            generation=value.generation,
            protocol=value.protocol,
            leader=value.leader,
            current_state_timestamp=value.current_state_timestamp_ms,
            members=[
                codec.GroupMetadataValue.Member(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    rebalance_timeout=member.rebalance_timeout_ms,
                    session_timeout=member.session_timeout_ms,
                    subscription=member.subscription,
                    assignment=member.assignment,
                )
                for member in value.members
            ],
        ),
        _GROUP_VALUE_VERSION,
    )


def _typed(key: Message, value: Message | None) -> GroupsRecord | None:
    if isinstance(key, codec.OffsetCommitKey | codec.LegacyOffsetCommitKey):
        offset_key = OffsetKey(key.group, key.topic, key.partition)
        if value is None:
            return CoordinatorRecord(offset_key, None)
        if isinstance(value, codec.LegacyOffsetCommitValue):
            old = OffsetValue(value.offset, NO_LEADER_EPOCH, value.metadata, value.commit_timestamp)
            return CoordinatorRecord(offset_key, old)
        assert isinstance(value, codec.OffsetCommitValue)
        return CoordinatorRecord(
            offset_key,
            OffsetValue(
                value.offset,
                value.leader_epoch,
                value.metadata,
                value.commit_timestamp,
                value.expire_timestamp,
                value.topic_id,
            ),
        )
    if isinstance(key, codec.GroupMetadataKey):
        group_key = GroupKey(key.group)
        if value is None:
            return CoordinatorRecord(group_key, None)
        assert isinstance(value, codec.GroupMetadataValue)
        return CoordinatorRecord(
            group_key,
            GroupValue(
                value.protocol_type,
                value.generation,
                value.protocol,
                value.leader,
                value.current_state_timestamp,
                tuple(
                    MemberValue(
                        member.member_id,
                        member.group_instance_id,
                        member.client_id,
                        member.client_host,
                        member.rebalance_timeout,
                        member.session_timeout,
                        member.subscription,
                        member.assignment,
                    )
                    for member in value.members
                ),
            ),
        )
    return consumer.from_messages(key, value)
