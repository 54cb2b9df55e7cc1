"""DescribeCluster, DescribeTopicPartitions and InitProducerId over a connection, in every version."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.describe_cluster import DescribeCluster
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.apis.describe_topic_partitions import DescribeTopicPartitions
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.features import INITIAL, SUPPORTED
from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.outcome import Outcome
from tests.broker_client import connected, create_topic, one_partition, produce_request, serving
from tests.handlers.data import records
from tests.handlers.three_nodes import place


@pytest.mark.parametrize("version", range(3))
async def test_a_cluster_is_described_with_its_live_brokers(version: int) -> None:
    async with serving(brokers=2) as broker, connected(broker) as client:
        request = DescribeCluster.Request(include_cluster_authorized_operations=True)
        response = await client.ask(request, version)
        assert response.cluster_id == broker.cluster.controller.image.cluster_id
        assert [known.broker_id for known in response.brokers] == [1, 2]
        assert response.controller_id == 1
        assert response.cluster_authorized_operations == 8096
        broker.cluster.nodes[2].up = False
        await broker.cluster.controller.set_fenced(2, True)
        assert [known.broker_id for known in (await client.ask(request, version)).brokers] == [1]


async def test_fenced_brokers_are_told_from_v2_when_asked() -> None:
    async with serving(brokers=2) as broker, connected(broker) as client:
        broker.cluster.nodes[2].up = False
        await broker.cluster.controller.set_fenced(2, True)
        request = DescribeCluster.Request(
            include_cluster_authorized_operations=False, include_fenced_brokers=True
        )
        response = await client.ask(request, 2)
        assert [(known.broker_id, known.is_fenced) for known in response.brokers] == [(1, False), (2, True)]


@pytest.mark.parametrize(
    ("endpoint_type", "code"),
    [(2, ErrorCode.MISMATCHED_ENDPOINT_TYPE), (3, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)],
)
async def test_a_broker_does_not_answer_for_controllers(endpoint_type: int, code: ErrorCode) -> None:
    async with serving() as broker, connected(broker) as client:
        request = DescribeCluster.Request(
            include_cluster_authorized_operations=False, endpoint_type=endpoint_type
        )
        for version in (1, 2):
            assert (await client.ask(request, version)).error_code is code


@pytest.mark.parametrize("version", range(6))
async def test_log_directories_tell_of_partitions_that_nobody_has_used_yet(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t", 2)
        asked = DescribeLogDirs.Request.Topic(topic="t", partitions=[0, 1])
        for topics in ([asked], None):
            response = await client.ask(DescribeLogDirs.Request(topics=topics), version)
            [found] = [topic for topic in response.results[0].topics if topic.name == "t"]
            sizes = {each.partition_index: each.partition_size for each in found.partitions}
            assert sizes == {0: 0, 1: 0}


async def test_every_replica_is_told_of_by_its_node_with_the_bytes_of_the_log() -> None:
    async with serving(brokers=3) as broker:
        await place(broker, "t", (1, 2), (2, 3))
        async with connected(broker) as client:
            answer = await client.ask(produce_request("t", records(b"a", b"b")), 9)
            assert not one_partition(answer).error_code
        told = {}
        for node_id in (1, 2, 3):
            async with connected(broker, node_id - 1) as client:
                response = await client.ask(DescribeLogDirs.Request(topics=None), 5)
                [directory] = response.results
                [found] = [topic for topic in directory.topics if topic.name == "t"]
                told[node_id] = {each.partition_index: each.partition_size for each in found.partitions}
        size = told[1][0]
        assert size > 0
        assert told == {1: {0: size}, 2: {0: size, 1: 0}, 3: {1: 0}}


def paging(
    *names: str, limit: int = 2000, cursor: tuple[str, int] | None = None
) -> DescribeTopicPartitions.Request:
    asked = DescribeTopicPartitions.Request
    return asked(
        topics=[asked.Topic(name=name) for name in names],
        response_partition_limit=limit,
        cursor=None if cursor is None else asked.Cursor(topic_name=cursor[0], partition_index=cursor[1]),
    )


async def test_pages_of_partitions_hold_everything_once_and_in_order() -> None:
    async with serving({"offsets.topic.num.partitions": "3"}) as broker, connected(broker) as client:
        for name, partitions in (("a", 5), ("b", 1), ("c", 4)):
            await create_topic(broker, name, partitions)
        for limit in (1, 2, 3, 5, 100):
            seen: list[tuple[str, int]] = []
            cursor: tuple[str, int] | None = None
            for _ in range(20):
                page = await client.ask(paging(limit=limit, cursor=cursor), 0)
                found = [(one.name, part.partition_index) for one in page.topics for part in one.partitions]
                assert 0 < len(found) <= limit
                seen += found
                if page.next_cursor is None:
                    break
                cursor = (page.next_cursor.topic_name, page.next_cursor.partition_index)
            expected = [("__consumer_offsets", 3), ("a", 5), ("b", 1), ("c", 4)]
            assert seen == [(name, index) for name, count in expected for index in range(count)]


async def test_unknown_and_impossible_topics_are_told_apart_in_a_page() -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "a", 2)
        page = await client.ask(paging("z", "a", "b/c"), 0)
        assert [(one.name, one.error_code) for one in page.topics] == [
            ("a", ErrorCode.NONE),
            ("b/c", ErrorCode.INVALID_TOPIC_EXCEPTION),
            ("z", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ]
        assert page.topics[0].topic_id == broker.cluster.controller.image.topics["a"].id
        assert page.topics[0].topic_authorized_operations == 3576


@pytest.mark.parametrize("cursor", [("elsewhere", 0), ("a", -1)])
async def test_a_cursor_that_does_not_fit_is_refused(cursor: tuple[str, int]) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "a", 2)
        page = await client.ask(paging("a", cursor=cursor), 0)
        assert [one.error_code for one in page.topics] == [ErrorCode.INVALID_REQUEST]


@pytest.mark.parametrize("version", range(6))
async def test_every_producer_gets_an_id_of_its_own_and_epoch_0(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        request = InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1000)
        found = [await client.ask(request, version) for _ in range(3)]
        assert {(one.error_code, one.producer_epoch) for one in found} == {(ErrorCode.NONE, 0)}
        assert len({one.producer_id for one in found}) == 3


async def test_a_producer_that_names_its_old_id_gets_a_new_one() -> None:
    async with serving() as broker, connected(broker) as client:
        request = InitProducerId.Request(
            transactional_id=None, transaction_timeout_ms=1000, producer_id=5000, producer_epoch=3
        )
        response = await client.ask(request, 4)
        assert (response.error_code, response.producer_epoch) == (ErrorCode.NONE, 0)
        assert response.producer_id != 5000


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (
            InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1, producer_id=5),
            ErrorCode.INVALID_REQUEST,
        ),
        (InitProducerId.Request(transactional_id="", transaction_timeout_ms=1), ErrorCode.INVALID_REQUEST),
        (
            InitProducerId.Request(transactional_id="t", transaction_timeout_ms=900_001),
            ErrorCode.INVALID_TRANSACTION_TIMEOUT,
        ),
        (
            InitProducerId.Request(transactional_id="t", transaction_timeout_ms=0),
            ErrorCode.INVALID_TRANSACTION_TIMEOUT,
        ),
        (
            InitProducerId.Request(transactional_id="t", transaction_timeout_ms=1),
            ErrorCode.NOT_COORDINATOR,
        ),
    ],
)
async def test_what_gets_no_producer_id_gets_none(request_: InitProducerId.Request, code: ErrorCode) -> None:
    async with serving() as broker, connected(broker) as client:
        response = await client.ask(request_, 5)
        assert (response.error_code, response.producer_id, response.producer_epoch) == (code, -1, -1)


async def test_the_cluster_id_stays_the_same_for_everyone_who_asks() -> None:
    async with serving() as broker, connected(broker) as first, connected(broker) as second:
        request = DescribeCluster.Request(include_cluster_authorized_operations=False)
        ids = {(await client.ask(request, 2)).cluster_id for client in (first, second, first)}
        assert ids == {broker.cluster.controller.image.cluster_id}


@pytest.mark.parametrize("version", [3, 4, 5])
async def test_features_that_kwire_lacks_are_not_told_even_where_the_cluster_has_them(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        finalised = [
            m.feature_level_record("share.version", 1),
            m.feature_level_record("streams.version", 1),
        ]
        await broker.cluster.controller.submit(lambda image: Outcome(None, finalised))
        request = ApiVersions.Request(client_software_name="a", client_software_version="1")
        response = await client.ask(request, version)
        told = {one.name: one.max_version_level for one in response.finalized_features}
        assert told == INITIAL
        assert response.finalized_features_epoch >= 0
        # Versions before 4 read a minimum of 0 as an error.
        supported = {one.name for one in response.supported_features}
        assert supported == {name for name, (low, _) in SUPPORTED.items() if low > 0 or version >= 4}


async def test_topics_their_ids_and_the_cluster_id_survive_a_restart(tmp_path: Path) -> None:
    images: list[ClusterImage] = []
    for _ in range(2):
        async with serving(data=[tmp_path], rng=Random(len(images))) as broker:
            if not images:
                await create_topic(broker, "t", 3)
            images.append(broker.cluster.controller.image)
    first, second = images
    assert second.cluster_id == first.cluster_id
    assert second.topic_names == first.topic_names
    assert len(second.topics["t"].partitions) == 3
    assert second.epoch > first.epoch
