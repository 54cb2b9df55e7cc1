"""What is written to a broker before another one opens its directory, by one client, the same on both."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

import trio
from interchange.producers import Producer, until_done
from kwire_codecs.apis.alter_client_quotas import AlterClientQuotas
from kwire_codecs.apis.alter_share_group_offsets import AlterShareGroupOffsets
from kwire_codecs.apis.alter_user_scram_credentials import AlterUserScramCredentials
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.create_acls import CreateAcls
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.share_group_heartbeat import ShareGroupHeartbeat
from kwire_codecs.apis.streams_group_heartbeat import StreamsGroupHeartbeat
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch, legacy
from kwire_codecs.records.batch import Record

from tests.broker_client import Client, one_partition, produce_request

TOPICS: Final[dict[str, tuple[int, dict[str, str]]]] = {
    "plain": (3, {}),
    "packed": (1, {"retention.ms": "-1"}),
    "kept.by-key": (2, {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.9"}),
    "stamped": (1, {"message.timestamp.type": "LogAppendTime"}),
    "old": (1, {}),
    "trimmed": (1, {"segment.bytes": "1048576"}),
    "idempotent": (1, {}),
    "txn": (1, {}),
    "long": (1, {}),
}
NOW_MS: Final = 1_795_000_000_000


@dataclass
class Idempotent:
    """A producer without a transactional id, and where it is."""

    producer_id: int
    epoch: int
    sequence: int = 0

    def next_batch(self) -> bytearray:
        """Three more records, of now: a broker forgets producers by the time of their records."""
        now_ms = int(time.time() * 1000)
        data = batch.build(
            [Record(b"k", b"%d" % (self.sequence + at), now_ms) for at in range(3)],
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=self.sequence,
        )
        self.sequence += 3
        return data


@dataclass
class Played:
    """What goes on after the broker was started again."""

    idempotent: Idempotent
    open: Producer
    """Its transaction is open, and is to be ended by it."""
    last_batch: bytearray = field(default_factory=bytearray)


async def play(
    client: Client, *, old_formats: bool = True, versions_2: bool = True, consumer_groups: bool = True
) -> Played:
    """Topics, records in every format that the broker takes, groups, transactions."""
    await create(client)
    for partition in range(3):
        for at in range(20):
            records = [
                Record(
                    None if at % 5 == 0 else b"key-%d" % (at % 7),
                    None if at % 6 == 0 else b"value %d %d" % (at, k),
                    NOW_MS + 1000 * ((7 * at + k) % 11),
                    ((b"first", b"1"), (b"second", None)) if at % 3 == 0 else (),
                )
                for k in range(1 + at % 4)
            ]
            await produce(client, "plain", batch.build(records), partition)
    for at in range(25):
        data = batch.build(
            [Record(b"k", b"packed %d " % at * 50, NOW_MS + at)] * (1 + at % 3), compression=at % 5
        )
        await produce(client, "packed", data)
    for at in range(30):
        await produce(
            client, "kept.by-key", batch.build([Record(b"%d" % (at % 4), b"%d" % at, NOW_MS)]), at % 2
        )
    for at in range(5):
        await produce(client, "stamped", batch.build([Record(None, b"s%d" % at, 5)]))
    if old_formats:
        for magic in (0, 1):
            for codec in (0, 1, 2, 3):
                given = [Record(b"o", b"old %d %d" % (magic, at), NOW_MS, (), at) for at in range(3)]
                await produce(client, "old", legacy.build(given, magic, compression=codec), version=2)
    for _ in range(6):
        await produce(client, "trimmed", batch.build([Record(None, bytes(300_000), NOW_MS)]))
    asked = DeleteRecords.Request.Topic
    answer = await client.ask(
        DeleteRecords.Request(
            topics=[asked(name="trimmed", partitions=[asked.Partition(partition_index=0, offset=2)])],
            timeout_ms=5000,
        ),
        2,
    )
    assert answer.topics[0].partitions[0].error_code == ErrorCode.NONE
    await client.ask(DeleteTopics.Request(topics=[], topic_names=["gone"], timeout_ms=5000), 5)
    await configure(client)
    played = await produce_exactly_once(client, versions_2=versions_2)
    await commit_offsets(client)
    if consumer_groups:
        await leave_consumer_group(client)
    return played


async def create(client: Client) -> None:
    """The topics, and one that is deleted later."""
    await create_topics(client, {**TOPICS, "gone": (1, {})})


async def create_topics(client: Client, topics: dict[str, tuple[int, dict[str, str]]]) -> None:
    """Topics by name: how many partitions each has, and its configs. They are led when this returns."""
    topic = CreateTopics.Request.Topic
    wanted = [
        topic(
            name=name,
            num_partitions=count,
            replication_factor=1,
            assignments=[],
            configs=[topic.Config(name=key, value=value) for key, value in configs.items()],
        )
        for name, (count, configs) in topics.items()
    ]
    answer = await client.ask(CreateTopics.Request(topics=wanted, timeout_ms=20_000), 5)
    assert {topic.error_code for topic in answer.topics} == {ErrorCode.NONE}
    for name in topics:
        await led(client, name)


async def led(client: Client, topic: str) -> int:
    """Wait until the broker knows of a topic's first leader, which a Kafka tells a little later."""
    request = Metadata.Request(topics=[Metadata.Request.Topic(name=topic)])
    while True:
        [found] = (await client.ask(request, 12)).topics
        if found.partitions and all(partition.leader_id >= 0 for partition in found.partitions):
            leader: int = found.partitions[0].leader_id
            return leader
        await trio.sleep(0.02)


