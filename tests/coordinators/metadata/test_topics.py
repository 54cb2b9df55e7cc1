from __future__ import annotations

from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode
from kwire_codecs.internal import metadata_records as r

from kwire.config import BrokerConfig
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import ClusterImage, ResourceType
from kwire.coordinators.metadata.topics import (
    NO_ID,
    CreatedTopic,
    DeletedTopic,
    NewTopic,
    TopicToDelete,
    create_topics,
    delete_topics,
)
from kwire.coordinators.outcome import Outcome

from .images import applied, broker, cluster, ids, with_topics


def create(
    image: ClusterImage, *topics: NewTopic, validate_only: bool = False, **properties: str
) -> Outcome[list[CreatedTopic], m.Record]:
    config = BrokerConfig({name.replace("_", "."): value for name, value in properties.items()})
    return create_topics(
        image, topics, config=config, random=Random(1), new_id=ids(), validate_only=validate_only
    )


def created(outcome: Outcome[list[CreatedTopic], m.Record]) -> list[CreatedTopic]:
    assert isinstance(outcome.response, list)
    return outcome.response


def test_a_topic_becomes_a_record_then_its_configs_then_its_partitions() -> None:
    outcome = create(cluster(), NewTopic("t", 2, 1, configs={"retention.ms": "5"}))
    assert [type(record).__name__ for record in outcome.records] == [
        "TopicRecord",
        "ConfigRecord",
        "PartitionRecord",
        "PartitionRecord",
    ]
    image = applied(cluster(), outcome)
    assert image.topics["t"].id == UUID(int=256) == created(outcome)[0].topic_id
    assert image.config(ResourceType.TOPIC, "t") == {"retention.ms": "5"}
    assert [part.leader for part in image.topics["t"].partitions] == [1, 1]
    assert image.topics["t"].partitions[0].directories == (UUID(int=1001),)


def test_minus_one_partitions_and_replicas_mean_the_brokers_defaults() -> None:
    [result] = created(
        create(cluster(1, 2, 3), NewTopic("t"), num_partitions="4", default_replication_factor="2")
    )
    assert (result.num_partitions, result.replication_factor) == (4, 2)


def test_validate_only_answers_the_same_and_changes_nothing() -> None:
    outcome = create(cluster(), NewTopic("t", 2, 1), validate_only=True)
    assert outcome.records == ()
    assert created(outcome)[0].num_partitions == 2
    assert not created(outcome)[0].error.failed


ONE = ((0, (1,)),)
REFUSED: list[tuple[NewTopic, ErrorCode, str]] = [
    (NewTopic("old", 1, 1), ErrorCode.TOPIC_ALREADY_EXISTS, "Topic 'old' already exists."),
    (
        NewTopic("a.b", 1, 1),
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        "Topic 'a.b' collides with existing topic: a_b",
    ),
    (NewTopic("..", 1, 1), ErrorCode.INVALID_TOPIC_EXCEPTION, "Topic name is invalid: '..' is not allowed"),
    (NewTopic("t", 0, 1), ErrorCode.INVALID_PARTITIONS, "set to an invalid non-positive value"),
    (NewTopic("t", -2, 1), ErrorCode.INVALID_PARTITIONS, "set to an invalid non-positive value"),
    (NewTopic("t", 1, 0), ErrorCode.INVALID_REPLICATION_FACTOR, "must be larger than 0, or -1"),
    (NewTopic("t", 1, -2), ErrorCode.INVALID_REPLICATION_FACTOR, "must be larger than 0, or -1"),
    (
        NewTopic("t", 1, 4),
        ErrorCode.INVALID_REPLICATION_FACTOR,
        "Unable to replicate the partition 4 time(s)",
    ),
    (NewTopic("t", 1, 1, configs={"x": "1"}), ErrorCode.INVALID_CONFIG, "Unknown topic config name: x"),
    (
        NewTopic("t", 1, 1, configs={"retention.ms": None}),
        ErrorCode.INVALID_CONFIG,
        "Null value not supported for topic configs: retention.ms",
    ),
    (
        NewTopic("t", 1, 1, configs={"retention.ms": "-2"}),
        ErrorCode.INVALID_CONFIG,
        "Invalid value -2 for configuration retention.ms: Value must be at least -1",
    ),
    (NewTopic("t", -1, 1, ONE), ErrorCode.INVALID_REQUEST, "replication factor was not set to -1"),
    (NewTopic("t", 1, -1, ONE), ErrorCode.INVALID_REQUEST, "numPartitions was not set to -1"),
    (NewTopic("t", -1, -1, ((0, ()),)), ErrorCode.INVALID_REPLICA_ASSIGNMENT, "an empty replica list"),
    (
        NewTopic("t", -1, -1, ((0, (9,)),)),
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "broker 9, but no such broker",
    ),
    (NewTopic("t", -1, -1, ((0, (1, 1)),)), ErrorCode.INVALID_REPLICA_ASSIGNMENT, "broker 1 more than once"),
    (NewTopic("t", -1, -1, ((1, (1,)),)), ErrorCode.INVALID_REPLICA_ASSIGNMENT, "consecutive 0-based"),
    (NewTopic("t", -1, -1, ((0, (1,)), (0, (1,)))), ErrorCode.INVALID_REPLICA_ASSIGNMENT, "Found multiple"),
    (
        NewTopic("t", -1, -1, ((0, (1,)), (1, (1, 2)))),
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "not consistent with previous partitions",
    ),
    (
        NewTopic("t", -1, -1, ((0, (3,)),)),
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "are fenced or in controlled",
    ),
    (NewTopic("__cluster_metadata", 1, 1), ErrorCode.INVALID_REQUEST, "is prohibited"),
]


