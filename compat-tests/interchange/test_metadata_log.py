"""The cluster's metadata passes between kwire and Kafka: its tool reads kwire's log, each opens the other's.

Run: `pytest compat-tests/interchange`. Needs Java, and Maven for the first fetch; skipped without.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.describe_configs import DescribeConfigs
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client, connected, create_topic, serving

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="there is no java to run Kafka with")

LOG = "__cluster_metadata-0/00000000000000000000.log"
DUMP = {"4.4.0": "org.apache.kafka.tools.DumpLogSegments"}
Topics = dict[str, tuple[Any, int, int, str | None]]


def filled(directory: Path) -> Topics:
    """Two lives of a broker on this directory; what its topics look like at the end."""

    async def live() -> Topics:
        async with serving(data=[directory]) as broker:
            await create_topic(broker, "first", 3, {"retention.ms": "86400000", "cleanup.policy": "compact"})
        async with serving(data=[directory]) as broker, connected(broker) as client:
            await create_topic(broker, "second.topic", 1)
            await client.ask(InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1), 4)
            return await topics_of(client)

    return trio.run(live)


async def topics_of(client: Client) -> Topics:
    """Name to (id, partitions, lowest leader, cleanup policy) of every topic."""
    found: Topics = {}
    for topic in (await client.ask(Metadata.Request(topics=None), 12)).topics:
        asked = DescribeConfigs.Request.Resource(
            resource_type=2, resource_name=topic.name, configuration_keys=["cleanup.policy"]
        )
        [result] = (await client.ask(DescribeConfigs.Request(resources=[asked]), 4)).results
        led = min(part.leader_id for part in topic.partitions)
        found[topic.name] = topic.topic_id, len(topic.partitions), led, result.configs[0].value
    return found


@asynccontextmanager
async def at(address: str) -> AsyncIterator[Client]:
    host, _, port = address.rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        yield Client(stream)


def dumped(path: Path) -> list[str]:
    from oracle import OracleError, run_tool

    try:
        done = run_tool("4.4.0", DUMP["4.4.0"], ["--cluster-metadata-decoder", "--files", str(path)])
    except OracleError as error:
        pytest.skip(f"Kafka can't be had: {error}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_kafkas_tool_decodes_every_record_of_the_metadata_log(tmp_path: Path) -> None:
    topics = filled(tmp_path)
    lines = dumped(tmp_path / LOG)
    complaint = re.compile(r"isvalid: false|could not|error|unknown", re.IGNORECASE)
    assert not [line for line in lines if complaint.search(line)]
    offsets = [int(found[1]) for line in lines if (found := re.match(r"\| offset: (\d+)", line))]
    assert offsets == list(range(len(offsets)))
    epochs = [int(found[1]) for line in lines if (found := re.search(r"partitionLeaderEpoch: (\d+)", line))]
    assert epochs == sorted(epochs)
    assert set(epochs) == {0, 1}
    assert sum("LeaderChange" in line for line in lines) == 2
    payloads = [json.loads(line.partition(" payload: ")[2]) for line in lines if " payload: " in line]
    names = {one["data"]["name"] for one in payloads if one["type"] == "TOPIC_RECORD"}
    assert names == set(topics)
    assert {one["type"] for one in payloads} == {
        "FEATURE_LEVEL_RECORD",
        "REGISTER_CONTROLLER_RECORD",
        "REGISTER_BROKER_RECORD",
        "BROKER_REGISTRATION_CHANGE_RECORD",
        "TOPIC_RECORD",
        "CONFIG_RECORD",
        "PARTITION_RECORD",
        "PRODUCER_IDS_RECORD",
    }


@pytest.mark.slow
def test_a_real_kafka_opens_the_directory_and_kwire_opens_it_again(tmp_path: Path) -> None:
    from oracle import Kafka, OracleError

    ours = tmp_path / "home" / "logs"
    ours.mkdir(parents=True)
    written = filled(ours)
    kafka = Kafka("4.4.0", {"offsets.topic.num.partitions": "50"}, data=tmp_path / "home")
    try:
        kafka.start()
    except OracleError as error:
        if "is missing" in str(error):
            pytest.skip(f"Kafka can't be had: {error}")
        raise
    try:

        async def ask() -> tuple[Topics, str]:
            asked = CreateTopics.Request.Topic
            topic = asked(name="of-kafka", num_partitions=2, replication_factor=1, assignments=[], configs=[])
            async with at(kafka.bootstrap) as client:
                served = await topics_of(client)
                answer = await client.ask(CreateTopics.Request(topics=[topic], timeout_ms=10_000), 7)
                assert answer.topics[0].error_code is ErrorCode.NONE
                response = await client.ask(Metadata.Request(topics=[]), 12)
                return served, response.cluster_id

        by_kafka, cluster_id = trio.run(ask)
    finally:
        kafka.stop()
    assert {name: by_kafka[name] for name in written} == written
    assert not list(ours.glob("*-stray"))

    async def again() -> tuple[Topics, str, int]:
        async with serving(data=[ours]) as broker, connected(broker) as client:
            taken = await client.ask(
                InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1), 4
            )
            response = await client.ask(Metadata.Request(topics=[]), 12)
            return await topics_of(client), response.cluster_id, taken.producer_id

    by_kwire, same_cluster_id, producer_id = trio.run(again)
    assert same_cluster_id == cluster_id
    assert set(by_kwire) >= {*written, "of-kafka"}
    assert {name: by_kwire[name] for name in written} == written
    assert producer_id >= 1000
