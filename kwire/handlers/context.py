"""What a handler is given beside the request: who asks, in which version, on which node of which cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kwire.broker.cluster import Cluster
    from kwire.broker.node import Node


class Peer(Protocol):
    """The connection that a request came in on, as far as handlers may know it."""

    listener_name: str
    peer_host: str
    """The client's address, without its port."""
    dialled: tuple[str, int]
    """The host and port of ours that the client connected to."""
    principal: str
    client_software_name: str
    client_software_version: str


class Context:
    """One request's surroundings. `version` is the request's; a handler reads it in its first lines only."""

    __slots__ = ("answer_is_large", "client_id", "cluster", "node", "peer", "version")

    def __init__(self, cluster: Cluster, node: Node, peer: Peer, version: int, client_id: str | None) -> None:
        self.cluster = cluster
        self.node = node
        self.peer = peer
        self.version = version
        self.client_id = client_id
        self.answer_is_large = False
        """Whether encoding the answer would hold the others up; at first, whether decoding the request would
        have.
        """

    def advertised(self, node_id: int) -> tuple[str, int] | None:
        """The host and port at which this client reaches a node, on the listener that it came in on.

        None when the node has no such listener or is down. With nothing configured it is the address that the
        client dialled, with the other node's port.
        """
        return self.cluster.advertised(node_id, self.peer.listener_name, self.peer.dialled)


class CloseConnection(Exception):
    """A handler's refusal that has no answer: the connection is closed, with this text as its log line.

    Kafka does so for a failed Produce with acks=0 (KafkaApis.sendNoOpResponseExemptThrottle).
    """
