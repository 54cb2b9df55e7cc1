"""What clients rely on beyond one API: the rules that have no test of their own elsewhere."""

import pytest
from kwire_codecs.apis import api
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.features import INITIAL
from kwire.handlers import registry
from tests.broker_client import (
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records


def hello() -> ApiVersions.Request:
    return ApiVersions.Request(client_software_name="tests", client_software_version="1")


@pytest.mark.parametrize("version", range(6))
async def test_rule_9_no_range_is_upside_down_and_no_answer_has_bytes_left_over(version: int) -> None:
    async with serving() as running, connected(running) as client:
        # The decoder of the tests refuses bytes that are left over, here and everywhere.
        response = await client.ask(hello(), version)
        assert all(entry.min_version <= entry.max_version for entry in response.api_keys)


async def test_rule_10_api_versions_may_be_asked_in_the_middle_of_a_session() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        for version in (0, 3, 0):
            assert one_partition(await client.ask(produce_request("t", records(b"x")), 9)).error_code == 0
            assert (await client.ask(hello(), version)).error_code == ErrorCode.NONE


def topic_named(name: str) -> list[Metadata.Request.Topic]:
    return [Metadata.Request.Topic(name=name)]


async def test_rule_15_an_advertised_address_is_told_per_listener() -> None:
    properties = {
        "listeners": "INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0",
        "advertised.listeners": "OUTSIDE://broker.example:19092",
        "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
    }
    async with serving(properties) as running:
        endpoints = running.cluster.nodes[1].endpoints
        for name, expected in (
            ("INSIDE", ("127.0.0.1", endpoints["INSIDE"].port)),
            ("OUTSIDE", ("broker.example", 19092)),
        ):
            running.addresses = [f"127.0.0.1:{endpoints[name].port}"]
            async with connected(running) as client:
                [broker] = (await client.ask(Metadata.Request(topics=[]), 9)).brokers
                assert (broker.host, broker.port) == expected


@pytest.mark.parametrize("version", range(10))
async def test_rule_16_a_topic_made_on_the_way_is_ready_in_the_same_answer(version: int) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(Metadata.Request(topics=topic_named("new")), version)
        [topic] = response.topics
        assert (topic.error_code, len(topic.partitions)) == (ErrorCode.NONE, 1)
        assert topic.partitions[0].leader_id == response.brokers[0].node_id
        assert one_partition(await client.ask(produce_request("new", records(b"x")), 9)).base_offset == 0
        assert one_partition(await client.ask(fetch_request("new", 0), 11)).high_watermark == 1


@pytest.mark.parametrize("version", range(8))
async def test_rule_17_minus_1_partitions_and_replicas_mean_the_brokers_default(version: int) -> None:
    async with serving({"num.partitions": "3"}) as running, connected(running) as client:
        wanted = CreateTopics.Request.Topic(
            name="t", num_partitions=-1, replication_factor=-1, assignments=[], configs=[]
        )
        response = await client.ask(CreateTopics.Request(topics=[wanted], timeout_ms=1000), version)
        assert response.topics[0].error_code == ErrorCode.NONE
        assert len(running.cluster.image.topics["t"].partitions) == 3


async def test_rule_19_nothing_is_throttled() -> None:
    async with serving() as running, connected(running) as client:
        for version in range(1, 6):
            assert (await client.ask(hello(), version)).throttle_time_ms == 0


@pytest.mark.parametrize("version", [3, 4, 5])
async def test_rule_31_only_features_that_kwire_has_are_finalised_and_with_an_epoch(version: int) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(hello(), version)
        assert response.finalized_features_epoch >= 0
        finalised = {feature.name: feature.max_version_level for feature in response.finalized_features}
        assert finalised == INITIAL
        supported = {feature.name: feature for feature in response.supported_features}
        assert set(finalised) - set(supported) <= (
            {"transaction.version", "group.version"} if version < 4 else set()
        )
        for name, known in supported.items():
            assert known.min_version <= finalised[name] <= known.max_version


async def test_produce_is_advertised_from_0_and_what_is_not_served_is_not_advertised() -> None:
    async with serving() as running, connected(running) as client:
        advertised = {
            entry.api_key: (entry.min_version, entry.max_version)
            for entry in (await client.ask(hello(), 3)).api_keys
        }
        assert advertised[0] == (0, 13)
        assert advertised == {key: (served.low, served.high) for key, served in registry.SERVED.items()}
        assert 6 in api(22).unstable
        assert advertised[22][1] == 5
