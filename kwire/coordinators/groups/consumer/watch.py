"""What a consumer group waits for from one member, and for how long. Soft state, lost with the shard.

A heartbeat moves `deadline_ms` alone; the timer that is armed for an earlier moment looks at it when it
fires. Timers: `session_key` (as a classic member's), and the three below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwire.coordinators.groups.member import session_key

if TYPE_CHECKING:
    from kwire.coordinators.groups.effects import Effects


def revocation_key(group_id: str, member_id: str) -> tuple[str, str, str]:
    """The timer that ends a member's time to give partitions back."""
    return ("revocation", group_id, member_id)


def classic_join_key(group_id: str, member_id: str) -> tuple[str, str, str]:
    """The timer that ends a classic member's time to join again."""
    return ("classic-join", group_id, member_id)


def classic_sync_key(group_id: str, member_id: str) -> tuple[str, str, str]:
    """The timer that ends a classic member's time to fetch its assignment."""
    return ("classic-sync", group_id, member_id)


class Watch:
    """One member's deadlines; mutable, owned by its group."""

    __slots__ = ("awaits_join", "awaits_sync", "deadline_ms", "revoking_epoch", "timer_at_ms")

    def __init__(self) -> None:
        self.deadline_ms = 0
        self.timer_at_ms: int | None = None
        self.revoking_epoch: int | None = None
        """The epoch that it has to leave before its revocation timer fires."""
        self.awaits_join = False
        self.awaits_sync = False

    def keep_alive(self, group_id: str, member_id: str, timeout_ms: int, effects: Effects) -> None:
        """Restart the session, to end `timeout_ms` from now; arms a timer only if none would look in time."""
        self.deadline_ms = deadline_ms = effects.now_ms + timeout_ms
        if self.timer_at_ms is None or self.timer_at_ms > deadline_ms:
            self.timer_at_ms = deadline_ms
            effects.arm(session_key(group_id, member_id), timeout_ms)

    def await_revocation(
        self, group_id: str, member_id: str, epoch: int, timeout_ms: int, effects: Effects
    ) -> None:
        """It has to give partitions back, and so to leave `epoch`, in time."""
        self.revoking_epoch = epoch
        effects.arm(revocation_key(group_id, member_id), timeout_ms)

    def revoked(self, group_id: str, member_id: str, effects: Effects) -> None:
        """It need not give anything back."""
        if self.revoking_epoch is not None:
            self.revoking_epoch = None
            effects.disarm(revocation_key(group_id, member_id))

    def await_join(self, group_id: str, member_id: str, timeout_ms: int, effects: Effects) -> None:
        """It was told to join again; the first time counts."""
        if not self.awaits_join:
            self.awaits_join = True
            effects.arm(classic_join_key(group_id, member_id), timeout_ms)

    def joined(self, group_id: str, member_id: str, effects: Effects) -> None:
        if self.awaits_join:
            self.awaits_join = False
            effects.disarm(classic_join_key(group_id, member_id))

    def await_sync(self, group_id: str, member_id: str, timeout_ms: int, effects: Effects) -> None:
        """It has joined, and has to fetch its assignment in time."""
        self.awaits_sync = True
        effects.arm(classic_sync_key(group_id, member_id), timeout_ms)

    def synced(self, group_id: str, member_id: str, effects: Effects) -> None:
        if self.awaits_sync:
            self.awaits_sync = False
            effects.disarm(classic_sync_key(group_id, member_id))

    def end(self, group_id: str, member_id: str, effects: Effects) -> None:
        """Nobody waits for this member any more."""
        if self.timer_at_ms is not None:
            self.timer_at_ms = None
            effects.disarm(session_key(group_id, member_id))
        self.revoked(group_id, member_id, effects)
        self.joined(group_id, member_id, effects)
        self.synced(group_id, member_id, effects)
