"""What is asked of offsets: to commit, within a transaction or without one, to fetch and to delete them.

Whether topics and partitions exist was checked before (the handler knows the cluster's metadata); here it
is the group that must allow what is asked. (Kafka: OffsetMetadataManager and ClassicGroup.validateOffset*.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import ClassicGroup, State
from kwire.coordinators.groups.consumer.commits import commit_error
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.surroundings import Group
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.offset_store import OffsetStore
from kwire.coordinators.groups.records import (
    GroupsRecord,
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
    TransactionalCommitRequest,
)
from kwire.coordinators.outcome import CoordinatorRecord, Outcome, TransactionalRecord

_NO_EXPIRY = -1

# Members of an enum take long to look up in Python 3.11, and making a named tuple by its name twice as long
# as this: commits are frequent, and may be of many partitions.
_NONE = ErrorCode.NONE
_EMPTY = State.EMPTY
_STABLE = State.STABLE
_PREPARING_REBALANCE = State.PREPARING_REBALANCE
_COMPLETING_REBALANCE = State.COMPLETING_REBALANCE
_new = tuple.__new__

DELETIONS_A_STEP = 500
"""So many offsets are forgotten before others have their turn."""


def validate_commit(group: Group | None, request: CommitRequest, settings: GroupSettings) -> ErrorCode:
    """Whether the group lets this member, or nobody in particular, commit."""
    if isinstance(group, ConsumerGroup):
        limit = settings.offset_metadata_max_size
        return commit_error(group, request, limit, is_transactional=False)
    generation_id = request.generation_id
    if group is None:
        return _error_without_group(request)
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


def _error_without_group(request: CommitRequest) -> ErrorCode:
    """Who names no generation may begin a group by committing."""
    if request.generation_id < 0:
        return _NONE
    if request.knows_group_id_not_found:
        return ErrorCode.GROUP_ID_NOT_FOUND
    return ErrorCode.ILLEGAL_GENERATION


def commit(
    group: Group | None, request: CommitRequest, settings: GroupSettings, effects: Effects
) -> CommitResult:
    """Commit offsets. Partitions fail alone, for their metadata; the rest is committed."""
    error = validate_commit(group, request, settings)
    if error is not _NONE:
        return CommitResult(error)
    if isinstance(group, ClassicGroup) and (group.state is _STABLE or group.state is _PREPARING_REBALANCE):
        # A commit is a sign of life.
        member = group.members[request.member_id]
        member.keep_alive(group.group_id, member.session_timeout_ms, effects)
    retention_time_ms = request.retention_time_ms
    expire_timestamp_ms = (
        _NO_EXPIRY if retention_time_ms == -1 else _as_int64(effects.now_ms + retention_time_ms)
    )
    return _committed(request, expire_timestamp_ms, settings, effects.now_ms, effects.records)


def validate_transactional_commit(
    group: Group | None, request: CommitRequest, settings: GroupSettings
) -> ErrorCode:
    """As `validate_commit`, for offsets that are part of a transaction. Old clients say nothing of
    themselves, and are believed; those that do are held to it, whatever the group is up to.
    """
    if isinstance(group, ConsumerGroup):
        limit = settings.offset_metadata_max_size
        return commit_error(group, request, limit, is_transactional=True)
    generation_id = request.generation_id
    if group is None:
        return _error_without_group(request)
    if generation_id < 0 and (
        group.state is _EMPTY or (not request.member_id and request.group_instance_id is None)
    ):
        return _NONE
    error = group.validate_member(request.member_id, request.group_instance_id)
    if error is not _NONE:
        return error
    return _NONE if generation_id == group.generation_id else ErrorCode.ILLEGAL_GENERATION


def commit_transactional(
    group: Group | None, request: TransactionalCommitRequest, settings: GroupSettings, now_ms: int
) -> Outcome[CommitResult, TransactionalRecord[GroupsRecord]]:
    """Make offsets part of a producer's transaction. Partitions fail alone, as in `commit`."""
    error = validate_transactional_commit(group, request.commit, settings)
    if error is not _NONE:
        return Outcome(CommitResult(error))
    records: list[GroupsRecord] = []
    result = _committed(request.commit, _NO_EXPIRY, settings, now_ms, records, keeps_ids=False)
    producer = request.producer_id, request.producer_epoch
    return Outcome(result, [TransactionalRecord(*producer, record) for record in records])


