"""What a group may hold: megabytes of metadata, ids that are never used, commits larger than a batch."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import (
    CommitRequest,
    CommittedPartition,
    CommittedTopic,
    Protocol,
    SyncResult,
)
from tests.coordinators.groups.context import GROUP, Shard, answered, ticket

SMALL = GroupSettings(max_record_bytes=10_000)


def offering(size: int) -> tuple[Protocol, ...]:
    return (Protocol("range", b"\0" * size),)


def synced(shard: Shard, generation_id: int, member_id: str, assignment: bytes) -> SyncResult:
    waiting = ticket(shard.sync(generation_id, member_id, {member_id: assignment}))
    assert waiting.response is not None
    return waiting.response


def test_a_generation_that_no_record_holds_fails_at_the_sync_and_the_group_goes_on() -> None:
    """As Kafka 4.4.0 when asked: the join passes, the sync is an unknown server error, members join again."""
    shard = Shard(SMALL)
    member_id, _ = shard.member(protocols=offering(9_500))
    records = len(shard.log)
    assert synced(shard, 1, member_id, b"a" * 1_000).error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert len(shard.log) == records
    assert shard.state() is State.PREPARING_REBALANCE
    again = shard.waiting(member_id, protocols=offering(100)).response
    assert again is not None
    assert (again.error_code, again.generation_id) == (ErrorCode.NONE, 2)
    assert synced(shard, 2, member_id, b"a" * 1_000).error_code is ErrorCode.NONE


def test_members_that_say_more_than_any_record_could_hold_are_refused_and_nothing_changes() -> None:
    shard = Shard(SMALL)
    generation_id, [owner] = shard.stable()
    given = shard.joined(protocols=offering(50_000))
    assert given.error_code is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert list(shard.group().members) == [owner]
    assert shard.state() is State.STABLE
    assert shard.heartbeat(generation_id, owner) is ErrorCode.NONE


def test_a_member_that_grows_is_held_to_the_same_bound_and_stays_what_it_was() -> None:
    shard = Shard(SMALL)
    generation_id, [member_id] = shard.stable()
    assert shard.joined(member_id, protocols=offering(50_000)).error_code is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert shard.heartbeat(generation_id, member_id) is ErrorCode.NONE


def test_what_members_held_is_free_again_when_they_are_gone() -> None:
    shard = Shard(SMALL)
    for _ in range(20):
        member_id, _ = shard.member(protocols=offering(30_000))
        shard.leave(member_id)
    assert shard.group().held_bytes == 0


def test_ids_given_out_and_never_used_are_bounded_and_given_up() -> None:
    """Each costs a text, a place in a set and a timer, for as long a session as its client asked for."""
    shard = Shard(SMALL)
    codes = [shard.joined().error_code for _ in range(1_000)]
    assert codes[0] is ErrorCode.MEMBER_ID_REQUIRED
    assert codes[-1] is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert len(shard.group().pending_joins) < 200
    shard.sleep(10_000)
    assert not shard.group().pending_joins
    assert shard.joined().error_code is ErrorCode.MEMBER_ID_REQUIRED


@pytest.mark.parametrize(
    ("count", "expected"), [(100, ErrorCode.NONE), (1_000, ErrorCode.UNKNOWN_SERVER_ERROR)]
)
def test_a_commit_is_one_batch_and_fails_whole_where_that_is_too_large(
    count: int, expected: ErrorCode
) -> None:
    shard = Shard(SMALL)
    topic = CommittedTopic("t", [CommittedPartition(index, 5) for index in range(count)])
    request = CommitRequest(GROUP, -1, "", None, [topic])
    assert answered(shard.run(shard.machine.commit_offsets(request, shard.now_ms))).error_code is expected
    assert len(shard.machine.committed()) == (count if expected is ErrorCode.NONE else 0)
