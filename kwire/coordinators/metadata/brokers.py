"""Brokers and controllers that register, live and are fenced, and what that does to leaders and ISRs.

Rules:
- A registration's epoch is the offset of its record, so it never falls. It registers fenced and is unfenced
  by a BrokerRegistrationChangeRecord of its own, as Kafka's does.
- A partition's leader is always an active member of its ISR, or nobody. The first such replica, in the order
  of the assignment, is chosen; a leader that can stay, stays. Every change of leader raises the leader epoch.
- All replicas of a partition share one stored log, so a replica is in sync for as long as its broker is
  active. The last members of an ISR stay in it when they go: only they may lead when they come back, unless
  the topic allows unclean elections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import records as m
from .image import NO_LEADER, BrokerImage, ClusterImage, PartitionImage, TopicImage
from .partition_changes import Election, can_serve, caught_up, partition_change
from .replay import Replayer


def fence(broker: BrokerImage, *, fenced: bool) -> list[m.Record]:
    """The record that fences or unfences a broker; none if it is so already."""
    if broker.fenced == fenced:
        return []
    return [m.broker_change_record(broker.id, broker.epoch, fenced=fenced)]


def begin_shutdown(broker: BrokerImage) -> list[m.Record]:
    """The record by which a broker begins a controlled shutdown; none if it has, or is fenced."""
    if not broker.active:
        return []
    return [m.broker_change_record(broker.id, broker.epoch, in_controlled_shutdown=True)]


def leadership_changes(
    image: ClusterImage, is_unclean_allowed: Callable[[str], bool] = lambda topic: False
) -> list[m.Record]:
    """What must change for every partition to have the leader and the ISR that the active brokers allow, and
    for reassignments that waited for one of them to be complete.

    First those who were in sync elect a leader, then others join them: so nobody leads who was not in sync,
    but where a topic allows it (`unclean.leader.election.enable`).
    """

    def led(image: ClusterImage, topic: TopicImage, partition: PartitionImage) -> m.Record | None:
        return _led(image, topic, partition, is_unclean_allowed)

    elected = _changes(image, led)
    if not elected:
        return _changes(image, caught_up)
    after = Replayer(image).replay(elected, last_offset=image.offset + len(elected), epoch=image.epoch)
    return [*elected, *_changes(after, caught_up)]


def _changes(
    image: ClusterImage,
    decide: Callable[[ClusterImage, TopicImage, PartitionImage], m.Record | None],
) -> list[m.Record]:
    return [
        change
        for topic in image.topics.values()
        for partition in topic.partitions
        if (change := decide(image, topic, partition)) is not None
    ]


def _led(
    image: ClusterImage,
    topic: TopicImage,
    partition: PartitionImage,
    is_unclean_allowed: Callable[[str], bool],
) -> m.Record | None:
    # Where Kafka kept eligible leader replicas (KIP-966), the last in sync went from the ISR to them.
    for eligible in (partition.isr, partition.elr):
        active = [replica for replica in eligible if can_serve(image, partition, replica)]
        if active:
            return partition_change(image, topic, partition, isr=active)
    election = Election.UNCLEAN if is_unclean_allowed(topic.name) else Election.ONLINE
    return partition_change(image, topic, partition, election=election)


def new_leader_epochs(topics: Iterable[TopicImage]) -> list[m.Record]:
    """A higher leader epoch for each partition that is led, its leader staying.

    After a stop that may have lost the end of a log: what is written again at those offsets has another
    epoch, and clients that had read the lost records notice (KIP-320).
    """
    return [
        m.partition_change_record(topic.id, partition.index, leader=partition.leader)
        for topic in topics
        for partition in topic.partitions
        if partition.leader != NO_LEADER
    ]


def absent(image: ClusterImage, present: Sequence[int]) -> list[BrokerImage]:
    """Brokers that the image holds for live, but that are not among those that run."""
    return [broker for broker in image.unfenced_brokers() if broker.id not in present]
