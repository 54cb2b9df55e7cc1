"""What an assignor is told of a group and of the topics, and what it answers.

Order counts (see the package): members are visited as the mapping gives them, a member's topics as its
collection does, and partitions of an assignment in the order of the record that they came from. A `set` has
no order of its own: its partitions are taken in ascending order. (Kafka: GroupSpec, MemberSubscription,
MemberAssignment, SubscribedTopicDescriber.)
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from kwire.coordinators.groups.java_hash import (
    DEFAULT_SLOTS,
    in_slots,
    slots_after,
    slots_after_putting,
    slots_for,
    slots_for_copy,
    uuid_hash,
    walked,
)

Assignment: TypeAlias = Mapping[UUID, Collection[int]]
"""Topic id -> partitions, both in the order of their record; no topic without partitions."""

GroupAssignment: TypeAlias = dict[str, Assignment]
"""Member id -> what it shall own. Members that own nothing may be left out."""

NOTHING: Final[Assignment] = {}


class AssignorError(Exception):
    """There is no assignment: the group's books contradict each other or the topics.

    Kafka answers UNKNOWN_SERVER_ERROR.
    """


class MemberSpec(NamedTuple):
    """One member: what it subscribes to, and its target so far."""

    subscribed_topic_ids: Collection[UUID]
    """Its length counts names that no topic has, as Kafka's TopicIds does."""
    assignment: Assignment = NOTHING
    instance_id: str | None = None
    rack_id: str | None = None


class GroupSpec(NamedTuple):
    """One group."""

    members: Mapping[str, MemberSpec]
    is_homogeneous: bool
    """Whether all members subscribe to the same topics."""
    inverted_target: Mapping[UUID, Container[int]] = {}
    """Topic id -> the partitions that are in anybody's target so far."""


class DescribedTopic(Protocol):
    """What an assignor asks of a topic."""

    @property
    def partition_count(self) -> int: ...


class TopicDescriber(Protocol):
    """Where an assignor looks topics up."""

    def by_id(self, topic_id: UUID) -> DescribedTopic | None:
        """The topic of that id."""
        ...


def partition_count(topics: TopicDescriber, topic_id: UUID) -> int:
    """How many partitions a subscribed topic has."""
    topic = topics.by_id(topic_id)
    if topic is None:
        raise AssignorError(f"members are subscribed to topic {topic_id}, which does not exist")
    return topic.partition_count


def topics_in_order(assignment: Assignment) -> Sequence[UUID]:
    """The topics of a target as Kafka walks them: a HashMap that was filled from the record."""
    return walked(assignment, uuid_hash)


def partitions_in_order(partitions: Collection[int]) -> Sequence[int]:
    """One topic's partitions as Kafka walks them: a HashSet that was made from the record's list."""
    in_record = sorted(partitions) if isinstance(partitions, AbstractSet) else partitions
    return walked(in_record, _int_hash, slots_for_copy(len(in_record)))


class _Partitions:
    """One topic's partitions that are being changed: a copy in a HashSet."""

    __slots__ = ("numbers", "slots")

    def __init__(self, numbers: Sequence[int], slots: int) -> None:
        self.numbers = dict.fromkeys(numbers)
        self.slots = slots_after_putting((), numbers, _int_hash, slots)

    def add(self, partitions: Iterable[int]) -> None:
        new = [partition for partition in partitions if partition not in self.numbers]
        self.slots = slots_after_putting(self.numbers, new, _int_hash, self.slots)
        self.numbers.update(dict.fromkeys(new))


class NewAssignment:
    """A member's assignment that is being changed: a copy, which keeps to the order of Java's hash tables.

    A topic that comes anew is put before the others of its slot, and the table grows only with what comes
    after it: so does HashMap.computeIfAbsent.
    """

    __slots__ = ("_front", "_slots", "_topics")

    def __init__(self, old: Assignment) -> None:
        self._slots = slots_after(len(old), slots_for(len(old)))
        self._topics: dict[UUID, _Partitions] = {}
        self._front: dict[UUID, None] = {}
        for topic_id in topics_in_order(old):
            numbers = partitions_in_order(old[topic_id])
            self._topics[topic_id] = _Partitions(numbers, slots_for_copy(len(numbers)))

    def add(self, topic_id: UUID, partitions: Collection[int], slots: int = DEFAULT_SLOTS) -> None:
        """Give partitions one by one; `slots` are those of the table for a topic that is new here."""
        self._grow()
        table = self._topics.get(topic_id)
        if table is None:
            table = self._topics[topic_id] = _Partitions((), slots)
            self._front[topic_id] = None
        if len(partitions) > 1:
            self._grow()
        table.add(partitions)

    def remove(self, topic_id: UUID, partition: int) -> None:
        """Take one partition away."""
        table = self._topics.get(topic_id)
        if table is not None:
            table.numbers.pop(partition, None)
            if not table.numbers:
                self.remove_topic(topic_id)

    def remove_topic(self, topic_id: UUID) -> None:
        """Take a whole topic away."""
        del self._topics[topic_id]
        self._front.pop(topic_id, None)

    def built(self) -> Assignment:
        """The assignment as its record will list it."""
        keys = [
            *reversed(self._front),
            *(topic_id for topic_id in self._topics if topic_id not in self._front),
        ]
        return {
            topic_id: tuple(in_slots(table.numbers, _int_hash, table.slots))
            for topic_id in in_slots(keys, uuid_hash, self._slots)
            for table in (self._topics[topic_id],)
        }

    def _grow(self) -> None:
        self._slots = slots_after(len(self._topics), self._slots)


def _int_hash(number: int) -> int:
    return number
