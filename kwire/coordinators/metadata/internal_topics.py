"""The topics that the broker keeps its own state in, and their settings (Kafka: AutoTopicCreationManager)."""

from __future__ import annotations

from kwire.config import BrokerConfig

from .image import ClusterImage
from .topic_names import CONSUMER_OFFSETS, TRANSACTION_STATE
from .topics import NewTopic


def consumer_offsets(image: ClusterImage, config: BrokerConfig) -> NewTopic:
    """`__consumer_offsets`: compacted, its segments small. No more replicas than there are brokers."""
    return NewTopic(
        CONSUMER_OFFSETS,
        num_partitions=config.integer("offsets.topic.num.partitions"),
        replication_factor=_replicas(image, config.integer("offsets.topic.replication.factor")),
        configs={
            "compression.type": "producer",
            "cleanup.policy": "compact",
            "segment.bytes": str(config.integer("offsets.topic.segment.bytes")),
        },
    )


def transaction_state(image: ClusterImage, config: BrokerConfig) -> NewTopic:
    """`__transaction_state`: compacted, never lost to an unclean election."""
    replicas = _replicas(image, config.integer("transaction.state.log.replication.factor"))
    return NewTopic(
        TRANSACTION_STATE,
        num_partitions=config.integer("transaction.state.log.num.partitions"),
        replication_factor=replicas,
        configs={
            "unclean.leader.election.enable": "false",
            "compression.type": "uncompressed",
            "cleanup.policy": "compact",
            "min.insync.replicas": str(min(replicas, config.integer("transaction.state.log.min.isr"))),
            "segment.bytes": str(config.integer("transaction.state.log.segment.bytes")),
        },
    )


def _replicas(image: ClusterImage, wanted: int) -> int:
    return max(1, min(wanted, sum(1 for _ in image.active_brokers())))
