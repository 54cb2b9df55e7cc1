"""Committed offsets: kept by group, topic and partition; committed, fetched, deleted and expired.

Whether topics and partitions exist was checked before (the handler knows the cluster's metadata); here it
is the group that must allow what is asked. (Kafka: OffsetMetadataManager and ClassicGroup.validateOffset*.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import ClassicGroup, State
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.records import (
    OffsetKey,
    OffsetValue,
    offset_bytes,
    offset_tombstone,
)
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import (
    NO_LEADER_EPOCH,
    NO_OFFSET,
    NO_TIMESTAMP,
    ZERO_UUID,
    CommitRequest,
    CommitResult,
    FetchedOffset,
    FetchedTopic,
    OffsetDeleteResult,
    TopicPartitions,
)
from kwire.coordinators.outcome import CoordinatorRecord

_NO_EXPIRY = -1

# Members of an enum take long to look up in Python 3.11, and making a named tuple by its name twice as long
# as this: commits are frequent, and may be of many partitions.
_NONE = ErrorCode.NONE
_EMPTY = State.EMPTY
_STABLE = State.STABLE
_PREPARING_REBALANCE = State.PREPARING_REBALANCE
_COMPLETING_REBALANCE = State.COMPLETING_REBALANCE
_new = tuple.__new__


class OffsetStore:
    """The offsets of one shard. Only `replay` changes it."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, dict[int, OffsetValue]]] = {}

    def replay(self, key: OffsetKey, value: OffsetValue | None) -> None:
        """Set an offset, or forget it."""
        group_id, topic, partition = key
        if value is not None:
            self._groups.setdefault(group_id, {}).setdefault(topic, {})[partition] = value
            return
        topics = self._groups.get(group_id)
        partitions = None if topics is None else topics.get(topic)
        if topics is None or partitions is None:
            return
        partitions.pop(partition, None)
        if not partitions:
            del topics[topic]
            if not topics:
                del self._groups[group_id]

    def get(self, group_id: str, topic: str, partition: int) -> OffsetValue | None:
        """One committed offset."""
        topics = self._groups.get(group_id)
        partitions = None if topics is None else topics.get(topic)
        return None if partitions is None else partitions.get(partition)

    def topics(self, group_id: str) -> list[str]:
        """The topics of which the group has offsets, in the order of their first commit."""
        return list(self._groups.get(group_id, ()))

    def partitions(self, group_id: str, topic: str) -> list[tuple[int, OffsetValue]]:
        """The offsets of one topic."""
        return list(self._groups.get(group_id, {}).get(topic, {}).items())

    def of_group(self, group_id: str) -> Iterator[tuple[str, int, OffsetValue]]:
        """All offsets of a group."""
        for topic, partitions in self._groups.get(group_id, {}).items():
            for partition, value in partitions.items():
                yield topic, partition, value

    def group_ids(self) -> list[str]:
        """The groups that have offsets."""
        return list(self._groups)

    def snapshot(self) -> dict[OffsetKey, OffsetValue]:
        """All of it, flat: to compare, not to serve."""
        return {
            OffsetKey(group_id, topic, partition): value
            for group_id in self._groups
            for topic, partition, value in self.of_group(group_id)
        }


def validate_commit(group: ClassicGroup | None, request: CommitRequest) -> ErrorCode:
    """Whether the group lets this member, or nobody in particular, commit."""
    generation_id = request.generation_id
    if group is None:
        if generation_id < 0:
            return _NONE
        if request.knows_group_id_not_found:
            return ErrorCode.GROUP_ID_NOT_FOUND
        return ErrorCode.ILLEGAL_GENERATION
    if group.state is _EMPTY and generation_id < 0:
        return _NONE
    if generation_id < 0 and not request.member_id and request.group_instance_id is None:
        # No member asks, and the group has members who might be surprised.
        return ErrorCode.UNKNOWN_MEMBER_ID
    error = group.validate_member(request.member_id, request.group_instance_id)
    if error is not _NONE:
        return error
    if generation_id != group.generation_id:
        return ErrorCode.ILLEGAL_GENERATION
    if group.state is _COMPLETING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return _NONE


def commit(
    group: ClassicGroup | None, request: CommitRequest, settings: GroupSettings, effects: Effects
) -> CommitResult:
    """Commit offsets. Partitions fail alone, for their metadata; the rest is committed."""
    error = validate_commit(group, request)
    if error is not _NONE:
        return CommitResult(error)
    if group is not None and (group.state is _STABLE or group.state is _PREPARING_REBALANCE):
        # A commit is a sign of life.
        member = group.members[request.member_id]
        member.keep_alive(group.group_id, member.session_timeout_ms, effects)
    now_ms = effects.now_ms
    retention_time_ms = request.retention_time_ms
    expire_timestamp_ms = _NO_EXPIRY if retention_time_ms == -1 else _as_int64(now_ms + retention_time_ms)
    limit = settings.offset_metadata_max_size
    group_id, records = request.group_id, effects.records
    errors: list[list[ErrorCode]] = []
    size = 0
    for topic, partitions, topic_id in request.topics:
        topic_errors: list[ErrorCode] = []
        errors.append(topic_errors)
        kept_id = topic_id if expire_timestamp_ms == _NO_EXPIRY else ZERO_UUID
        smallest = offset_bytes(group_id, topic)
        for index, offset, leader_epoch, text, commit_timestamp_ms in partitions:
            metadata = text or ""
            if len(metadata) > limit:
                topic_errors.append(ErrorCode.OFFSET_METADATA_TOO_LARGE)
                continue
            topic_errors.append(_NONE)
            size += smallest + len(metadata)
            if size > settings.max_record_bytes:
                # All or nothing, and in Kafka all of it is one batch (CoordinatorRuntime.append, isAtomic).
                records.clear()
                return CommitResult(ErrorCode.UNKNOWN_SERVER_ERROR)
            if commit_timestamp_ms == NO_TIMESTAMP:
                commit_timestamp_ms = now_ms
            key = _new(OffsetKey, (group_id, topic, index))
            value = _new(
                OffsetValue,
                (offset, leader_epoch, metadata, commit_timestamp_ms, expire_timestamp_ms, kept_id),
            )
            records.append(_new(CoordinatorRecord, (key, value)))
    return CommitResult(_NONE, errors)


