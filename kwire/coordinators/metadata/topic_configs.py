"""The effective configuration of a topic: what is set on it, over the brokers' defaults, over the table's.

`topic_config` is asked on the produce path, so its answers are kept in the image's memo: one for all topics
without a config of their own, one for each topic with some. They are dropped with the next change of any
config.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kwire.config import BrokerConfig
from kwire.config_def import InvalidValue, Value

from .broker_configs import broker_value
from .image import ClusterImage, Configs, ResourceType
from .topic_settings import SYNONYMS, TOPIC_SETTINGS


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A topic's settings, read and typed. Names are Kafka's with underscores; units as there."""

    cleanup_policy: frozenset[str]
    compression_type: str
    compression_gzip_level: int
    compression_lz4_level: int
    compression_zstd_level: int
    delete_retention_ms: int
    file_delete_delay_ms: int
    flush_messages: int
    flush_ms: int
    index_interval_bytes: int
    max_compaction_lag_ms: int
    max_decompressed_message_bytes: int
    max_message_bytes: int
    message_timestamp_after_max_ms: int
    message_timestamp_before_max_ms: int
    message_timestamp_type: str
    min_cleanable_dirty_ratio: float
    min_compaction_lag_ms: int
    min_insync_replicas: int
    preallocate: bool
    retention_bytes: int
    retention_ms: int
    segment_bytes: int
    segment_index_bytes: int
    segment_jitter_ms: int
    segment_ms: int
    unclean_leader_election_enable: bool

    @property
    def compacts(self) -> bool:
        """Whether newer records replace older ones of the same key."""
        return "compact" in self.cleanup_policy

    @property
    def deletes(self) -> bool:
        """Whether old segments go by age and size."""
        return "delete" in self.cleanup_policy

    @property
    def log_append_time(self) -> bool:
        """Whether records get the time of their append."""
        return self.message_timestamp_type == "LogAppendTime"


def topic_config(
    image: ClusterImage, config: BrokerConfig, topic: str, broker_id: int | None = None
) -> TopicConfig:
    """A topic's settings as one broker sees them (None: as all do); defaults for a topic that isn't there."""
    overrides = image.config(ResourceType.TOPIC, topic)
    key = ("topic_config", config, broker_id, topic if overrides else None)
    found = image.memo.get(key)
    if not isinstance(found, TopicConfig):
        found = _typed(effective_values(image, config, overrides, broker_id))
        image.memo[key] = found
    return found


def default_values(image: ClusterImage, config: BrokerConfig, broker_id: int | None) -> Mapping[str, Value]:
    """The value of every topic setting for a topic that sets none; None where there is none."""
    key = ("default_values", config, broker_id)
    found = image.memo.get(key)
    if not isinstance(found, dict):
        found = {name: _default(image, config, broker_id, name) for name in TOPIC_SETTINGS}
        image.memo[key] = found
    return found


def effective_values(
    image: ClusterImage, config: BrokerConfig, overrides: Configs, broker_id: int | None
) -> dict[str, Value]:
    """The value of every topic setting, given what is set on the topic; unreadable values are passed over."""
    values = dict(default_values(image, config, broker_id))
    for name, text in overrides.items():
        setting = TOPIC_SETTINGS.get(name)
        if setting is not None:
            try:
                values[name] = setting.parse(text)
            except InvalidValue:
                continue
    return values


def _default(image: ClusterImage, config: BrokerConfig, broker_id: int | None, name: str) -> Value:
    for synonym, factor in SYNONYMS.get(name, ()):
        value = broker_value(image, config, broker_id, synonym)
        if value is not None:
            if factor != 1:
                assert isinstance(value, int)
                value *= factor
            # Any negative retention time means "for ever" (KafkaConfig.logRetentionTimeMillis).
            return -1 if name == "retention.ms" and isinstance(value, int) and value < 0 else value
    return TOPIC_SETTINGS[name].default_value()


def _typed(values: Mapping[str, Value]) -> TopicConfig:
    typed: dict[str, Any] = {
        field.name: values[field.name.replace("_", ".")] for field in fields(TopicConfig)
    }
    policy = typed["cleanup_policy"]
    typed["cleanup_policy"] = frozenset(policy)
    if values["internal.segment.bytes"] is not None:
        typed["segment_bytes"] = values["internal.segment.bytes"]
    return TopicConfig(**typed)
