"""Produce, through a connection: what is appended, what is refused and how."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch, legacy
from kwire_codecs.records.compression import Compression
from kwire_codecs.records.record import Record

from kwire.partitions.threads import instead_of_threads
from tests.broker_client import (
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records, values_in


@pytest.mark.parametrize("version", range(3, 13))
async def test_a_batch_gets_the_next_offsets_in_every_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        for expected in (0, 2, 4):
            answer = one_partition(await client.ask(produce_request("t", records(b"a", b"b")), version))
            assert (answer.error_code, answer.base_offset) == (ErrorCode.NONE, expected)
        fetched = one_partition(await client.ask(fetch_request("t", 0), 4))
        assert values_in(fetched.records) == [b"a", b"b"] * 3


@pytest.mark.parametrize("version", range(3))
@pytest.mark.parametrize("magic", [0, 1])
async def test_a_message_set_of_either_magic_is_stored_as_magic_2_whatever_the_version(
    version: int, magic: int
) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        messages = legacy.build([Record(b"k", b"v", timestamp=5), Record(None, b"w", timestamp=6)], magic)
        answer = one_partition(await client.ask(produce_request("t", messages), version))
        assert (answer.error_code, answer.base_offset) == (ErrorCode.NONE, 0)
        fetched = one_partition(await client.ask(fetch_request("t", 0), 4))
        assert values_in(fetched.records) == [b"v", b"w"]


@pytest.mark.parametrize("leader_epoch", [-1, 0, 7])
async def test_rule_22_the_leader_epoch_that_a_client_wrote_does_not_matter(leader_epoch: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        answer = one_partition(
            await client.ask(produce_request("t", records(b"x", leader_epoch=leader_epoch)), 9)
        )
        assert answer.error_code == ErrorCode.NONE
        fetched = one_partition(await client.ask(fetch_request("t", 0), 4))
        [(_, header)] = batch.walk(fetched.records)
        assert header.partition_leader_epoch == 0


async def test_rule_23_the_first_batch_of_an_unknown_producer_may_have_any_sequence() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        data = records(b"x", producer_id=4242, producer_epoch=3, base_sequence=17)
        assert one_partition(await client.ask(produce_request("t", data), 9)).error_code == ErrorCode.NONE
        following = records(b"y", producer_id=4242, producer_epoch=3, base_sequence=18)
        assert one_partition(await client.ask(produce_request("t", following), 9)).base_offset == 1


async def test_rule_23_a_duplicate_of_the_last_five_batches_is_answered_with_its_first_offset() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")

        async def produce(sequence: int) -> tuple[ErrorCode, int]:
            data = records(b"x", b"y", producer_id=1, producer_epoch=0, base_sequence=sequence)
            answer = one_partition(await client.ask(produce_request("t", data), 9))
            return answer.error_code, answer.base_offset

        for sequence in range(0, 12, 2):
            assert await produce(sequence) == (ErrorCode.NONE, sequence)
        for sequence in range(2, 12, 2):
            assert await produce(sequence) == (ErrorCode.NONE, sequence)
        assert (await produce(0))[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert (await produce(40))[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert one_partition(await client.ask(fetch_request("t", 0), 4)).high_watermark == 12


async def test_an_older_producer_epoch_is_fenced() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        newer = records(b"x", producer_id=1, producer_epoch=2, base_sequence=0)
        older = records(b"x", producer_id=1, producer_epoch=1, base_sequence=1)
        assert one_partition(await client.ask(produce_request("t", newer), 9)).error_code == ErrorCode.NONE
        answer = one_partition(await client.ask(produce_request("t", older), 9))
        assert answer.error_code == ErrorCode.INVALID_PRODUCER_EPOCH


async def test_a_corrupt_crc_is_refused_and_nothing_is_appended() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        data = records(b"xxxxxxxx")
        data[-3] ^= 1
        answer = one_partition(await client.ask(produce_request("t", data), 9))
        assert (answer.error_code, answer.base_offset) == (ErrorCode.CORRUPT_MESSAGE, -1)
        assert one_partition(await client.ask(fetch_request("t", 0), 4)).high_watermark == 0


async def test_a_keyless_record_on_a_compacted_topic_is_named() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", configs={"cleanup.policy": "compact"})
        answer = one_partition(await client.ask(produce_request("t", records(b"a", b"b")), 9))
        assert answer.error_code == ErrorCode.INVALID_RECORD
        assert [error.batch_index for error in answer.record_errors] == [0, 1]


async def test_a_batch_above_max_message_bytes_is_too_large() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", configs={"max.message.bytes": "1000"})
        answer = one_partition(await client.ask(produce_request("t", records(b"x" * 1000)), 9))
        assert answer.error_code == ErrorCode.MESSAGE_TOO_LARGE


async def test_log_append_time_is_answered_and_stored() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", configs={"message.timestamp.type": "LogAppendTime"})
        before = running.cluster.clock.now_ms()
        answer = one_partition(await client.ask(produce_request("t", records(b"x", timestamp=5)), 9))
        assert answer.log_append_time_ms >= before
        fetched = one_partition(await client.ask(fetch_request("t", 0), 4))
        [(position, header)] = batch.walk(fetched.records)
        assert header.max_timestamp == answer.log_append_time_ms
        assert batch.crc_is_valid(fetched.records, position, header)


@pytest.mark.parametrize("acks", [2, -2, 32767])
async def test_acks_other_than_0_1_and_all_are_refused(acks: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        answer = one_partition(await client.ask(produce_request("t", records(b"x"), acks=acks), 9))
        assert answer.error_code == ErrorCode.INVALID_REQUIRED_ACKS


async def test_acks_all_needs_min_insync_replicas() -> None:
    async with serving(brokers=2) as running, connected(running) as client:
        await create_topic(running, "t", configs={"min.insync.replicas": "2"})
        # A topic of one replica is not held to more than it has.
        answer = one_partition(await client.ask(produce_request("t", records(b"x")), 9))
        assert answer.error_code in (ErrorCode.NONE, ErrorCode.NOT_LEADER_OR_FOLLOWER)


async def test_unknown_topics_partitions_and_ids_are_refused_each_in_its_place() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        asked = Produce.Request.Topic
        data = memoryview(records(b"x"))
        request = Produce.Request(
            acks=-1,
            timeout_ms=1000,
            topic_data=[
                asked(
                    name="t",
                    partition_data=[
                        asked.Partition(index=9, records=data),
                        asked.Partition(index=0, records=data),
                        asked.Partition(index=-1, records=data),
                    ],
                ),
                asked(name="u", partition_data=[asked.Partition(index=0, records=data)]),
            ],
        )
        known, unknown = (await client.ask(request, 9)).responses
        assert [partition.error_code for partition in known.partition_responses] == [
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode.NONE,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ]
        assert unknown.partition_responses[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        by_id = Produce.Request(acks=-1, timeout_ms=1000, topic_data=[asked(partition_data=[])])
        by_id.topic_data[0].partition_data.append(asked.Partition(index=0, records=data))
        assert one_partition(await client.ask(by_id, 13)).error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_internal_topics_take_no_clients_records() -> None:
    async with serving() as running, connected(running) as client:
        answer = one_partition(await client.ask(produce_request("__consumer_offsets", records(b"x")), 9))
        assert answer.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


@pytest.mark.parametrize(
    ("transactional_id", "expected"),
    [
        # There is no coordinator yet, which older clients would not know what to do with.
        ("one", [ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.NONE]),
        # Kafka's handleProduceRequest refuses the whole request.
        (None, [ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED] * 2),
    ],
)
async def test_a_transactional_batch_is_refused_where_there_is_no_transaction(
    transactional_id: str | None, expected: list[ErrorCode]
) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", partitions=2)
        request = produce_request(
            "t", records(b"x", producer_id=1, producer_epoch=0, base_sequence=0, is_transactional=True)
        )
        request.transactional_id = transactional_id
        plain = produce_request("t", records(b"y"), partition=1)
        request.topic_data[0].partition_data += plain.topic_data[0].partition_data
        [topic] = (await client.ask(request, 9)).responses
        assert [each.error_code for each in topic.partition_responses] == expected


async def test_a_topic_that_goes_while_its_batch_is_checked_takes_nothing() -> None:
    async with serving() as running:
        await create_topic(running, "t", configs={"cleanup.policy": "compact", "compression.type": "gzip"})
        cluster = running.cluster
        partition = cluster.partition("t", 0)
        assert partition is not None
        values = [bytes([value]) * 100 for value in range(200)] * 5
        data = batch.build([Record(b"k", value) for value in values], compression=Compression.SNAPPY)
        results = []
        is_checked = trio.Event()

        async def checked_late(job: Callable[[], Any], limiter: trio.CapacityLimiter | None) -> Any:
            await is_checked.wait()
            return job()

        async def append() -> None:
            results.append(await partition.append(memoryview(data), cluster.produce_rules("t", 9)))

        instead_of_threads.set(checked_late)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(append)
            await trio.testing.wait_all_tasks_blocked()
            partition.gone()
            is_checked.set()
        assert [result.error_code for result in results] == [ErrorCode.NOT_LEADER_OR_FOLLOWER]
        assert partition.log_end_offset == 0


async def test_a_batch_may_decompress_to_what_the_broker_can_hold_whatever_the_topic_allows() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "wide")
        assert running.cluster.produce_rules("wide", 9).max_decompressed_bytes == 100 * 1024 * 1024
        narrow = {"cleanup.policy": "compact", "max.decompressed.message.bytes": "1000"}
        await create_topic(running, "narrow", configs=narrow)
        for codec in (Compression.GZIP, Compression.SNAPPY, Compression.LZ4, Compression.ZSTD):
            bomb = batch.build([Record(b"k", bytes(10_000))], compression=codec)
            answer = one_partition(await client.ask(produce_request("narrow", bomb), 9))
            assert answer.error_code == ErrorCode.MESSAGE_TOO_LARGE, codec
        fetched = one_partition(await client.ask(fetch_request("narrow", 0), 4))
        assert fetched.high_watermark == 0
