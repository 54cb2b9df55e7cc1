"""Which settings kwire acts on, and which of older Kafkas it takes without a word of complaint.

`ACTED_ON` is kept true by a test that looks for each name in the code. Everything else in the table of
settings is accepted, so that a server.properties works as it is, and said to have no effect when it is set.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kwire.config import node_setting

ACTED_ON: Final = frozenset(
    (
        "add.partitions.to.txn.retry.backoff.max.ms", "add.partitions.to.txn.retry.backoff.ms",
        "advertised.listeners", "auto.create.topics.enable", "auto.leader.rebalance.enable",
        "broker.id", "broker.rack",
        "compression.gzip.level", "compression.lz4.level", "compression.type", "compression.zstd.level",
        "connections.max.idle.ms", "controller.listener.names", "cordoned.log.dirs",
        "default.replication.factor",
        "delete.topic.enable", "fetch.max.bytes", "group.consumer.assignment.interval.ms",
        "group.consumer.assignors", "group.consumer.heartbeat.interval.ms",
        "group.consumer.max.assignment.interval.ms", "group.consumer.max.heartbeat.interval.ms",
        "group.consumer.max.session.timeout.ms", "group.consumer.max.size",
        "group.consumer.migration.policy", "group.consumer.min.assignment.interval.ms",
        "group.consumer.min.heartbeat.interval.ms", "group.consumer.min.session.timeout.ms",
        "group.consumer.regex.refresh.interval.ms", "group.consumer.session.timeout.ms",
        "group.coordinator.rebalance.protocols", "group.initial.rebalance.delay.ms",
        "group.max.session.timeout.ms", "group.max.size", "group.min.session.timeout.ms",
        "leader.imbalance.check.interval.seconds",
        "listener.security.protocol.map", "listeners", "log.cleaner.backoff.ms",
        "log.cleaner.dedupe.buffer.size", "log.cleaner.delete.retention.ms", "log.cleaner.enable",
        "log.cleaner.io.buffer.load.factor", "log.cleaner.io.buffer.size",
        "log.cleaner.io.max.bytes.per.second", "log.cleaner.max.compaction.lag.ms",
        "log.cleaner.min.cleanable.ratio",
        "log.cleaner.min.compaction.lag.ms", "log.cleaner.threads",
        "log.cleanup.policy", "log.dir", "log.dirs",
        "log.flush.interval.messages", "log.flush.interval.ms", "log.flush.offset.checkpoint.interval.ms",
        "log.flush.scheduler.interval.ms", "log.index.interval.bytes",
        "log.index.size.max.bytes", "log.message.timestamp.after.max.ms",
        "log.message.timestamp.before.max.ms", "log.message.timestamp.type", "log.preallocate",
        "log.retention.bytes",
        "log.retention.check.interval.ms", "log.retention.hours", "log.retention.minutes",
        "log.retention.ms", "log.roll.hours", "log.roll.jitter.hours", "log.roll.jitter.ms",
        "log.roll.ms", "log.segment.bytes", "log.segment.delete.delay.ms", "max.connections",
        "max.decompressed.message.bytes",
        "max.incremental.fetch.session.cache.slots", "max.request.partition.size.limit",
        "message.max.bytes", "metadata.log.dir", "metadata.log.max.record.bytes.between.snapshots",
        "metadata.log.max.snapshot.interval.ms", "metadata.log.segment.bytes", "metadata.log.segment.ms",
        "metadata.max.retention.bytes", "metadata.max.retention.ms", "min.insync.replicas", "node.id",
        "num.partitions", "num.replica.alter.log.dirs.threads", "offset.metadata.max.bytes",
        "offsets.retention.check.interval.ms",
        "offsets.retention.minutes", "offsets.topic.num.partitions", "offsets.topic.replication.factor",
        "offsets.topic.segment.bytes", "producer.id.expiration.ms", "replica.selector.class",
        "request.timeout.ms", "socket.request.max.bytes",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms", "transaction.max.timeout.ms",
        "transaction.partition.verification.enable",
        "transaction.remove.expired.transaction.cleanup.interval.ms", "transaction.state.log.min.isr",
        "transaction.state.log.num.partitions", "transaction.state.log.replication.factor",
        "transaction.state.log.segment.bytes", "transactional.id.expiration.ms",
        "unclean.leader.election.enable", "unclean.leader.election.interval.ms",
    )
)  # fmt: skip

_RETIRED: Final = frozenset(
    (
        "advertised.host.name", "advertised.port", "broker.id.generation.enable",
        "control.plane.listener.name", "delegation.token.master.key", "host.name",
        "inter.broker.protocol.version", "leader.imbalance.per.broker.percentage",
        "log.cleaner.enable", "log.message.downconversion.enable",
        "log.message.format.version", "log.message.timestamp.difference.max.ms",
        "offsets.commit.required.acks", "port", "quota.consumer.default", "quota.producer.default",
        "reserved.broker.max.id",
    )
)  # fmt: skip
_RETIRED_PREFIXES: Final = ("zookeeper.", "password.encoder.")


def is_retired(name: str) -> bool:
    """Whether Kafka had a setting of this name once (the ZooKeeper years), and has it no more."""
    return name in _RETIRED or name.startswith(_RETIRED_PREFIXES)


def without_effect(names: Iterable[str]) -> list[str]:
    """Those of the names that kwire takes and does not act on."""
    return sorted(name for name in names if name not in ACTED_ON and node_setting(name) is None)
