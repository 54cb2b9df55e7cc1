"""Metadata's topics, told from the image each time: what the rows that are kept must come to."""

from __future__ import annotations

from collections.abc import Collection

from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.image import NO_LEADER, ClusterImage, PartitionImage, TopicImage
from kwire.coordinators.metadata.topic_names import is_internal

Topic = Metadata.Response.Topic
Partition = Topic.Partition


def topic(
    image: ClusterImage, told: TopicImage, reachable: Collection[int], version: int, operations: int
) -> Topic:
    """A topic as a client sees it whose listener reaches those nodes."""
    return Topic(
        name=told.name,
        topic_id=told.id,
        is_internal=is_internal(told.name),
        partitions=[_partition(image, each, reachable, version) for each in told.partitions],
        topic_authorized_operations=operations,
    )


def _partition(
    image: ClusterImage, told: PartitionImage, reachable: Collection[int], version: int
) -> Partition:
    replicas, isr = list(told.replicas), list(told.isr)
    offline = [node for node in replicas if node not in reachable or image.brokers[node].fenced]
    error = ErrorCode.NONE
    leader = told.leader
    if leader not in reachable:
        no_listener = ErrorCode.LISTENER_NOT_FOUND if version >= 6 else ErrorCode.LEADER_NOT_AVAILABLE
        error = no_listener if leader in image.brokers else ErrorCode.LEADER_NOT_AVAILABLE
        leader = NO_LEADER
    if version == 0 and offline:
        replicas = [node for node in replicas if node not in offline]
        isr = [node for node in isr if node not in offline]
        if error is ErrorCode.NONE:
            error = ErrorCode.REPLICA_NOT_AVAILABLE
    return Partition(
        error_code=error,
        partition_index=told.index,
        leader_id=leader,
        leader_epoch=told.leader_epoch,
        replica_nodes=replicas,
        isr_nodes=isr,
        offline_replicas=offline,
    )
