"""The records of consumer groups: their bytes, those of older versions, and the hash that is kept in them."""

from __future__ import annotations

from uuid import UUID

import pytest
from kwire_codecs.internal import group_records as codec
from kwire_codecs.internal.coordinator import encode_key, encode_value

from kwire.coordinators.groups.consumer.member import ClassicMetadata, ConsumerGroupMember, MemberState
from kwire.coordinators.groups.consumer.records import (
    ConsumerRecord,
    CurrentValue,
    MemberCurrentKey,
    PartitionMetadataKey,
    ResolvedExpression,
    current_record,
    epoch_record,
    expression_record,
    group_tombstones,
    member_record,
    member_target_record,
    member_tombstones,
    target_record,
)
from kwire.coordinators.groups.consumer.topics import Topic, group_hash, topic_hash
from kwire.coordinators.groups.records import GroupsFormat
from kwire.coordinators.groups.values import Protocol
from kwire.coordinators.outcome import CoordinatorRecord
from tests.coordinators.groups.consumer.context import Groups

ID, OTHER = UUID(int=5), UUID(int=2**127 + 1)
MEMBER = ConsumerGroupMember(
    "m",
    3,
    2,
    MemberState.UNREVOKED_PARTITIONS,
    "i",
    "rack",
    100,
    "client",
    "/127.0.0.1",
    frozenset({"b", "a"}),
    "x.*",
    "uniform",
    {ID: {0: 1, 1: 2}},
    {OTHER: {7: 3}},
    ClassicMetadata(6_000, (Protocol("range", b"\0\1"),)),
)


@pytest.mark.parametrize(
    "record",
    [
        member_record("g", MEMBER),
        member_record("g", ConsumerGroupMember("m")),
        current_record("g", MEMBER),
        epoch_record("g", 5, -3),
        target_record("g", 4, 12_345),
        member_target_record("g", "m", {ID: (1, 2), OTHER: ()}),
        expression_record("g", "x.*", ResolvedExpression(frozenset({"a", "b"}), 4, 5)),
        *group_tombstones("g", ["m"], ["x"]),
    ],
)
def test_a_record_comes_back_as_it_was(record: ConsumerRecord) -> None:
    again = GroupsFormat().from_bytes(*GroupsFormat().to_bytes(record))
    assert again == record
    assert again is not None
    assert type(again.key) is type(record.key)


def test_the_bytes_are_kafkas() -> None:
    records = GroupsFormat()
    assert records.to_bytes(epoch_record("g", 5, 1)) == (
        b"\0\3\0\1g",
        b"\0\0" + b"\0\0\0\5" + b"\1\0\10" + (1).to_bytes(8, "big"),
    )
    _, member = records.to_bytes(member_record("g", MEMBER))
    assert member is not None
    assert b"\3\2a\2b" in member, "topics are sorted"
    _, current = records.to_bytes(current_record("g", MEMBER))
    assert current is not None
    assert current[:11] == b"\0\0" + b"\0\0\0\3" + b"\0\0\0\2" + b"\1"


def test_partitions_of_a_version_before_4_3_have_their_members_epoch() -> None:
    partitions = codec.ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions
    value = codec.ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=7,
        previous_member_epoch=6,
        state=9,
        assigned_partitions=[partitions(topic_id=ID, partitions=[0, 2])],
        partitions_pending_revocation=[],
    )
    key = codec.ConsumerGroupCurrentMemberAssignmentKey(group_id="g", member_id="m")
    found = GroupsFormat().from_bytes(encode_key(key), encode_value(value, 0))
    assert found == CoordinatorRecord(
        MemberCurrentKey("g", "m"), CurrentValue(7, 6, MemberState.UNKNOWN, {ID: {0: 7, 2: 7}}, {})
    )


def test_what_kafka_4_0_kept_of_the_topics_is_removed_by_the_next_change() -> None:
    shard = Groups(orders=1)
    first = shard.join_as("first", "orders")
    shard.run_record(CoordinatorRecord(PartitionMetadataKey("orders"), True))
    shard.grow("orders", 2)
    first.beat()
    assert CoordinatorRecord(PartitionMetadataKey("orders"), None) in shard.log
    assert not shard.consumers().has_partition_metadata


def test_a_member_in_a_state_that_a_later_version_wrote_starts_anew() -> None:
    shard = Groups(orders=1)
    first = shard.join_as("first", "orders")
    member = shard.consumers().members["first"]._replace(state=MemberState.UNKNOWN)
    shard.run_record(current_record("orders", member))
    assert first.beat().message == (
        "The consumer group member is in a unknown state. "
        "The member must abandon all its partitions and rejoin."
    )
    first.rejoin()
    first.beat()
    assert first.has("orders") == [0]


@pytest.mark.parametrize(
    "records",
    [
        member_tombstones("g", "m"),
        group_tombstones("g", ["m"], ["x"]),
        [epoch_record("g", 5, 1), *group_tombstones("g", ["m"], ["x"])],
        [current_record("g", MEMBER), *member_tombstones("g", "m"), *group_tombstones("g", [], [])],
    ],
)
def test_tombstones_whose_values_were_compacted_away_leave_nothing(records: list[ConsumerRecord]) -> None:
    shard = Groups()
    for record in records:
        shard.machine.replay(record)
    assert shard.machine.consumer_group("g") is None


# What hash4j 0.22's XXH3 gives for the same values put in the same order.


def test_a_topics_hash_is_kafkas() -> None:
    topic_id = UUID(int=0x1122334455667788_99AABBCCDDEEFF00)
    topic = Topic("\N{LATIN SMALL LETTER O WITH DIAERESIS}rders", topic_id, 2, [["rack-b", "a"], []])
    assert topic_hash(topic) == -5_201_445_084_107_393_593
    assert group_hash({"b": -5, "a": topic_hash(topic)}) == -4_269_887_124_089_534_778
    assert group_hash({}) == 0
