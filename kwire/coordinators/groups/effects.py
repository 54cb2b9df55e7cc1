"""What one operation gathers while it decides; `outcome()` turns it into the Outcome that leaves the
machine.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

from kwire.coordinators.groups.records import GroupsRecord
from kwire.coordinators.outcome import Completion, Outcome, Ticket, Timer

R = TypeVar("R")


class Effects:
    """Records to append, tickets to complete and timers to arm, in the order in which they were decided."""

    __slots__ = ("completions", "messages", "now_ms", "records", "timers")

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.records: list[GroupsRecord] = []
        self.completions: list[Completion] = []
        self.timers: list[Timer] = []
        self.messages: list[object] = []

    def complete(self, ticket: Ticket[R], response: R) -> None:
        self.completions.append(Completion(ticket, response))

    def arm(self, key: Hashable, delay_ms: int) -> None:
        self.timers.append(Timer(key, self.now_ms + delay_ms))

    def disarm(self, key: Hashable) -> None:
        self.timers.append(Timer(key, None))

    def outcome(self, response: R | Ticket[R]) -> Outcome[R, GroupsRecord]:
        return Outcome(response, self.records, self.completions, self.timers, self.messages)
