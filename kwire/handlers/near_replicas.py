"""Which replica a consumer should rather read from than this leader (KIP-392)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kwire_codecs.apis.fetch import Fetch

from kwire.handlers.context import Context
from kwire.partitions.partition import Partition

FROM_FOLLOWERS_SINCE: Final = 11
"""The first version of Fetch whose consumers may read from followers and are told of near ones."""

NO_PREFERENCE: Final = -1


def near_replicas(ctx: Context, request: Fetch.Request) -> Callable[[Partition, int], int] | None:
    """(partition, fetch offset) -> the node to read from, or NO_PREFERENCE; None where nobody is sent
    elsewhere.

    Only a leader names another one: a replica in sync that runs, that the client's listener reaches, and
    that holds the offset (Kafka: ReplicaManager.findPreferredReadReplica).
    """
    cluster = ctx.cluster
    selector = cluster.replica_selector
    rack = request.rack_id
    if selector is None or not rack or ctx.version < FROM_FOLLOWERS_SINCE or request.replica_id >= 0:
        return None
    image = cluster.controller.image

    def preferred(partition: Partition, offset: int) -> int:
        leader_id = partition.leader_id
        state = image.partition(partition.topic, partition.index)
        if state is None or leader_id != ctx.node.id:
            return NO_PREFERENCE
        if not partition.log_start_offset <= offset <= partition.log_end_offset:
            return NO_PREFERENCE
        in_sync = [
            image.brokers[replica]
            for replica in state.isr
            if replica in image.brokers and ctx.advertised(replica) is not None
        ]
        chosen = selector(rack, leader_id, in_sync)
        return NO_PREFERENCE if chosen == leader_id else chosen

    return preferred
