"""The timers of one shard, by what they are for."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from kwire.partitions.clock import Clock, TimerHandle


class Timers:
    """A later time for a key replaces the earlier one. `fire(key)` is called when one comes due, once."""

    __slots__ = ("_clock", "_fire", "_handles")

    def __init__(self, clock: Clock, fire: Callable[[Hashable], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._handles: dict[Hashable, TimerHandle] = {}

    def arm(self, key: Hashable, at_ms: int | None) -> None:
        """Set a timer, at a semantic time; None takes it back."""
        handle = self._handles.pop(key, None)
        if handle is not None:
            handle.cancel()
        if at_ms is not None:
            self._handles[key] = self._clock.schedule(at_ms, lambda: self._due(key))

    def _due(self, key: Hashable) -> None:
        if self._handles.pop(key, None) is not None:
            self._fire(key)

    def forget(self) -> None:
        """Take all of them back."""
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()
