"""New partitions: checked assignments and placed ones, and adding partitions to a topic."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.outcome import Outcome

from . import records as m
from .api_error import NO_ERROR, ApiError
from .image import ClusterImage, PartitionImage, TopicImage
from .partition_changes import default_directory
from .placement import PlacementRefused, place

MAX_RECORDS: Final = 10_000
"""Records that one user's operation may make (Kafka: MAX_RECORDS_PER_USER_OP)."""

_TOO_LARGE: Final = "Excessively large number of additional partitions per request."

Registration = PartitionImage


class AssignmentRefused(Exception):
    """A partition can't be assigned to those brokers; the message says which one is wrong and why."""


def all_partitions(image: ClusterImage) -> list[tuple[str, Sequence[int]]]:
    """Every topic's name with the indexes of its partitions."""
    return [(topic.name, range(len(topic.partitions))) for topic in image.topics.values()]


def check_assignment(
    image: ClusterImage, brokers: Sequence[int], replication_factor: int | None = None
) -> None:
    """Whether a user may choose those brokers for a partition, alive or not.

    :param replication_factor: how many there must be; None for any number but 0.
    :raises AssignmentRefused: an empty list, an unknown, cordoned or doubled broker, another count.
    """
    if not brokers:
        raise AssignmentRefused("The manual partition assignment includes an empty replica list.")
    previous = None
    for broker in sorted(brokers):
        if broker not in image.brokers:
            raise AssignmentRefused(
                f"The manual partition assignment includes broker {broker}, but no such broker is registered."
            )
        if not image.brokers[broker].has_uncordoned_dirs:
            raise AssignmentRefused(
                f"The manual partition assignment includes broker {broker}, but all its log directories are "
                "cordoned."
            )
        if broker == previous:
            raise AssignmentRefused(
                f"The manual partition assignment includes the broker {broker} more than once."
            )
        previous = broker
    if replication_factor is not None and len(brokers) != replication_factor:
        raise AssignmentRefused(
            f"The manual partition assignment includes a partition with {len(brokers)} replica(s), but this "
            f"is not consistent with previous partitions, which have {replication_factor} replica(s)."
        )


def assigned(
    image: ClusterImage, index: int, brokers: Sequence[int], replication_factor: int | None
) -> Registration:
    """A partition on the brokers that the user chose, the first live one leading.

    :param replication_factor: how many replicas the topic's other partitions have; None for the first.
    :raises AssignmentRefused: an empty list, an unknown or doubled broker, another count, or nobody alive.
    """
    check_assignment(image, brokers, replication_factor)
    isr = _active(image, brokers)
    if not isr:
        raise AssignmentRefused(
            f"All brokers specified in the manual partition assignment for partition {index} are fenced or "
            "in controlled shutdown."
        )
    return _registration(image, index, tuple(brokers), isr)


def placed(
    image: ClusterImage, count: int, replication_factor: int, random: Random, first: int = 0
) -> list[Registration]:
    """`count` partitions spread over the registered brokers, numbered from `first`.

    :raises PlacementRefused: there are not enough brokers.
    """
    registrations = []
    for index, replicas in enumerate(place(image.brokers.values(), count, replication_factor, random), first):
        isr = _active(image, replicas)
        if not isr:
            raise PlacementRefused("All brokers are currently fenced or in controlled shutdown.")
        registrations.append(_registration(image, index, replicas, isr))
    return registrations


def _active(image: ClusterImage, brokers: Sequence[int]) -> tuple[int, ...]:
    return tuple(broker for broker in brokers if image.brokers[broker].active)


def _registration(
    image: ClusterImage, index: int, replicas: tuple[int, ...], isr: tuple[int, ...]
) -> Registration:
    directories = tuple(default_directory(image, replica) for replica in replicas)
    return PartitionImage(index, replicas, isr, leader=isr[0], directories=directories)


class MorePartitions(NamedTuple):
    """A topic that shall have `num_partitions`; the brokers of each new one, or None to place them."""

    name: str
    num_partitions: int
    assignments: Sequence[Sequence[int]] | None = None


class PartitionsResult(NamedTuple):
    """What came of it."""

    name: str
    error: ApiError = NO_ERROR


def create_partitions(
    image: ClusterImage, topics: Sequence[MorePartitions], *, random: Random, validate_only: bool = False
) -> Outcome[list[PartitionsResult], m.Record]:
    """Add partitions to topics. A topic that the request names twice is refused."""
    if len(topics) > MAX_RECORDS:
        error = ApiError(ErrorCode.POLICY_VIOLATION, _TOO_LARGE)
        return Outcome([PartitionsResult(name, error) for name in dict.fromkeys(one.name for one in topics)])
    by_name: dict[str, MorePartitions | None] = {}
    for topic in topics:
        by_name[topic.name] = None if topic.name in by_name else topic
    twice = [name for name, wanted in by_name.items() if wanted is None]
    error = ApiError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
    results = [PartitionsResult(name, error) for name in twice]
    records: list[m.Record] = []
    for name, wanted in by_name.items():
        if wanted is None:
            continue
        found = image.topic(name)
        if found is None:
            results.append(PartitionsResult(name, ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)))
            continue
        added = _added(image, found, wanted, random, MAX_RECORDS - len(records))
        if isinstance(added, ApiError):
            results.append(PartitionsResult(name, added))
        else:
            records += [m.partition_record(found.id, part.index, part) for part in added]
            results.append(PartitionsResult(name))
    return Outcome(results, () if validate_only else records)


def _added(
    image: ClusterImage, topic: TopicImage, wanted: MorePartitions, random: Random, room: int
) -> ApiError | list[Registration]:
    present = len(topic.partitions)
    if wanted.num_partitions == present:
        return ApiError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {present} partition(s).")
    if wanted.num_partitions < present:
        return ApiError(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {topic.name} currently has {present} partition(s); "
            f"{wanted.num_partitions} would not be an increase.",
        )
    additional = wanted.num_partitions - present
    if wanted.assignments is not None and len(wanted.assignments) != additional:
        return ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Attempted to add {additional} additional partition(s), but only {len(wanted.assignments)} "
            "assignment(s) were specified.",
        )
    if additional > room:
        return ApiError(ErrorCode.POLICY_VIOLATION, _TOO_LARGE)
    replication_factor = len(topic.partitions[0].replicas)
    if wanted.assignments is None:
        try:
            return placed(image, additional, replication_factor, random, first=present)
        except PlacementRefused as refused:
            return ApiError(ErrorCode.INVALID_REPLICATION_FACTOR, str(refused))
    try:
        return [
            assigned(image, index, brokers, replication_factor)
            for index, brokers in enumerate(wanted.assignments, present)
        ]
    except AssignmentRefused as refused:
        return ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, str(refused))
