"""Topics as Metadata tells of them, kept as bytes: what thousands of clients ask, and what seldom changes.

Rules
- What a topic's row says follows from the topic's image and from a *view*: the version, the nodes that the
  client's listener reaches, which of them are fenced, the operations asked for. Rows are kept by view; a row
  counts only for the very image it was made from, so a topic that was changed, or deleted and created again,
  never shows what it was.
- All topics in one piece count only for the very mapping of topics that they were made from.
- At most `MOST_VIEWS` views and about `MOST_BYTES` are kept; what does not fit is made anew each time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kwire_codecs.wire import Encoded

    from kwire.coordinators.metadata.image import TopicImage

MOST_VIEWS: Final = 8
MOST_BYTES: Final = 32 << 20
ROW_OVERHEAD_BYTES: Final = 200
"""About what it takes to keep a row, beside its bytes."""


class View:
    """The rows of one view."""

    __slots__ = ("_all", "_owner", "_rows", "_topics", "size")

    def __init__(self, owner: EncodedTopics) -> None:
        self.size = 0
        """About the bytes that it keeps."""
        self._owner = owner
        self._rows: dict[str, tuple[TopicImage, bytes]] = {}
        self._topics: Mapping[str, TopicImage] = {}
        self._all: Encoded | None = None

    def row(self, topic: TopicImage) -> bytes | None:
        """The topic's row, if it is known and the topic has not changed since."""
        found = self._rows.get(topic.name)
        return found[1] if found is not None and found[0] is topic else None

    def keep(self, topic: TopicImage, row: bytes) -> None:
        """Keeps a row in place of an older one of the name, if there is room for it."""
        self._drop(topic.name)
        cost = len(row) + ROW_OVERHEAD_BYTES
        if self._owner.has_room(self, cost):
            self._rows[topic.name] = topic, row
            self.size += cost

    def all_of(self, topics: Mapping[str, TopicImage]) -> Encoded | None:
        """All rows of `topics` in one piece, if that is known."""
        return self._all if topics is self._topics else None

    def keep_all(self, topics: Mapping[str, TopicImage], rows: Encoded) -> None:
        """Keeps all rows in one piece, and no row of a topic that is not among them."""
        for name in [name for name in self._rows if name not in topics]:
            self._drop(name)
        if self._all is not None:
            self.size -= len(self._all.data)
            self._all = None
        if self._owner.has_room(self, len(rows.data)):
            self._topics, self._all = topics, rows
            self.size += len(rows.data)

    def forget_deleted(self, topics: Mapping[str, TopicImage]) -> None:
        """Drops rows of topics that are not in `topics`, once these are many."""
        if len(self._rows) > 2 * len(topics) + 100:
            for name in [name for name in self._rows if name not in topics]:
                self._drop(name)

    def _drop(self, name: str) -> None:
        found = self._rows.pop(name, None)
        if found is not None:
            self.size -= len(found[1]) + ROW_OVERHEAD_BYTES


class EncodedTopics:
    """The views of one cluster."""

    __slots__ = ("_most_bytes", "_views")

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._views: dict[Hashable, View] = {}

    @property
    def size(self) -> int:
        """About the bytes that are kept."""
        return sum(view.size for view in self._views.values())

    def view(self, key: Hashable) -> View:
        """The rows of a view, which becomes the newest used."""
        found = self._views.pop(key, None) or View(self)
        self._views[key] = found
        if len(self._views) > MOST_VIEWS:
            del self._views[next(iter(self._views))]
        return found

    def has_room(self, view: View, size: int) -> bool:
        """Whether `view` may keep `size` bytes more; older views go where that makes the room."""
        while self.size + size > self._most_bytes:
            oldest = next(iter(self._views), None)
            if oldest is None or self._views[oldest] is view:
                return False
            del self._views[oldest]
        return True