def _committed(
    request: CommitRequest,
    expire_timestamp_ms: int,
    settings: GroupSettings,
    now_ms: int,
    records: list[GroupsRecord],
    *,
    keeps_ids: bool = True,
) -> CommitResult:
    """The records of a commit that is allowed, and what is answered."""
    limit = settings.offset_metadata_max_size
    group_id = request.group_id
    errors: list[list[ErrorCode]] = []
    size = 0
    for topic, partitions, topic_id in request.topics:
        topic_errors: list[ErrorCode] = []
        errors.append(topic_errors)
        kept_id = topic_id if keeps_ids and expire_timestamp_ms == _NO_EXPIRY else ZERO_UUID
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
    store: OffsetStore,
    group_id: str,
    topics: Sequence[tuple[TopicPartitions, UUID]],
    *,
    require_stable: bool = False,
) -> list[FetchedTopic]:
    """The offsets asked for; -1 and no error where there is none, or where it is of a namesake that was
    deleted. With `require_stable`, one that a transaction may yet change is refused (KIP-447).
    """
    unstable = store.pending.by_group.get(group_id, ()) if require_stable else ()
    if unstable:
        return [
            FetchedTopic(
                wanted.topic,
                [
                    _unstable(partition)
                    if (group_id, wanted.topic, partition) in unstable
                    else _fetched(partition, store.get(group_id, wanted.topic, partition), topic_id)
                    for partition in wanted.partitions
                ],
            )
            for wanted, topic_id in topics
        ]
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


def fetch_all(store: OffsetStore, group_id: str, *, require_stable: bool = False) -> list[FetchedTopic]:
    """Every offset that the group has committed, in the way of `fetch`."""
    unstable = store.pending.by_group.get(group_id, ()) if require_stable else ()
    return [
        FetchedTopic(
            topic,
            [
                _unstable(partition)
                if unstable and (group_id, topic, partition) in unstable
                else _fetched(partition, value, ZERO_UUID)
                for partition, value in store.partitions(group_id, topic)
            ],
        )
        for topic in store.topics(group_id)
    ]


def _fetched(partition: int, value: OffsetValue | None, topic_id: UUID) -> FetchedOffset:
    if value is None or _of_another_topic(value.topic_id, topic_id):
        return FetchedOffset(partition, NO_OFFSET, NO_LEADER_EPOCH, "", ErrorCode.NONE)
    return FetchedOffset(partition, value.offset, value.leader_epoch, value.metadata, ErrorCode.NONE)


def _unstable(partition: int) -> FetchedOffset:
    return FetchedOffset(partition, NO_OFFSET, NO_LEADER_EPOCH, "", ErrorCode.UNSTABLE_OFFSET_COMMIT)


def _of_another_topic(committed: UUID, present: UUID) -> bool:
    return ZERO_UUID not in (committed, present) and committed != present


def delete(
    store: OffsetStore,
    group: Group | None,
    topics: Sequence[TopicPartitions],
    group_id: str,
    effects: Effects,
) -> OffsetDeleteResult:
    """Forget offsets of topics that nobody in the group consumes."""
    if group is None:
        return OffsetDeleteResult(ErrorCode.GROUP_ID_NOT_FOUND)
    if (
        isinstance(group, ClassicGroup)
        and group.state is not State.EMPTY
        and not group.uses_consumer_protocol
    ):
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
            or store.pending.is_pending(OffsetKey(group_id, topic.topic, partition))
        )
    return OffsetDeleteResult(ErrorCode.NONE, errors)


def delete_all(store: OffsetStore, group_id: str, effects: Effects) -> None:
    """Forget all offsets of a group, pending ones too."""
    effects.records.extend(
        offset_tombstone(group_id, topic, partition) for topic, partition, _ in store.of_group(group_id)
    )
    effects.records.extend(
        CoordinatorRecord(key, None) for key in store.pending.of_group(group_id) if store.get(*key) is None
    )


def delete_of_topics(store: OffsetStore, topics: Mapping[str, UUID], effects: Effects) -> bool:
    """Forget the groups' offsets of topics that were deleted, but not those of namesakes that were created
    since. True if there may be more of them, which another call forgets.
    """
    records = effects.records
    for topic, topic_id in topics.items():
        for group_id in store.groups_of(topic):
            for partition, value in store.partitions(group_id, topic):
                if not _of_another_topic(value.topic_id, topic_id):
                    records.append(offset_tombstone(group_id, topic, partition))
            if len(records) >= DELETIONS_A_STEP:
                return True
    forgotten = {key for key, _ in records}
    for group_id in store.pending.by_group:
        for key in store.pending.of_group(group_id):
            if key.topic in topics and key not in forgotten:
                records.append(CoordinatorRecord(key, None))
    return False


def _as_int64(number: int) -> int:
    """What Java's addition makes of it, which wraps."""
    return (number + 2**63) % 2**64 - 2**63
