"""Requests and answers of consumer groups as plain values, and what is wrong with a request in itself.

Handlers fold a request's version into these; what a version means beyond its fields is a flag here
(`requires_own_member_id`). Texts are Kafka's, which clients show to their users.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeAlias
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.member import (
    JOIN_EPOCH,
    LEAVE_EPOCH,
    LEAVE_STATIC_EPOCH,
    OwnedPartitions,
)
from kwire.coordinators.groups.java_hash import hash_map_order

Owned: TypeAlias = Sequence[tuple[UUID, Collection[int]]]
"""What a member says that it owns."""

_BLANKS = "".join(map(chr, range(0x21)))
"""What Java's String.trim cuts off, by which Kafka tells an empty text: controls and the space."""


class Refusal(NamedTuple):
    """Why something is not done; `message` None is sent as null."""

    error_code: ErrorCode
    message: str | None = None


class HeartbeatRequest(NamedTuple):
    """A member joins, says that it is there, tells what is new, or leaves. None is "as before"."""

    group_id: str
    member_id: str
    member_epoch: int
    client_id: str
    client_host: str
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    subscribed_topic_names: Sequence[str] | None = None
    subscribed_topic_regex: str | None = None
    server_assignor: str | None = None
    owned: Owned | None = None
    new_member_id: str = ""
    """Handed in for those who come without an id: the machine draws no random numbers."""
    requires_own_member_id: bool = True
    """From v1 on a client makes its id itself (KIP-1082)."""

    @property
    def is_full(self) -> bool:
        """Whether it tells everything, and so wants to be told everything."""
        return (
            self.rebalance_timeout_ms != -1
            and (self.subscribed_topic_names is not None or self.subscribed_topic_regex is not None)
            and self.owned is not None
        )


class HeartbeatResult(NamedTuple):
    """The answer; `assignment` None is "as before"."""

    error_code: ErrorCode
    message: str | None = None
    member_id: str | None = None
    member_epoch: int = 0
    heartbeat_interval_ms: int = 0
    assignment: OwnedPartitions | None = None


class DescribedConsumer(NamedTuple):
    """A member as ConsumerGroupDescribe shows it."""

    member_id: str
    instance_id: str | None
    rack_id: str | None
    member_epoch: int
    client_id: str
    client_host: str
    subscribed_topic_names: Collection[str]
    subscribed_topic_regex: str | None
    assignment: Sequence[DescribedTopic]
    target_assignment: Sequence[DescribedTopic]
    uses_classic_protocol: bool


class DescribedTopic(NamedTuple):
    """Some partitions of a topic that exists."""

    topic_id: UUID
    topic_name: str
    partitions: Sequence[int]


class DescribedConsumerGroup(NamedTuple):
    """A group as ConsumerGroupDescribe shows it."""

    error_code: ErrorCode
    group_id: str
    message: str | None = None
    group_state: str = ""
    group_epoch: int = 0
    assignment_epoch: int = 0
    assignor_name: str = ""
    members: Sequence[DescribedConsumer] = ()


class ResolveExpressions(NamedTuple):
    """A message to the shard's owner: look up which topics these expressions match, and tell the group."""

    group_id: str
    expressions: Sequence[str]


def new_id(uuid: UUID) -> str:
    """A UUID as Kafka writes it: 22 characters of base64 (Kafka: Uuid.toString)."""
    return urlsafe_b64encode(uuid.bytes).decode().rstrip("=")


def problem_with(request: HeartbeatRequest, assignors: Sequence[str]) -> Refusal | None:
    """Why a heartbeat is refused whatever its group says (Kafka:
    throwIfConsumerGroupHeartbeatRequestIsInvalid).
    """
    epoch = request.member_epoch
    if (
        request.requires_own_member_id or epoch > JOIN_EPOCH or epoch == LEAVE_EPOCH
    ) and not request.member_id.strip(_BLANKS):
        return _invalid("MemberId can't be empty.")
    if not request.group_id.strip(_BLANKS):
        return _invalid("GroupId can't be empty.")
    if request.instance_id is not None and not request.instance_id.strip(_BLANKS):
        return _invalid("InstanceId can't be empty.")
    if request.rack_id is not None and not request.rack_id.strip(_BLANKS):
        return _invalid("RackId can't be empty.")
    if epoch == JOIN_EPOCH:
        if request.rebalance_timeout_ms == -1:
            return _invalid("RebalanceTimeoutMs must be provided in first request.")
        if request.owned is None or request.owned:
            return _invalid("TopicPartitions must be empty when (re-)joining.")
        if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
            return _invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
            )
    elif epoch == LEAVE_STATIC_EPOCH:
        if request.instance_id is None:
            return _invalid("InstanceId can't be null.")
    elif epoch < LEAVE_STATIC_EPOCH:
        return _invalid("MemberEpoch is invalid.")
    if request.server_assignor is not None and request.server_assignor not in assignors:
        return Refusal(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.server_assignor} is not supported. "
            f"Supported assignors: {', '.join(hash_map_order(assignors))}.",
        )
    return None


def _invalid(message: str) -> Refusal:
    return Refusal(ErrorCode.INVALID_REQUEST, message)