@pytest.mark.parametrize(("topic", "code", "message"), REFUSED)
def test_a_topic_that_cannot_be_is_refused_with_its_reason(
    topic: NewTopic, code: ErrorCode, message: str
) -> None:
    image = with_topics(cluster(1, 2, broker(3, fenced=True)), "old", "a_b")
    outcome = create(image, topic, NewTopic("fine", 1, 1))
    refused, fine = sorted(created(outcome), key=lambda result: result.name == "fine")
    assert refused.error.error_code is code
    assert message in (refused.error.message or "")
    assert not fine.error.failed
    assert [record.name for record in outcome.records if isinstance(record, r.TopicRecord)] == ["fine"]


def test_a_topic_named_twice_in_a_request_is_refused_and_the_others_are_made() -> None:
    outcome = create(cluster(), NewTopic("twice", 1, 1), NewTopic("once", 1, 1), NewTopic("twice", 1, 1))
    assert {result.name: result.error.error_code for result in created(outcome)} == {
        "once": ErrorCode.NONE,
        "twice": ErrorCode.INVALID_REQUEST,
    }
    assert list(applied(cluster(), outcome).topics) == ["once"]


@pytest.mark.parametrize("count", [10_001, 2**31 - 1])
def test_a_request_for_absurdly_many_partitions_is_refused_as_a_whole(count: int) -> None:
    outcome = create(cluster(), NewTopic("small", 1, 1), NewTopic("huge", count, 1))
    assert {result.error.error_code for result in created(outcome)} == {ErrorCode.POLICY_VIOLATION}
    assert outcome.records == ()


@pytest.mark.parametrize(
    "topics",
    [
        [NewTopic(f"t{number}", 0, 1) for number in range(10_001)],
        [NewTopic("t", 1, 1, configs={f"c{number}": "1" for number in range(10_001)})],
    ],
)
def test_a_request_with_absurdly_many_topics_or_configs_is_refused_as_a_whole(topics: list[NewTopic]) -> None:
    outcome = create(cluster(), *topics)
    assert {result.error.error_code for result in created(outcome)} == {ErrorCode.POLICY_VIOLATION}
    assert len(created(outcome)) == len(topics)


def test_a_manual_assignment_is_kept_and_its_first_live_broker_leads() -> None:
    image = cluster(1, 2, broker(3, fenced=True))
    outcome = create(image, NewTopic("t", assignments=((1, (2, 1)), (0, (3, 2)))))
    first, second = applied(image, outcome).topics["t"].partitions
    assert (first.replicas, first.isr, first.leader) == ((3, 2), (2,), 2)
    assert (second.replicas, second.isr, second.leader) == ((2, 1), (2, 1), 2)


