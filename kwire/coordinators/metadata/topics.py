"""Creating and deleting topics, as operations on an image (Kafka: ReplicationControlManager, ControllerApis).

Rules:
- An operation decides for each topic by itself; a topic that is refused leaves no record, the others go
  ahead.
- Records of one topic are in Kafka's order: TopicRecord, ConfigRecords, PartitionRecords.
- Topic ids come from `new_id`, placement from `random`; both are handed in, and nothing else here is left to
  chance.
- More than `MAX_PARTITIONS` partitions, or `MAX_CHANGES` configs, in one request are refused as a whole,
  before anything is placed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.config import BrokerConfig
from kwire.coordinators.outcome import Outcome

from . import records as m
from .api_error import NO_ERROR, ApiError
from .config_changes import MAX_CHANGES, topic_config_problem
from .image import ClusterImage
from .partitions import AssignmentRefused, Registration, assigned, placed
from .placement import PlacementRefused
from .topic_names import CLUSTER_METADATA, collision_key, problem_with

MAX_PARTITIONS: Final = 10_000
"""New partitions that one request may ask for (Kafka: MAX_PARTITIONS_PER_BATCH)."""

NO_ID: Final = UUID(int=0)
_NO_CONFIGS: Final[Mapping[str, str | None]] = {}
RESERVED_IDS: Final = frozenset((UUID(int=0), UUID(int=1)))
"""Ids with a meaning of their own, which no topic may get."""


class NewTopic(NamedTuple):
    """What is asked for: -1 is the broker's default; an assignment is (partition, brokers)."""

    name: str
    num_partitions: int = -1
    replication_factor: int = -1
    assignments: Sequence[tuple[int, Sequence[int]]] = ()
    configs: Mapping[str, str | None] = _NO_CONFIGS


class CreatedTopic(NamedTuple):
    """What came of it; the numbers are -1 and the configs empty when `error` says why nothing did."""

    name: str
    error: ApiError = NO_ERROR
    topic_id: UUID = NO_ID
    num_partitions: int = -1
    replication_factor: int = -1
    configs: Mapping[str, str] | None = None
    """The configs that the topic was created with."""


def create_topics(
    image: ClusterImage,
    topics: Sequence[NewTopic],
    *,
    config: BrokerConfig,
    random: Random,
    new_id: Callable[[], UUID],
    validate_only: bool = False,
) -> Outcome[list[CreatedTopic], m.Record]:
    """Create topics, or (`validate_only`) say what would come of it.

    The answer holds each name once; the ones that the request named twice are refused.
    """
    default_partitions = config.integer("num.partitions")
    configs = sum(len(topic.configs) for topic in topics)
    if wanted_partitions(topics, default_partitions) > MAX_PARTITIONS or configs > MAX_CHANGES:
        too_many = ApiError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
        return Outcome(
            [CreatedTopic(name, too_many) for name in dict.fromkeys(topic.name for topic in topics)]
        )
    by_name: dict[str, NewTopic | None] = {}
    for topic in topics:
        by_name[topic.name] = None if topic.name in by_name else topic
    records: list[m.Record] = []
    results: list[CreatedTopic] = []
    late: list[CreatedTopic] = []
    for name, wanted in by_name.items():
        if wanted is None:
            late.append(CreatedTopic(name, ApiError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")))
        elif name == CLUSTER_METADATA:
            prohibited = f"Creation of internal topic {CLUSTER_METADATA} is prohibited."
            late.append(CreatedTopic(name, ApiError(ErrorCode.INVALID_REQUEST, prohibited)))
        else:
            created = _create(image, wanted, config, random, new_id)
            if isinstance(created, ApiError):
                results.append(CreatedTopic(name, created))
            else:
                result, topic_records = created
                results.append(result)
                records += topic_records
    return Outcome([*results, *late], () if validate_only else records)


def wanted_partitions(topics: Sequence[NewTopic], default_partitions: int) -> int:
    """How many partitions a request asks for."""
    total = 0
    for topic in topics:
        if topic.assignments:
            total += len(topic.assignments)
        elif topic.num_partitions == -1:
            total += default_partitions
        else:
            total += max(1, topic.num_partitions)  # one that will be refused costs time too
    return total


def _name_problem(image: ClusterImage, name: str) -> ApiError | None:
    if image.topic(name) is not None:
        return ApiError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
    collision = collision_key(name)
    if collision is not None and collision in image.collision_names:
        message = f"Topic '{name}' collides with existing topic: {image.collision_names[collision]}"
        return ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, message)
    problem = problem_with(name)
    return None if problem is None else ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)


