"""Fetch, through a connection: limits, waiting, sessions, old formats."""

from typing import Any

import pytest
import trio
import trio.testing
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch, legacy
from kwire_codecs.records.compression import Compression
from kwire_codecs.wire import ZERO_UUID
from kwire_storage.engine import ValidBatch

from kwire.coordinators.metadata.records import remove_topic_record
from kwire.coordinators.outcome import Outcome
from kwire.handlers.context import Context
from kwire.handlers.fetch import at_once
from kwire.partitions.partition import Origin
from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    led_again,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records, values_in


async def produce(client: Client, topic: str, *values: bytes, partition: int = 0, **fields: Any) -> None:
    data = records(*values, **fields)
    answer = one_partition(await client.ask(produce_request(topic, data, partition=partition), 9))
    assert answer.error_code == ErrorCode.NONE


def fetch_many(*partitions: tuple[str, int, int, int], **fields: Any) -> Fetch.Request:
    asked = Fetch.Request.Topic
    return Fetch.Request(
        max_wait_ms=0,
        min_bytes=1,
        topics=[
            asked(
                topic=topic,
                partitions=[
                    asked.Partition(partition=index, fetch_offset=offset, partition_max_bytes=max_bytes)
                ],
            )
            for topic, index, offset, max_bytes in partitions
        ],
        **fields,
    )


async def test_rule_20_a_fetch_that_waits_is_woken_by_the_append_that_satisfies_it() -> None:
    async with serving() as running, connected(running) as consumer, connected(running) as producer:
        await create_topic(running, "t")
        await consumer.send(fetch_request("t", 0, max_wait_ms=60_000), 11)
        await produce(producer, "t", b"x")
        _, fetched = await consumer.receive(Fetch, 11)
        assert values_in(one_partition(fetched).records) == [b"x"]


async def test_an_append_between_the_look_and_the_waiting_is_not_missed() -> None:
    """What `at_once` gives is awaited later, by another task than the one that called it."""
    async with serving() as running, connected(running) as producer:
        await create_topic(running, "t")
        [node] = running.cluster.nodes.values()
        [connection] = running.server._connections
        context = Context(running.cluster, node, connection, 4, "test")
        waiting = at_once(context, fetch_request("t", 0, max_wait_ms=60_000))
        assert not isinstance(waiting, Fetch.Response)
        await produce(producer, "t", b"x")
        with trio.move_on_after(0) as no_wait:
            fetched = await waiting
        assert not no_wait.cancelled_caught
        assert one_partition(fetched).high_watermark == 1


async def test_rule_20_min_bytes_are_waited_for() -> None:
    async with serving() as running, connected(running) as consumer, connected(running) as producer:
        await create_topic(running, "t")
        await consumer.send(fetch_request("t", 0, max_wait_ms=60_000, min_bytes=150), 11)
        for value in (b"a", b"b", b"c"):
            await produce(producer, "t", value)
        _, fetched = await consumer.receive(Fetch, 11)
        assert len(one_partition(fetched).records) >= 150


async def test_rule_20_max_wait_ends_an_empty_fetch() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        fetched = one_partition(await client.ask(fetch_request("t", 0, max_wait_ms=20), 11))
        assert (fetched.error_code, len(fetched.records)) == (ErrorCode.NONE, 0)


@pytest.mark.parametrize("offset", [-1, 2, 1 << 60])
async def test_rule_20_an_offset_out_of_range_is_answered_at_once(offset: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"x")
        fetched = one_partition(await client.ask(fetch_request("t", offset, max_wait_ms=60_000), 11))
        assert fetched.error_code == ErrorCode.OFFSET_OUT_OF_RANGE


@pytest.mark.parametrize("version", [3, 4, 11, 12])
async def test_rule_20_the_first_batch_comes_whole_from_version_3(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"x" * 5000)
        request = fetch_request("t", 0, max_bytes=10)
        request.max_bytes = 10
        assert len(one_partition(await client.ask(request, version)).records) > 5000


async def test_rule_20_only_the_first_partition_may_exceed_the_limit() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", partitions=2)
        for index in range(2):
            await produce(client, "t", b"x" * 1000, partition=index)
        response = await client.ask(fetch_many(("t", 0, 0, 10), ("t", 1, 0, 10), max_bytes=10), 11)
        sizes = [len(partition.records) for topic in response.responses for partition in topic.partitions]
        assert sizes[0] > 1000
        assert sizes[1] == 0


@pytest.mark.parametrize("version", [2, 3, 12])
async def test_rule_20_the_broker_limits_every_answer(version: int) -> None:
    async with serving({"fetch.max.bytes": "1024"}) as running, connected(running) as client:
        await create_topic(running, "t", partitions=4)
        for partition in range(4):
            await produce(client, "t", b"x" * 800, partition=partition)
        request = fetch_many(*(("t", partition, 0, 2**31 - 1) for partition in range(4)), max_bytes=2**31 - 1)
        request.min_bytes, request.max_wait_ms = 2**31 - 1, 60_000
        fetched = await client.ask(request, version)
        sizes = [len(partition.records) for topic in fetched.responses for partition in topic.partitions]
        assert [size > 0 for size in sizes] == [True, version == 2, False, False]


