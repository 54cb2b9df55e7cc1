"""Requests and answers of the group coordinator as plain values, without a version.

Handlers fold a request's version into these; what a version means beyond its fields is a flag here
(`requires_known_member_id`). Names are Kafka's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from kwire_codecs.errors import ErrorCode

UNKNOWN_GENERATION_ID = -1
UNKNOWN_MEMBER_ID = ""
NO_LEADER = ""
CONSUMER_PROTOCOL_TYPE = "consumer"
NO_OFFSET = -1
NO_LEADER_EPOCH = -1
NO_TIMESTAMP = -1
ZERO_UUID = UUID(int=0)


class Protocol(NamedTuple):
    """One protocol that a member offers, with the member's metadata for it."""

    name: str
    metadata: bytes


class JoinRequest(NamedTuple):
    """A member asks to be in the next generation. Time-outs in milliseconds."""

    group_id: str
    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[Protocol, ...]
    new_member_uuid: UUID
    """Handed in: the machine draws no random numbers. Becomes part of the member id if one is needed."""
    requires_known_member_id: bool = True
    """From v4 on (KIP-394)."""
    supports_skipping_assignment: bool = True
    """From v9 on (KIP-814)."""


class JoinedMember(NamedTuple):
    """A member as its leader sees it."""

    member_id: str
    group_instance_id: str | None
    metadata: bytes


class JoinResult(NamedTuple):
    """The answer to a JoinRequest; `members` is filled for the leader only."""

    error_code: ErrorCode
    member_id: str = UNKNOWN_MEMBER_ID
    generation_id: int = UNKNOWN_GENERATION_ID
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = NO_LEADER
    skip_assignment: bool = False
    members: Sequence[JoinedMember] = ()


class SyncRequest(NamedTuple):
    """A member asks for its assignment; the leader brings everybody's."""

    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None
    protocol_type: str | None
    protocol_name: str | None
    assignments: dict[str, bytes]


class SyncResult(NamedTuple):
    """The answer to a SyncRequest."""

    error_code: ErrorCode
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


class LeavingMember(NamedTuple):
    """One member that leaves, or is removed by its instance id."""

    member_id: str
    group_instance_id: str | None = None


class LeftMember(NamedTuple):
    """What became of one LeavingMember."""

    member_id: str
    group_instance_id: str | None
    error_code: ErrorCode


class LeaveResult(NamedTuple):
    """The answer to a LeaveGroup."""

    error_code: ErrorCode
    members: Sequence[LeftMember] = ()


class DescribedMember(NamedTuple):
    """A member as DescribeGroups shows it."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


class DescribedGroup(NamedTuple):
    """A group as DescribeGroups shows it."""

    error_code: ErrorCode
    group_id: str
    group_state: str = ""
    protocol_type: str = ""
    protocol_data: str = ""
    members: Sequence[DescribedMember] = ()
    message: str | None = None
    """Of an error, for those versions that carry one."""


class ListedGroup(NamedTuple):
    """A group as ListGroups shows it."""

    group_id: str
    protocol_type: str
    group_state: str
    group_type: str


class GroupResult(NamedTuple):
    """What became of one group of a batch."""

    group_id: str
    error_code: ErrorCode


class CommittedPartition(NamedTuple):
    """One offset to commit. `commit_timestamp_ms` is -1 but in v1 requests."""

    partition: int
    offset: int
    leader_epoch: int = NO_LEADER_EPOCH
    metadata: str | None = None
    commit_timestamp_ms: int = NO_TIMESTAMP


class CommittedTopic(NamedTuple):
    """The offsets to commit of one topic."""

    topic: str
    partitions: Sequence[CommittedPartition]
    topic_id: UUID = ZERO_UUID


class CommitRequest(NamedTuple):
    """Offsets to commit, whose topics and partitions are known to exist.

    Generation -1 and an empty member id come from a consumer without a group (or an admin client).
    """

    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None
    topics: Sequence[CommittedTopic]
    retention_time_ms: int = -1
    """v2-v4; -1 is the broker's retention."""
    knows_group_id_not_found: bool = False
    """v9 and later are told GROUP_ID_NOT_FOUND of a group that is not there, older ones ILLEGAL_GENERATION;
    so is TxnOffsetCommit from v6 on, and STALE_MEMBER_EPOCH there.
    """


class TransactionalCommitRequest(NamedTuple):
    """Offsets to commit as part of a producer's transaction (TxnOffsetCommit)."""

    producer_id: int
    producer_epoch: int
    commit: CommitRequest


class CommitResult(NamedTuple):
    """An error for the whole commit, or one error a partition, in the request's order."""

    error_code: ErrorCode
    partition_errors: Sequence[Sequence[ErrorCode]] = ()


class FetchedOffset(NamedTuple):
    """One partition's committed offset; offset -1 and no error where there is none."""

    partition: int
    offset: int
    leader_epoch: int
    metadata: str
    error_code: ErrorCode


class FetchedTopic(NamedTuple):
    """One topic's committed offsets."""

    topic: str
    partitions: Sequence[FetchedOffset]


class OffsetFetchResult(NamedTuple):
    """A group's committed offsets."""

    error_code: ErrorCode
    topics: Sequence[FetchedTopic] = ()


class TopicPartitions(NamedTuple):
    """Some partitions of one topic."""

    topic: str
    partitions: Sequence[int]


class OffsetDeleteResult(NamedTuple):
    """An error for the whole request, or one error a partition, in the request's order."""

    error_code: ErrorCode
    partition_errors: Sequence[Sequence[ErrorCode]] = ()
