"""Committed offsets: who may commit, what comes back, what is deleted and what expires."""

from __future__ import annotations

from uuid import UUID

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.coordinator import EXPIRE_OFFSETS
from kwire.coordinators.groups.records import GroupKey, OffsetKey
from kwire.coordinators.groups.settings import MINUTE_MS, GroupSettings
from kwire.coordinators.groups.values import (
    ZERO_UUID,
    CommitRequest,
    CommittedPartition,
    CommittedTopic,
    Protocol,
    TopicPartitions,
)
from tests.coordinators.groups.context import GROUP, START_MS, Shard, answered, last_offset_value

KEY = OffsetKey(GROUP, "orders-topic", 0)
WEEK_MS = 7 * 24 * 60 * MINUTE_MS


def delete(shard: Shard, *topics: str, group_id: str = GROUP) -> list[ErrorCode]:
    wanted = [TopicPartitions(topic, [0]) for topic in topics]
    result = answered(shard.run(shard.machine.delete_offsets(group_id, wanted, shard.now_ms)))
    return [result.error_code] if result.error_code else [errors[0] for errors in result.partition_errors]


def test_a_consumer_without_a_group_may_commit_to_a_group_that_does_not_exist() -> None:
    shard = Shard()
    assert shard.commit(42, metadata="here") is ErrorCode.NONE
    fetched = shard.fetched()
    assert (fetched.offset, fetched.leader_epoch, fetched.metadata) == (42, 3, "here")
    assert shard.state() is State.EMPTY
    assert shard.group().protocol_type is None


def test_an_offset_that_was_never_committed_is_minus_one_without_an_error() -> None:
    fetched = Shard().fetched(partition=7)
    assert fetched == (7, -1, -1, "", ErrorCode.NONE)


@pytest.mark.parametrize(
    ("state", "generation", "member", "version", "error"),
    [
        ("missing", 1, "m", 8, ErrorCode.ILLEGAL_GENERATION),
        ("missing", 1, "m", 9, ErrorCode.GROUP_ID_NOT_FOUND),
        ("missing", -1, "", 9, ErrorCode.NONE),
        ("empty", -1, "", 8, ErrorCode.NONE),
        ("empty", -1, "m", 8, ErrorCode.NONE),
        ("empty", 1, "m", 8, ErrorCode.UNKNOWN_MEMBER_ID),
        ("stable", -1, "", 8, ErrorCode.UNKNOWN_MEMBER_ID),
        ("stable", 2, "first", 8, ErrorCode.NONE),
        ("stable", 1, "first", 8, ErrorCode.ILLEGAL_GENERATION),
        ("stable", 3, "first", 8, ErrorCode.ILLEGAL_GENERATION),
        ("stable", -1, "first", 8, ErrorCode.ILLEGAL_GENERATION),
        ("stable", 2, "m", 8, ErrorCode.UNKNOWN_MEMBER_ID),
        ("preparing", 2, "first", 8, ErrorCode.NONE),
        ("preparing", -1, "", 8, ErrorCode.UNKNOWN_MEMBER_ID),
        ("completing", 3, "first", 8, ErrorCode.REBALANCE_IN_PROGRESS),
        ("completing", 2, "first", 8, ErrorCode.ILLEGAL_GENERATION),
    ],
)
def test_who_may_commit(state: str, generation: int, member: str, version: int, error: ErrorCode) -> None:
    shard = Shard()
    first = ""
    if state != "missing":
        _, (first, second) = shard.stable(2)
        if state == "empty":
            shard.leave(first, second)
        elif state != "stable":
            shard.waiting(first)
            if state == "completing":
                shard.joined(second)
    member_id = first if member == "first" else member
    assert shard.commit(1, generation_id=generation, member_id=member_id, version=version) is error
    assert (shard.fetched().offset == 1) == (error is ErrorCode.NONE)


def test_a_commit_keeps_the_session_alive() -> None:
    shard = Shard()
    generation, (first,) = shard.stable()
    for _ in range(5):
        shard.sleep(8_000)
        assert shard.commit(1, generation_id=generation, member_id=first) is ErrorCode.NONE
    assert shard.state() is State.STABLE


def test_metadata_that_is_too_long_fails_its_partition_alone() -> None:
    shard = Shard()
    request = CommitRequest(
        GROUP,
        -1,
        "",
        None,
        [
            CommittedTopic(
                "t",
                [
                    CommittedPartition(0, 1, metadata="x" * 4096),
                    CommittedPartition(1, 2, metadata="x" * 4097),
                    CommittedPartition(2, 3, metadata=None),
                ],
            )
        ],
    )
    result = answered(shard.run(shard.machine.commit_offsets(request, shard.now_ms)))
    assert result.error_code is ErrorCode.NONE
    assert result.partition_errors == [[ErrorCode.NONE, ErrorCode.OFFSET_METADATA_TOO_LARGE, ErrorCode.NONE]]
    assert [shard.fetched(topic="t", partition=index).offset for index in range(3)] == [1, -1, 3]
    assert shard.fetched(topic="t", partition=2).metadata == ""


