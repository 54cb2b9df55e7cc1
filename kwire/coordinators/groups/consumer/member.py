"""A member of a consumer group, as its records keep it. Immutable: a change is a new value (`_replace`).

All of it is hard state: it is what two records say, one of the member itself (what it told of itself) and one
of its current assignment (its epochs, its state, what it owns and what it has yet to give back). Session
deadlines are the group's, and soft. (Kafka: ConsumerGroupMember, MemberState.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from kwire.coordinators.groups.values import Protocol

JOIN_EPOCH: Final = 0
"""The epoch with which a member (re)joins."""
LEAVE_EPOCH: Final = -1
"""The epoch with which a member leaves."""
LEAVE_STATIC_EPOCH: Final = -2
"""The epoch with which a static member leaves for a while: its place is kept until its session ends."""

Assignment: TypeAlias = Mapping[UUID, Collection[int]]
"""Topic id -> partitions, both in the order of their record: what a member shall own. No topic without
partitions.
"""

OwnedPartitions: TypeAlias = Mapping[UUID, Mapping[int, int]]
"""Topic id -> partition -> the epoch at which the member was given it. No topic without partitions."""

NO_ASSIGNMENT: Final[Assignment] = {}
NOTHING_OWNED: Final[OwnedPartitions] = {}


class MemberState(IntEnum):
    """How far a member is on its way to its target, by the number in its record."""

    STABLE = 0
    """It owns what the target of its epoch gives it."""
    UNREVOKED_PARTITIONS = 1
    """It has to give partitions back before it can go on to the next epoch."""
    UNRELEASED_PARTITIONS = 2
    """It is at its target's epoch, and waits for partitions that others have yet to give back."""
    UNKNOWN = 127
    """A state that a later version wrote."""

    @classmethod
    def of(cls, number: int) -> MemberState:
        """The state that a record names."""
        return _STATES.get(number, cls.UNKNOWN)


_STATES: Final = {state.value: state for state in MemberState}
STABLE: Final = MemberState.STABLE
"""Members of an enum take long to look up, and this one is asked for at every heartbeat."""


class ClassicMetadata(NamedTuple):
    """What a member that speaks the classic protocol said of itself when it joined."""

    session_timeout_ms: int
    protocols: tuple[Protocol, ...]


class ConsumerGroupMember(NamedTuple):
    """One member. Time-outs in milliseconds."""

    member_id: str
    member_epoch: int = JOIN_EPOCH
    previous_member_epoch: int = -1
    state: MemberState = MemberState.STABLE
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: frozenset[str] = frozenset()
    subscribed_topic_regex: str | None = ""
    """Empty or None: it subscribes by no expression."""
    server_assignor: str | None = None
    assigned_partitions: OwnedPartitions = NOTHING_OWNED
    partitions_pending_revocation: OwnedPartitions = NOTHING_OWNED
    classic: ClassicMetadata | None = None
    """None: it speaks the consumer protocol."""

    @property
    def uses_classic_protocol(self) -> bool:
        return self.classic is not None

    def is_reconciled_to(self, assignment_epoch: int) -> bool:
        """Whether it owns exactly what the target of that epoch gives it."""
        return self.state is STABLE and self.member_epoch == assignment_epoch

    def at_epoch(self, member_epoch: int) -> ConsumerGroupMember:
        """The member at another epoch, with its present one as the previous one."""
        return self._replace(member_epoch=member_epoch, previous_member_epoch=self.member_epoch)

    def assignment_epoch(self, topic_id: UUID, partition: int) -> int | None:
        """The epoch at which it was given a partition that it owns, or has yet to give back."""
        epoch = self.assigned_partitions.get(topic_id, {}).get(partition)
        if epoch is None:
            epoch = self.partitions_pending_revocation.get(topic_id, {}).get(partition)
        return epoch


def without_epochs(owned: OwnedPartitions) -> Assignment:
    """The partitions alone."""
    return {topic_id: tuple(partitions) for topic_id, partitions in owned.items()}


def with_epoch(assignment: Assignment, epoch: int) -> OwnedPartitions:
    """The partitions as owned since one epoch."""
    return {topic_id: dict.fromkeys(partitions, epoch) for topic_id, partitions in assignment.items()}
