"""What a node tells of itself when it registers with the controller (Kafka: BrokerRegistration)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from kwire.broker.surroundings import ClusterNode, NodeEndpoint
from kwire.coordinators.metadata import features
from kwire.coordinators.metadata.image import BrokerImage, Endpoint, SecurityProtocol


def registration(
    node: ClusterNode,
    epoch: int,
    incarnation_id: UUID,
    directory_ids: Iterable[UUID],
    cordoned: Iterable[UUID] = (),
) -> BrokerImage:
    """The broker that a node is from this registration on."""
    return BrokerImage(
        id=node.id,
        epoch=epoch,
        incarnation_id=incarnation_id,
        endpoints=tuple(_registered(endpoint) for endpoint in node.endpoints.values()),
        features=features.supported_ranges(),
        rack=node.rack,
        log_dirs=tuple(sorted(directory_ids)),
        cordoned_log_dirs=tuple(sorted(cordoned)) or None,
    )


def _registered(endpoint: NodeEndpoint) -> Endpoint:
    host, port = endpoint.advertised if endpoint.advertised is not None else (endpoint.host, endpoint.port)
    return Endpoint(endpoint.name, host or "localhost", port, SecurityProtocol[endpoint.protocol])