def test_a_commit_timestamp_of_v1_is_kept_and_otherwise_the_coordinators_time_is() -> None:
    shard = Shard()
    shard.commit(1, commit_timestamp_ms=123)
    value = last_offset_value(shard.log, KEY)
    assert value is not None
    assert value.commit_timestamp_ms == 123
    shard.commit(2)
    value = last_offset_value(shard.log, KEY)
    assert value is not None
    assert value.commit_timestamp_ms == START_MS


def test_offsets_survive_a_restart() -> None:
    shard = Shard()
    shard.commit(41)
    shard.commit(42)
    shard.commit(7, partition=3, metadata="m")
    before = shard.machine.committed()
    shard.restart()
    assert shard.machine.committed() == before
    assert shard.fetched().offset == 42


def test_all_offsets_of_a_group_are_fetched_with_null_topics() -> None:
    shard = Shard()
    shard.commit(1)
    shard.commit(2, partition=1)
    shard.commit(3, topic="other")
    shard.commit(4, group_id="another group")
    result = answered(shard.run(shard.machine.fetch_offsets(GROUP, None)))
    found = {
        (topic.topic, each.partition): each.offset for topic in result.topics for each in topic.partitions
    }
    assert found == {("orders-topic", 0): 1, ("orders-topic", 1): 2, ("other", 0): 3}
    assert answered(shard.run(shard.machine.fetch_offsets("nobody", None))).topics == []


def test_offsets_of_a_topic_that_was_created_anew_are_not_found_by_its_new_id() -> None:
    shard = Shard()
    old, new = UUID(int=1), UUID(int=2)
    commit = CommitRequest(GROUP, -1, "", None, [CommittedTopic("t", [CommittedPartition(0, 9)], old)])
    shard.run(shard.machine.commit_offsets(commit, shard.now_ms))
    assert shard.fetched(topic="t", topic_id=old).offset == 9
    assert shard.fetched(topic="t").offset == 9
    assert shard.fetched(topic="t", topic_id=new).offset == -1


# Deleting


def test_offsets_of_topics_that_a_consumer_group_reads_are_not_deleted() -> None:
    shard = Shard()
    generation, (first,) = shard.stable()
    shard.commit(1, generation_id=generation, member_id=first)
    shard.commit(2, topic="old", generation_id=generation, member_id=first)
    assert delete(shard, "orders-topic", "old", "never") == [
        ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
        ErrorCode.NONE,
        ErrorCode.NONE,
    ]
    assert shard.fetched().offset == 1
    assert shard.fetched(topic="old").offset == -1


def test_offsets_of_an_empty_group_are_deleted_and_of_other_kinds_of_groups_with_members_are_not() -> None:
    shard = Shard()
    shard.commit(1)
    assert delete(shard, "orders-topic") == [ErrorCode.NONE]
    assert shard.fetched().offset == -1
    assert delete(shard, "orders-topic", group_id="nobody") == [ErrorCode.GROUP_ID_NOT_FOUND]
    shard.stable(protocol_type="connect", group_id="workers")
    assert delete(shard, "orders-topic", group_id="workers") == [ErrorCode.NON_EMPTY_GROUP]


def test_a_subscription_that_cannot_be_read_protects_every_offset() -> None:
    shard = Shard()
    generation, (first,) = shard.stable(protocols=(Protocol("range", b"\0"),))
    shard.commit(1, generation_id=generation, member_id=first)
    assert delete(shard, "orders-topic") == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]


def test_offsets_of_a_deleted_topic_are_forgotten_in_every_group() -> None:
    shard = Shard()
    shard.commit(1)
    shard.commit(2, group_id="another")
    shard.commit(3, topic="kept")
    shard.run(shard.machine.delete_offsets_of_topics({"orders-topic": ZERO_UUID}, shard.now_ms))
    assert [key.topic for key in shard.machine.committed()] == ["kept"]
    shard.restart()
    assert [key.topic for key in shard.machine.committed()] == ["kept"]


def test_deleting_a_group_deletes_its_offsets_and_a_group_with_members_stays() -> None:
    shard = Shard()
    shard.commit(1)
    shard.commit(2, group_id="other")
    shard.stable(group_id="busy")
    results = answered(shard.run(shard.machine.delete_groups([GROUP, "busy", "nobody", GROUP], shard.now_ms)))
    assert results == [
        (GROUP, ErrorCode.NONE),
        ("busy", ErrorCode.NON_EMPTY_GROUP),
        ("nobody", ErrorCode.GROUP_ID_NOT_FOUND),
    ]
    shard.restart()
    assert shard.machine.group(GROUP) is None
    assert shard.fetched().offset == -1
    assert shard.fetched(group_id="other").offset == 2


