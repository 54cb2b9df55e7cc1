"""What a group coordinator is configured with; each field is Kafka's broker config of the same meaning."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000
BIDIRECTIONAL, UPGRADE, DOWNGRADE = "bidirectional", "upgrade", "downgrade"
"""Migration policies; any other means "disabled"."""
HELD_RECORDS = 4
"""Members offer several protocols, of which the record holds one."""


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Limits and delays. The defaults are Kafka's, but for `initial_rebalance_delay_ms`, which is 0 in
    kwire.
    """

    min_session_timeout_ms: int = 6_000
    """group.min.session.timeout.ms"""
    max_session_timeout_ms: int = 1_800_000
    """group.max.session.timeout.ms"""
    initial_rebalance_delay_ms: int = 0
    """group.initial.rebalance.delay.ms"""
    max_size: int = 2**31 - 1
    """group.max.size"""
    max_record_bytes: int = 1_048_588
    """message.max.bytes: what a generation, or one commit, may take in the log (Kafka: CoordinatorRuntime's
    maxBatchSize)"""
    new_member_join_timeout_ms: int = 5 * MINUTE_MS
    """How long a first JoinGroup may wait (not configurable in Kafka either)."""
    offset_metadata_max_size: int = 4096
    """offset.metadata.max.bytes; Kafka counts characters, and so does kwire"""
    offsets_retention_ms: int = 7 * 24 * 60 * MINUTE_MS
    """offsets.retention.minutes"""
    offsets_retention_check_interval_ms: int = 10 * MINUTE_MS
    """offsets.retention.check.interval.ms"""
    consumer_max_size: int = 2**31 - 1
    """group.consumer.max.size"""
    consumer_assignors: tuple[str, ...] = ("uniform", "range")
    """group.consumer.assignors; the first is for groups whose members ask for none"""
    consumer_regex_refresh_interval_ms: int = 10 * MINUTE_MS
    """group.consumer.regex.refresh.interval.ms"""
    migration_policy: str = BIDIRECTIONAL
    """group.consumer.migration.policy"""

    def allows_session_timeout(self, timeout_ms: int) -> bool:
        """Whether a member of a classic group may ask for that."""
        return self.min_session_timeout_ms <= timeout_ms <= self.max_session_timeout_ms

    @property
    def upgrades(self) -> bool:
        """Whether a member of the consumer protocol may join a classic group, which changes its kind."""
        return self.migration_policy in (BIDIRECTIONAL, UPGRADE)

    @property
    def downgrades(self) -> bool:
        """Whether a group becomes classic when its last member of the consumer protocol goes."""
        return self.migration_policy in (BIDIRECTIONAL, DOWNGRADE)

    @property
    def migrates(self) -> bool:
        """Whether members of the classic protocol may be in a consumer group at all."""
        return self.upgrades or self.downgrades

    @property
    def max_held_bytes(self) -> int:
        """What the members of a group may say of themselves, under all protocols together."""
        return HELD_RECORDS * self.max_record_bytes


@dataclass(frozen=True, slots=True)
class ConsumerGroupSettings:
    """What one consumer group is configured with: its GROUP resource, or else the broker's settings."""

    session_timeout_ms: int = 45_000
    """consumer.session.timeout.ms"""
    heartbeat_interval_ms: int = 5_000
    """consumer.heartbeat.interval.ms"""
    assignment_interval_ms: int = 1_000
    """consumer.assignment.interval.ms: the shortest pause between two targets"""
