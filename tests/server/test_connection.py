"""What every client relies on, whatever it asks: order, silence, and when the connection ends."""

import logging
import struct
from typing import Any

import pytest
import trio
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import frame_request
from kwire_codecs.headers import read_response_header
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from kwire.handlers import registry
from kwire.server.requests import topics_of
from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)


def records(*values: bytes) -> bytearray:
    return batch.build([Record(None, value, timestamp=1) for value in values])


def raw_request(key: int, version: int, correlation_id: int, body: bytes = b"") -> bytes:
    header = struct.pack(">hhih", key, version, correlation_id, 4) + b"test"
    return struct.pack(">i", len(header) + len(body)) + header + body


def hello() -> ApiVersions.Request:
    return ApiVersions.Request(client_software_name="tests", client_software_version="1")


async def test_rule_1_pipelined_requests_are_answered_in_order_though_one_of_them_waits() -> None:
    async with serving() as running, connected(running) as client, connected(running) as producer:
        await create_topic(running, "t")
        await client.send(fetch_request("t", 0, max_wait_ms=30_000), 4)
        for _ in range(3):
            await client.send(hello(), 3)
        await producer.ask(produce_request("t", records(b"x")), 3)
        first, fetched = await client.receive(Fetch, 4)
        assert first == 1
        assert one_partition(fetched).records
        for expected in (2, 3, 4):
            correlation_id, _ = await client.receive(ApiVersions, 3)
            assert correlation_id == expected


async def test_answers_gathered_before_a_request_that_waits_are_sent_at_once() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        both = b"".join(
            bytes(part)
            for request, version in ((hello(), 3), (fetch_request("t", 0, max_wait_ms=60_000), 4))
            for part in frame_request(request, version, 7, "test")[0]
        )
        await client.send_bytes(both)
        correlation_id, _ = await client.receive(ApiVersions, 3)
        assert correlation_id == 7


async def test_rule_1_equal_correlation_ids_are_answered_by_order() -> None:
    async with serving() as running, connected(running) as client:
        await client.send_bytes(raw_request(18, 0, 0) * 5)
        for _ in range(5):
            correlation_id, _ = await client.receive(ApiVersions, 0)
            assert correlation_id == 0


async def test_rule_2_a_produce_with_acks_0_gets_no_answer() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await client.send(produce_request("t", records(b"x"), acks=0), 3)
        await client.send(hello(), 3)
        correlation_id, _ = await client.receive(ApiVersions, 3)
        assert correlation_id == 2
        assert one_partition(await client.ask(fetch_request("t", 0), 4)).high_watermark == 1


async def test_rule_2_a_failed_produce_with_acks_0_closes_the_connection() -> None:
    async with serving() as running, connected(running) as client:
        await client.send(produce_request("nowhere", records(b"x"), acks=0), 3)
        assert await client.closed_by_broker()


@pytest.mark.parametrize("version", [6, 99, 32767, -1])
async def test_rule_3_an_unknown_version_of_api_versions_is_answered_in_version_0_with_one_entry(
    version: int,
) -> None:
    async with serving() as running, connected(running) as client:
        await client.send_bytes(raw_request(18, version, 5, b"\xff\xfe nobody can read this"))
        correlation_id, response = await client.receive(ApiVersions, 0)
        assert correlation_id == 5
        assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
        [entry] = response.api_keys
        assert (entry.api_key, entry.min_version, entry.max_version) == (18, 0, 5)
        assert (await client.ask(hello(), 3)).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", range(6))
