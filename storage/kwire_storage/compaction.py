"""The compaction of one log: the interface that every engine's has (`segments/compaction.py`,
`memory_compaction.py`).
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .cleaner.job import CleanedGroup
    from .memory_compaction import CleaningInMemory
    from .segments.compaction import Cleaning, CleaningResources, Dirt


UNLIMITED = 1.7976931348623157e308
"""Bytes a second: no bound."""


class Compaction(Protocol):
    """The compaction of one log. `limit` is everywhere the last stable offset, of what is replicated."""

    def dirt(self, limit: int, now_ms: int) -> "Dirt":
        """How dirty the log is."""
        ...

    def plan(
        self, limit: int, now_ms: int, resources: "CleaningResources"
    ) -> "Cleaning | CleaningInMemory | None":
        """A job for `cleaner.cleaning.clean`, elsewhere; then `commit` for each group of its result, `sync`
        in a thread, and `end`. None: nothing is dirty. In memory: its own `work` in a thread, and `commit`.
        """
        ...

    def commit(self, cleaning: "Cleaning", group: "CleanedGroup", now_ms: int) -> bool:
        """Put one cleaned segment in place of those it replaces; False, and the cleaned one is removed, where
        these have changed since. StorageError if files could not be renamed.
        """
        ...

    def throw_away(self, group: "CleanedGroup") -> None:
        """A cleaned segment is not wanted."""
        ...

    def sync(self) -> None:
        """What was put in place has its name on the device when this returns."""
        ...

    def end(self, cleaning: "Cleaning", dirty_offset: int) -> None:
        """All groups have been committed; below `dirty_offset` all is clean, unless one of them was void."""
        ...
