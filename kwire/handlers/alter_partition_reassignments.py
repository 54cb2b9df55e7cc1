"""AlterPartitionReassignments (key 45): move partitions to other brokers, or stop doing so.

v0 flexible from the start (KIP-455) · v1 whether the number of replicas may change (KIP-860)

All replicas of a partition share one log here, so a move is complete at once, unless a broker that it adds
is down: then it waits for that one, and ListPartitionReassignments shows it.
"""

from __future__ import annotations

from kwire_codecs.apis.alter_partition_reassignments import AlterPartitionReassignments
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.reassignments import Target, alter_reassignments
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes

API = AlterPartitionReassignments
VERSIONS = (0, 1)

Topic = AlterPartitionReassignments.Response.Topic


async def handle(
    ctx: Context, request: AlterPartitionReassignments.Request
) -> AlterPartitionReassignments.Response:
    """Each partition by itself: begun, cancelled, or refused with a reason."""
    check_changes(*(1 + len(topic.partitions) for topic in request.topics))
    cluster = ctx.cluster
    if not request.topics:
        # Kafka sends empty words here, and none elsewhere.
        return AlterPartitionReassignments.Response(
            allow_replication_factor_change=request.allow_replication_factor_change,
            error_message="",
            responses=[],
        )
    if request.timeout_ms < 0:
        return _timed_out(request)
    asked = [
        (
            topic.name,
            [Target(partition.partition_index, partition.replicas) for partition in topic.partitions],
        )
        for topic in request.topics
    ]
    results = await cluster.controller.submit(
        lambda image: alter_reassignments(
            image,
            asked,
            may_change_factor=request.allow_replication_factor_change,
            is_unclean_allowed=lambda topic: cluster.topic_config(topic).unclean_leader_election_enable,
        )
    )
    return AlterPartitionReassignments.Response(
        allow_replication_factor_change=request.allow_replication_factor_change,
        responses=[
            Topic(
                name=name,
                partitions=[
                    Topic.Partition(
                        partition_index=result.partition,
                        error_code=result.error.error_code,
                        error_message=result.error.message,
                    )
                    for result in altered
                ],
            )
            for name, altered in results
        ],
    )


def _timed_out(request: AlterPartitionReassignments.Request) -> AlterPartitionReassignments.Response:
    """Nothing is done for a request that gives no time."""
    code = ErrorCode.REQUEST_TIMED_OUT
    return AlterPartitionReassignments.Response(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_code=code,
        responses=[
            Topic(
                name=topic.name,
                partitions=[
                    Topic.Partition(partition_index=partition.partition_index, error_code=code)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )
