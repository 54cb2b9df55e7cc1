"""The client programs build, and say the right thing of kwire: `pytest bench/clients`, a few seconds.

Needs Go and a C compiler, and the network where the modules aren't there yet; Kafka's tools are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import clients
from bench.brokers.python import Kwire

RECORDS, SIZE = 2000, 100


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kwire]:
    kwire = Kwire()
    kwire.start(Path(tmp_path_factory.mktemp("kwire")))
    yield kwire
    kwire.stop()


def said(broker: Kwire, client: str, workload: str, **options: Any) -> dict[str, Any]:
    assert broker.child is not None
    return clients.run(client, workload, broker.address, pid=broker.child.pid, **options)


def topic_of(broker: Kwire, request: pytest.FixtureRequest, partitions: int = 1) -> str:
    """A topic of the test's own."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    said(broker, "franz", "topics", names=name, partitions=partitions)
    return name


@pytest.mark.parametrize("codec", ["none", "lz4"])
@pytest.mark.parametrize(("producer", "consumer"), [("franz", "rdkafka"), ("rdkafka", "franz")])
def test_what_one_client_produces_another_consumes(
    broker: Kwire, request: pytest.FixtureRequest, producer: str, consumer: str, codec: str
) -> None:
    topic = topic_of(broker, request, 3)
    asked: dict[str, Any] = {"topic": topic, "records": RECORDS}
    produced = said(broker, producer, "produce", size=SIZE, compression=codec, **asked)
    consumed = said(broker, consumer, "consume", consumers=2, **asked)
    assert (produced["records"], produced["bytes"]) == (RECORDS, RECORDS * SIZE)
    assert (consumed["records"], consumed["bytes"]) == (2 * RECORDS, 2 * RECORDS * SIZE)
    for one in (produced, consumed):
        assert one["seconds"] > 0
        assert one["client_cpu_seconds"] > 0
        assert one["broker_cpu_seconds"] > 0


def test_records_that_are_not_there_are_a_failure(broker: Kwire, request: pytest.FixtureRequest) -> None:
    topic = topic_of(broker, request)
    said(broker, "franz", "produce", topic=topic, records=RECORDS, size=SIZE)
    with pytest.raises(clients.ClientError, match="records came where"):
        said(broker, "franz", "consume", topic=topic, records=RECORDS - 1)


def test_a_topic_that_is_not_there_is_a_failure(broker: Kwire) -> None:
    for client in ("franz", "rdkafka"):
        with pytest.raises(clients.ClientError):
            said(broker, client, "consume", topic="nobody-made-this", records=1)


def test_a_touched_topic_has_one_record_more_in_each_partition(
    broker: Kwire, request: pytest.FixtureRequest
) -> None:
    topic = topic_of(broker, request, 10)
    spread = said(broker, "franz", "spread", topic=topic, records=RECORDS, size=SIZE, touch=True)
    assert spread["records"] == RECORDS
    assert 10 <= spread["batches"] <= RECORDS
    assert said(broker, "franz", "consume", topic=topic, records=RECORDS + 10)["records"] == RECORDS + 10


def test_round_trips_are_counted_and_timed(broker: Kwire, request: pytest.FixtureRequest) -> None:
    topic = topic_of(broker, request)
    found = said(broker, "franz", "roundtrips", topic=topic, connections=4, idle=20, seconds=0.3, warm=0.1)
    assert found["requests"] > 4
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["broker_cpu_seconds"] > 0


def test_every_record_arrives_from_end_to_end(broker: Kwire, request: pytest.FixtureRequest) -> None:
    topic = topic_of(broker, request)
    found = said(broker, "franz", "end-to-end", topic=topic, rate=500, seconds=0.4, warm=0.1)
    assert found["records"] == 200
    assert 0 < found["p50_ms"] <= found["p99_ms"]


@pytest.mark.parametrize("members", [1, 3])
def test_a_group_has_records_in_every_hand(
    broker: Kwire, request: pytest.FixtureRequest, members: int
) -> None:
    topic = topic_of(broker, request, members)
    said(broker, "franz", "spread", topic=topic, records=100 * members, size=SIZE)
    found = said(broker, "franz", "group", topic=topic, members=members, heartbeat_ms=100)
    assert found["milliseconds"] > 0


def test_deleted_topics_are_gone(broker: Kwire, request: pytest.FixtureRequest) -> None:
    topic = topic_of(broker, request)
    assert said(broker, "franz", "delete", names=topic)["topics"] == 1
    with pytest.raises(clients.ClientError):
        said(broker, "franz", "consume", topic=topic, records=1)