async def configure(client: Client) -> None:
    """Configs that are altered later, of a topic and of all brokers."""
    resource = IncrementalAlterConfigs.Request.Resource
    wanted = [
        resource(
            resource_type=2,
            resource_name="plain",
            configs=[resource.Config(name="max.message.bytes", config_operation=0, value="1000000")],
        ),
        resource(
            resource_type=4,
            resource_name="",
            configs=[resource.Config(name="log.retention.ms", config_operation=0, value="-1")],
        ),
    ]
    answer = await client.ask(IncrementalAlterConfigs.Request(resources=wanted, validate_only=False), 1)
    assert {one.error_code for one in answer.responses} == {ErrorCode.NONE}


async def produce(
    client: Client, topic: str, data: bytes | bytearray, partition: int = 0, version: int = 9
) -> int:
    """Write; gives the base offset."""
    request = produce_request(topic, data, partition=partition)
    request.timeout_ms = 30_000
    answer = await until_done(client, request, version, lambda answer: one_partition(answer).error_code)
    offset: int = one_partition(answer).base_offset
    return offset


async def produce_exactly_once(client: Client, *, versions_2: bool) -> Played:
    """Transactions that were committed, aborted, left open for their producer, and left for the time-out."""
    init = InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1)
    answer = await until_done(client, init, 4, lambda answer: answer.error_code)
    idempotent = Idempotent(answer.producer_id, answer.producer_epoch)
    last = bytearray()
    for _ in range(4):
        last = idempotent.next_batch()
        await produce(client, "idempotent", last)
    ended = [
        Producer(client, f"ended-{at}", knows_version_2=versions_2 and at % 2 == 0, topic="txn")
        for at in range(3)
    ]
    for producer in ended:
        await producer.begin_life()
    for turn in range(12):
        producer = ended[turn % 3]
        await producer.write(100 + turn)
        if turn % 4 != 3:
            await producer.end(commit=turn % 4 != 1)
    for producer in ended:
        if producer.is_open:
            await producer.end(commit=True)
    to_be_ended = Producer(client, "to-be-ended", knows_version_2=False, topic="txn")
    await to_be_ended.begin_life()
    await to_be_ended.write(77)
    left = Producer(client, "left", knows_version_2=False, topic="long", timeout_ms=60_000)
    await left.begin_life()
    await left.write(55)
    left.is_open = True
    return Played(idempotent, to_be_ended, last)


async def commit_offsets(client: Client) -> None:
    """Two simple groups with offsets."""
    for group in ("readers", "others"):
        find = FindCoordinator.Request(key_type=0, key=group)
        await until_done(client, find, 3, lambda answer: answer.error_code)
        topic = OffsetCommit.Request.Topic
        partitions = [
            topic.Partition(
                partition_index=index,
                committed_offset=5 + index,
                committed_leader_epoch=0,
                committed_metadata=f"{group} {index}",
            )
            for index in range(3)
        ]
        request = OffsetCommit.Request(group_id=group, topics=[topic(name="plain", partitions=partitions)])
        await until_done(client, request, 7, lambda answer: answer.topics[0].partitions[0].error_code)


