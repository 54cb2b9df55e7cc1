"""The sessions of members that a shard has loaded with its groups. They begin once the log has been replayed,
those of some members at a time, so that a shard with many does not hold up the others.
"""

from __future__ import annotations

from kwire.coordinators.groups import rebalance
from kwire.coordinators.groups.consumer import fencing
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.surroundings import Surroundings
from kwire.coordinators.groups.effects import Effects

BEGIN_SESSIONS = "begin-sessions"
"""The timer that goes on with members that were loaded."""
MEMBERS_A_STEP = 200
"""The sessions of about so many members begin before others have their turn."""


class LoadedSessions:
    """Those of one shard."""

    __slots__ = ("_around", "_left")

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._left: list[str] = []
        """Groups that were loaded and not looked at yet."""

    def begin(self, effects: Effects) -> None:
        """The groups that there are now have been loaded."""
        self._left = list(self._around.groups)
        self.go_on(effects)

    def go_on(self, effects: Effects) -> None:
        """One step; arms `BEGIN_SESSIONS` where that was not the last one."""
        around = self._around
        left = MEMBERS_A_STEP
        while self._left and left > 0:
            group = around.groups.get(self._left.pop())
            if group is None:
                continue
            left -= 1 + len(group.members)
            if isinstance(group, ConsumerGroup):
                fencing.watch_all(around, group, effects)
                continue
            for member in group.members.values():
                if member.timer_at_ms is None:
                    member.keep_alive(group.group_id, member.session_timeout_ms, effects)
            if len(group.members) > around.settings.max_size and group.can_rebalance:
                # The limit was lowered: whoever joins last is out.
                rebalance.prepare_rebalance(group, around.settings, effects)
        if self._left:
            effects.arm(BEGIN_SESSIONS, 1)
