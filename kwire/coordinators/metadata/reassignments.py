"""Moving partitions to other brokers: beginning, listing and cancelling.

A reassignment that begins adds the new replicas to those there are and notes which come and which shall go.
The new ones are in sync as soon as their brokers are active, since all replicas share one log: it is then
complete, usually in the same change (`partition_changes.caught_up`; `brokers.py` when a broker comes back).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.outcome import Outcome

from . import records as m
from .api_error import NO_ERROR, ApiError
from .image import ClusterImage, PartitionImage, TopicImage
from .partition_changes import Election, catching_up, partition_change
from .partitions import MAX_RECORDS, AssignmentRefused, all_partitions, check_assignment


class Target(NamedTuple):
    """The brokers that shall have a partition, the preferred leader first; None cancels what is under way."""

    partition: int
    replicas: Sequence[int] | None


class ReassignmentResult(NamedTuple):
    """What came of it."""

    partition: int
    error: ApiError = NO_ERROR


class _Refused(Exception):
    def __init__(self, error_code: ErrorCode, message: str | None = None) -> None:
        self.error = ApiError(error_code, message)


def alter_reassignments(
    image: ClusterImage,
    asked: Sequence[tuple[str, Sequence[Target]]],
    *,
    may_change_factor: bool,
    is_unclean_allowed: Callable[[str], bool],
) -> Outcome[list[tuple[str, list[ReassignmentResult]]], m.Record]:
    """Begin or cancel, each partition by itself (Kafka:
    ReplicationControlManager.alterPartitionReassignments).

    :param may_change_factor: whether a partition may come to have more or fewer replicas (KIP-860).
    :param is_unclean_allowed: whether a topic's leader may come from outside the ISR.
    """
    records: list[m.Record] = []
    results = []
    changed: dict[tuple[str, int], None] = {}
    for name, targets in asked:
        answers = []
        for target in targets:
            try:
                topic, partition = _found(image, name, target.partition)
                if target.replicas is None:
                    record = _cancelled(image, topic, partition, is_unclean_allowed(name))
                else:
                    record = _begun(image, topic, partition, target.replicas, may_change_factor)
                if record is not None:
                    if len(records) == MAX_RECORDS:
                        raise _Refused(ErrorCode.UNKNOWN_SERVER_ERROR, "Too many partitions for one request.")
                    records.append(record)
                    changed[name, target.partition] = None
                answers.append(ReassignmentResult(target.partition))
            except _Refused as refused:
                answers.append(ReassignmentResult(target.partition, refused.error))
        results.append((name, answers))
    return Outcome(results, [*records, *catching_up(image, records, changed)])


def _found(image: ClusterImage, name: str, index: int) -> tuple[TopicImage, PartitionImage]:
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    topic = image.topic(name)
    if topic is None:
        raise _Refused(unknown, f"Unable to find a topic named {name}.")
    partition = topic.partition(index)
    if partition is None:
        raise _Refused(unknown, f"Unable to find partition {name}:{index}.")
    return topic, partition


def _begun(
    image: ClusterImage,
    topic: TopicImage,
    partition: PartitionImage,
    replicas: Sequence[int],
    may_change_factor: bool,
) -> m.Record | None:
    try:
        check_assignment(image, replicas)
    except AssignmentRefused as refused:
        raise _Refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, str(refused)) from None
    factor = len({*partition.replicas} - {*partition.removing_replicas})
    if not may_change_factor and len(replicas) != factor:
        raise _Refused(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor is changed from {factor} to {len(replicas)}",
        )
    removing = sorted({*partition.replicas} - {*replicas})
    adding = sorted({*replicas} - {*partition.replicas})
    if not adding:
        # What an earlier move was adding and this one keeps is still to come. Kafka keeps the others, too,
        # so that it waits for brokers that are to go, and never ends.
        adding = [replica for replica in partition.adding_replicas if replica in replicas]
    return partition_change(
        image, topic, partition, replicas=[*replicas, *removing], removing=removing, adding=adding
    )


def _cancelled(
    image: ClusterImage, topic: TopicImage, partition: PartitionImage, is_unclean_allowed: bool
) -> m.Record | None:
    """Back to the replicas before, without those that were being added."""
    if not is_reassigning(partition):
        raise _Refused(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS)
    replicas = [replica for replica in partition.replicas if replica not in partition.adding_replicas]
    if not replicas:
        raise _Refused(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "Invalid replica assignment: addingReplicas contains all replicas.",
        )
    isr = [replica for replica in partition.isr if replica not in partition.adding_replicas]
    if not isr:
        if not is_unclean_allowed:
            raise _Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Unable to revert partition assignment for {topic.name}:{partition.index} because it would "
                "require an unclean leader election.",
            )
        isr = replicas[:1]
    return partition_change(
        image,
        topic,
        partition,
        isr=isr,
        replicas=replicas,
        adding=(),
        removing=(),
        election=Election.UNCLEAN if is_unclean_allowed else Election.ONLINE,
    )


def is_reassigning(partition: PartitionImage) -> bool:
    """Whether a reassignment is under way."""
    return bool(partition.adding_replicas or partition.removing_replicas)


def reassignments(
    image: ClusterImage, asked: Sequence[tuple[str, Sequence[int]]] | None
) -> list[tuple[str, list[PartitionImage]]]:
    """The partitions that are being reassigned: all with None, else those of the named ones that are."""
    found = []
    for name, indexes in all_partitions(image) if asked is None else asked:
        topic = image.topic(name)
        if topic is None:
            continue
        moving = [
            partition
            for index in indexes
            if (partition := topic.partition(index)) is not None and is_reassigning(partition)
        ]
        if moving:
            found.append((name, moving))
    return found
