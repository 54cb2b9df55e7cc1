"""What programs do with aiokafka: it sends ApiVersions 0, and of every API a version that is not flexible."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from conftest import Kafka, take, unique, until


@pytest.mark.fast
@pytest.mark.parametrize("acks", [0, 1, "all"])
async def test_acks(kafka: Kafka, acks: int | str) -> None:
    topic = await kafka.topic()
    producer = await kafka.producer(acks=acks)
    answers = [await producer.send_and_wait(topic, b"%d" % i, partition=0) for i in range(10)]
    if acks != 0:
        assert [answer.offset for answer in answers] == list(range(10))
    records = await take(await kafka.consumer(topic), 10)
    assert [(r.offset, r.value) for r in records] == [(i, b"%d" % i) for i in range(10)]


@pytest.mark.fast
@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_compression(kafka: Kafka, codec: str | None) -> None:
    topic = await kafka.topic()
    producer = await kafka.producer(compression_type=codec, linger_ms=20)
    values = [b"%d " % i * 50 for i in range(200)]
    await asyncio.gather(*[await producer.send(topic, value, partition=0) for value in values])
    assert [r.value for r in await take(await kafka.consumer(topic), 200)] == values


@pytest.mark.fast
async def test_keys_headers_tombstones_and_timestamps(kafka: Kafka) -> None:
    topic = await kafka.topic()
    producer = await kafka.producer()
    headers = [("one", b"1"), ("empty", b""), ("one", b"again")]
    await producer.send_and_wait(topic, b"v", key=b"k", headers=headers, timestamp_ms=1234567890123)
    await producer.send_and_wait(topic, None, key=b"k")
    await producer.send_and_wait(topic, b"")
    full, tombstone, empty = await take(await kafka.consumer(topic), 3)
    assert (full.key, full.value, full.timestamp) == (b"k", b"v", 1234567890123)
    assert list(full.headers) == headers
    assert (tombstone.key, tombstone.value) == (b"k", None)
    assert (empty.key, empty.value) == (None, b"")


@pytest.mark.fast
async def test_an_idempotent_producer_writes_once_and_in_order(kafka: Kafka) -> None:
    topic = await kafka.topic()
    producer = await kafka.producer(enable_idempotence=True, max_batch_size=512)
    sent = [await producer.send(topic, b"%d" % i, partition=0) for i in range(300)]
    assert [answer.offset for answer in await asyncio.gather(*sent)] == list(range(300))
    assert [r.value for r in await take(await kafka.consumer(topic), 300)] == [b"%d" % i for i in range(300)]


async def test_a_batch_built_by_hand(kafka: Kafka) -> None:
    topic = await kafka.topic()
    producer = await kafka.producer()
    batch = producer.create_batch()
    for i in range(5):
        batch.append(key=None, value=b"%d" % i, timestamp=None)
    answer = await (await producer.send_batch(batch, topic, partition=0))
    assert answer.offset == 0
    assert [r.value for r in await take(await kafka.consumer(topic), 5)] == [b"%d" % i for i in range(5)]


async def test_a_record_over_the_brokers_limit_is_refused(kafka: Kafka) -> None:
    topic = await kafka.topic()
    producer = await kafka.producer(max_request_size=4_000_000)
    with pytest.raises(MessageSizeTooLargeError):
        await producer.send_and_wait(topic, bytes(2_000_000))


async def test_producing_makes_a_topic_that_is_missing(kafka: Kafka) -> None:
    topic = unique("made-by-use")
    producer = await kafka.producer()
    assert (await producer.send_and_wait(topic, b"first")).offset == 0


# reading


@pytest.mark.fast
async def test_where_reading_starts(kafka: Kafka) -> None:
    topic = await kafka.topic()
    partition = TopicPartition(topic, 0)
    producer = await kafka.producer()
    for i in range(10):
        await producer.send_and_wait(topic, b"%d" % i, partition=0, timestamp_ms=1_000_000 + i * 1000)
    consumer = await kafka.consumer()
    consumer.assign([partition])
    assert await consumer.beginning_offsets([partition]) == {partition: 0}
    assert await consumer.end_offsets([partition]) == {partition: 10}
    consumer.seek(partition, 7)
    assert [r.offset for r in await take(consumer, 3)] == [7, 8, 9]
    await consumer.seek_to_beginning(partition)
    assert (await take(consumer, 1))[0].offset == 0
    found = await consumer.offsets_for_times({partition: 1_003_500})
    assert (found[partition].offset, found[partition].timestamp) == (4, 1_004_000)
    assert await consumer.offsets_for_times({partition: 9_000_000}) == {partition: None}
    await consumer.seek_to_end(partition)
    waiting = asyncio.create_task(take(consumer, 1))
    await consumer.position(partition)
    await producer.send_and_wait(topic, b"new", partition=0)
    assert [r.value for r in await waiting] == [b"new"]


async def test_an_offset_out_of_range_is_reset(kafka: Kafka) -> None:
    topic = await kafka.topic()
    producer = await kafka.producer()
    await producer.send_and_wait(topic, b"v", partition=0)
    consumer = await kafka.consumer()
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek(TopicPartition(topic, 0), 1000)
    assert (await take(consumer, 1))[0].offset == 0


async def test_a_waiting_fetch_is_woken_by_a_record(kafka: Kafka) -> None:
    topic = await kafka.topic()
    consumer = await kafka.consumer(topic, fetch_max_wait_ms=30_000)
    waiting = asyncio.create_task(take(consumer, 1))
    await consumer.position(TopicPartition(topic, 0))
    began = time.monotonic()
    await (await kafka.producer()).send_and_wait(topic, b"come")
    assert [r.value for r in await waiting] == [b"come"]
    assert time.monotonic() - began < 25


async def test_a_pattern_finds_a_topic_made_later(kafka: Kafka) -> None:
    stem = unique("stem")
    consumer = await kafka.consumer(group_id=unique("group"), metadata_max_age_ms=300)
    consumer.subscribe(pattern=f"^{stem}-.*")
    await (await kafka.producer()).send_and_wait(f"{stem}-new", b"v")
    assert [r.value for r in await take(consumer, 1)] == [b"v"]


# groups


@pytest.mark.fast
async def test_two_members_share_a_topic_and_the_next_goes_on(kafka: Kafka) -> None:
    topic, group = await kafka.topic(partitions=4), unique("group")
    first = await kafka.consumer(topic, group_id=group)
    second = await kafka.consumer(topic, group_id=group)

    async def shared() -> bool:
        await asyncio.gather(*[member.getmany(timeout_ms=100) for member in (first, second)])
        return len(first.assignment()) == len(second.assignment()) == 2

    await until(shared, "two partitions each")
    assert first.assignment().isdisjoint(second.assignment())
    producer = await kafka.producer()
    for i in range(20):
        await producer.send_and_wait(topic, b"%d" % i, partition=i % 4)
    seen = [r.value for member in (first, second) for r in await take(member, 10)]
    assert sorted(seen) == sorted(b"%d" % i for i in range(20))
    await first.commit()
    await second.commit()
    await first.stop()
    await second.stop()
    for i in range(20, 24):
        await producer.send_and_wait(topic, b"%d" % i, partition=i % 4)
    third = await kafka.consumer(topic, group_id=group)
    assert sorted(r.value for r in await take(third, 4)) == [b"20", b"21", b"22", b"23"]


async def test_commits_carry_metadata(kafka: Kafka) -> None:
    topic, group = await kafka.topic(), unique("group")
    partition = TopicPartition(topic, 0)
    consumer = await kafka.consumer(group_id=group)
    consumer.assign([partition])
    assert await consumer.committed(partition) is None
    await consumer.commit({partition: (5, "a note")})
    assert await consumer.committed(partition) == 5
    admin = await kafka.admin()
    found = await admin.list_consumer_group_offsets(group)
    assert (found[partition].offset, found[partition].metadata) == (5, "a note")


async def test_a_static_member_joins(kafka: Kafka) -> None:
    topic, group, instance = await kafka.topic(), unique("group"), unique("instance")
    consumer = await kafka.consumer(topic, group_id=group, group_instance_id=instance)
    assert consumer.assignment() == {TopicPartition(topic, 0)}
    again = await kafka.consumer(topic, group_id=group, group_instance_id=instance)
    assert again.assignment() == {TopicPartition(topic, 0)}


async def test_the_listener_hears_of_a_rebalance(kafka: Kafka) -> None:
    topic, group = await kafka.topic(partitions=2), unique("group")
    heard: list[tuple[str, int]] = []

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            heard.append(("revoked", len(revoked)))

        def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
            heard.append(("assigned", len(assigned)))

    first = await kafka.consumer(group_id=group)
    first.subscribe([topic], listener=Listener())

    async def polled() -> bool:
        await first.getmany(timeout_ms=100)
        return ("assigned", 2) in heard

    await until(polled, "both partitions")
    await kafka.consumer(topic, group_id=group)
    await until(lambda: asyncio.sleep(0.1, heard[-1] == ("assigned", 1)), "one partition")
    assert ("revoked", 2) in heard


# administration


@pytest.mark.fast
async def test_topics_are_created_described_and_deleted(kafka: Kafka) -> None:
    admin = await kafka.admin()
    name = await kafka.topic(partitions=3, retention_ms="60000")
    assert name in await admin.list_topics()
    (found,) = await admin.describe_topics([name])
    assert sorted(partition["partition"] for partition in found["partitions"]) == [0, 1, 2]
    again = await admin.create_topics([NewTopic(name, 1, 1)])
    assert again.topic_errors[0][1] == 36  # TOPIC_ALREADY_EXISTS
    answer = await admin.create_partitions({name: NewPartitions(5)})
    assert [row[:2] for row in answer.topic_errors] == [(name, 0)]
    (configs,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    values = {entry[0]: entry[1] for entry in configs.resources[0][4]}
    assert values["retention.ms"] == "60000"
    deleted = await admin.delete_topics([name])
    assert list(deleted.topic_error_codes) == [(name, 0)]

    async def gone() -> bool:
        return name not in await admin.list_topics()

    await until(gone, f"{name} is gone")


async def test_a_config_is_altered(kafka: Kafka) -> None:
    admin, name = await kafka.admin(), await kafka.topic()
    resource = ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "4321"})
    answers = await admin.alter_configs([resource])
    assert [row[0] for answer in answers for row in answer.resources] == [0]

    async def altered() -> bool:
        (found,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        return {entry[0]: entry[1] for entry in found.resources[0][4]}["retention.ms"] == "4321"

    await until(altered, "the new value")


async def test_records_are_deleted(kafka: Kafka) -> None:
    admin, name = await kafka.admin(), await kafka.topic()
    producer = await kafka.producer()
    for i in range(5):
        await producer.send_and_wait(name, b"%d" % i, partition=0)
    partition = TopicPartition(name, 0)
    assert await admin.delete_records({partition: RecordsToDelete(before_offset=3)}) == {partition: 3}
    assert (await take(await kafka.consumer(name), 1))[0].offset == 3


async def test_groups_are_listed_and_described(kafka: Kafka) -> None:
    topic, group = await kafka.topic(), unique("group")
    admin = await kafka.admin()
    await kafka.consumer(topic, group_id=group)
    assert (group, "consumer") in [row[:2] for row in await admin.list_consumer_groups()]
    (answer,) = await admin.describe_consumer_groups([group])
    error, name, state, kind = answer.groups[0][:4]
    assert (error, name, state, kind) == (0, group, "Stable", "consumer")
    assert await admin.find_coordinator(group) >= 0


async def test_the_cluster_is_described(kafka: Kafka) -> None:
    admin = await kafka.admin()
    found = await admin.describe_cluster()
    assert found["controller_id"] in [node["node_id"] for node in found["brokers"]]


# transactions


async def test_committed_records_are_read_and_aborted_ones_are_not(kafka: Kafka) -> None:
    topic = await kafka.topic()
    producer = await kafka.producer(transactional_id=unique("tx"))
    async with producer.transaction():
        await producer.send_and_wait(topic, b"committed", partition=0)
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"aborted", partition=0)
    await producer.abort_transaction()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"last", partition=0)
    committed = await kafka.consumer(topic, isolation_level="read_committed")
    assert [r.value for r in await take(committed, 2)] == [b"committed", b"last"]


async def test_offsets_are_committed_with_the_records(kafka: Kafka) -> None:
    topic, group = await kafka.topic(), unique("group")
    producer = await kafka.producer(transactional_id=unique("tx"))
    async with producer.transaction():
        await producer.send_offsets_to_transaction({TopicPartition(topic, 0): 3}, group)
    consumer = await kafka.consumer(group_id=group)
    consumer.assign([TopicPartition(topic, 0)])

    async def visible() -> bool:
        return await consumer.committed(TopicPartition(topic, 0)) == 3

    await until(visible, "the committed offset")
