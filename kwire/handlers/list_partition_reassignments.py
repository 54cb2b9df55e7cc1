"""ListPartitionReassignments (key 46): the moves of partitions that are under way.

v0 flexible from the start (KIP-455)
"""

from __future__ import annotations

from kwire_codecs.apis.list_partition_reassignments import ListPartitionReassignments

from kwire.coordinators.metadata.reassignments import reassignments
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes

API = ListPartitionReassignments
VERSIONS = (0, 0)

Topic = ListPartitionReassignments.Response.Topic


async def handle(
    ctx: Context, request: ListPartitionReassignments.Request
) -> ListPartitionReassignments.Response:
    """Those asked for, or all; what does not move, or is not there, is left out."""
    check_changes(*(1 + len(topic.partition_indexes) for topic in request.topics or ()))
    asked = request.topics
    wanted = None if asked is None else [(topic.name, topic.partition_indexes) for topic in asked]
    return ListPartitionReassignments.Response(
        topics=[
            Topic(
                name=name,
                partitions=[
                    Topic.Partition(
                        partition_index=partition.index,
                        replicas=list(partition.replicas),
                        adding_replicas=list(partition.adding_replicas),
                        removing_replicas=list(partition.removing_replicas),
                    )
                    for partition in moving
                ],
            )
            for name, moving in reassignments(ctx.cluster.controller.image, wanted)
        ]
    )