async def test_rule_4_api_versions_is_answered_with_response_header_version_0(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await client.send(hello(), version)
        frame = await client.receive_frame()
        assert frame is not None
        correlation_id, tags, position = read_response_header(frame, 0)
        assert (correlation_id, tags, position) == (1, None, 4)
        assert bytes(frame[4:6]) == b"\0\0"


@pytest.mark.parametrize("version", range(4))
async def test_rule_5_no_feature_with_minimum_0_is_listed_before_version_4(version: int) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(hello(), version)
        assert all(feature.min_version > 0 for feature in response.supported_features)


@pytest.mark.parametrize("name", ["", "-x", "x-", "a b", "ü", "a_b"])
async def test_rule_6_a_software_name_out_of_the_pattern_is_an_invalid_request(name: str) -> None:
    async with serving() as running, connected(running) as client:
        response = await client.ask(
            ApiVersions.Request(client_software_name=name, client_software_version="1"), 3
        )
        assert response.error_code == ErrorCode.INVALID_REQUEST
        assert (await client.ask(ApiVersions.Request(), 0)).error_code == ErrorCode.NONE


@pytest.mark.parametrize(
    ("key", "version"), [(4, 0), (9999, 0), (-3, 0), (1, 19), (0, -1), (12, 5), (22, 6), (17, 0)]
)
async def test_rule_7_any_other_unknown_api_or_version_closes_with_one_log_line(
    key: int, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as running, connected(running) as client:
        await client.ask(hello(), 3)
        caplog.clear()
        await client.send_bytes(raw_request(key, version, 1))
        assert await client.closed_by_broker()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert f"API key {key} version {version}" in lines[0]
    assert "tests 1" in lines[0]


async def test_rule_8_a_response_header_of_version_1_carries_no_tags() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await client.send(fetch_request("t", 0), 12)
        frame = await client.receive_frame()
        assert frame is not None
        assert frame[4] == 0


async def test_rule_11_a_null_client_id_is_served() -> None:
    async with serving() as running, connected(running, client_id=None) as client:
        assert (await client.ask(hello(), 3)).error_code == ErrorCode.NONE


@pytest.mark.parametrize("size", [-1, 0, 7, 104_857_601, 2**31 - 1, -(2**31)])
async def test_rule_32_a_frame_size_out_of_bounds_closes_the_connection(size: int) -> None:
    async with serving() as running, connected(running) as client, connected(running) as other:
        await client.send_bytes(struct.pack(">i", size) + b"\0" * 64)
        assert await client.closed_by_broker()
        assert (await other.ask(hello(), 3)).error_code == ErrorCode.NONE


async def test_requests_that_come_a_byte_at_a_time_are_served() -> None:
    async with serving() as running, connected(running) as client:
        parts, _ = frame_request(hello(), 3, 1, "slow")
        for byte in b"".join(bytes(part) for part in parts):
            await client.send_bytes(bytes([byte]))
        correlation_id, _ = await client.receive(ApiVersions, 3)
        assert correlation_id == 1


async def test_a_request_cut_short_closes_the_connection_with_one_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as running, connected(running) as client:
        await client.send_bytes(raw_request(3, 1, 1, b"\0\0"))
        assert await client.closed_by_broker()
    assert len([each for each in caplog.records if "does not parse" in each.getMessage()]) == 1


async def test_bytes_behind_a_request_are_passed_over_as_librdkafka_needs() -> None:
    # librdkafka 2.16's question for all topics (null, two flags, tags) with three bytes of its own behind it
    every_topic = bytes.fromhex("000000190003000d00000002000772646b61666b610000000000010000")
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await client.send_bytes(every_topic)
        correlation_id, response = await client.receive(Metadata, 13)
        assert correlation_id == 2
        assert [topic.name for topic in response.topics if not topic.is_internal] == ["t"]
        assert (await client.ask(hello(), 3)).error_code == ErrorCode.NONE


async def test_half_a_frame_and_a_hang_up_leave_nothing_behind() -> None:
    async with serving() as running:
        async with connected(running) as client:
            await client.send_bytes(struct.pack(">i", 1000) + b"half")
        async with connected(running) as other:
            assert (await other.ask(hello(), 3)).error_code == ErrorCode.NONE


async def test_a_bug_in_a_handler_is_answered_logged_once_and_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(ctx: Any, request: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(registry.handler(2), "handle", broken)
    async with serving() as running, connected(running) as client:
        asked = ListOffsets.Request.Topic
        request = ListOffsets.Request(
            replica_id=-1,
            topics=[asked(name="t", partitions=[asked.Partition(partition_index=3, timestamp=-1)])],
        )
        response = await client.ask(request, 1)
        [partition] = response.topics[0].partitions
        assert (response.topics[0].name, partition.partition_index) == ("t", 3)
        assert partition.error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        assert (await client.ask(hello(), 3)).error_code == ErrorCode.NONE
    [logged] = [record for record in caplog.records if record.exc_info]
    assert "ListOffsets v1" in logged.getMessage()
    assert "client id 'test'" in logged.getMessage()


async def test_a_client_that_hangs_up_while_its_fetch_waits_disturbs_nobody() -> None:
    async with serving() as running:
        await create_topic(running, "t")
        async with connected(running) as client:
            await client.send(fetch_request("t", 0, max_wait_ms=50), 4)
        async with connected(running) as producer:
            assert one_partition(await producer.ask(produce_request("t", records(b"x")), 3)).base_offset == 0


async def test_a_connection_that_is_silent_for_too_long_is_closed() -> None:
    async with serving({"connections.max.idle.ms": "100"}) as running, connected(running) as client:
        assert await client.closed_by_broker()


async def test_what_a_client_writes_makes_no_lines_of_its_own_in_the_log_and_no_long_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hostile = "x\nERROR all is lost" + "y" * 30_000
    async with serving() as running, connected(running, client_id=hostile) as client:
        await client.ask(
            ApiVersions.Request(client_software_name="z" * 30_000, client_software_version="1"), 3
        )
        header = struct.pack(">hhih", 999, 0, 1, len(hostile)) + hostile.encode()
        await client.send_bytes(struct.pack(">i", len(header)) + header)
        assert await client.closed_by_broker()
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "\n" not in line
    assert len(line) < 500
    assert "\n" not in topics_of(fetch_request("t\nu", 0))
    assert "'t" in topics_of(fetch_request("t\nu", 0))


async def test_a_client_of_ipv4_is_told_an_address_of_ipv4_by_a_socket_for_both() -> None:
    async with serving({"listeners": "PLAINTEXT://:0"}) as running:
        [node] = running.cluster.nodes.values()
        port = node.endpoints["PLAINTEXT"].port
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            answer = await Client(stream).ask(Metadata.Request(topics=[]), 1)
        assert [(broker.host, broker.port) for broker in answer.brokers] == [("127.0.0.1", port)]


async def test_a_client_that_takes_no_answers_is_closed_too() -> None:
    async with serving({"connections.max.idle.ms": "100"}) as running, connected(running) as client:
        await create_topic(running, "t")
        for _ in range(20):
            await client.ask(produce_request("t", records(b"x" * 1_000_000)), 9)

        async def ask_for_ever() -> None:
            while True:
                await client.send(fetch_request("t", 0, max_bytes=50_000_000), 12)

        with pytest.raises(trio.BrokenResourceError):
            await ask_for_ever()


async def test_over_max_connections_the_next_client_waits_until_one_leaves() -> None:
    async with (
        serving({"max.connections": "1"}) as running,
        connected(running) as second,
        connected(running) as first,
    ):
        # Which of the two was accepted first is the kernel's business.
        await first.send(hello(), 3)
        await second.send(hello(), 3)
        async with trio.open_nursery() as nursery:

            async def answered(client: Any) -> None:
                await client.receive(ApiVersions, 3)
                nursery.cancel_scope.cancel()

            nursery.start_soon(answered, first)
            nursery.start_soon(answered, second)
        assert running.server.connection_count == 1


async def test_stopping_answers_the_request_in_progress() -> None:
    async with serving() as running, connected(running) as client, connected(running) as producer:
        await create_topic(running, "t")
        await client.send(fetch_request("t", 0, max_wait_ms=500), 4)
        await producer.ask(hello(), 3)
        running.stop()
        _, fetched = await client.receive(Fetch, 4)
        assert one_partition(fetched).error_code == ErrorCode.NONE
        await running.stopped.wait()


async def test_a_produce_of_the_newest_version_names_topics_by_id() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        topic_id = running.cluster.image.topics["t"].id
        asked = Produce.Request.Topic
        request = Produce.Request(
            acks=-1,
            timeout_ms=1000,
            topic_data=[
                asked(
                    topic_id=topic_id,
                    partition_data=[asked.Partition(index=0, records=memoryview(records(b"x")))],
                )
            ],
        )
        assert one_partition(await client.ask(request, 13)).base_offset == 0
