"""The log directories of the nodes, and what the metadata say of them: compared at a start, before anybody
leads, and where settings change (KIP-858, KIP-1066).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from kwire.broker.surroundings import NodeDirectories, Surroundings
from kwire.coordinators.metadata import directories
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.broker_configs import broker_value
from kwire.coordinators.metadata.image import METADATA_VERSION_FEATURE, ClusterImage

_NAMED: Final = 10
"""So many partitions are named in a line of the log."""


def settle(nodes: Mapping[int, NodeDirectories], image: ClusterImage) -> None:
    """What an interrupted move of a log has left is decided by what is written of directories. What then lies
    in a directory that is not there is not begun anew.
    """
    for node_id, opened in nodes.items():

        def assigned(topic_id: UUID, index: int, node_id: int = node_id) -> UUID | None:
            topic = image.topic_by_id(topic_id)
            if topic is None or index >= len(topic.partitions):
                return None
            return directories.directory_of(topic.partitions[index], node_id)

        waiting = opened.settle(assigned)
        _refuse_empty_mount_points(node_id, opened, image, waiting)


def _refuse_empty_mount_points(
    node_id: int, opened: NodeDirectories, image: ClusterImage, waiting: Sequence[tuple[str, int]]
) -> None:
    """A new directory stands for a disk that is not mounted, where the metadata has partitions in one that is
    not there, or only a copy on its way is there of some that are `waiting` for their logs. Nothing is begun
    anew then: kwire has no other copy of them. (Kafka does not start with a directory that nobody has
    formatted.)
    """
    if opened.offline:
        return  # they may be in those
    away = directories.unaccounted(image, node_id, opened.directory_ids, opened.directory_of)
    away += waiting
    if away:
        named = [f"{topic}-{index}" for topic, index in away[:_NAMED]]
        more = ["..."] if len(away) > _NAMED else []
        opened.refuse_new(
            f"it is new, and {len(away)} partitions ({', '.join(named + more)}) lie in a directory "
            "that is not there"
        )


def all_assigned(image: ClusterImage, node_id: int, opened: NodeDirectories) -> Sequence[m.Record]:
    """The records by which what is written of a node's directories is what is there."""
    everything = [(topic, state) for topic in image.topics.values() for state in topic.partitions]
    return directories.assigned(
        image, node_id, everything, opened.directory_of, some_are_offline=bool(opened.offline)
    )


def follow_cordoned(cluster: Surroundings, image: ClusterImage, node_id: int) -> Sequence[UUID]:
    """Have a node cordon the log directories that its settings say; those of them that are told of."""
    paths = broker_value(image, cluster.config, node_id, "cordoned.log.dirs")
    assert isinstance(paths, list)
    opened = cluster.directories[node_id]
    opened.cordon(paths)
    level = image.features.get(METADATA_VERSION_FEATURE, 0)
    return opened.cordoned if level >= m.CORDONED_LEVEL else ()
