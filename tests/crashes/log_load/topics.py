"""The topics of the load on logs: one for each way in which old records stay or go. Pure.

Segments are small and everything that runs now and then runs often, so that a kill finds it at work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

SEGMENT_BYTES = 65536
DELETE_RETENTION_MS = 4000
RETENTION_MS = 6000
RETENTION_BYTES = 262144
GROUPS_TOPIC = "kept"
"""Groups commit offsets of it."""

BROKER_SETTINGS = {
    "auto.create.topics.enable": "false",
    "log.segment.bytes": "1048576",
    "log.segment.delete.delay.ms": "300",
    "log.retention.check.interval.ms": "300",
    "log.flush.offset.checkpoint.interval.ms": "400",
    "log.flush.start.offset.checkpoint.interval.ms": "400",
    "log.cleaner.backoff.ms": "100",
    "log.cleaner.min.cleanable.ratio": "0.1",
    "log.cleaner.delete.retention.ms": str(DELETE_RETENTION_MS),
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
}


class Keeping(Enum):
    """Which records of a topic may go."""

    ALL = "all"
    """None."""
    NEWEST = "newest"
    """Those whose key has a newer one."""
    RECENT = "recent"
    """Old ones, by time or size; of those left, all."""
    NEWEST_AND_RECENT = "newest and recent"
    ASKED = "asked"
    """Those below an offset that a client asks for (DeleteRecords)."""


@dataclass(frozen=True)
class Topic:
    """One topic; `transactional` writers alone write to it, or idempotent ones."""

    name: str
    partitions: int
    keeping: Keeping
    transactional: bool = False
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def is_compacted(self) -> bool:
        return self.keeping in (Keeping.NEWEST, Keeping.NEWEST_AND_RECENT)

    @property
    def retention_ms(self) -> int | None:
        """None: time takes nothing."""
        found = self.settings.get("retention.ms")
        return int(found) if found else None

    @property
    def retention_bytes(self) -> int | None:
        found = self.settings.get("retention.bytes")
        return int(found) if found else None


_COMPACT = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(DELETE_RETENTION_MS),
    "segment.ms": "2000",
}
TOPICS = (
    Topic("kept", 2, Keeping.ALL),
    Topic("decided", 2, Keeping.ALL, transactional=True),
    Topic("compacted", 2, Keeping.NEWEST, settings=_COMPACT),
    Topic("decided-compacted", 1, Keeping.NEWEST, transactional=True, settings=_COMPACT),
    Topic("by-size", 1, Keeping.RECENT, settings={"retention.bytes": str(RETENTION_BYTES)}),
    Topic("by-time", 1, Keeping.RECENT, settings={"retention.ms": str(RETENTION_MS), "segment.ms": "1500"}),
    Topic(
        "both",
        1,
        Keeping.NEWEST_AND_RECENT,
        settings={**_COMPACT, "cleanup.policy": "compact,delete", "retention.ms": str(RETENTION_MS)},
    ),
    Topic("cut", 1, Keeping.ASKED),
)
BY_NAME = {topic.name: topic for topic in TOPICS}
COMMON_SETTINGS = {"internal.segment.bytes": str(SEGMENT_BYTES), "file.delete.delay.ms": "300"}
INTERNAL = ("__consumer_offsets", "__transaction_state")
"""Topics of the broker's own, whose segments are made small as well."""
