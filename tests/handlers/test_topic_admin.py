"""CreateTopics, DeleteTopics and CreatePartitions over a connection, in every version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest
from kwire_codecs.apis.create_partitions import CreatePartitions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.errors import ErrorCode

from tests.broker_client import connected, create_topic, serving

ZERO = UUID(int=0)


def creating(
    name: str,
    partitions: int = 1,
    factor: int = 1,
    *,
    assignments: Mapping[int, Sequence[int]] | None = None,
    configs: Mapping[str, str | None] | None = None,
    validate_only: bool = False,
) -> CreateTopics.Request:
    asked = CreateTopics.Request.Topic
    topic = asked(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=[
            asked.Assignment(partition_index=index, broker_ids=list(brokers))
            for index, brokers in (assignments or {}).items()
        ],
        configs=[asked.Config(name=key, value=value) for key, value in (configs or {}).items()],
    )
    return CreateTopics.Request(topics=[topic], timeout_ms=1000, validate_only=validate_only)


@pytest.mark.parametrize("version", range(8))
async def test_a_topic_is_created_and_created_only_once(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        [first] = (await client.ask(creating("t", 3), version)).topics
        assert first.error_code is ErrorCode.NONE
        image = broker.cluster.controller.image
        assert len(image.topics["t"].partitions) == 3
        [second] = (await client.ask(creating("t", 3), version)).topics
        assert second.error_code is ErrorCode.TOPIC_ALREADY_EXISTS
        if version >= 1:
            assert second.error_message == "Topic 't' already exists."
        if version >= 5:
            assert (first.num_partitions, first.replication_factor) == (3, 1)
            assert (second.num_partitions, second.replication_factor) == (-1, -1)
        if version >= 7:
            assert first.topic_id == image.topics["t"].id != ZERO
            assert second.topic_id == ZERO


@pytest.mark.parametrize("version", range(8))
async def test_minus_one_is_the_brokers_default(version: int) -> None:
    async with serving({"num.partitions": "4"}) as broker, connected(broker) as client:
        [created] = (await client.ask(creating("t", -1, -1), version)).topics
        assert created.error_code is ErrorCode.NONE
        assert len(broker.cluster.controller.image.topics["t"].partitions) == 4


@pytest.mark.parametrize("version", range(5, 8))
async def test_from_v5_the_answer_shows_the_topics_configs(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        [created] = (await client.ask(creating("t", configs={"retention.ms": "5"}), version)).topics
        shown = {config.name: (config.value, config.config_source) for config in created.configs}
        assert shown["retention.ms"] == ("5", 1)
        assert shown["segment.bytes"] == ("1073741824", 5)
        assert list(shown) == sorted(shown)


@pytest.mark.parametrize("version", range(1, 8))
async def test_validate_only_makes_nothing(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        [created] = (await client.ask(creating("t", validate_only=True), version)).topics
        assert created.error_code is ErrorCode.NONE
        assert "t" not in broker.cluster.controller.image.topics


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (creating("a/b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creating("x" * 250), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creating(".."), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creating("t", 0), ErrorCode.INVALID_PARTITIONS),
        (creating("t", 1, 9), ErrorCode.INVALID_REPLICATION_FACTOR),
        (creating("t", -1, -1, assignments={0: [9]}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (creating("t", configs={"nope": "1"}), ErrorCode.INVALID_CONFIG),
        (creating("t", configs={"retention.ms": None}), ErrorCode.INVALID_CONFIG),
        (creating("t", 2**31 - 1), ErrorCode.POLICY_VIOLATION),
    ],
)
async def test_what_cannot_be_created_is_refused_in_all_versions(
    request_: CreateTopics.Request, code: ErrorCode
) -> None:
    async with serving() as broker, connected(broker) as client:
        for version in range(8):
            [refused] = (await client.ask(request_, version)).topics
            assert refused.error_code is code
        assert list(broker.cluster.controller.image.topics) == ["__consumer_offsets"]


def deleting(*names: str) -> DeleteTopics.Request:
    return DeleteTopics.Request(topic_names=list(names), timeout_ms=1000)


@pytest.mark.parametrize("version", range(6))
async def test_topics_are_deleted_by_name(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t")
        answer = await client.ask(deleting("t", "nowhere"), version)
        assert {(one.name, one.error_code) for one in answer.responses} == {
            ("t", ErrorCode.NONE),
            ("nowhere", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        }
        assert "t" not in broker.cluster.controller.image.topics


async def test_topics_are_deleted_by_id_from_v6() -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t")
        topic_id = broker.cluster.controller.image.topics["t"].id
        asked = DeleteTopics.Request.Topic
        request = DeleteTopics.Request(
            topics=[asked(topic_id=topic_id), asked(topic_id=UUID(int=77)), asked(name="u", topic_id=ZERO)],
            timeout_ms=1000,
        )
        answer = await client.ask(request, 6)
        assert {(one.name, one.topic_id, one.error_code) for one in answer.responses} == {
            ("t", topic_id, ErrorCode.NONE),
            (None, UUID(int=77), ErrorCode.UNKNOWN_TOPIC_ID),
            ("u", ZERO, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        }


@pytest.mark.parametrize(
    ("version", "code"),
    [(0, ErrorCode.INVALID_REQUEST), (2, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)],
)
async def test_deletion_can_be_switched_off(version: int, code: ErrorCode) -> None:
    async with serving({"delete.topic.enable": "false"}) as broker, connected(broker) as client:
        await create_topic(broker, "t")
        [refused] = (await client.ask(deleting("t"), version)).responses
        assert refused.error_code is code
        assert "t" in broker.cluster.controller.image.topics


@pytest.mark.parametrize("version", range(4))
async def test_partitions_are_added(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t", 2)
        asked = CreatePartitions.Request.Topic
        request = CreatePartitions.Request(
            topics=[
                asked(name="t", count=4, assignments=[asked.Assignment(broker_ids=[1])] * 2),
                asked(name="nowhere", count=4, assignments=None),
            ],
            timeout_ms=1000,
            validate_only=False,
        )
        answer = await client.ask(request, version)
        assert {(one.name, one.error_code) for one in answer.results} == {
            ("t", ErrorCode.NONE),
            ("nowhere", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        }
        assert len(broker.cluster.controller.image.topics["t"].partitions) == 4
        again = CreatePartitions.Request(
            topics=[asked(name="t", count=4, assignments=None)], timeout_ms=1000, validate_only=False
        )
        [refused] = (await client.ask(again, version)).results
        assert refused.error_code is ErrorCode.INVALID_PARTITIONS
