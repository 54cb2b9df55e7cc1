from __future__ import annotations

from random import Random

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.metadata.partitions import MorePartitions, PartitionsResult, create_partitions
from kwire.coordinators.metadata.topics import NewTopic

from .images import applied, broker, cluster, with_topics


def enlarged(
    image: ClusterImage, *topics: MorePartitions, validate_only: bool = False
) -> tuple[list[PartitionsResult], ClusterImage]:
    outcome = create_partitions(image, topics, random=Random(1), validate_only=validate_only)
    assert isinstance(outcome.response, list)
    return outcome.response, applied(image, outcome)


def test_new_partitions_are_numbered_on_and_keep_the_replication_factor() -> None:
    image = with_topics(cluster(1, 2, 3), NewTopic("t", 2, 2))
    results, after = enlarged(image, MorePartitions("t", 5))
    assert results == [PartitionsResult("t")]
    partitions = after.topics["t"].partitions
    assert partitions[:2] == image.topics["t"].partitions
    assert [part.index for part in partitions] == [0, 1, 2, 3, 4]
    assert {len(part.replicas) for part in partitions} == {2}


def test_new_partitions_go_where_the_client_says() -> None:
    image = with_topics(cluster(1, 2, 3), NewTopic("t", 1, 2))
    _, after = enlarged(image, MorePartitions("t", 2, [(3, 1)]))
    assert after.topics["t"].partitions[1].replicas == (3, 1)


def test_validate_only_adds_nothing() -> None:
    image = with_topics(cluster(), "t")
    results, after = enlarged(image, MorePartitions("t", 2), validate_only=True)
    assert results == [PartitionsResult("t")]
    assert len(after.topics["t"].partitions) == 1


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        (MorePartitions("nowhere", 2), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None),
        (MorePartitions("t", 2), ErrorCode.INVALID_PARTITIONS, "Topic already has 2 partition(s)."),
        (
            MorePartitions("t", 1),
            ErrorCode.INVALID_PARTITIONS,
            "The topic t currently has 2 partition(s); 1 would not be an increase.",
        ),
        (
            MorePartitions("t", -1),
            ErrorCode.INVALID_PARTITIONS,
            "The topic t currently has 2 partition(s); -1 would not be an increase.",
        ),
        (
            MorePartitions("t", 4, [(1,)]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            MorePartitions("t", 3, [(9,)]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
        (
            MorePartitions("t", 2**31 - 1),
            ErrorCode.POLICY_VIOLATION,
            "Excessively large number of additional partitions per request.",
        ),
    ],
)
def test_partitions_that_cannot_be_added_are_refused_with_the_reason(
    wanted: MorePartitions, code: ErrorCode, message: str | None
) -> None:
    image = with_topics(cluster(), NewTopic("t", 2, 1), "u")
    results, after = enlarged(image, wanted, MorePartitions("u", 2))
    assert [(result.error.error_code, result.error.message) for result in results] == [
        (code, message),
        (ErrorCode.NONE, None),
    ]
    assert len(after.topics["t"].partitions) == 2


def test_a_topic_named_twice_is_refused() -> None:
    results, _ = enlarged(with_topics(cluster(), "t"), MorePartitions("t", 2), MorePartitions("t", 3))
    assert [result.error.error_code for result in results] == [ErrorCode.INVALID_REQUEST]


def test_nothing_is_added_while_every_broker_is_fenced() -> None:
    image = with_topics(cluster(), "t")
    fenced = cluster(broker(1, fenced=True))
    results, _ = enlarged(with_fenced(image, fenced), MorePartitions("t", 2))
    assert [result.error.error_code for result in results] == [ErrorCode.INVALID_REPLICATION_FACTOR]


def with_fenced(image: ClusterImage, fenced: ClusterImage) -> ClusterImage:
    from dataclasses import replace

    return replace(image, brokers=fenced.brokers)
