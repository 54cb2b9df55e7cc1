"""Elections that a user asks for, and those by which leadership returns to the preferred replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.outcome import Outcome

from . import records as m
from .api_error import NO_ERROR, ApiError
from .image import NO_LEADER, ClusterImage, PartitionImage, TopicImage
from .partition_changes import Election, catching_up, partition_change
from .partitions import MAX_RECORDS, all_partitions

ELECTIONS_A_ROUND: Final = 1_000
"""Leaders that one round of balancing moves at most (Kafka: MAX_ELECTIONS_PER_IMBALANCE)."""


class ElectionResult(NamedTuple):
    """What came of one partition's election."""

    partition: int
    error: ApiError = NO_ERROR


TopicResults = tuple[str, list[ElectionResult]]


def elect_leaders(
    image: ClusterImage, asked: Sequence[tuple[str, Sequence[int]]] | None, election: Election
) -> Outcome[list[TopicResults] | ApiError, m.Record]:
    """Elect leaders of some partitions, or of all with None (Kafka: ReplicationControlManager.electLeaders).

    Of all, only those are answered where something came of it. An ApiError refuses the whole request, and
    nothing changes.
    """
    results: list[TopicResults] = []
    records: list[m.Record] = []
    elected: dict[tuple[str, int], None] = {}
    for name, indexes in all_partitions(image) if asked is None else asked:
        topic = image.topic(name)
        answers = []
        for index in indexes:
            error = _elect(image, topic, name, index, election, records)
            if not error.failed:
                elected[name, index] = None
            if asked is not None or error.error_code is not ErrorCode.ELECTION_NOT_NEEDED:
                answers.append(ElectionResult(index, error))
        results.append((name, answers))
        if len(records) > MAX_RECORDS:
            return Outcome(
                ApiError(ErrorCode.POLICY_VIOLATION, "Unable to perform excessively large batch operation.")
            )
    return Outcome(results, [*records, *catching_up(image, records, elected)])


def _elect(
    image: ClusterImage,
    topic: TopicImage | None,
    name: str,
    index: int,
    election: Election,
    records: list[m.Record],
) -> ApiError:
    if topic is None:
        return ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}")
    partition = topic.partition(index)
    if partition is None:
        return ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}")
    is_led = has_preferred_leader(partition) if election is Election.PREFERRED else partition.leader >= 0
    if is_led:
        return ApiError.of(ErrorCode.ELECTION_NOT_NEEDED)
    record = partition_change(image, topic, partition, election=election)
    if record is not None:
        records.append(record)
        return NO_ERROR
    if election is Election.PREFERRED:
        return ApiError.of(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)
    return ApiError.of(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)


def has_preferred_leader(partition: PartitionImage) -> bool:
    """Whether the first replica leads."""
    return partition.leader == partition.replicas[0]


def is_imbalanced(image: ClusterImage) -> bool:
    """Whether some partition is led by another than its first replica, or by none."""
    return any(
        not has_preferred_leader(partition)
        for topic in image.topics.values()
        for partition in topic.partitions
    )


def balance(image: ClusterImage) -> Outcome[bool, m.Record]:
    """Let preferred replicas lead again where they can; whether more may be left than one round moves.

    Kafka's KRaft controller moves all of them, whatever leader.imbalance.per.broker.percentage says.
    """
    records: list[m.Record] = []
    for topic in image.topics.values():
        for partition in topic.partitions:
            if has_preferred_leader(partition):
                continue
            record = partition_change(image, topic, partition, election=Election.PREFERRED)
            if record is not None:
                records.append(record)
                if len(records) == ELECTIONS_A_ROUND:
                    return Outcome(True, records)
    return Outcome(False, records)


def unclean_elections(image: ClusterImage, topics: Sequence[TopicImage]) -> list[m.Record]:
    """A leader from outside the ISR for each partition of these topics that nobody leads, where one is
    active.
    """
    records = []
    elected = []
    for topic in topics:
        for partition in topic.partitions:
            if partition.leader == NO_LEADER:
                record = partition_change(image, topic, partition, election=Election.UNCLEAN)
                if record is not None:
                    records.append(record)
                    elected.append((topic.name, partition.index))
    return [*records, *catching_up(image, records, elected)]