def fetch(
    store: OffsetStore, group_id: str, topics: Sequence[tuple[TopicPartitions, UUID]]
) -> list[FetchedTopic]:
    """The offsets asked for; -1 and no error where there is none, or where it is of a namesake that was
    deleted.
    """
    return [
        FetchedTopic(
            wanted.topic,
            [
                _fetched(partition, store.get(group_id, wanted.topic, partition), topic_id)
                for partition in wanted.partitions
            ],
        )
        for wanted, topic_id in topics
    ]


def fetch_all(store: OffsetStore, group_id: str) -> list[FetchedTopic]:
    """Every offset of the group."""
    return [
        FetchedTopic(
            topic,
            [_fetched(partition, value, ZERO_UUID) for partition, value in store.partitions(group_id, topic)],
        )
        for topic in store.topics(group_id)
    ]


def _fetched(partition: int, value: OffsetValue | None, topic_id: UUID) -> FetchedOffset:
    if value is None or _of_another_topic(value.topic_id, topic_id):
        return FetchedOffset(partition, NO_OFFSET, NO_LEADER_EPOCH, "", ErrorCode.NONE)
    return FetchedOffset(partition, value.offset, value.leader_epoch, value.metadata, ErrorCode.NONE)


def _of_another_topic(committed: UUID, present: UUID) -> bool:
    return ZERO_UUID not in (committed, present) and committed != present


def delete(
    store: OffsetStore,
    group: ClassicGroup | None,
    topics: Sequence[TopicPartitions],
    group_id: str,
    effects: Effects,
) -> OffsetDeleteResult:
    """Forget offsets of topics that nobody in the group consumes."""
    if group is None:
        return OffsetDeleteResult(ErrorCode.GROUP_ID_NOT_FOUND)
    if group.state is not State.EMPTY and not group.uses_consumer_protocol:
        # What its members consume is not for us to read.
        return OffsetDeleteResult(ErrorCode.NON_EMPTY_GROUP)
    errors: list[list[ErrorCode]] = []
    for topic in topics:
        if group.is_subscribed_to(topic.topic):
            errors.append([ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC] * len(topic.partitions))
            continue
        errors.append([ErrorCode.NONE] * len(topic.partitions))
        effects.records.extend(
            offset_tombstone(group_id, topic.topic, partition)
            for partition in dict.fromkeys(topic.partitions)
            if store.get(group_id, topic.topic, partition) is not None
        )
    return OffsetDeleteResult(ErrorCode.NONE, errors)


def delete_all(store: OffsetStore, group_id: str, effects: Effects) -> None:
    """Forget all offsets of a group."""
    effects.records.extend(
        offset_tombstone(group_id, topic, partition) for topic, partition, _ in store.of_group(group_id)
    )


def delete_of_topics(store: OffsetStore, topics: frozenset[str], effects: Effects) -> None:
    """Forget every group's offsets of topics that were deleted."""
    for group_id in store.group_ids():
        effects.records.extend(
            offset_tombstone(group_id, topic, partition)
            for topic in store.topics(group_id)
            if topic in topics
            for partition, _ in store.partitions(group_id, topic)
        )


def expire(store: OffsetStore, group: ClassicGroup, settings: GroupSettings, effects: Effects) -> bool:
    """Forget the offsets of a group whose time has come; says whether none is left (KIP-211).

    Offsets are kept while their group lives: of an empty group they expire some time after it became empty,
    of a stable consumer group those of topics that it no longer subscribes to, and of a group without
    members ever (a "simple" one) each some time after its commit.
    """
    since_empty_ms: int | None = None
    if group.protocol_type is not None:
        if group.state is State.EMPTY:
            since_empty_ms = group.current_state_timestamp_ms
        elif not (
            group.uses_consumer_protocol
            and group.subscribed_topics is not None
            and group.state is State.STABLE
        ):
            return False
    all_expired = True
    for topic, partition, value in store.of_group(group.group_id):
        if group.is_subscribed_to(topic) or not _has_expired(value, since_empty_ms, settings, effects.now_ms):
            all_expired = False
        else:
            effects.records.append(offset_tombstone(group.group_id, topic, partition))
    return all_expired


def _as_int64(number: int) -> int:
    """What Java's addition makes of it, which wraps."""
    return (number + 2**63) % 2**64 - 2**63


def _has_expired(
    value: OffsetValue, since_empty_ms: int | None, settings: GroupSettings, now_ms: int
) -> bool:
    if value.expire_timestamp_ms != _NO_EXPIRY:
        return now_ms >= value.expire_timestamp_ms
    since_ms = value.commit_timestamp_ms if since_empty_ms is None else since_empty_ms
    return now_ms - since_ms >= settings.offsets_retention_ms
