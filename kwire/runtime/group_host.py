"""What the group coordinator service needs of the cluster that it belongs to, and of its configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from kwire_codecs.errors import ErrorCode

from kwire.config import BrokerConfig
from kwire.coordinators.groups.settings import MINUTE_MS, GroupSettings
from kwire.coordinators.metadata.image import ClusterImage
from kwire.partitions.clock import Clock
from kwire.partitions.partition import Partition

_SHORTEST_INITIAL_DELAY_MS = 2
"""What a delay of 0 comes to. Kafka's is a timer too, which other requests overtake. Members that start
together would otherwise come one by one after the first one's generation, and most clients hear of the
rebalance that follows by their next heartbeat only.
"""


class Settings(Protocol):
    """Where a broker's configuration is read from."""

    def integer(self, name: str) -> int:
        """The value of a whole number's setting."""
        ...

    def text(self, name: str) -> str:
        """The value of a text's setting."""
        ...

    def strings(self, name: str) -> list[str]:
        """The value of a list's setting."""
        ...


class Images(Protocol):
    """Where the cluster's metadata comes from."""

    @property
    def image(self) -> ClusterImage:
        """The newest one."""
        ...

    def subscribe(self, callback: Callable[[ClusterImage, ClusterImage], None]) -> object:
        """Have `callback(old, new)` called for every change."""
        ...


class Host(Protocol):
    """What the service needs of the cluster that it belongs to."""

    @property
    def clock(self) -> Clock: ...

    @property
    def config(self) -> BrokerConfig: ...

    @property
    def controller(self) -> Images: ...

    def reach(self, topic_name: str, index: int) -> Partition | ErrorCode:
        """An open partition, or why there is none."""
        ...

    def found_on_disk(self, topic_name: str) -> Sequence[int]:
        """The partitions of a topic that had a log when the cluster started."""
        ...


def group_settings(config: Settings) -> GroupSettings:
    """The coordinator's settings out of a broker's configuration."""
    return GroupSettings(
        min_session_timeout_ms=config.integer("group.min.session.timeout.ms"),
        max_session_timeout_ms=config.integer("group.max.session.timeout.ms"),
        initial_rebalance_delay_ms=max(
            config.integer("group.initial.rebalance.delay.ms"), _SHORTEST_INITIAL_DELAY_MS
        ),
        max_size=config.integer("group.max.size"),
        max_record_bytes=config.integer("message.max.bytes"),
        offset_metadata_max_size=config.integer("offset.metadata.max.bytes"),
        offsets_retention_ms=config.integer("offsets.retention.minutes") * MINUTE_MS,
        offsets_retention_check_interval_ms=config.integer("offsets.retention.check.interval.ms"),
        consumer_max_size=config.integer("group.consumer.max.size"),
        consumer_assignors=tuple(config.strings("group.consumer.assignors")),
        consumer_regex_refresh_interval_ms=config.integer("group.consumer.regex.refresh.interval.ms"),
        migration_policy=config.text("group.consumer.migration.policy").lower(),
    )
