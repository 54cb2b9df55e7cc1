"""Which offsets members of a consumer group may commit and fetch, by their epochs (KIP-848, KIP-1251)."""

from __future__ import annotations

from uuid import UUID

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.commits import commit_error, fetch_error
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.member import ClassicMetadata, ConsumerGroupMember
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import CommitRequest, CommittedPartition, CommittedTopic, Protocol
from tests.coordinators.groups.consumer.context import Groups, settle
from tests.coordinators.groups.context import START_MS, answered

ID = UUID(int=1)
NONE, STALE, ILLEGAL = ErrorCode.NONE, ErrorCode.STALE_MEMBER_EPOCH, ErrorCode.ILLEGAL_GENERATION
UNKNOWN, TOO_OLD = ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.UNSUPPORTED_VERSION


def group(*, classic: bool = False) -> ConsumerGroup:
    """One member at epoch 10 that has had partition 0 since 5, 1 since 9, and gives back 2, had since 7."""
    made = ConsumerGroup("g")
    made.update_member(
        ConsumerGroupMember(
            "m",
            10,
            9,
            assigned_partitions={ID: {0: 5, 1: 9}},
            partitions_pending_revocation={ID: {2: 7}},
            classic=ClassicMetadata(1, (Protocol("range", b""),)) if classic else None,
        )
    )
    return made


def commit(
    epoch: int, *partitions: int, member_id: str = "m", version: int = 9, metadata: str = ""
) -> CommitRequest:
    committed = [CommittedPartition(partition, 1, metadata=metadata) for partition in partitions]
    return CommitRequest("g", epoch, member_id, None, [CommittedTopic("t", committed, ID)], -1, version >= 9)


@pytest.mark.parametrize(
    ("epoch", "partitions", "error"),
    [
        (10, (0, 1, 2, 3), NONE),
        (11, (0,), STALE),
        (9, (0, 1, 2), NONE),
        (8, (0, 2), NONE),
        (8, (0, 1), STALE),
        (7, (2,), NONE),
        (6, (2,), STALE),
        (5, (0,), NONE),
        (4, (0,), STALE),
        (9, (0, 3), STALE),
        (-1, (0,), STALE),
    ],
)
def test_an_older_epoch_is_as_good_as_the_partitions_allow(
    epoch: int, partitions: tuple[int, ...], error: ErrorCode
) -> None:
    request = commit(epoch, *partitions)
    assert commit_error(group(), request, 10, is_transactional=False) is error
    expected = ILLEGAL if error is STALE else error
    assert commit_error(group(), request, 10, is_transactional=True) is error
    older = commit(epoch, *partitions, version=5)
    assert commit_error(group(), older, 10, is_transactional=True) is expected
    assert commit_error(group(classic=True), request, 10, is_transactional=False) is expected


@pytest.mark.parametrize(
    ("member_id", "epoch", "version", "transactional", "error"),
    [
        ("nobody", 10, 9, False, UNKNOWN),
        ("", -1, 9, False, UNKNOWN),
        ("", -1, 9, True, NONE),
        ("", 10, 9, True, UNKNOWN),
        ("m", 10, 8, False, TOO_OLD),
        ("m", 10, 8, True, NONE),
    ],
)
def test_who_may_commit_at_all(
    member_id: str, epoch: int, version: int, transactional: bool, error: ErrorCode
) -> None:
    request = commit(epoch, 0, member_id=member_id, version=version)
    assert commit_error(group(), request, 10, is_transactional=transactional) is error


def test_a_classic_member_may_commit_in_any_version() -> None:
    assert commit_error(group(classic=True), commit(10, 0, version=2), 10, is_transactional=False) is NONE


def test_anybody_may_commit_to_a_group_without_members_without_an_epoch() -> None:
    empty = ConsumerGroup("g")
    assert commit_error(empty, commit(-1, 0, member_id=""), 10, is_transactional=False) is NONE
    assert commit_error(empty, commit(3, 0), 10, is_transactional=False) is UNKNOWN


def test_a_partition_that_is_refused_for_its_metadata_is_not_looked_at() -> None:
    request = commit(4, 0, metadata="x" * 11)
    assert commit_error(group(), request, 10, is_transactional=False) is NONE


@pytest.mark.parametrize(
    ("member_id", "epoch", "error"),
    [
        (None, -1, NONE),
        ("m", 10, NONE),
        ("m", 9, STALE),
        ("m", -1, STALE),
        ("nobody", 10, UNKNOWN),
        (None, 10, UNKNOWN),
        ("", -1, UNKNOWN),
    ],
)
def test_who_may_fetch(member_id: str | None, epoch: int, error: ErrorCode) -> None:
    assert fetch_error(group(), member_id, epoch) is error
    expected = ILLEGAL if error is STALE else error
    assert fetch_error(group(classic=True), member_id, epoch) is expected


# In a whole group


def test_a_commit_on_its_way_while_the_epoch_rises_is_taken() -> None:
    shard = Groups(orders=2)
    first = shard.join_as("first", "orders")
    epoch = first.epoch
    shard.grow("orders", 3)
    first.beat()
    assert first.epoch == epoch + 1
    topic = CommittedTopic("orders", [CommittedPartition(0, 7)], shard.id_of("orders"))
    request = CommitRequest("orders", epoch, "first", None, [topic], -1, True)
    result = answered(shard.run(shard.machine.commit_offsets(request, shard.now_ms)))
    assert (result.error_code, result.partition_errors) == (NONE, [[NONE]])
    new = request._replace(topics=[topic._replace(partitions=[CommittedPartition(2, 7)])])
    assert answered(shard.run(shard.machine.commit_offsets(new, shard.now_ms))).error_code is STALE


def test_offsets_of_a_consumer_group_expire_by_the_time_of_their_commit() -> None:
    shard = Groups(
        GroupSettings(offsets_retention_ms=60_000, offsets_retention_check_interval_ms=10_000),
        orders=1,
        events=1,
    )
    first = shard.join_as("first", "orders")
    for topic in ("orders", "events"):
        assert shard.commit(1, topic=topic, generation_id=first.epoch, member_id="first", version=9) is NONE
    while shard.now_ms < START_MS + 70_000:
        shard.sleep(10_000)
        settle(first, rounds=1)
    assert shard.fetched(topic="orders").offset == 1, "it is subscribed to"
    assert shard.fetched(topic="events").offset == -1
    first.leave()
    shard.sleep(10_000)
    assert shard.machine.consumer_group("orders") is None, "an empty group goes with its last offset"
