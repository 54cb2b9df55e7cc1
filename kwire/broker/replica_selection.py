"""Which replica a consumer reads from: `replica.selector.class` (KIP-392).

The classes are named as in Java, so that a server.properties works as it is. Without one, and with the
LeaderSelector, everybody reads from the leader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from kwire.coordinators.metadata.image import BrokerImage

Selector = Callable[[str, int, Iterable[BrokerImage]], int]
"""(the client's rack, the leader, the live replicas in sync, it among them) -> the node to read from."""


def _nearest(rack: str, leader_id: int, replicas: Iterable[BrokerImage]) -> int:
    """A replica in the client's rack: the leader if it is one, else the one with the highest id, since all
    are as new; the leader where there is none (Kafka: RackAwareReplicaSelector).
    """
    near = [replica.id for replica in replicas if replica.rack == rack]
    return leader_id if not near or leader_id in near else max(near)


SELECTORS: Final[dict[str, Selector | None]] = {
    "org.apache.kafka.common.replica.LeaderSelector": None,
    "org.apache.kafka.common.replica.RackAwareReplicaSelector": _nearest,
}


def replica_selector(class_name: str | None) -> Selector | None:
    """The selector of that Java class (one that the settings have checked); None where the leader serves
    all.
    """
    return None if not class_name else SELECTORS[class_name.strip()]