@pytest.mark.parametrize("version", range(3))
async def test_rule_20_up_to_version_2_the_limit_is_strict_and_cuts_the_last_message(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"x" * 1000)
        fetched = one_partition(await client.ask(fetch_request("t", 0, max_bytes=100), version))
        assert len(fetched.records) == 100


async def test_rule_21_an_offset_within_a_batch_gets_the_whole_batch() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"a", b"b", b"c")
        fetched = one_partition(await client.ask(fetch_request("t", 2), 11))
        [(_, header)] = batch.walk(fetched.records)
        assert header.base_offset == 0
        assert values_in(fetched.records) == [b"a", b"b", b"c"]


@pytest.mark.parametrize(("version", "magic"), [(0, 0), (1, 0), (2, 1), (3, 1)])
async def test_rule_33_old_versions_read_the_magic_that_they_know(version: int, magic: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"a", b"b", timestamp=77)
        fetched = one_partition(await client.ask(fetch_request("t", 0), version))
        messages = [message for _, message in legacy.walk(fetched.records)]
        assert [message.magic for message in messages] == [magic, magic]
        assert [message.offset for message in messages] == [0, 1]


@pytest.mark.parametrize("version", range(4))
async def test_rule_33_control_batches_are_read_over_however_many_there_are(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        marker = records(
            b"\0\0\0\0\0\0", is_control=True, is_transactional=True, producer_id=7, producer_epoch=0
        )
        for _ in range(5):
            written = memoryview(bytearray(marker))
            batches = [ValidBatch(written, header) for _, header in batch.walk(written)]
            rules = running.cluster.produce_rules("t", 9)
            assert not partition.append_batches(batches, rules, origin=Origin.COORDINATOR).error_code
        nothing = one_partition(await client.ask(fetch_request("t", 0, max_bytes=100), version))
        assert (nothing.error_code, bytes(nothing.records)) == (ErrorCode.NONE, b"")
        await produce(client, "t", b"a")
        fetched = one_partition(await client.ask(fetch_request("t", 0, max_bytes=100), version))
        assert [(m.offset, bytes(m.value or b"")) for _, m in legacy.walk(fetched.records)] == [(5, b"a")]


async def test_rule_33_zstd_cannot_be_converted_down() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"a" * 100, compression=Compression.ZSTD)
        fetched = one_partition(await client.ask(fetch_request("t", 0), 2))
        assert fetched.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


async def test_rule_29_a_session_tells_only_what_changed() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", partitions=3)
        named = fetch_many(*(("t", index, 0, 1000) for index in range(3)), session_id=0, session_epoch=0)
        first = await client.ask(named, 11)
        assert first.session_id > 0
        assert sum(len(topic.partitions) for topic in first.responses) == 3

        def following(epoch: int, *named: tuple[str, int, int, int], **fields: Any) -> Fetch.Request:
            return fetch_many(*named, session_id=first.session_id, session_epoch=epoch, **fields)

        assert (await client.ask(following(1), 11)).responses == []
        await produce(client, "t", b"x", partition=1)
        told = await client.ask(following(2), 11)
        assert [partition.partition_index for topic in told.responses for partition in topic.partitions] == [
            1
        ]
        assert told.session_id == first.session_id
        forgotten = Fetch.Request.ForgottenTopic(topic="t", partitions=[1])
        quiet = await client.ask(following(3, forgotten_topics_data=[forgotten]), 11)
        assert quiet.responses == []


async def test_rule_29_a_session_tells_that_a_log_which_was_read_to_its_end_starts_later() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"x")
        named = fetch_many(("t", 0, 1, 1000), session_id=0, session_epoch=0)
        session_id = (await client.ask(named, 11)).session_id
        quiet = await client.ask(fetch_many(session_id=session_id, session_epoch=1), 11)
        assert quiet.responses == []
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        partition.advance_log_start(1)
        told = one_partition(await client.ask(fetch_many(session_id=session_id, session_epoch=2), 11))
        assert (told.log_start_offset, told.high_watermark) == (1, 1)


async def test_rule_29_wrong_sessions_and_epochs_are_refused() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        unknown = await client.ask(fetch_many(session_id=77, session_epoch=1), 11)
        assert unknown.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        named = fetch_many(("t", 0, 0, 1000), session_id=0, session_epoch=0)
        session_id = (await client.ask(named, 11)).session_id
        wrong = await client.ask(fetch_many(session_id=session_id, session_epoch=5), 11)
        assert wrong.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
        by_id = await client.ask(fetch_many(session_id=session_id, session_epoch=1), 13)
        assert by_id.error_code == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


