"""What no client should send: the right error or a closed connection, bounded memory, others undisturbed."""

import gzip
import logging
import random
import struct
import tracemalloc

import pytest
import trio
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import frame_request
from kwire_codecs.records import batch
from kwire_codecs.records.compression import Compression
from kwire_codecs.records.record import Record

from kwire.handlers import registry
from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records

HELLO = ApiVersions.Request(client_software_name="tests", client_software_version="1")


async def still_serves(client: Client) -> bool:
    return bool((await client.ask(HELLO, 3)).error_code == ErrorCode.NONE)


@pytest.mark.parametrize("seed", range(4))
async def test_random_bytes_close_the_connection_and_nobody_else_s(seed: int) -> None:
    rng = random.Random(seed)
    async with serving() as running, connected(running) as other:
        for _ in range(40):
            async with connected(running) as client:
                try:
                    await client.send_bytes(rng.randbytes(rng.randrange(1, 400)))
                    await client.stream.send_eof()
                except trio.BrokenResourceError:
                    continue
                while await client.receive_frame() is not None:
                    pass
        assert await still_serves(other)


@pytest.mark.parametrize("key", registry.SERVED)
async def test_a_request_that_is_garbage_behind_its_header_closes_in_every_version(
    key: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rng = random.Random(key)
    async with serving() as running, connected(running) as other:
        for version in range(registry.SERVED[key].low, registry.SERVED[key].high + 1):
            for _ in range(3):
                async with connected(running) as client:
                    body = rng.randbytes(rng.randrange(0, 60))
                    header = struct.pack(">hhih", key, version, 1, 1) + b"x\0"
                    await client.send_bytes(struct.pack(">i", len(header) + len(body)) + header + body)
                    await client.stream.send_eof()
                    while await client.receive_frame() is not None:
                        pass
        assert await still_serves(other)
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_huge_array_in_a_small_request_costs_nothing() -> None:
    async with serving() as running, connected(running) as client:
        tracemalloc.start()
        body = struct.pack(">i", 2**31 - 1) + b"\0" * 100
        header = struct.pack(">hhih", 3, 1, 1, 1) + b"x"
        await client.send_bytes(struct.pack(">i", len(header) + len(body)) + header + body)
        assert await client.closed_by_broker()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 << 20


async def test_an_announced_frame_takes_memory_only_as_it_comes() -> None:
    async with serving() as running, connected(running) as other:
        tracemalloc.start()
        clients = []
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                host, _, port = running.addresses[0].rpartition(":")
                clients.append(Client(await trio.open_tcp_stream(host, int(port))))
                await clients[-1].send_bytes(struct.pack(">i", 100 << 20) + b"\0" * 1000)
            assert await still_serves(other)
            nursery.cancel_scope.cancel()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        for client in clients:
            await client.stream.aclose()
        assert peak < 20 << 20


BOMB = gzip.compress(b"\0" * (64 << 20), 9)


async def test_a_decompression_bomb_is_refused_within_bounds() -> None:
    """On a compacted topic the keys must be looked at, so the batch is decompressed."""
    async with serving() as running, connected(running) as client:
        await create_topic(
            running, "t", configs={"cleanup.policy": "compact", "max.decompressed.message.bytes": "1000000"}
        )
        good = batch.build([Record(b"k", b"v", timestamp=1)], compression=Compression.GZIP)
        bomb = bytearray(good[: batch.HEADER_SIZE]) + BOMB
        struct.pack_into(">i", bomb, 8, len(bomb) - 12)
        batch.write_crc(bomb, 0, len(bomb) - 12)
        tracemalloc.start()
        answer = one_partition(await client.ask(produce_request("t", bomb), 9))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.error_code != ErrorCode.NONE
        assert peak < 16 << 20
        assert one_partition(await client.ask(fetch_request("t", 0), 4)).high_watermark == 0


@pytest.mark.parametrize(
    ("position", "layout", "value", "expected"),
    [
        (16, ">b", 7, ErrorCode.INVALID_RECORD),
        (8, ">i", 10, ErrorCode.CORRUPT_MESSAGE),
        (8, ">i", -5, ErrorCode.CORRUPT_MESSAGE),
        (8, ">i", 2**31 - 1, ErrorCode.CORRUPT_MESSAGE),
        (57, ">i", 5, ErrorCode.INVALID_RECORD),
        (57, ">i", -1, ErrorCode.INVALID_RECORD),
        (23, ">i", 77, ErrorCode.INVALID_RECORD),
    ],
)
async def test_a_batch_that_lies_is_refused_and_the_log_stays_as_it_was(
    position: int, layout: str, value: int, expected: ErrorCode
) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        data = records(b"a", b"b")
        length = len(data) - 12
        struct.pack_into(layout, data, position, value)
        batch.write_crc(data, 0, length)
        answer = one_partition(await client.ask(produce_request("t", data), 9))
        assert answer.error_code in (expected, ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)
        assert one_partition(await client.ask(fetch_request("t", 0), 4)).high_watermark == 0


@pytest.mark.parametrize("name", ["a/b", "..", ".", "", "x" * 250, "a b", "\0", "ä", "a\\b"])
async def test_a_bad_topic_name_is_refused_wherever_it_turns_up(name: str) -> None:
    async with serving() as running, connected(running) as client:
        listed = await client.ask(Metadata.Request(topics=[Metadata.Request.Topic(name=name)]), 9)
        assert [topic.error_code for topic in listed.topics] == [ErrorCode.INVALID_TOPIC_EXCEPTION]
        wanted = CreateTopics.Request.Topic(
            name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[]
        )
        created = await client.ask(CreateTopics.Request(topics=[wanted], timeout_ms=1000), 5)
        assert [topic.error_code for topic in created.topics] == [ErrorCode.INVALID_TOPIC_EXCEPTION]
        produced = one_partition(await client.ask(produce_request(name, records(b"x")), 9))
        assert produced.error_code in (
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode.INVALID_TOPIC_EXCEPTION,
        )


async def test_a_client_that_never_reads_holds_a_bounded_buffer_and_nobody_else_up() -> None:
    async with serving() as running, connected(running) as greedy, connected(running) as other:
        await create_topic(running, "t")
        await other.ask(produce_request("t", records(b"x" * 100_000)), 9)
        request = b"".join(bytes(part) for part in frame_request(fetch_request("t", 0), 4, 1, "greedy")[0])
        tracemalloc.start()
        with trio.move_on_after(0.5):
            while True:
                await greedy.send_bytes(request * 100)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 << 20
        assert await still_serves(other)


@pytest.mark.slow
async def test_a_fetch_of_very_many_partitions_lets_the_others_have_their_turns() -> None:
    async with serving() as running, connected(running) as greedy, connected(running) as other:
        await create_topic(running, "t")
        asked = Fetch.Request.Topic.Partition
        many = [asked(partition=at, fetch_offset=0, partition_max_bytes=1) for at in range(30_000)]
        request = Fetch.Request(
            max_wait_ms=0, min_bytes=1, topics=[Fetch.Request.Topic(topic="t", partitions=many)]
        )
        served = 0
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                response = await greedy.ask(request, 4)
                assert len(response.responses[0].partitions) == 30_000
                nursery.cancel_scope.cancel()

            nursery.start_soon(ask)
            while True:
                assert await still_serves(other)
                served += 1
        assert served > 20


async def test_a_fetch_of_very_many_partitions_that_waits_is_woken() -> None:
    async with serving() as running, connected(running) as reader, connected(running) as producer:
        await create_topic(running, "t", 1000)
        asked = Fetch.Request.Topic.Partition
        many = [asked(partition=at, fetch_offset=0, partition_max_bytes=1000) for at in range(1000)]
        request = Fetch.Request(
            max_wait_ms=60_000, min_bytes=1, topics=[Fetch.Request.Topic(topic="t", partitions=many)]
        )
        await reader.send(request, 4)
        await producer.ask(produce_request("t", records(b"x"), partition=999), 9)
        _, response = await reader.receive(Fetch, 4)
        assert sum(len(partition.records or b"") > 0 for partition in response.responses[0].partitions) == 1
