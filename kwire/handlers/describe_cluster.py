"""DescribeCluster (key 60): cluster id, controller and brokers, without topics (KIP-700).

v1 the kind of endpoint (KIP-919): this listener is a broker's · v2 fenced brokers, if asked for (KIP-1073)
"""

from __future__ import annotations

from kwire_codecs.apis.describe_cluster import DescribeCluster
from kwire_codecs.errors import ErrorCode

from kwire.handlers import authorized_operations
from kwire.handlers.authorized_operations import NOT_ASKED
from kwire.handlers.context import Context

API = DescribeCluster
VERSIONS = (0, 2)

_ENDPOINT_TYPES = {1: "BROKER", 2: "CONTROLLER"}
_BROKER = 1


async def handle(ctx: Context, request: DescribeCluster.Request) -> DescribeCluster.Response:
    """The brokers that the client's listener has, live ones only unless it asks for all."""
    if request.endpoint_type != _BROKER:
        return _wrong_endpoint(request.endpoint_type)
    image = ctx.cluster.controller.image
    brokers = []
    for node_id, broker in sorted(image.brokers.items()):
        address = ctx.advertised(node_id)
        if address is None and broker.fenced and broker.endpoints:
            address = broker.endpoints[0].host, broker.endpoints[0].port
        if address is not None and (request.include_fenced_brokers or not broker.fenced):
            brokers.append(
                DescribeCluster.Response.Broker(
                    broker_id=node_id,
                    host=address[0],
                    port=address[1],
                    rack=broker.rack,
                    is_fenced=broker.fenced,
                )
            )
    live = [broker.broker_id for broker in brokers if not broker.is_fenced]
    controller_id = ctx.cluster.controller.node_id
    shown = request.include_cluster_authorized_operations
    return DescribeCluster.Response(
        cluster_id=image.cluster_id,
        controller_id=controller_id if controller_id in live else live[0] if live else -1,
        brokers=brokers,
        cluster_authorized_operations=authorized_operations.CLUSTER if shown else NOT_ASKED,
    )


def _wrong_endpoint(asked: int) -> DescribeCluster.Response:
    kind = _ENDPOINT_TYPES.get(asked)
    if kind is None:
        code, message = ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, f"Unsupported endpoint type {asked}"
    else:
        code = ErrorCode.MISMATCHED_ENDPOINT_TYPE
        message = (
            f"The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type {kind}"
        )
    return DescribeCluster.Response(error_code=code, error_message=message, cluster_id="", brokers=[])
