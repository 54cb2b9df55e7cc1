"""From a topic's effective settings to what its log and its producers are held to."""

from __future__ import annotations

from kwire_codecs.records.compression import Compression
from kwire_storage.engine import LogConfig
from kwire_storage.produce_rules import ProduceRules

from kwire.config import BrokerConfig
from kwire.coordinators.metadata.topic_configs import TopicConfig

_LEVELS = {
    Compression.GZIP: "compression_gzip_level",
    Compression.LZ4: "compression_lz4_level",
    Compression.ZSTD: "compression_zstd_level",
}
_STORED_AS_PRODUCED = "producer"
_UNCOMPRESSED = "uncompressed"
_LARGEST_DECOMPRESSED_BYTES = 100 * 1024 * 1024
"""Where records are looked into, a whole batch is in memory; Kafka, which allows 2 GB, holds one record."""


def log_config(topic: TopicConfig, broker: BrokerConfig) -> LogConfig:
    """The settings that touch a log's files."""
    return LogConfig(
        segment_bytes=topic.segment_bytes,
        segment_ms=topic.segment_ms,
        segment_jitter_ms=topic.segment_jitter_ms,
        segment_index_bytes=topic.segment_index_bytes,
        index_interval_bytes=topic.index_interval_bytes,
        retention_ms=topic.retention_ms,
        retention_bytes=topic.retention_bytes,
        file_delete_delay_ms=topic.file_delete_delay_ms,
        producer_id_expiration_ms=broker.integer("producer.id.expiration.ms"),
        transaction_max_timeout_ms=broker.integer("transaction.max.timeout.ms"),
        compacts=topic.compacts,
        min_compaction_lag_ms=topic.min_compaction_lag_ms,
        max_compaction_lag_ms=topic.max_compaction_lag_ms,
        delete_retention_ms=topic.delete_retention_ms,
        preallocate=topic.preallocate,
    )


def produce_rules(topic: TopicConfig, version: int) -> ProduceRules:
    """What a Produce request of `version` must keep to."""
    compression: Compression | None = None
    if topic.compression_type == _UNCOMPRESSED:
        compression = Compression.NONE
    elif topic.compression_type != _STORED_AS_PRODUCED:
        compression = Compression[topic.compression_type.upper()]
    level_name = None if compression is None else _LEVELS.get(compression)
    level = None if level_name is None else getattr(topic, level_name)
    return ProduceRules(
        version=version,
        max_message_bytes=topic.max_message_bytes,
        segment_bytes=topic.segment_bytes,
        compression=compression,
        compression_level=level,
        compacted=topic.compacts,
        log_append_time=topic.log_append_time,
        timestamp_before_max_ms=topic.message_timestamp_before_max_ms,
        timestamp_after_max_ms=topic.message_timestamp_after_max_ms,
        max_decompressed_bytes=min(topic.max_decompressed_message_bytes, _LARGEST_DECOMPRESSED_BYTES),
    )
