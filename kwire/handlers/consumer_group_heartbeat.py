"""ConsumerGroupHeartbeat (key 68): a member of a consumer group joins, stays, leaves, and is assigned to.

v0 KIP-848 · v1 subscribed topic regex, and the client makes its member id (KIP-1082)

A cluster without the feature group.version 1, or whose brokers leave out the protocol `consumer`, answers
UNSUPPORTED_VERSION.
"""

from __future__ import annotations

from uuid import UUID

from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.values import HeartbeatRequest, HeartbeatResult, new_id
from kwire.coordinators.metadata.features import has_consumer_groups
from kwire.handlers.context import Context
from kwire.handlers.join_group import client_host
from kwire.handlers.turns import check_changes
from kwire.runtime.soon import Soon, awaited, then

API = ConsumerGroupHeartbeat
VERSIONS = (0, 1)

Response = ConsumerGroupHeartbeat.Response
Assignment = Response.Assignment


def is_enabled(ctx: Context) -> bool:
    """Whether the cluster has consumer groups at all."""
    cluster = ctx.cluster
    return has_consumer_groups(cluster.controller.image.features) and "consumer" in cluster.config.strings(
        "group.coordinator.rebalance.protocols"
    )


def at_once(ctx: Context, request: ConsumerGroupHeartbeat.Request) -> Soon[Response]:
    """Asks the group's coordinator."""
    if not is_enabled(ctx):
        return _answer(HeartbeatResult(ErrorCode.UNSUPPORTED_VERSION))
    makes_own_id = ctx.version >= 1
    names, owned = request.subscribed_topic_names, request.topic_partitions
    if names or owned:
        check_changes(len(names or ()), len(owned or ()), *(len(topic.partitions) for topic in owned or ()))
    told = ctx.cluster.groups.consumers.heartbeat(
        ctx.node.id,
        HeartbeatRequest(
            request.group_id,
            request.member_id,
            request.member_epoch,
            ctx.client_id or "",
            client_host(ctx.peer.peer_host),
            request.instance_id,
            request.rack_id,
            request.rebalance_timeout_ms,
            names,
            request.subscribed_topic_regex,
            request.server_assignor,
            None if owned is None else [(topic.topic_id, topic.partitions) for topic in owned],
            "" if request.member_id else new_id(UUID(int=ctx.cluster.random.getrandbits(128), version=4)),
            makes_own_id,
        ),
    )
    return then(told, _answer)


async def handle(ctx: Context, request: ConsumerGroupHeartbeat.Request) -> Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))


def _answer(result: HeartbeatResult) -> Response:
    error_code, message, member_id, member_epoch, heartbeat_interval_ms, assigned = result
    assignment = None
    if assigned is not None:
        assignment = Assignment(
            topic_partitions=[
                Assignment.TopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
                for topic_id, partitions in assigned.items()
            ]
        )
    return Response(
        error_code=error_code,
        error_message=message,
        member_id=member_id,
        member_epoch=member_epoch,
        heartbeat_interval_ms=heartbeat_interval_ms,
        assignment=assignment,
    )