async def test_rule_29_a_session_may_lose_a_partition_while_a_fetch_of_it_waits() -> None:
    async with serving() as running, connected(running) as waiting, connected(running) as other:
        await create_topic(running, "t")
        session_id = (await other.ask(fetch_many(("t", 0, 0, 1000), session_epoch=0), 11)).session_id
        waits = fetch_many(session_id=session_id, session_epoch=1)
        waits.max_wait_ms = 60_000
        await waiting.send(waits, 11)
        await trio.testing.wait_all_tasks_blocked()
        forgets = fetch_many(session_id=session_id, session_epoch=2)
        forgets.forgotten_topics_data = [Fetch.Request.ForgottenTopic(topic="t", partitions=[0])]
        await other.ask(forgets, 11)
        await produce(other, "t", b"x")
        _, told = await waiting.receive(Fetch, 11)
        assert (told.error_code, values_in(one_partition(told).records)) == (ErrorCode.NONE, [b"x"])


async def test_rule_29_without_a_session_none_is_given() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        answer = await client.ask(fetch_many(("t", 0, 0, 1000), session_id=0, session_epoch=-1), 11)
        assert answer.session_id == 0


async def test_rule_29_a_full_cache_of_busy_sessions_declines() -> None:
    async with (
        serving({"max.incremental.fetch.session.cache.slots": "1"}) as running,
        connected(running) as client,
    ):
        await create_topic(running, "t")
        named = fetch_many(("t", 0, 0, 1000), session_id=0, session_epoch=0)
        assert (await client.ask(named, 11)).session_id > 0
        assert (await client.ask(named, 11)).session_id == 0


async def test_rule_30_topics_are_named_by_id_from_version_13() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"x")
        asked = Fetch.Request.Topic
        for topic_id, expected in (
            (running.cluster.image.topics["t"].id, ErrorCode.NONE),
            (ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_ID),
        ):
            request = Fetch.Request(
                max_wait_ms=0,
                min_bytes=1,
                topics=[
                    asked(
                        topic_id=topic_id,
                        partitions=[asked.Partition(partition=0, fetch_offset=0, partition_max_bytes=1000)],
                    )
                ],
            )
            for version in range(13, 19):
                assert one_partition(await client.ask(request, version)).error_code == expected


async def test_a_deleted_topic_wakes_its_readers() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await client.send(fetch_request("t", 0, max_wait_ms=60_000), 11)
        await trio.testing.wait_all_tasks_blocked(0.05)
        cluster = running.cluster
        topic = cluster.image.topics["t"]
        await cluster.controller.submit(lambda image: Outcome(None, [remove_topic_record(topic.id)]))
        _, fetched = await client.receive(Fetch, 11)
        assert one_partition(fetched).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_a_session_by_id_says_that_a_deleted_topic_is_gone_not_that_it_never_was() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        cluster = running.cluster
        topic_id = cluster.image.topics["t"].id
        request = fetch_request("", 0, session_id=0, session_epoch=0)
        request.topics[0].topic_id = topic_id
        session_id = (await client.ask(request, 13)).session_id
        await cluster.controller.submit(lambda image: Outcome(None, [remove_topic_record(topic_id)]))
        told = await client.ask(fetch_many(session_id=session_id, session_epoch=1), 13)
        assert one_partition(told).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        fresh = await client.ask(request, 13)
        assert one_partition(fresh).error_code == ErrorCode.UNKNOWN_TOPIC_ID


@pytest.mark.parametrize(
    ("epoch", "expected"), [(-1, ErrorCode.NONE), (0, ErrorCode.NONE), (1, ErrorCode.UNKNOWN_LEADER_EPOCH)]
)
async def test_the_leader_epoch_that_a_reader_believes_in_is_checked(epoch: int, expected: ErrorCode) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        request = fetch_request("t", 0)
        request.topics[0].partitions[0].current_leader_epoch = epoch
        assert one_partition(await client.ask(request, 11)).error_code == expected


async def test_a_reader_whose_log_diverged_is_told_where() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await produce(client, "t", b"x")
        led_again(running, "t", leader_epoch=5)
        await produce(client, "t", b"y")
        request = fetch_request("t", 2)
        request.topics[0].partitions[0].last_fetched_epoch = 3
        fetched = one_partition(await client.ask(request, 12))
        assert (fetched.diverging_epoch.epoch, fetched.diverging_epoch.end_offset) == (0, 1)


async def test_a_topic_set_to_zstd_is_refused_to_readers_too_old_for_it() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", configs={"compression.type": "zstd"})
        await produce(client, "t", b"v")
        for version in range(4, 13):
            answer = one_partition(await client.ask(fetch_request("t", 0), version))
            known = version >= 10
            assert answer.error_code == (ErrorCode.NONE if known else ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
            assert bool(answer.records) == known
