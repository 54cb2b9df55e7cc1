"""Fetch sessions in their simple form: each fetch looks at every partition, none is ever at rest."""

from __future__ import annotations

from kwire.broker.fetch_sessions import FetchedPartition, FetchSession


class SeesAll(FetchSession):
    """A session that knows nothing of what has changed."""

    __slots__ = ()

    def to_look_at(self, terms: object) -> list[FetchedPartition]:
        return self.in_order()

    def comes_to_rest(self, partition: FetchedPartition, high_watermark: int, log_start_offset: int) -> bool:
        return False