async def leave_consumer_group(client: Client) -> None:
    """A group of the new protocol, with a static member that is away for a while."""

    async def beat(member_id: str, epoch: int, **fields: Any) -> Any:
        request = ConsumerGroupHeartbeat.Request(
            group_id="new", member_id=member_id, member_epoch=epoch, instance_id="static", **fields
        )
        return await until_done(client, request, 0, lambda answer: answer.error_code)

    find = FindCoordinator.Request(key_type=0, key="new")
    await until_done(client, find, 3, lambda answer: answer.error_code)
    joined = await beat(
        "", 0, rebalance_timeout_ms=60_000, subscribed_topic_names=["plain"], topic_partitions=[]
    )
    await beat(joined.member_id, -2)


async def secure(client: Client, *, share_groups: bool) -> None:
    """What kwire does not act on: ACLs, SCRAM credentials, quotas, and a share group."""
    creation = CreateAcls.Request.Creation
    acls = [
        creation(
            resource_type=2,
            resource_name=name,
            resource_pattern_type=3,
            principal="User:alice",
            host="*",
            operation=3,
            permission_type=3,
        )
        for name in ("plain", "packed")
    ]
    answer = await client.ask(CreateAcls.Request(creations=acls), 3)
    assert {result.error_code for result in answer.results} == {ErrorCode.NONE}
    upsertion = AlterUserScramCredentials.Request.Upsertion
    users = [
        upsertion(name=name, mechanism=1, iterations=4096, salt=b"salt", salted_password=b"secret" * 4)
        for name in ("alice", "bob")
    ]
    request = AlterUserScramCredentials.Request(deletions=[], upsertions=users)
    answer = await client.ask(request, 0)
    assert {result.error_code for result in answer.results} == {ErrorCode.NONE}
    deletion = AlterUserScramCredentials.Request.Deletion(name="bob", mechanism=1)
    request = AlterUserScramCredentials.Request(deletions=[deletion], upsertions=[])
    await client.ask(request, 0)
    entry = AlterClientQuotas.Request.Entry
    quotas = entry(
        entity=[entry.Entity(entity_type="user", entity_name="alice")],
        ops=[entry.Op(key="producer_byte_rate", value=1e9, remove=False)],
    )
    answer = await client.ask(AlterClientQuotas.Request(entries=[quotas], validate_only=False), 1)
    assert answer.entries[0].error_code == ErrorCode.NONE
    if share_groups:
        await share(client)
        await stream(client)


async def share(client: Client) -> None:
    """A share group whose member has been given partitions, so that `__share_group_state` knows of them."""

    async def beat(epoch: int, topics: list[str] | None) -> Any:
        request = ShareGroupHeartbeat.Request(
            group_id="sharers",
            member_id="AAAAAAAAAAAAAAAAAAAAAQ",
            member_epoch=epoch,
            subscribed_topic_names=topics,
        )
        return await until_done(client, request, 1, lambda answer: answer.error_code)

    await create_topics(client, {"shared": (2, {})})
    answer = await beat(0, ["shared"])
    with trio.fail_after(60):
        while answer.assignment is None or not answer.assignment.topic_partitions:
            await trio.sleep(0.1)
            answer = await beat(answer.member_epoch, None)
    await beat(-1, None)
    topic = AlterShareGroupOffsets.Request.Topic
    partitions = [topic.Partition(partition_index=index, start_offset=3 + index) for index in range(2)]
    request = AlterShareGroupOffsets.Request(
        group_id="sharers", topics=[topic(topic_name="shared", partitions=partitions)]
    )
    altered = await until_done(client, request, 0, lambda answer: answer.error_code)
    assert {each.error_code for each in altered.responses[0].partitions} == {ErrorCode.NONE}


async def stream(client: Client) -> None:
    """A streams group that has a topology, and no members any more."""
    asked = StreamsGroupHeartbeat.Request
    subtopology = asked.Topology.Subtopology(
        subtopology_id="0",
        source_topics=["shared"],
        source_topic_regex=[],
        state_changelog_topics=[],
        repartition_sink_topics=[],
        repartition_source_topics=[],
        copartition_groups=[],
    )
    joining = asked(
        group_id="streamers",
        member_id="AAAAAAAAAAAAAAAAAAAAAg",
        member_epoch=0,
        endpoint_information_epoch=0,
        rebalance_timeout_ms=60_000,
        topology=asked.Topology(epoch=3, subtopologies=[subtopology]),
        active_tasks=[],
        standby_tasks=[],
        warmup_tasks=[],
        process_id="process",
        client_tags=[],
    )
    await until_done(client, joining, 0, lambda answer: answer.error_code)
    leaving = asked(
        group_id="streamers",
        member_id="AAAAAAAAAAAAAAAAAAAAAg",
        member_epoch=-1,
        endpoint_information_epoch=0,
    )
    await until_done(client, leaving, 0, lambda answer: answer.error_code)