# Expiry


def expire(shard: Shard, ms: int) -> None:
    shard.sleep(ms)
    shard.sleep(shard.settings.offsets_retention_check_interval_ms)


def test_offsets_of_a_simple_group_expire_after_their_commits_and_the_group_with_the_last() -> None:
    shard = Shard()
    shard.commit(1)
    shard.sleep(WEEK_MS // 2)
    shard.commit(2, partition=1)
    expire(shard, WEEK_MS // 2)
    assert [key.partition for key in shard.machine.committed()] == [1]
    expire(shard, WEEK_MS // 2)
    assert not shard.machine.committed()
    assert shard.machine.group(GROUP) is None
    assert shard.log[-1] == (GroupKey(GROUP), None)


def test_offsets_of_a_group_count_from_when_it_became_empty() -> None:
    shard = Shard()
    generation, (first,) = shard.stable(session_timeout_ms=1_800_000)
    shard.commit(1, generation_id=generation, member_id=first)
    for _ in range(WEEK_MS // 1_200_000 + 1):
        shard.sleep(1_200_000)
        assert shard.heartbeat(generation, first) is ErrorCode.NONE
    shard.leave(first)
    shard.sleep(WEEK_MS - 1)
    assert shard.fetched().offset == 1
    expire(shard, 1)
    assert shard.machine.group(GROUP) is None


def test_offsets_of_a_stable_group_expire_only_for_topics_that_it_no_longer_reads() -> None:
    shard = Shard(GroupSettings(offsets_retention_ms=60_000, offsets_retention_check_interval_ms=1_000))
    generation, (first,) = shard.stable(session_timeout_ms=1_800_000)
    shard.commit(1, generation_id=generation, member_id=first)
    shard.commit(2, topic="old", generation_id=generation, member_id=first)
    shard.sleep(61_000)
    assert shard.fetched().offset == 1
    assert shard.fetched(topic="old").offset == -1


@pytest.mark.parametrize("protocol_type", ["connect", "consumer"])
def test_offsets_of_a_group_that_rebalances_or_is_not_of_consumers_do_not_expire(protocol_type: str) -> None:
    shard = Shard(GroupSettings(offsets_retention_ms=1_000, offsets_retention_check_interval_ms=1_000))
    generation, (first, _) = shard.stable(2, session_timeout_ms=100_000, protocol_type=protocol_type)
    shard.commit(2, topic="old", generation_id=generation, member_id=first)
    if protocol_type == "consumer":
        shard.waiting(first)
    shard.sleep(5_000)
    assert shard.fetched(topic="old").offset == 2


def test_rule_17_a_retention_time_of_minus_one_is_the_brokers_and_another_is_that_commits_own() -> None:
    shard = Shard(GroupSettings(offsets_retention_ms=60_000, offsets_retention_check_interval_ms=1_000))
    shard.commit(1, retention_time_ms=5_000)
    shard.commit(2, partition=1, retention_time_ms=120_000)
    shard.commit(3, partition=2, retention_time_ms=-1)
    shard.sleep(6_000)
    assert [key.partition for key in shard.machine.committed()] == [1, 2]
    shard.sleep(60_000)
    assert [key.partition for key in shard.machine.committed()] == [1]


@pytest.mark.parametrize("retention_time_ms", [2**63 - 1, 2**63 - 2, -(2**63)])
def test_a_retention_time_that_no_clock_reaches_wraps_as_kafkas_does_and_can_be_written(
    retention_time_ms: int,
) -> None:
    shard = Shard()
    shard.commit(1, retention_time_ms=retention_time_ms)
    [value] = shard.machine.committed().values()
    assert -(2**63) <= value.expire_timestamp_ms < 2**63
    shard.sleep(10 * MINUTE_MS)
    assert not shard.machine.committed()


def test_the_search_for_expired_offsets_goes_on_for_ever() -> None:
    shard = Shard()
    for _ in range(3):
        assert shard.sleep(10 * MINUTE_MS) == [EXPIRE_OFFSETS]


def test_an_empty_group_without_offsets_is_removed_but_not_while_a_member_is_about_to_join() -> None:
    shard = Shard(GroupSettings(offsets_retention_check_interval_ms=1_000))
    shard.joined()
    shard.sleep(1_000)
    assert shard.machine.group(GROUP) is not None
    shard.sleep(10_000)
    assert shard.machine.group(GROUP) is None