def _create(
    image: ClusterImage, topic: NewTopic, config: BrokerConfig, random: Random, new_id: Callable[[], UUID]
) -> ApiError | tuple[CreatedTopic, list[m.Record]]:
    problem = _name_problem(image, topic.name)
    if problem is not None:
        return problem
    nulls = [name for name, value in topic.configs.items() if value is None]
    if nulls:
        message = f"Null value not supported for topic configs: {','.join(nulls)}"
        return ApiError(ErrorCode.INVALID_CONFIG, message)
    configs = {name: value for name, value in topic.configs.items() if value is not None}
    invalid = topic_config_problem(image, config, configs) if configs else None
    if invalid is not None:
        return ApiError(ErrorCode.INVALID_CONFIG, invalid)
    registrations = _registrations(image, topic, config, random)
    if isinstance(registrations, ApiError):
        return registrations
    topic_id = new_id()
    while topic_id in RESERVED_IDS or image.topic_by_id(topic_id) is not None:
        topic_id = new_id()
    records: list[m.Record] = [
        m.topic_record(topic.name, topic_id),
        *(m.topic_config_record(topic.name, name, value) for name, value in configs.items()),
        *(m.partition_record(topic_id, index, part) for index, part in enumerate(registrations)),
    ]
    created = CreatedTopic(
        topic.name,
        topic_id=topic_id,
        num_partitions=len(registrations),
        replication_factor=len(registrations[0].replicas),
        configs=configs,
    )
    return created, records


def _registrations(
    image: ClusterImage, topic: NewTopic, config: BrokerConfig, random: Random
) -> ApiError | list[Registration]:
    if topic.assignments:
        return _assigned_registrations(image, topic)
    if topic.replication_factor < -1 or topic.replication_factor == 0:
        message = "Replication factor must be larger than 0, or -1 to use the default value."
        return ApiError(ErrorCode.INVALID_REPLICATION_FACTOR, message)
    if topic.num_partitions < -1 or topic.num_partitions == 0:
        message = "Number of partitions was set to an invalid non-positive value."
        return ApiError(ErrorCode.INVALID_PARTITIONS, message)
    count = config.integer("num.partitions") if topic.num_partitions == -1 else topic.num_partitions
    factor = topic.replication_factor
    if factor == -1:
        factor = config.integer("default.replication.factor")
    try:
        return placed(image, count, factor, random)
    except PlacementRefused as refused:
        message = f"Unable to replicate the partition {factor} time(s): {refused}"
        return ApiError(ErrorCode.INVALID_REPLICATION_FACTOR, message)


def _assigned_registrations(image: ClusterImage, topic: NewTopic) -> ApiError | list[Registration]:
    for given, what in (
        (topic.replication_factor, "replication factor"),
        (topic.num_partitions, "numPartitions"),
    ):
        if given != -1:
            message = f"A manual partition assignment was specified, but {what} was not set to -1."
            return ApiError(ErrorCode.INVALID_REQUEST, message)
    parts: dict[int, Registration] = {}
    factor: int | None = None
    for index, brokers in topic.assignments:
        if index in parts:
            message = f"Found multiple manual partition assignments for partition {index}"
            return ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
        try:
            parts[index] = assigned(image, index, brokers, factor)
        except AssignmentRefused as refused:
            return ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, str(refused))
        factor = len(brokers)
    if set(parts) != set(range(len(parts))):
        message = "partitions should be a consecutive 0-based integer sequence"
        return ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
    return [parts[index] for index in range(len(parts))]


class TopicToDelete(NamedTuple):
    """A topic to delete, named by `name` or by `topic_id`, never by both."""

    name: str | None = None
    topic_id: UUID = NO_ID


class DeletedTopic(NamedTuple):
    """What came of it; `name` None and `topic_id` zero where neither the request nor the cluster tells."""

    name: str | None
    topic_id: UUID
    error: ApiError = NO_ERROR


def delete_topics(
    image: ClusterImage, topics: Sequence[TopicToDelete]
) -> Outcome[list[DeletedTopic], m.Record]:
    """Delete topics, by name or id (v6). A topic named twice, in whichever way, is refused and stays."""
    results: list[DeletedTopic] = []
    names: dict[str, int] = {}
    ids: dict[UUID, int] = {}
    for topic in topics:
        if topic.name is None and topic.topic_id == NO_ID:
            message = "Neither topic name nor id were specified."
            results.append(DeletedTopic(None, NO_ID, ApiError(ErrorCode.INVALID_REQUEST, message)))
        elif topic.name is None:
            ids[topic.topic_id] = ids.get(topic.topic_id, 0) + 1
        elif topic.topic_id == NO_ID:
            names[topic.name] = names.get(topic.name, 0) + 1
        else:
            error = ApiError(ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")
            results.append(DeletedTopic(topic.name, topic.topic_id, error))
    doomed: dict[UUID, str] = {}
    for topic_id, times in ids.items():
        name = image.topic_names.get(topic_id)
        if times > 1:
            results.append(
                DeletedTopic(None, topic_id, ApiError(ErrorCode.INVALID_REQUEST, "Duplicate topic id."))
            )
        elif name is None:
            results.append(DeletedTopic(None, topic_id, ApiError.of(ErrorCode.UNKNOWN_TOPIC_ID)))
        else:
            doomed[topic_id] = name
    for name, times in names.items():
        found = image.topic(name)
        if times > 1:
            error = ApiError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
            results.append(DeletedTopic(name, NO_ID, error))
        elif found is None:
            results.append(DeletedTopic(name, NO_ID, ApiError.of(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)))
        elif found.id in ids:
            doomed.pop(found.id, None)
            message = "The provided topic name maps to an ID that was already supplied."
            results.append(DeletedTopic(name, found.id, ApiError(ErrorCode.INVALID_REQUEST, message)))
        else:
            doomed[found.id] = name
    results += [DeletedTopic(name, topic_id) for topic_id, name in doomed.items()]
    return Outcome(results, [m.remove_topic_record(topic_id) for topic_id in doomed])
