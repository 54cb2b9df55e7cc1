"""A member of a classic group: what it told of itself, its assignment, and whom it keeps waiting.

The tickets and the session's deadline are soft state: they are gone with the shard. A heartbeat only moves
`deadline_ms`; the timer that is armed for an earlier moment looks at it when it fires, so that the most
frequent request of all touches no timer.
"""

from __future__ import annotations

from collections.abc import Container

from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.records import MemberValue
from kwire.coordinators.groups.values import DescribedMember, JoinResult, Protocol, SyncResult
from kwire.coordinators.outcome import Ticket


def session_key(group_id: str, member_id: str) -> tuple[str, str, str]:
    """The timer that ends a member's session (and a pending member's chance to join)."""
    return ("session", group_id, member_id)


HELD_BYTES = 200
"""What a member, even one that is yet to come, takes at least."""


def held_bytes(client_id: str, protocols: tuple[Protocol, ...]) -> int:
    """About how much memory a member takes that says this of itself."""
    return HELD_BYTES + 2 * len(client_id) + sum(len(each.name) + len(each.metadata) for each in protocols)


class Member:
    """One member; mutable, owned by its group."""

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "deadline_ms",
        "group_instance_id",
        "is_new",
        "join_ticket",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "sync_ticket",
        "timer_at_ms",
    )

    def __init__(
        self,
        member_id: str,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocols: tuple[Protocol, ...],
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocols = protocols
        self.assignment = assignment
        self.join_ticket: Ticket[JoinResult] | None = None
        self.sync_ticket: Ticket[SyncResult] | None = None
        self.is_new = False
        """It waits for its first generation: it does not know its id yet and cannot heartbeat."""
        self.deadline_ms = 0
        self.timer_at_ms: int | None = None

    @property
    def held_bytes(self) -> int:
        return held_bytes(self.client_id, self.protocols)

    @property
    def is_static(self) -> bool:
        return self.group_instance_id is not None

    @property
    def heartbeat_is_satisfied(self) -> bool:
        """A member that waits for a rebalance need not heartbeat; a new one may yet be given up on."""
        return not self.is_new and (self.join_ticket is not None or self.sync_ticket is not None)

    def keep_alive(self, group_id: str, timeout_ms: int, effects: Effects) -> None:
        """Restart its session, to end `timeout_ms` from now; arms a timer only if none would look in time."""
        self.deadline_ms = deadline_ms = effects.now_ms + timeout_ms
        if self.timer_at_ms is None or self.timer_at_ms > deadline_ms:
            self.timer_at_ms = deadline_ms
            effects.arm(session_key(group_id, self.member_id), timeout_ms)

    def metadata(self, protocol: str | None) -> bytes:
        """What it says under the group's protocol; empty where it doesn't offer that."""
        return next((offered.metadata for offered in self.protocols if offered.name == protocol), b"")

    def vote(self, candidates: Container[str]) -> str:
        """The first of its protocols that everybody supports (its order is its preference)."""
        return next(offered.name for offered in self.protocols if offered.name in candidates)

    def describe(self, protocol: str | None) -> DescribedMember:
        """As DescribeGroups shows it; metadata only where the group has a protocol."""
        return DescribedMember(
            self.member_id,
            self.group_instance_id,
            self.client_id,
            self.client_host,
            b"" if protocol is None else self.metadata(protocol),
            self.assignment,
        )

    def to_value(self, protocol: str | None, assignment: bytes) -> MemberValue:
        """As it is kept in the group's record."""
        return MemberValue(
            self.member_id,
            self.group_instance_id,
            self.client_id,
            self.client_host,
            self.rebalance_timeout_ms,
            self.session_timeout_ms,
            self.metadata(protocol),
            assignment,
        )

    @classmethod
    def from_value(cls, value: MemberValue, protocol: str | None) -> Member:
        """From the group's record: it offers the one protocol that its group had chosen."""
        # Records older than v1 have no rebalance time-out: Kafka then takes the session's.
        rebalance_timeout_ms = value.rebalance_timeout_ms
        return cls(
            value.member_id,
            value.group_instance_id,
            value.client_id,
            value.client_host,
            value.session_timeout_ms if rebalance_timeout_ms == -1 else rebalance_timeout_ms,
            value.session_timeout_ms,
            () if protocol is None else (Protocol(protocol, value.subscription),),
            value.assignment,
        )
