"""Metadata in all its versions, over a connection. The rules named are those that clients rely on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client, connected, create_topic, serving

ALL_VERSIONS = range(14)
NONE_ASKED = -(2**31)
UNKNOWN_ID = UUID(int=77)


def asking(*names: str | None, auto: bool | None = None, **fields: Any) -> Metadata.Request:
    if auto is not None:
        fields["allow_auto_topic_creation"] = auto
    return Metadata.Request(topics=[Metadata.Request.Topic(name=name) for name in names], **fields)


def by_id(*ids: UUID) -> Metadata.Request:
    return Metadata.Request(topics=[Metadata.Request.Topic(topic_id=one, name=None) for one in ids])


def all_topics(version: int) -> Metadata.Request:
    return Metadata.Request(topics=None if version else [])


@pytest.mark.parametrize("version", ALL_VERSIONS)
async def test_rule_12_all_topics_is_an_empty_list_in_v0_and_null_from_v1(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "mine", 3)
        response = await client.ask(all_topics(version), version)
        assert sorted(topic.name for topic in response.topics) == ["__consumer_offsets", "mine"]
        [mine] = [topic for topic in response.topics if topic.name == "mine"]
        assert mine.error_code is ErrorCode.NONE
        assert [part.leader_id for part in mine.partitions] == [1, 1, 1]
        assert [part.replica_nodes for part in mine.partitions] == [[1]] * 3


@pytest.mark.parametrize("version", range(1, 14))
async def test_rule_12_an_empty_list_means_no_topics_from_v1(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        response = await client.ask(Metadata.Request(topics=[]), version)
        assert response.topics == []


@pytest.mark.parametrize("version", ALL_VERSIONS)
async def test_rules_13_and_14_there_are_brokers_and_the_controller_is_one_of_them(
    version: int,
) -> None:
    async with serving() as broker, connected(broker) as client:
        response = await client.ask(Metadata.Request(topics=[]), version)
        assert [known.node_id for known in response.brokers] == [1]
        if version >= 1:
            assert response.controller_id in {known.node_id for known in response.brokers}
        if version >= 2:
            assert response.cluster_id == broker.cluster.controller.image.cluster_id


async def test_rule_15_the_advertised_address_is_the_one_the_client_dialled() -> None:
    async with serving() as broker, connected(broker) as client:
        response = await client.ask(all_topics(1), 1)
        assert f"{response.brokers[0].host}:{response.brokers[0].port}" == broker.addresses[0]


@pytest.mark.parametrize("version", range(4))
async def test_rule_12_versions_before_4_always_allow_topics_to_be_created(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        assert await created_on_the_way(client, asking("new"), version)


@pytest.mark.parametrize("version", range(4, 14))
async def test_rule_12_from_v4_the_client_says_whether_a_topic_may_be_created(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        assert not await created_on_the_way(client, asking("new", auto=False), version)
        assert await created_on_the_way(client, asking("new", auto=True), version)


@pytest.mark.parametrize("version", [0, 4, 13])
async def test_nothing_is_created_where_the_broker_forbids_it(version: int) -> None:
    async with serving({"auto.create.topics.enable": "false"}) as broker, connected(broker) as client:
        assert not await created_on_the_way(client, asking("new"), version)


async def created_on_the_way(client: Client, request: Metadata.Request, version: int) -> bool:
    [topic] = (await client.ask(request, version)).topics
    if topic.error_code is ErrorCode.NONE:
        # Ready in the same answer: leader, replicas, everything.
        assert [(part.leader_id, part.error_code) for part in topic.partitions] == [(1, ErrorCode.NONE)]
        return True
    assert topic.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert topic.partitions == []
    return False


async def test_a_topic_created_on_the_way_has_the_brokers_default_partitions() -> None:
    async with serving({"num.partitions": "4"}) as broker, connected(broker) as client:
        [topic] = (await client.ask(asking("new"), 12)).topics
        assert len(topic.partitions) == 4


@pytest.mark.parametrize("version", [0, 1, 9, 13])
@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 250])
async def test_names_that_no_topic_can_have_are_told_apart(version: int, name: str) -> None:
    async with serving() as broker, connected(broker) as client:
        [topic] = (await client.ask(asking(name), version)).topics
        assert topic.error_code is ErrorCode.INVALID_TOPIC_EXCEPTION
        assert topic.name == name
        assert list(broker.cluster.controller.image.topics) == ["__consumer_offsets"]


async def test_a_topic_that_would_collide_is_not_created_on_the_way() -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "a.b")
        [topic] = (await client.ask(asking("a_b"), 12)).topics
        assert topic.error_code is ErrorCode.INVALID_TOPIC_EXCEPTION


@pytest.mark.parametrize("version", [12, 13])
async def test_topics_are_found_by_id_from_v12(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "mine")
        topic_id = broker.cluster.controller.image.topics["mine"].id
        unknown, mine = (await client.ask(by_id(topic_id, UNKNOWN_ID), version)).topics
        assert (mine.name, mine.topic_id, mine.error_code) == ("mine", topic_id, ErrorCode.NONE)
        assert (unknown.name, unknown.topic_id) == (None, UNKNOWN_ID)
        assert unknown.error_code is ErrorCode.UNKNOWN_TOPIC_ID


@pytest.mark.parametrize("version", [10, 11])
async def test_ids_and_null_names_are_refused_in_v10_and_v11_which_have_them_on_the_wire(
    version: int,
) -> None:
    async with serving() as broker, connected(broker) as client:
        for request in (by_id(UNKNOWN_ID), asking(None), by_id(UNKNOWN_ID, UUID(int=0))):
            response = await client.ask(request, version)
            assert {topic.error_code for topic in response.topics} == {ErrorCode.INVALID_REQUEST}


async def test_rule_30_topic_ids_are_stable_and_new_after_a_topic_is_made_again() -> None:
    async with serving() as broker, connected(broker) as client:
        first = (await client.ask(asking("mine"), 12)).topics[0].topic_id
        assert (await client.ask(asking("mine"), 12)).topics[0].topic_id == first
        from kwire_codecs.apis.delete_topics import DeleteTopics

        await client.ask(DeleteTopics.Request(topic_names=["mine"], timeout_ms=1000), 4)
        second = (await client.ask(asking("mine"), 12)).topics[0].topic_id
        assert second not in (first, UUID(int=0))


@pytest.mark.parametrize("version", range(1, 14))
async def test_rule_26_internal_topics_are_there_from_the_start_and_marked(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        [topic] = (await client.ask(asking("__consumer_offsets"), version)).topics
        assert topic.is_internal
        assert len(topic.partitions) == 50


@pytest.mark.parametrize("version", [8, 9, 10, 11, 13])
async def test_authorised_operations_are_told_when_asked(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "mine")
        quiet = await client.ask(asking("mine"), version)
        asked = await client.ask(asking("mine", include_topic_authorized_operations=True), version)
        assert quiet.topics[0].topic_authorized_operations == NONE_ASKED
        assert asked.topics[0].topic_authorized_operations == 3576
        if version <= 10:
            cluster = await client.ask(asking("mine", include_cluster_authorized_operations=True), version)
            assert quiet.cluster_authorized_operations == NONE_ASKED
            assert cluster.cluster_authorized_operations == 8096


async def test_a_name_asked_twice_is_answered_once() -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "mine")
        assert len((await client.ask(asking("mine", "mine"), 12)).topics) == 1


async def test_three_brokers_are_listed_with_leaders_spread_over_them() -> None:
    async with serving(brokers=3) as broker, connected(broker) as client:
        await create_topic(broker, "mine", 6)
        response = await client.ask(asking("mine"), 12)
        assert [known.node_id for known in response.brokers] == [1, 2, 3]
        assert len({(known.host, known.port) for known in response.brokers}) == 3
        leaders = [part.leader_id for part in response.topics[0].partitions]
        assert sorted(leaders) == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("version", "error"),
    [
        (0, ErrorCode.LEADER_NOT_AVAILABLE),
        (1, ErrorCode.LEADER_NOT_AVAILABLE),
        (5, ErrorCode.LEADER_NOT_AVAILABLE),
        (6, ErrorCode.LEADER_NOT_AVAILABLE),
        (12, ErrorCode.LEADER_NOT_AVAILABLE),
    ],
)
async def test_rule_34_a_partition_whose_broker_is_down_has_no_leader(version: int, error: ErrorCode) -> None:
    async with serving(brokers=2) as broker, connected(broker) as client:
        await create_topic(broker, "mine", 2)
        broker.cluster.nodes[2].up = False
        await broker.cluster.controller.set_fenced(2, True)
        response = await client.ask(asking("mine"), version)
        assert [known.node_id for known in response.brokers] == [1]
        down = [part for part in response.topics[0].partitions if part.error_code is not ErrorCode.NONE]
        assert [(part.error_code, part.leader_id) for part in down] == [(error, -1)]
        if version == 0:
            assert down[0].replica_nodes == []
        else:
            assert down[0].replica_nodes == [2]
        if version >= 5:
            assert down[0].offline_replicas == [2]


@pytest.mark.parametrize(
    ("version", "error"), [(5, ErrorCode.LEADER_NOT_AVAILABLE), (6, ErrorCode.LISTENER_NOT_FOUND)]
)
async def test_rule_34_a_leader_without_the_clients_listener_is_told_apart_from_v6(
    version: int, error: ErrorCode
) -> None:
    async with serving(brokers=2) as broker, connected(broker) as client:
        await create_topic(broker, "mine", 2)
        broker.cluster.nodes[2].endpoints.clear()
        response = await client.ask(asking("mine"), version)
        assert {part.error_code for part in response.topics[0].partitions} == {ErrorCode.NONE, error}


async def test_rule_34_in_v0_a_replica_that_is_down_is_an_error_of_the_partition() -> None:
    async with serving({"default.replication.factor": "2"}, brokers=2) as broker, connected(broker) as client:
        await client.ask(asking("mine"), 1)
        broker.cluster.nodes[2].up = False
        for version, error, replicas in ((0, ErrorCode.REPLICA_NOT_AVAILABLE, 1), (1, ErrorCode.NONE, 2)):
            await broker.cluster.controller.set_fenced(2, True)
            [topic] = (await client.ask(asking("mine"), version)).topics
            assert [part.error_code for part in topic.partitions] == [error]
            assert [len(part.replica_nodes) for part in topic.partitions] == [replicas]


async def test_rule_13_the_controller_moves_on_when_its_node_is_down() -> None:
    async with serving(brokers=2) as broker, connected(broker, node=1) as client:
        assert (await client.ask(asking(auto=None), 1)).controller_id == 1
        broker.cluster.nodes[1].up = False
        await broker.cluster.controller.set_fenced(1, True)
        response = await client.ask(asking(), 1)
        assert [known.node_id for known in response.brokers] == [2]
        assert response.controller_id == 2
