"""DescribeTopicPartitions (key 75): partitions of topics in pages, sorted by topic name (KIP-966).

A page holds at most `max.request.partition.size.limit` partitions; the next one begins at the answer's
cursor. With no topic named it goes over all of them. A cursor that does not fit the request is refused with
INVALID_REQUEST at every topic, since the answer has no place for one error.
"""

from __future__ import annotations

from kwire_codecs.apis.describe_topic_partitions import DescribeTopicPartitions
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.directories import is_offline
from kwire.coordinators.metadata.image import NO_LEADER, ClusterImage, PartitionImage
from kwire.coordinators.metadata.topic_names import is_internal, is_valid
from kwire.coordinators.metadata.topics import NO_ID
from kwire.handlers import authorized_operations
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size

API = DescribeTopicPartitions
VERSIONS = (0, 0)

Response = DescribeTopicPartitions.Response


async def handle(ctx: Context, request: DescribeTopicPartitions.Request) -> Response:
    """One page, and where the next one begins."""
    check_size(len(request.topics))
    image = ctx.cluster.controller.image
    cursor = request.cursor
    asked = {topic.name for topic in request.topics}
    if cursor is not None and ((asked and cursor.topic_name not in asked) or cursor.partition_index < 0):
        hidden = authorized_operations.NOT_ASKED
        return Response(topics=[_error(name, ErrorCode.INVALID_REQUEST, hidden) for name in sorted(asked)])
    first = "" if cursor is None else cursor.topic_name
    names = sorted(name for name in (asked or image.topics) if name >= first)
    limit = ctx.cluster.config.integer("max.request.partition.size.limit")
    remaining = max(1, min(limit, request.response_partition_limit))
    reachable = {node_id for node_id in image.brokers if ctx.advertised(node_id) is not None}
    response = Response(topics=[])
    turns = Turns(ctx)
    for name in names:
        await turns.one_more()
        if not remaining:
            response.next_cursor = Response.NextCursor(topic_name=name, partition_index=0)
            break
        topic = image.topic(name)
        if topic is None:
            if asked:
                known = is_valid(name)
                code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if known else ErrorCode.INVALID_TOPIC_EXCEPTION
                response.topics.append(_error(name, code, authorized_operations.TOPIC))
            continue
        start = cursor.partition_index if cursor is not None and name == first else 0
        page = topic.partitions[start : start + remaining]
        partitions = []
        for partition in page:
            partitions.append(_partition(image, partition, reachable))
            if turns.is_due(1, 1):
                await turns.give_one()
        response.topics.append(
            Response.Topic(
                name=name,
                topic_id=topic.id,
                is_internal=is_internal(name),
                partitions=partitions,
                topic_authorized_operations=authorized_operations.TOPIC,
            )
        )
        remaining -= len(page)
        if start + len(page) < len(topic.partitions):
            following = start + len(page)
            response.next_cursor = Response.NextCursor(topic_name=name, partition_index=following)
            break
    return response


def _error(name: str, code: ErrorCode, operations: int) -> Response.Topic:
    return Response.Topic(
        error_code=code,
        name=name,
        topic_id=NO_ID,
        is_internal=is_internal(name),
        partitions=[],
        topic_authorized_operations=operations,
    )


def _partition(
    image: ClusterImage, partition: PartitionImage, reachable: set[int]
) -> Response.Topic.Partition:
    return Response.Topic.Partition(
        partition_index=partition.index,
        leader_id=partition.leader if partition.leader in reachable else NO_LEADER,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        eligible_leader_replicas=list(partition.elr),
        last_known_elr=list(partition.last_known_elr),
        offline_replicas=[
            node for node in partition.replicas if node not in reachable or is_offline(image, partition, node)
        ],
    )
