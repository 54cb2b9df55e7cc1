"""In which log directory of its broker a replica lies, and what follows where one has failed (KIP-858).

Rules (Kafka: DirectoryId, ReplicationControlManager.handleDirectoriesOffline)
- A registration names the directories that work. A replica in another one is offline: it cannot lead, nor
  join an ISR; the last member of an ISR stays in it.
- A replica that was not assigned to a directory yet, or is of a time before they were told, counts as online.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from kwire.coordinators.outcome import Outcome

from . import records as m
from .image import UNASSIGNED_DIRECTORY, BrokerImage, ClusterImage, PartitionImage, TopicImage

MIGRATING_DIRECTORY = UUID(int=0)
LOST_DIRECTORY = UUID(int=2)

Located = Callable[[str, int], UUID | None]
"""In which directory the log of a topic's partition lies; None where there is no log."""


def is_named(directory: UUID) -> bool:
    """Whether that is a directory's id, and not a word for having none."""
    return directory not in (UNASSIGNED_DIRECTORY, MIGRATING_DIRECTORY, LOST_DIRECTORY)


def directory_of(partition: PartitionImage, replica: int) -> UUID:
    """Where a replica lies, as far as the cluster knows."""
    if replica not in partition.replicas or len(partition.directories) != len(partition.replicas):
        return UNASSIGNED_DIRECTORY
    return partition.directories[partition.replicas.index(replica)]


def is_online(broker: BrokerImage, partition: PartitionImage) -> bool:
    """Whether the directory of a broker's replica works."""
    if not broker.log_dirs:
        return True
    directory = directory_of(partition, broker.id)
    return directory in broker.log_dirs or directory in (UNASSIGNED_DIRECTORY, MIGRATING_DIRECTORY)


def is_offline(image: ClusterImage, partition: PartitionImage, replica: int) -> bool:
    """Whether clients are told that a replica is offline, as far as that is not about listeners."""
    broker = image.brokers.get(replica)
    return broker is None or broker.fenced or not is_online(broker, partition)


def left(broker: BrokerImage, working: Collection[UUID]) -> list[m.Record]:
    """The record by which a broker keeps only those of its directories that work; none if that is so."""
    log_dirs = tuple(directory for directory in broker.log_dirs if directory in working)
    if log_dirs == broker.log_dirs:
        return []
    return [m.broker_change_record(broker.id, broker.epoch, log_dirs=log_dirs)]


def assigned(
    image: ClusterImage,
    broker_id: int,
    partitions: Sequence[tuple[TopicImage, PartitionImage]],
    located: Located,
    *,
    some_are_offline: bool = False,
) -> list[m.Record]:
    """The records by which replicas of a broker are said to lie where their logs do. One whose directory is
    none of the broker's may be made anywhere, or lies where a log of it is; not so while some of them are
    offline: it may lie there.
    """
    log_dirs = image.brokers[broker_id].log_dirs
    changes: list[m.Record] = []
    for topic, partition in partitions:
        if broker_id not in partition.replicas or len(partition.directories) != len(partition.replicas):
            continue
        at = partition.replicas.index(broker_id)
        known = partition.directories[at]
        if known in log_dirs and len(log_dirs) == 1:
            continue
        there = located(topic.name, partition.index)
        if some_are_offline and known not in log_dirs and is_named(known):
            continue
        if there is None:
            if known in log_dirs or some_are_offline:
                continue
            there = log_dirs[0] if len(log_dirs) == 1 else UNASSIGNED_DIRECTORY
        if there != known:
            directories = list(partition.directories)
            directories[at] = there
            changes.append(m.partition_change_record(topic.id, partition.index, directories=directories))
    return changes


def assign(
    image: ClusterImage, broker_id: int, partitions: Sequence[tuple[str, int]], located: Located
) -> Outcome[None, m.Record]:
    """An operation: some replicas of a broker lie where `located` says, if they still exist."""
    replicas = [
        (image.topics[name], state)
        for name, index in partitions
        if (state := image.partition(name, index)) is not None
    ]
    return Outcome(None, assigned(image, broker_id, replicas, located))


def unaccounted(
    image: ClusterImage,
    broker_id: int,
    log_dirs: Collection[UUID],
    located: Located,
    just_named: Collection[UUID],
) -> list[tuple[str, int]]:
    """The partitions of a broker that lie in a directory which it has not got, and have no log elsewhere; not
    those of a directory of which some log is in one that was `just_named`: it goes by another id now. (One in
    another directory says nothing: a move may have left it there.)
    """
    found: dict[UUID, list[tuple[str, int]]] = {}
    here: set[UUID] = {UNASSIGNED_DIRECTORY, MIGRATING_DIRECTORY, LOST_DIRECTORY, *log_dirs}
    for topic in image.topics.values():
        for partition in topic.partitions:
            known = directory_of(partition, broker_id)
            if known in here:
                continue
            there = located(topic.name, partition.index)
            if there is None:
                found.setdefault(known, []).append((topic.name, partition.index))
            elif there in just_named:
                here.add(known)
    return [key for known, partitions in found.items() if known not in here for key in partitions]
