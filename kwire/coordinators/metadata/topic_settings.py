"""The one table of topic settings (Kafka 4.4.0), and which broker settings they default to.

A topic's setting that is not set on the topic follows the broker's of the other name (`SYNONYMS`, the first
that is set counts), and only then the default here. The two tables' defaults agree; a test holds them so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kwire.config_def import Kind, Setting, all_of, at_least, between, gzip_level, one_of, throttled_replicas

BOOLEAN, STRING, INT, LONG = Kind.BOOLEAN, Kind.STRING, Kind.INT, Kind.LONG
DOUBLE, LIST = Kind.DOUBLE, Kind.LIST

# fmt: off
_TABLE: Final = (
    Setting("segment.bytes", INT, "1073741824", "Size at which a segment rolls.", at_least(1048576)),
    Setting("segment.ms", LONG, "604800000",
            "Age at which a segment rolls, even if it is small.", at_least(1)),
    Setting("segment.jitter.ms", LONG, "0", "Most that is taken off the rolling age by chance.", at_least(0)),
    Setting("segment.index.bytes", INT, "10485760", "Largest offset index of a segment.", at_least(4)),
    Setting("flush.messages", LONG, "9223372036854775807",
            "Records after which the log is synced to disk.", at_least(1)),
    Setting("flush.ms", LONG, "9223372036854775807",
            "Age of an unsynced record at which the log is synced.", at_least(0)),
    Setting("retention.bytes", LONG, "-1",
            "Size of a partition above which its oldest segments go; -1 is no limit."),
    Setting("retention.ms", LONG, "604800000", "How long records stay; -1 for ever.", at_least(-1)),
    Setting("max.message.bytes", INT, "1048588", "Largest record batch, after compression.", at_least(0)),
    Setting("max.decompressed.message.bytes", INT, "2147483639",
            "Largest single record once decompressed.", between(1, 2147483639)),
    Setting("index.interval.bytes", INT, "4096",
            "Bytes of records between two entries of the offset index.", at_least(0)),
    Setting("delete.retention.ms", LONG, "86400000",
            "How long tombstones stay after compaction.", at_least(0)),
    Setting("min.compaction.lag.ms", LONG, "0",
            "Youngest age at which a record may be compacted away.", at_least(0)),
    Setting("max.compaction.lag.ms", LONG, "9223372036854775807",
            "Oldest age that a record reaches before compaction must look at it.", at_least(1)),
    Setting("file.delete.delay.ms", LONG, "60000",
            "How long a deleted segment's files stay on disk.", at_least(0)),
    Setting("min.cleanable.dirty.ratio", DOUBLE, "0.5",
            "Share of the log that must be dirty before it is compacted.", between(0, 1)),
    Setting("cleanup.policy", LIST, "delete",
            "What happens to old records: delete, compact or both.", all_of("compact", "delete")),
    Setting("unclean.leader.election.enable", BOOLEAN, "false",
            "Whether a replica outside the ISR may lead when no other can."),
    Setting("min.insync.replicas", INT, "1",
            "Replicas in sync without which acks=all is refused.", at_least(1)),
    Setting("compression.type", STRING, "producer",
            "How batches are stored; producer keeps what the producer chose.", one_of("uncompressed",
            "zstd", "lz4", "snappy", "gzip", "producer")),
    Setting("compression.gzip.level", INT, "-1",
            "Effort of gzip where the broker compresses; -1 is the library's default.", gzip_level),
    Setting("compression.lz4.level", INT, "9", "Effort of lz4 where the broker compresses.", between(1, 17)),
    Setting("compression.zstd.level", INT, "3",
            "Effort of zstd where the broker compresses.", between(-131072, 22)),
    Setting("preallocate", BOOLEAN, "false", "Reserve a segment's file in full when it is made."),
    Setting("message.timestamp.type", STRING, "CreateTime",
            "Whether a record's time is the producer's or that of the append.", one_of("CreateTime",
            "LogAppendTime")),
    Setting("message.timestamp.before.max.ms", LONG, "9223372036854775807",
            "How far a record's time may lie before the broker's.", at_least(0)),
    Setting("message.timestamp.after.max.ms", LONG, "3600000",
            "How far a record's time may lie after the broker's.", at_least(0)),
    Setting("leader.replication.throttled.replicas", LIST, "",
            "Replicas throttled at the leader, as partition:broker; * is all.", throttled_replicas),
    Setting("follower.replication.throttled.replicas", LIST, "",
            "Replicas throttled at the follower, as partition:broker; * is all.", throttled_replicas),
    Setting("remote.storage.enable", BOOLEAN, "false", "Tiered storage; refused in kwire."),
    Setting("local.retention.ms", LONG, "-2",
            "Age at which a tiered log's local segments go; -2 follows retention.ms.", at_least(-2)),
    Setting("local.retention.bytes", LONG, "-2",
            "Size above which a tiered log's local segments go; -2 follows retention.bytes.", at_least(-2)),
    Setting("remote.log.copy.disable", BOOLEAN, "false",
            "A tiered topic copies nothing more to remote storage."),
    Setting("remote.copy.lag.ms", LONG, "0",
            "How long a closed segment waits before it may be copied to remote storage.", at_least(-1)),
    Setting("remote.copy.lag.bytes", LONG, "-1",
            "How many newer bytes a closed segment waits for before it may be copied.", at_least(-1)),
    Setting("remote.log.delete.on.disable", BOOLEAN, "false",
            "Delete what is in remote storage when tiering is turned off."),
    Setting("errors.deadletterqueue.group.enable", BOOLEAN, "false",
            "Share groups may write undeliverable records here."),
    Setting("internal.segment.bytes", INT, None,
            "Size at which a segment rolls, without a lower limit; for tests.", internal=True),
)
# fmt: on

TOPIC_SETTINGS: Final[Mapping[str, Setting]] = {setting.name: setting for setting in _TABLE}

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS

SYNONYMS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "segment.bytes": (("log.segment.bytes", 1),),
    "segment.ms": (("log.roll.ms", 1), ("log.roll.hours", _HOUR_MS)),
    "segment.jitter.ms": (("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", _HOUR_MS)),
    "segment.index.bytes": (("log.index.size.max.bytes", 1),),
    "flush.messages": (("log.flush.interval.messages", 1),),
    "flush.ms": (("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)),
    "retention.bytes": (("log.retention.bytes", 1),),
    "retention.ms": (
        ("log.retention.ms", 1),
        ("log.retention.minutes", _MINUTE_MS),
        ("log.retention.hours", _HOUR_MS),
    ),
    "max.message.bytes": (("message.max.bytes", 1),),
    "max.decompressed.message.bytes": (("max.decompressed.message.bytes", 1),),
    "index.interval.bytes": (("log.index.interval.bytes", 1),),
    "cleanup.policy": (("log.cleanup.policy", 1),),
    "delete.retention.ms": (("log.cleaner.delete.retention.ms", 1),),
    "min.compaction.lag.ms": (("log.cleaner.min.compaction.lag.ms", 1),),
    "max.compaction.lag.ms": (("log.cleaner.max.compaction.lag.ms", 1),),
    "file.delete.delay.ms": (("log.segment.delete.delay.ms", 1),),
    "min.cleanable.dirty.ratio": (("log.cleaner.min.cleanable.ratio", 1),),
    "unclean.leader.election.enable": (("unclean.leader.election.enable", 1),),
    "min.insync.replicas": (("min.insync.replicas", 1),),
    "compression.type": (("compression.type", 1),),
    "compression.gzip.level": (("compression.gzip.level", 1),),
    "compression.lz4.level": (("compression.lz4.level", 1),),
    "compression.zstd.level": (("compression.zstd.level", 1),),
    "preallocate": (("log.preallocate", 1),),
    "message.timestamp.type": (("log.message.timestamp.type", 1),),
    "message.timestamp.before.max.ms": (("log.message.timestamp.before.max.ms", 1),),
    "message.timestamp.after.max.ms": (("log.message.timestamp.after.max.ms", 1),),
    "local.retention.ms": (("log.local.retention.ms", 1),),
    "local.retention.bytes": (("log.local.retention.bytes", 1),),
    "remote.copy.lag.ms": (("log.remote.copy.lag.ms", 1),),
    "remote.copy.lag.bytes": (("log.remote.copy.lag.bytes", 1),),
}
"""Topic setting -> broker settings with the factor that brings their unit to the topic's (Kafka:
ServerTopicConfigSynonyms). Settings that are not here have no counterpart in the broker."""
