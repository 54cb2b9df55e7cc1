"""Who owns which partition of a group, as the members know it.

Rules: a member owns a partition from the answer that gave it until it *sends* word that it has given it up,
or stops. It can't have been thrown out as long as it has been heard: a request that was answered well, and
left it nothing to do, was sent no longer ago than its time-outs. Meanwhile nobody else may be given it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import trio

Broken = Callable[[str, object, str], None]


@dataclass(slots=True)
class Holding:
    """One member's hold of one partition."""

    since: float
    sure_until: float


class Holdings:
    """All groups of a run."""

    def __init__(self, broken: Broken) -> None:
        self._broken = broken
        self._of: dict[tuple[str, str, int], dict[str, Holding]] = defaultdict(dict)
        self.epochs: dict[str, int] = {}
        """The highest member epoch that was told of each group."""

    def forget(self) -> None:
        """Power was lost."""
        self._of.clear()
        self.epochs.clear()

    def owns(
        self, group: str, owner: str, owned: Iterable[tuple[str, int]], sent: float, sure_seconds: float
    ) -> None:
        """A member was told what it owns, by an answer to what it sent then; nothing is left to be given up.
        It can't be thrown out for `sure_seconds` after that.
        """
        now = trio.current_time()
        owned = set(owned)
        for (of_group, topic, index), holders in self._of.items():
            if of_group == group and (topic, index) not in owned:
                holders.pop(owner, None)
        for topic, index in sorted(owned):
            holders = self._of[group, topic, index]
            for other, held in holders.items():
                if other != owner and held.since <= sent and now <= held.sure_until:
                    text = f"{topic}-{index} of {group} is given to {owner}, and {other} has it"
                    self._broken("still-owned", group, text)
            mine = holders.setdefault(owner, Holding(now, 0.0))
            mine.sure_until = sent + sure_seconds

    def gives_up(self, group: str, owner: str, given: Iterable[tuple[str, int]] | None = None) -> None:
        """A member is about to tell that it gave these up, or all; or it has stopped."""
        wanted = None if given is None else set(given)
        for (of_group, topic, index), holders in self._of.items():
            if of_group == group and (wanted is None or (topic, index) in wanted):
                holders.pop(owner, None)
