"""What the counted work is done on: a topic with data, a group with a member, the requests about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import trio
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.produce import Produce
from kwire_codecs.apis.sync_group import SyncGroup
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record

from bench.guard.broker import NOW_MS, Broker, framed
from kwire.partitions.partition import Partition

PRODUCE_VERSION = 13
FETCH_VERSION = 18
HEARTBEAT_VERSION = 4
COMMIT_VERSION = 9
PARTITIONS = 6
EMPTY, WRITTEN, FULL, WATCHED, VARIOUS, TRANSACTED = range(PARTITIONS)
"""Partitions: for whole produces, for single appends, to be read, to be waited for, for various produces, for
transactions.
"""
STORED_BATCHES = 32
STORED_VALUE_BYTES = 1024
GATHERING_MS = 10
"""A new group waits for a shorter time than this for further members."""


def one_batch(
    sequence: int,
    value: bytes,
    producer_id: int = 7,
    producer_epoch: int = 0,
    *,
    is_transactional: bool = False,
) -> bytearray:
    """What an idempotent producer sends, or one in a transaction: one record."""
    return record_batch.build(
        [Record(b"key", value, NOW_MS)],
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=sequence,
        is_transactional=is_transactional,
    )


def produce(topic_id: UUID, partition: int, records: bytearray) -> Produce.Request:
    """A Produce of one partition."""
    asked = Produce.Request.Topic
    data = asked.Partition(index=partition, records=memoryview(records))
    return Produce.Request(
        acks=-1, timeout_ms=30_000, topic_data=[asked(topic_id=topic_id, partition_data=[data])]
    )


def fetch(
    topic_id: UUID, partition: int, offset: int, *, session_id: int = 0, session_epoch: int = 0
) -> Fetch.Request:
    """A consumer's Fetch of one partition, of as much as there is."""
    asked = Fetch.Request.Topic
    data = asked.Partition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20)
    return Fetch.Request(
        max_wait_ms=500,
        min_bytes=1,
        max_bytes=50 << 20,
        session_id=session_id,
        session_epoch=session_epoch,
        topics=[asked(topic_id=topic_id, partitions=[data])],
    )


@dataclass(slots=True)
class Stage:
    """A broker that has what the measured work needs."""

    broker: Broker
    topic: str
    topic_id: UUID
    group: str
    member_id: str
    generation_id: int

    def partition(self, index: int) -> Partition:
        """The broker's own object."""
        found = self.broker.cluster.partition(self.topic, index)
        assert found is not None
        return found

    def heartbeat(self) -> Heartbeat.Request:
        """The member's."""
        return Heartbeat.Request(
            group_id=self.group, generation_id=self.generation_id, member_id=self.member_id
        )

    def commit(self, offset: int) -> OffsetCommit.Request:
        """The member commits an offset of one partition."""
        asked = OffsetCommit.Request.Topic
        data = asked.Partition(partition_index=EMPTY, committed_offset=offset, committed_metadata="")
        return OffsetCommit.Request(
            group_id=self.group,
            generation_id_or_member_epoch=self.generation_id,
            member_id=self.member_id,
            topics=[asked(name=self.topic, partitions=[data])],
        )


async def set_up(broker: Broker, number: int) -> Stage:
    """A topic, batches in one of its partitions, a group of one member: others for each number."""
    topic, group = f"guarded-{number}", f"guards-{number}"
    wanted = CreateTopics.Request.Topic(
        name=topic, num_partitions=PARTITIONS, replication_factor=1, assignments=[], configs=[]
    )
    created = await broker.ask(CreateTopics.Request(topics=[wanted]), 7)
    topic_id = created.topics[0].topic_id
    batches = [one_batch(number, bytes(STORED_VALUE_BYTES)) for number in range(STORED_BATCHES)]
    await broker.play([framed(produce(topic_id, FULL, batch), PRODUCE_VERSION) for batch in batches])
    member_id, generation_id = await _joined(broker, group)
    return Stage(broker, topic, topic_id, group, member_id, generation_id)


async def _joined(broker: Broker, group: str) -> tuple[str, int]:
    found = await broker.ask(FindCoordinator.Request(coordinator_keys=[group]), 4)
    assert found.coordinators[0].error_code == ErrorCode.NONE, found
    protocol = JoinGroup.Request.Protocol(name="range", metadata=b"")

    async def join(member_id: str) -> Any:
        return await broker.ask(
            JoinGroup.Request(
                group_id=group,
                session_timeout_ms=30_000,
                rebalance_timeout_ms=30_000,
                member_id=member_id,
                protocol_type="consumer",
                protocols=[protocol],
            ),
            9,
        )

    invited = await join("")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.time.let_pass, GATHERING_MS)
        joined = await join(invited.member_id)
    assert joined.error_code == ErrorCode.NONE, joined
    assigned = SyncGroup.Request.Assignment(member_id=joined.member_id, assignment=b"all of it")
    synced = await broker.ask(
        SyncGroup.Request(
            group_id=group,
            generation_id=joined.generation_id,
            member_id=joined.member_id,
            protocol_type="consumer",
            protocol_name="range",
            assignments=[assigned],
        ),
        5,
    )
    assert synced.error_code == ErrorCode.NONE, synced
    return joined.member_id, joined.generation_id
