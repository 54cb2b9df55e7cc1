"""From what a partition shall be to the one record that makes it so: election, reassignment, leader epoch.

Rules (Kafka: PartitionChangeBuilder, PartitionReassignmentReplicas; without eligible leader replicas, a
feature that kwire does not turn on):
- A reassignment is complete when the replicas that it adds are in sync; where it leaves fewer than there
  were, when all that stay are. The same record then drops those that were to go, and with them the leader,
  if it is one of them.
- A leader is an active member of the ISR. One that can stay, stays, unless the preferred one is wanted.
- The leader epoch rises with every change of leader, and when a replica is taken away.
- Only an unclean election makes a leader of a replica outside the ISR; that one is then the whole ISR.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

from . import directories
from . import records as m
from .image import NO_LEADER, UNASSIGNED_DIRECTORY, ClusterImage, PartitionImage, TopicImage
from .replay import Replayer

RECOVERED: Final = 0
RECOVERING: Final = 1
"""The state of a leader that was elected uncleanly, until it has a follower in sync (KIP-704)."""


class Election(IntEnum):
    """Who may lead, by the numbers that ElectLeaders has for two of them."""

    ONLINE = -1
    """The leader there is; else the first in sync."""
    PREFERRED = 0
    """The first replica, if it is in sync; else as ONLINE."""
    UNCLEAN = 1
    """As ONLINE; else the first replica that is active at all."""


class _Elected(NamedTuple):
    leader: int
    unclean: bool = False


def partition_change(
    image: ClusterImage,
    topic: TopicImage,
    partition: PartitionImage,
    *,
    isr: Sequence[int] | None = None,
    replicas: Sequence[int] | None = None,
    adding: Sequence[int] | None = None,
    removing: Sequence[int] | None = None,
    election: Election = Election.ONLINE,
    recovering: bool = False,
) -> m.Record | None:
    """The record by which a partition gets what is given (None: as it is), and what follows from that.

    None where nothing changes. `recovering` leaves an unclean leader in that state, though it has followers.
    """
    new_isr = partition.isr if isr is None else tuple(isr)
    new_replicas = partition.replicas if replicas is None else tuple(replicas)
    new_adding = partition.adding_replicas if adding is None else tuple(adding)
    new_removing = partition.removing_replicas if removing is None else tuple(removing)
    if new_adding or new_removing:
        staying = tuple(replica for replica in new_replicas if replica not in new_removing)
        in_sync = tuple(replica for replica in new_isr if replica not in new_removing)
        wanted = {*new_adding} if len(new_adding) >= len(new_removing) else {*new_adding, *staying}
        if staying and in_sync and wanted <= {*in_sync}:
            new_replicas, new_isr, new_adding, new_removing = staying, in_sync, (), ()
    elected = _elect(image, partition, new_isr, new_replicas, election)
    leader: int | None = None
    recovery: int | None = None
    if elected.leader != partition.leader:
        leader = elected.leader
        if elected.unclean:
            new_isr = (elected.leader,)
            recovery = RECOVERING
        elif not new_isr:
            new_isr = (elected.leader,)
    elif not set(partition.replicas) <= set(new_replicas):
        leader = partition.leader
    if recovery is None and partition.leader_recovery_state == RECOVERING:
        led_by_another = leader is not None and leader not in (NO_LEADER, partition.leader)
        if led_by_another or (len(new_isr) > 1 and not recovering):
            recovery = RECOVERED
    if recovery == partition.leader_recovery_state:
        recovery = None
    new_directories = _directories(image, partition, new_replicas)
    clear_elr = elected.leader != NO_LEADER and bool(partition.elr or partition.last_known_elr)
    # An ISR is never emptied: its last members alone may lead when they come back.
    if not new_isr:
        new_isr = partition.isr
    if (
        leader is None
        and recovery is None
        and not clear_elr
        and (new_isr, new_replicas, new_adding, new_removing, new_directories)
        == (
            partition.isr,
            partition.replicas,
            partition.adding_replicas,
            partition.removing_replicas,
            partition.directories,
        )
    ):
        return None  # every start looks at every partition, and finds this of nearly all
    return m.partition_change_record(
        topic.id,
        partition.index,
        isr=None if new_isr == partition.isr else new_isr,
        leader=leader,
        clear_elr=clear_elr,
        replicas=None if new_replicas == partition.replicas else new_replicas,
        adding=None if new_adding == partition.adding_replicas else new_adding,
        removing=None if new_removing == partition.removing_replicas else new_removing,
        directories=None if new_directories == partition.directories else new_directories,
        leader_recovery_state=recovery,
    )


def caught_up(image: ClusterImage, topic: TopicImage, partition: PartitionImage) -> m.Record | None:
    """The record by which active replicas join the ISR of a partition that is led, completing what waited
    for them. None where nothing changes.

    They are in sync at once: all replicas share one log. A leader that has just been elected uncleanly is
    shown as recovering all the same: who follows the image one batch at a time must see it.
    """
    if partition.leader == NO_LEADER:
        return None
    missing = [
        replica
        for replica in partition.replicas
        if replica not in partition.isr and can_serve(image, partition, replica)
    ]
    return partition_change(image, topic, partition, isr=[*partition.isr, *missing], recovering=True)


def catching_up(
    image: ClusterImage, records: Sequence[m.Record], changed: Iterable[tuple[str, int]]
) -> list[m.Record]:
    """What follows for the (topic, partition)s that `records` change, once they are in the image."""
    if not records:
        return []
    begun = Replayer(image).replay(records, last_offset=image.offset + len(records), epoch=image.epoch)
    following = []
    for name, index in changed:
        topic = begun.topics[name]
        record = caught_up(begun, topic, topic.partitions[index])
        if record is not None:
            following.append(record)
    return following


def can_serve(image: ClusterImage, partition: PartitionImage, replica: int) -> bool:
    """Whether the replica may lead and be in an ISR: its broker may, and its directory works."""
    broker = image.brokers.get(replica)
    return broker is not None and broker.active and directories.is_online(broker, partition)


def _elect(
    image: ClusterImage,
    partition: PartitionImage,
    isr: Sequence[int],
    replicas: Sequence[int],
    election: Election,
) -> _Elected:
    eligible = isr or partition.elr

    def can_lead(replica: int) -> bool:
        return replica in eligible and can_serve(image, partition, replica)

    if election is Election.PREFERRED and can_lead(replicas[0]):
        return _Elected(replicas[0])
    for replica in (partition.leader, *replicas):
        if can_lead(replica):
            return _Elected(replica)
    if election is Election.UNCLEAN:
        for replica in replicas:
            if can_serve(image, partition, replica):
                return _Elected(replica, unclean=True)
    return _Elected(NO_LEADER)


def _directories(image: ClusterImage, partition: PartitionImage, replicas: Sequence[int]) -> tuple[UUID, ...]:
    """Where each replica lies; a new one on a broker of several directories chooses later (KIP-858)."""
    if len(partition.directories) != len(partition.replicas):
        return partition.directories  # written before there were any
    known = dict(zip(partition.replicas, partition.directories, strict=True))
    return tuple(known.get(replica) or default_directory(image, replica) for replica in replicas)


def default_directory(image: ClusterImage, broker_id: int) -> UUID:
    """Where a new replica on a broker lies: in its directory, if it has but one; else it chooses later."""
    log_dirs = image.brokers[broker_id].log_dirs
    return log_dirs[0] if len(log_dirs) == 1 else UNASSIGNED_DIRECTORY
