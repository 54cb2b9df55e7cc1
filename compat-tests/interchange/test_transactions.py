"""A real Kafka's log with transactions, opened by kwire: what each knows of them is the same.

Several transactional producers write, commit and abort on a Kafka, and readers of committed data are told of
aborts. kwire then opens the directory: the files that it writes anew are Kafka's byte for byte, and readers
are told the same. Run: `pytest compat-tests/interchange`. Needs Java, and Maven for the first fetch.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
from interchange.producers import Producer
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.describe_producers import DescribeProducers
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig
from kwire_storage.segments.log import SegmentedLog

from tests.broker_client import Client, fetch_request, one_partition
from tests.storage.disks import uuids

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="there is no java to run Kafka with")

TOPIC = "topic"
MEGABYTE = 1 << 20
CONFIG = LogConfig(segment_bytes=MEGABYTE, index_interval_bytes=4096)
IDS = [f"id-{at}" for at in range(5)]


class Told(NamedTuple):
    """What Kafka told a reader of committed data."""

    offset: int
    max_bytes: int
    first: int
    size: int
    is_cut: bool
    """Whether a part of a batch follows, as Kafka sends them."""
    last_stable_offset: int
    aborted: list[tuple[int, int]]


class Kept(NamedTuple):
    """A Kafka's directory, and what it said while it ran."""

    path: Path
    told: list[Told]
    producers: list[tuple[int, ...]]


async def lead_lives(bootstrap: str) -> tuple[list[Told], list[tuple[int, ...]]]:
    """What the producers do on a running Kafka, and what it tells afterwards."""
    chance = random.Random(6)
    host, _, port = bootstrap.rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        client = Client(stream)
        topic = CreateTopics.Request.Topic
        configs = {"segment.bytes": str(MEGABYTE), "index.interval.bytes": "4096"}
        await client.ask(
            CreateTopics.Request(
                topics=[
                    topic(
                        name=TOPIC,
                        num_partitions=1,
                        replication_factor=1,
                        assignments=[],
                        configs=[topic.Config(name=name, value=value) for name, value in configs.items()],
                    )
                ]
            ),
            5,
        )
        producers = [
            Producer(client, transactional_id, knows_version_2=at % 2 == 0)
            for at, transactional_id in enumerate(IDS)
        ]
        for producer in producers:
            await producer.begin_life()
        for _ in range(260):
            producer = chance.choice(producers)
            if producer.is_open and chance.random() < 0.4:
                await producer.end(commit=chance.random() < 0.3)
            else:
                await producer.write(chance.choice([10, 1000, 60_000]))
        for producer in producers[1:]:
            if producer.is_open:
                await producer.end(commit=False)
        if not producers[0].is_open:
            await producers[0].write(10)
        await producers[1].write(10)
        await producers[1].end(commit=False)
        return await told_to_readers(client), await described(client)


async def told_to_readers(client: Client) -> list[Told]:
    end = one_partition(await client.ask(fetch_request(TOPIC, 0, isolation_level=1), 11)).high_watermark
    told = []
    for offset in range(0, end, 7):
        for max_bytes in (1, 3000, 100_000):
            request = fetch_request(TOPIC, offset, max_bytes=max_bytes, isolation_level=1)
            answer = one_partition(await client.ask(request, 11))
            assert answer.error_code == ErrorCode.NONE
            headers = [header for _, header in batch.walk(memoryview(answer.records), allow_partial_end=True)]
            size = sum(header.size for header in headers)
            told.append(
                Told(
                    offset,
                    max_bytes,
                    headers[0].base_offset if headers else offset,
                    size,
                    len(answer.records) > size,
                    answer.last_stable_offset,
                    [(each.producer_id, each.first_offset) for each in answer.aborted_transactions],
                )
            )
    return told


