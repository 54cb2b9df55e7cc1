"""Offsets that are committed within a transaction: who may, when they count, and what becomes of others."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.records import GroupKey, OffsetKey, OffsetValue
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import (
    ZERO_UUID,
    CommitRequest,
    CommittedPartition,
    CommittedTopic,
    TopicPartitions,
    TransactionalCommitRequest,
)
from kwire.coordinators.outcome import TransactionalRecord
from tests.coordinators.groups.consumer.context import Groups, settle
from tests.coordinators.groups.context import GROUP, Shard, answered

NONE = ErrorCode.NONE
UNSTABLE = ErrorCode.UNSTABLE_OFFSET_COMMIT
A, B = 7, 9
"""Producers."""
KEY = OffsetKey(GROUP, "orders-topic", 0)


def stability(shard: Shard, **which: int) -> ErrorCode:
    return shard.fetched(require_stable=True, **which).error_code  # type: ignore[arg-type]


def test_a_pending_offset_is_not_to_be_seen_until_its_transaction_is_committed() -> None:
    shard = Shard()
    shard.commit(5)
    assert shard.commit_transactional(10) is NONE
    assert shard.fetched().offset == 5
    shard.end_transaction()
    fetched = shard.fetched()
    assert (fetched.offset, fetched.leader_epoch) == (10, 3)


def test_a_pending_offset_is_forgotten_when_its_transaction_is_aborted() -> None:
    shard = Shard()
    shard.commit(5)
    shard.commit_transactional(10)
    shard.end_transaction(is_commit=False)
    assert shard.fetched().offset == 5
    assert not shard.machine.pending()
    shard.end_transaction(is_commit=True)
    assert shard.fetched().offset == 5


def test_an_offset_that_may_yet_change_is_unstable_to_who_requires_stable_ones() -> None:
    shard = Shard()
    shard.commit(5)
    shard.commit(6, partition=1)
    assert stability(shard) is NONE
    shard.commit_transactional(10)
    unstable = shard.fetched(require_stable=True)
    assert unstable == (0, -1, -1, "", UNSTABLE)
    assert stability(shard, partition=1) is NONE
    assert shard.fetched().error_code is NONE
    shard.end_transaction(is_commit=False)
    assert shard.fetched(require_stable=True).offset == 5


def test_of_all_offsets_of_a_group_the_unstable_ones_are_told_apart_and_new_ones_left_out() -> None:
    shard = Shard()
    shard.commit(5)
    shard.commit(6, partition=1)
    shard.commit_transactional(10)
    shard.commit_transactional(11, topic="never committed")
    shard.commit_transactional(12, group_id="another group", partition=1)
    outcome = shard.machine.fetch_offsets(GROUP, None, require_stable=True)
    (topic,) = answered(shard.run(outcome)).topics
    assert [(each.partition, each.offset, each.error_code) for each in topic.partitions] == [
        (0, -1, UNSTABLE),
        (1, 6, NONE),
    ]


def test_the_last_offset_of_a_transaction_counts() -> None:
    shard = Shard()
    for offset in (10, 12, 11):
        shard.commit_transactional(offset)
    shard.end_transaction()
    assert shard.fetched().offset == 11


def test_a_plain_commit_behind_a_pending_one_wins_though_the_transaction_is_committed_later() -> None:
    shard = Shard()
    shard.commit_transactional(10)
    shard.commit(5)
    assert shard.fetched().offset == 5
    assert stability(shard) is UNSTABLE
    shard.end_transaction()
    assert shard.fetched(require_stable=True).offset == 5


def test_a_pending_commit_behind_a_plain_one_wins_once_it_is_committed() -> None:
    shard = Shard()
    shard.commit_transactional(10)
    shard.commit(5)
    shard.commit_transactional(11)
    shard.end_transaction()
    assert shard.fetched().offset == 11


@pytest.mark.parametrize("first_committed", [A, B])
def test_of_two_transactions_the_one_that_wrote_last_wins_whichever_is_committed_first(
    first_committed: int,
) -> None:
    shard = Shard()
    shard.commit_transactional(10, producer_id=A)
    shard.commit_transactional(11, producer_id=B)
    shard.end_transaction(first_committed)
    assert stability(shard) is UNSTABLE
    shard.end_transaction(A + B - first_committed)
    assert shard.fetched(require_stable=True).offset == 11


def test_a_transaction_that_was_overtaken_by_an_aborted_one_still_counts() -> None:
    shard = Shard()
    shard.commit_transactional(10, producer_id=A)
    shard.commit_transactional(11, producer_id=B)
    shard.end_transaction(B, is_commit=False)
    shard.end_transaction(A)
    assert shard.fetched().offset == 10


def test_the_end_of_a_transaction_without_offsets_is_nothing_special() -> None:
    shard = Shard()
    shard.commit_transactional(10, producer_id=A)
    shard.end_transaction(B)
    assert shard.fetched().offset == -1
    shard.end_transaction(A)
    shard.end_transaction(A, is_commit=False)
    assert shard.fetched().offset == 10


def test_pending_offsets_make_a_group_that_stays_when_they_are_aborted() -> None:
    shard = Shard()
    shard.commit_transactional(10)
    assert shard.state() is State.EMPTY
    shard.end_transaction(is_commit=False)
    assert shard.machine.group(GROUP) is not None


@pytest.mark.parametrize("at", range(7))
def test_a_restart_at_any_point_changes_nothing(at: int) -> None:
    shard = Shard()
    steps: list[Callable[[], object]] = [
        lambda: shard.commit_transactional(10, producer_id=A),
        lambda: shard.commit(5),
        lambda: shard.commit_transactional(11, producer_id=B),
        lambda: shard.commit_transactional(12, producer_id=A, partition=1),
        lambda: shard.end_transaction(B),
        lambda: shard.end_transaction(A),
    ]
    for number, step in enumerate(steps):
        if number == at:
            shard.restart()
        step()
    if at == len(steps):
        shard.restart()
    assert shard.fetched().offset == 11
    assert shard.fetched(partition=1).offset == 12
    assert not shard.machine.pending()


# Who may


@pytest.mark.parametrize(
    ("state", "generation", "member", "instance", "error"),
    [
        ("missing", -1, "", None, NONE),
        ("missing", 1, "m", None, ErrorCode.ILLEGAL_GENERATION),
        ("empty", -1, "", None, NONE),
        ("empty", -1, "m", "i", NONE),
        ("empty", 2, "m", None, ErrorCode.UNKNOWN_MEMBER_ID),
        # Before v3 a client says nothing of itself.
        ("stable", -1, "", None, NONE),
        ("stable", 2, "first", None, NONE),
        ("stable", 1, "first", None, ErrorCode.ILLEGAL_GENERATION),
        ("stable", 3, "first", None, ErrorCode.ILLEGAL_GENERATION),
        ("stable", -1, "first", None, ErrorCode.ILLEGAL_GENERATION),
        ("stable", 2, "m", None, ErrorCode.UNKNOWN_MEMBER_ID),
        ("stable", 2, "", None, ErrorCode.UNKNOWN_MEMBER_ID),
        ("stable", -1, "m", None, ErrorCode.UNKNOWN_MEMBER_ID),
        ("stable", 2, "first", "unknown", ErrorCode.UNKNOWN_MEMBER_ID),
        ("stable", -1, "", "unknown", ErrorCode.UNKNOWN_MEMBER_ID),
        ("preparing", 2, "first", None, NONE),
        ("preparing", -1, "", None, NONE),
        # Unlike a plain commit: the transaction's results need their offsets.
        ("completing", 3, "first", None, NONE),
        ("completing", 2, "first", None, ErrorCode.ILLEGAL_GENERATION),
    ],
)
def test_who_may_commit_in_a_transaction(
    state: str, generation: int, member: str, instance: str | None, error: ErrorCode
) -> None:
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
    told = shard.commit_transactional(1, generation_id=generation, member_id=member_id, instance=instance)
    assert told is error
    assert bool(shard.machine.pending()) == (error is NONE)


@pytest.mark.parametrize(
    ("version", "error"), [(5, ErrorCode.ILLEGAL_GENERATION), (6, ErrorCode.GROUP_ID_NOT_FOUND)]
)
def test_from_v6_on_a_group_that_is_not_there_is_called_that(version: int, error: ErrorCode) -> None:
    shard = Shard()
    assert shard.commit_transactional(1, generation_id=1, member_id="m", version=version) is error
    assert shard.commit_transactional(1, version=version) is NONE


def test_a_static_member_that_was_replaced_is_fenced() -> None:
    shard = Shard()
    old = answered(shard.join(instance="one")).member_id
    shard.sync(1, old, {}, instance="one")
    new = answered(shard.join(instance="one")).member_id
    assert new != old
    for member_id, error in ((old, ErrorCode.FENCED_INSTANCE_ID), (new, NONE)):
        assert shard.commit_transactional(1, generation_id=1, member_id=member_id, instance="one") is error


def test_a_commit_in_a_transaction_is_no_sign_of_life() -> None:
    shard = Shard()
    generation, (first,) = shard.stable()
    shard.sleep(8_000)
    assert shard.commit_transactional(1, generation_id=generation, member_id=first) is NONE
    shard.sleep(2_000)
    assert shard.state() is State.EMPTY


def request(count: int, metadata: str = "") -> TransactionalCommitRequest:
    partitions = [CommittedPartition(index, 5, metadata=metadata) for index in range(count)]
    return TransactionalCommitRequest(
        A, 4, CommitRequest(GROUP, -1, "", None, [CommittedTopic("t", partitions, UUID(int=9))])
    )


def test_metadata_that_is_too_long_fails_its_partition_alone() -> None:
    shard = Shard()
    assert shard.commit_transactional(1, metadata="x" * 4097) is ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert not shard.log
    assert shard.commit_transactional(1, metadata="x" * 4096) is NONE
    assert shard.commit_transactional(1, metadata=None, partition=1) is NONE
    shard.end_transaction()
    assert [shard.fetched(partition=index).metadata for index in range(2)] == ["x" * 4096, ""]


def test_a_commit_larger_than_a_batch_may_be_fails_whole() -> None:
    shard = Shard(GroupSettings(max_record_bytes=1_000))
    outcome = shard.machine.commit_transactional_offsets(request(100), shard.now_ms)
    assert outcome.response.error_code is ErrorCode.UNKNOWN_SERVER_ERROR  # type: ignore[union-attr]
    assert not outcome.records


def test_the_records_are_of_the_producer_and_carry_no_topic_id_and_no_expiry() -> None:
    shard = Shard()
    outcome = shard.machine.commit_transactional_offsets(request(2), shard.now_ms)
    for record in outcome.records:
        assert isinstance(record, TransactionalRecord)
        assert (record.producer_id, record.producer_epoch) == (A, 4)
        value = record.record.value
        assert isinstance(value, OffsetValue)
        assert (value.topic_id, value.expire_timestamp_ms) == (ZERO_UUID, -1)


# Deleting


def delete(shard: Shard, topic: str = "orders-topic") -> ErrorCode:
    wanted = [TopicPartitions(topic, [0])]
    result = answered(shard.run(shard.machine.delete_offsets(GROUP, wanted, shard.now_ms)))
    return result.error_code or result.partition_errors[0][0]


@pytest.mark.parametrize("committed", [False, True])
def test_an_offset_that_is_deleted_is_no_longer_pending(committed: bool) -> None:
    shard = Shard()
    if committed:
        shard.commit(5)
    shard.commit_transactional(10, producer_id=A)
    shard.commit_transactional(11, producer_id=B)
    shard.commit_transactional(12, producer_id=A, partition=1)
    assert delete(shard) is NONE
    assert stability(shard) is NONE
    assert list(shard.machine.pending()) == [(A, KEY._replace(partition=1))]
    shard.restart()
    shard.end_transaction(A)
    shard.end_transaction(B)
    assert shard.fetched().offset == -1
    assert shard.fetched(partition=1).offset == 12


def test_deleting_a_group_deletes_its_pending_offsets_with_one_tombstone_each() -> None:
    shard = Shard()
    shard.commit(5)
    shard.commit_transactional(10)
    shard.commit_transactional(11, partition=1)
    shard.commit_transactional(12, group_id="other")
    before = len(shard.log)
    shard.run(shard.machine.delete_groups([GROUP], shard.now_ms))
    assert shard.log[before:] == [(KEY, None), (KEY._replace(partition=1), None), (GroupKey(GROUP), None)]
    shard.restart()
    shard.end_transaction()
    assert shard.machine.group(GROUP) is None
    assert [key.group for key in shard.machine.committed()] == ["other"]


def test_a_commit_behind_the_deletion_of_the_group_makes_it_anew() -> None:
    shard = Shard()
    shard.commit_transactional(10)
    shard.run(shard.machine.delete_groups([GROUP], shard.now_ms))
    shard.commit_transactional(11, partition=1)
    shard.end_transaction()
    assert [key.partition for key in shard.machine.committed()] == [1]
    assert shard.machine.group(GROUP) is not None


def test_pending_offsets_of_a_deleted_topic_are_forgotten() -> None:
    shard = Shard()
    shard.commit(4)
    shard.commit_transactional(10)
    shard.commit_transactional(11, group_id="another")
    shard.commit_transactional(12, topic="kept")
    before = len(shard.log)
    shard.run(shard.machine.delete_offsets_of_topics({"orders-topic": ZERO_UUID}, shard.now_ms))
    assert len(shard.log) == before + 2
    shard.end_transaction()
    assert [key.topic for key in shard.machine.committed()] == ["kept"]


# Expiry


RETENTION_MS, CHECK_MS = 60_000, 1_000


def expiring() -> Shard:
    return Shard(
        GroupSettings(offsets_retention_ms=RETENTION_MS, offsets_retention_check_interval_ms=CHECK_MS)
    )


def test_an_offset_does_not_expire_while_a_transaction_may_change_it() -> None:
    shard = expiring()
    shard.commit(5)
    shard.commit(6, partition=1)
    shard.commit_transactional(10)
    shard.sleep(RETENTION_MS + CHECK_MS)
    assert [key.partition for key in shard.machine.committed()] == [0]
    shard.end_transaction(is_commit=False)
    shard.sleep(CHECK_MS)
    assert not shard.machine.committed()
    assert shard.machine.group(GROUP) is None


def test_a_group_of_which_all_is_pending_is_not_removed() -> None:
    shard = expiring()
    shard.commit_transactional(10)
    shard.sleep(10 * RETENTION_MS)
    assert shard.machine.group(GROUP) is not None
    shard.end_transaction()
    assert shard.fetched().offset == 10
    shard.sleep(CHECK_MS)
    assert shard.machine.group(GROUP) is None


def test_time_counts_from_the_commit_and_not_from_the_end_of_the_transaction() -> None:
    shard = expiring()
    shard.commit_transactional(10)
    shard.sleep(RETENTION_MS // 2)
    shard.end_transaction()
    shard.sleep(RETENTION_MS // 2 + CHECK_MS)
    assert not shard.machine.committed()


# Consumer groups of KIP-848


@pytest.mark.parametrize(
    ("member_id", "epoch", "error"),
    [
        ("m", 0, NONE),
        ("m", 1, ErrorCode.ILLEGAL_GENERATION),
        ("m", -2, ErrorCode.ILLEGAL_GENERATION),
        ("m", -1, ErrorCode.ILLEGAL_GENERATION),
        ("nobody", 0, ErrorCode.UNKNOWN_MEMBER_ID),
        ("", -1, NONE),
    ],
)
def test_who_may_commit_in_a_transaction_of_a_consumer_group(
    member_id: str, epoch: int, error: ErrorCode
) -> None:
    """`epoch` is how far it is from the member's own; where it is negative, itself."""
    shard = Groups(t=1)
    member = shard.join_as("m", "t")
    settle(member)
    generation_id = epoch if epoch < 0 else member.epoch + epoch
    told = shard.commit_transactional(10, topic="t", generation_id=generation_id, member_id=member_id)
    assert told is error
    assert bool(shard.machine.pending()) == (error is NONE)
    shard.end_transaction()
    shard.restart()
    assert shard.fetched(topic="t").offset == (10 if error is NONE else -1)


def test_a_consumer_group_is_not_removed_while_offsets_are_pending() -> None:
    shard = Groups(
        GroupSettings(offsets_retention_ms=RETENTION_MS, offsets_retention_check_interval_ms=CHECK_MS), t=1
    )
    member = shard.join_as("m", "t")
    settle(member)
    assert shard.commit_transactional(10, topic="t") is NONE
    member.leave()
    shard.sleep(2 * RETENTION_MS)
    assert shard.machine.consumer_group(GROUP) is not None
    shard.end_transaction(is_commit=False)
    shard.sleep(CHECK_MS)
    assert shard.machine.consumer_group(GROUP) is None