def test_a_topic_created_again_gets_a_new_id() -> None:
    image = with_topics(cluster(), "t")
    old = image.topics["t"].id
    image = applied(image, delete_topics(image, [TopicToDelete("t")]))
    again = applied(image, create(image, NewTopic("t", 1, 1)))
    assert again.topics["t"].id != old


def test_reserved_and_taken_ids_are_never_given_to_a_topic() -> None:
    image = with_topics(cluster(), "old")
    offered = iter([UUID(int=0), UUID(int=1), image.topics["old"].id, UUID(int=99)])
    outcome = create_topics(
        image, [NewTopic("t", 1, 1)], config=BrokerConfig(), random=Random(1), new_id=lambda: next(offered)
    )
    assert created(outcome)[0].topic_id == UUID(int=99)


def deleted(image: ClusterImage, *topics: TopicToDelete) -> tuple[list[DeletedTopic], ClusterImage]:
    outcome = delete_topics(image, topics)
    assert isinstance(outcome.response, list)
    return outcome.response, applied(image, outcome)


def test_topics_are_deleted_by_name_and_by_id() -> None:
    image = with_topics(cluster(), "a", "b", "c")
    results, left = deleted(image, TopicToDelete("a"), TopicToDelete(topic_id=image.topics["b"].id))
    assert {result.name: result.topic_id for result in results} == {
        "a": image.topics["a"].id,
        "b": image.topics["b"].id,
    }
    assert list(left.topics) == ["c"]


A, UNKNOWN = UUID(int=0x10000), UUID(int=77)


@pytest.mark.parametrize(
    ("topics", "codes"),
    [
        ([TopicToDelete("nowhere")], [("nowhere", NO_ID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]),
        ([TopicToDelete(topic_id=UNKNOWN)], [(None, UNKNOWN, ErrorCode.UNKNOWN_TOPIC_ID)]),
        ([TopicToDelete()], [(None, NO_ID, ErrorCode.INVALID_REQUEST)]),
        ([TopicToDelete("a", A)], [("a", A, ErrorCode.INVALID_REQUEST)]),
        ([TopicToDelete("a"), TopicToDelete("a")], [("a", NO_ID, ErrorCode.INVALID_REQUEST)]),
        ([TopicToDelete(topic_id=A), TopicToDelete(topic_id=A)], [(None, A, ErrorCode.INVALID_REQUEST)]),
        ([TopicToDelete("a"), TopicToDelete(topic_id=A)], [("a", A, ErrorCode.INVALID_REQUEST)]),
    ],
)
def test_a_topic_that_is_not_named_clearly_stays(
    topics: list[TopicToDelete], codes: list[tuple[str | None, UUID, ErrorCode]]
) -> None:
    image = with_topics(cluster(), "a")
    results, left = deleted(image, *topics)
    assert [(result.name, result.topic_id, result.error.error_code) for result in results] == codes
    assert list(left.topics) == ["a"]


@given(st.lists(st.tuples(st.text(max_size=6), st.integers(-3, 5), st.integers(-3, 5)), max_size=6))
def test_whatever_is_asked_every_name_is_answered_once_and_only_valid_topics_are_made(
    asked: list[tuple[str, int, int]],
) -> None:
    outcome = create(cluster(1, 2), *(NewTopic(name, count, factor) for name, count, factor in asked))
    results = created(outcome)
    assert sorted(result.name for result in results) == sorted({name for name, _, _ in asked})
    made = applied(cluster(1, 2), outcome).topics
    assert set(made) == {result.name for result in results if not result.error.failed}


def test_an_image_names_the_topics_that_its_batch_touched() -> None:
    image = cluster()
    made = applied(image, create(image, NewTopic("a", 2), NewTopic("b", 1)))
    assert made.changed_topics == ("a", "b")
    _, left = deleted(made, TopicToDelete("b"))
    assert left.changed_topics == ("b",)
    assert applied(left, Outcome(None, [])).changed_topics == ()