async def described(client: Client) -> list[tuple[int, ...]]:
    topic = DescribeProducers.Request.Topic(name=TOPIC, partition_indexes=[0])
    answer = await client.ask(DescribeProducers.Request(topics=[topic]), 0)
    return sorted(
        (
            each.producer_id,
            each.producer_epoch,
            each.last_sequence,
            each.last_timestamp,
            each.coordinator_epoch,
            each.current_txn_start_offset,
        )
        for each in answer.topics[0].partitions[0].active_producers
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    from oracle import Kafka, OracleError

    data = tmp_path_factory.mktemp("kafka") / "data"
    try:
        with Kafka("4.4.0", data=data) as kafka:
            told, producers = trio.run(lead_lives, kafka.bootstrap)
    except OracleError as error:
        pytest.skip(f"Kafka 4.4.0 can't be had: {error}")
    (directory,) = [found.parent for found in data.rglob("meta.properties")]
    return Kept(directory, told, producers)


def opened(path: Path) -> tuple[LogDirs, SegmentedLog]:
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids())
    (found,) = [found for found in dirs.existing() if found.topic == TOPIC]
    assert found.topic_id is not None
    return dirs, dirs.open(TOPIC, 0, found.topic_id, CONFIG)


def indexes(path: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes()
        for file in sorted((path / f"{TOPIC}-0").glob("*.txnindex"))
        if file.stat().st_size
    }


HOW = ["clean stop", "killed", "killed, without indexes", "clean stop, garbled indexes"]


def copy_of(kept: Kept, tmp_path: Path, how: str) -> Path:
    path = tmp_path / "data"
    shutil.copytree(kept.path, path)
    if how.startswith("killed"):
        (path / ".kafka_cleanshutdown").unlink()
        (path / "recovery-point-offset-checkpoint").unlink()
        for file in (path / f"{TOPIC}-0").glob("*.snapshot"):
            file.unlink()
    for file in (path / f"{TOPIC}-0").glob("*.txnindex"):
        if how.endswith("without indexes"):
            file.unlink()
        elif how.endswith("garbled indexes"):
            file.write_bytes(b"rubbish")
    return path


@pytest.mark.parametrize("how", HOW)
def test_readers_are_told_what_kafka_tells_them(kept: Kept, tmp_path: Path, how: str) -> None:
    dirs, log = opened(copy_of(kept, tmp_path, how))
    assert len(log.segment_offsets) >= 3
    stable = log.producers.first_undecided_offset
    assert stable is not None
    same = compared = 0
    for told in kept.told:
        assert told.last_stable_offset == stable
        found = log.read(told.offset, told.max_bytes, max_offset=stable)
        aborted = []
        if told.offset < stable:
            aborted = log.aborted_transactions(told.offset, log.bound_behind(told.offset, found))
        got = [(each.producer_id, each.first_offset) for each in aborted]
        if (found.size, found.first_base_offset) != (told.size, told.first):
            # Kafka reads one segment at a time, and leaves out what begins behind it; markers give the order.
            rest = iter(got)
            assert all(each in rest for each in told.aborted), (got, told.aborted)
        else:
            # Kafka may tell of some more: those in the part of a batch that it sends, and up to the second
            # entry behind where the index's first one is at the very end of what was read.
            assert [each for each in told.aborted if each in got] == got, told
            compared += not told.is_cut
            same += got == told.aborted and not told.is_cut
    assert same > 0.9 * compared > 50
    dirs.close(clean=False)


@pytest.mark.parametrize("how", HOW)
def test_the_producers_are_those_that_kafka_describes(kept: Kept, tmp_path: Path, how: str) -> None:
    dirs, log = opened(copy_of(kept, tmp_path, how))
    known = sorted(
        (
            each.producer_id,
            each.epoch,
            each.last_sequence,
            each.last_timestamp_ms,
            each.coordinator_epoch,
            each.transaction_first_offset,
        )
        for each in log.producers
    )
    assert known == kept.producers
    dirs.close(clean=False)


@pytest.mark.parametrize("how", HOW)
def test_the_indexes_are_kafkas_byte_for_byte(kept: Kept, tmp_path: Path, how: str) -> None:
    path = copy_of(kept, tmp_path, how)
    dirs, log = opened(path)
    log.aborted_transactions(0, log.log_end_offset)
    dirs.close(clean=True)
    assert indexes(path) == indexes(kept.path)
    assert len(indexes(path)) >= 2
