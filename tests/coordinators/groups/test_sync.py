"""Getting the assignment: from the leader to everybody, into the log, and what may go wrong."""

from __future__ import annotations

from typing import Any

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.rebalance import sync_key
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import SyncResult
from tests.coordinators.groups.context import GROUP, Shard, answered, last_group_value, ticket


def two_members(shard: Shard) -> tuple[str, str]:
    """A group of two in CompletingRebalance, generation 2: leader and follower."""
    first, _ = shard.member()
    second, _ = shard.member()
    shard.join(first)
    assert shard.state() is State.COMPLETING_REBALANCE
    return first, second


def test_followers_wait_for_the_leader_and_get_what_it_gave_them() -> None:
    shard = Shard()
    leader, follower = two_members(shard)
    waiting = ticket(shard.sync(2, follower))
    assert waiting.response is None
    mine = answered(shard.sync(2, leader, {leader: b"mine", follower: b"yours"}))
    assert mine == SyncResult(ErrorCode.NONE, "consumer", "range", b"mine")
    assert waiting.response == SyncResult(ErrorCode.NONE, "consumer", "range", b"yours")
    assert shard.state() is State.STABLE


def test_a_follower_that_asks_later_gets_its_assignment_at_once_and_again() -> None:
    shard = Shard()
    leader, follower = two_members(shard)
    shard.sync(2, leader, {follower: b"yours"})
    for _ in range(2):
        assert answered(shard.sync(2, follower)).assignment == b"yours"


def test_a_member_that_the_leader_forgot_gets_an_empty_assignment() -> None:
    shard = Shard()
    leader, follower = two_members(shard)
    shard.sync(2, leader, {leader: b"all", "a stranger": b"nothing"})
    assert answered(shard.sync(2, follower)) == SyncResult(ErrorCode.NONE, "consumer", "range", b"")
    value = last_group_value(shard.log)
    assert value is not None
    assert {member.member_id: member.assignment for member in value.members} == {
        leader: b"all",
        follower: b"",
    }


@pytest.mark.parametrize(
    ("generation", "member", "options", "error"),
    [
        (2, "nobody", {}, ErrorCode.UNKNOWN_MEMBER_ID),
        (1, "leader", {}, ErrorCode.ILLEGAL_GENERATION),
        (3, "leader", {}, ErrorCode.ILLEGAL_GENERATION),
        (2, "leader", {"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        (2, "leader", {"protocol_name": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        (2, "leader", {"protocol_type": None, "protocol_name": None}, ErrorCode.NONE),
        (2, "leader", {"instance": "unknown"}, ErrorCode.UNKNOWN_MEMBER_ID),
        (2, "leader", {"group_id": "another"}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_who_may_sync(generation: int, member: str, options: dict[str, Any], error: ErrorCode) -> None:
    shard = Shard()
    leader, _ = two_members(shard)
    member_id = leader if member == "leader" else member
    assert answered(shard.sync(generation, member_id, **options)).error_code is error


def test_sync_during_a_join_phase_says_that_a_rebalance_goes_on() -> None:
    shard = Shard()
    generation, (first, _) = shard.stable(2)
    shard.waiting(first)
    assert answered(shard.sync(generation, first)).error_code is ErrorCode.REBALANCE_IN_PROGRESS


def test_those_who_wait_for_an_assignment_hear_of_a_new_rebalance() -> None:
    shard = Shard()
    leader, follower = two_members(shard)
    waiting = ticket(shard.sync(2, follower))
    shard.member()
    assert waiting.response is not None
    assert waiting.response.error_code is ErrorCode.REBALANCE_IN_PROGRESS
    assert shard.state() is State.PREPARING_REBALANCE
    assert answered(shard.sync(2, leader)).error_code is ErrorCode.REBALANCE_IN_PROGRESS


def test_members_that_never_sync_are_out_after_the_rebalance_timeout() -> None:
    shard = Shard()
    leader, follower = two_members(shard)
    shard.sync(2, leader, {leader: b"mine"})
    for _ in range(11):
        shard.sleep(5_000)
        assert shard.heartbeat(2, leader) is ErrorCode.NONE
        assert shard.heartbeat(2, follower) is ErrorCode.NONE
    assert sync_key(GROUP) in shard.sleep(5_000)
    assert shard.heartbeat(2, follower) is ErrorCode.UNKNOWN_MEMBER_ID
    assert shard.heartbeat(2, leader) is ErrorCode.REBALANCE_IN_PROGRESS


def test_once_all_have_synced_nobody_is_waited_for() -> None:
    shard = Shard()
    shard.stable(3)
    assert sync_key(GROUP) not in shard.timers


def test_a_leader_that_never_syncs_leaves_the_lead_to_another() -> None:
    shard = Shard()
    first, second = two_members(shard)
    waiting = ticket(shard.sync(2, second))
    for _ in range(12):
        shard.sleep(5_000)
        if shard.state() is State.COMPLETING_REBALANCE:
            shard.heartbeat(2, first)
            shard.heartbeat(2, second)
    assert waiting.response is not None
    assert waiting.response.error_code is ErrorCode.REBALANCE_IN_PROGRESS
    again = shard.joined(second)
    assert again.leader == second
    assert first not in shard.group().members


def test_a_sync_that_is_sent_twice_answers_the_first_when_the_second_takes_its_place() -> None:
    shard = Shard()
    leader, follower = two_members(shard)
    once = ticket(shard.sync(2, follower))
    twice = ticket(shard.sync(2, follower))
    assert once.response is not None
    assert once.response.error_code is ErrorCode.REBALANCE_IN_PROGRESS
    shard.sync(2, leader, {follower: b"yours"})
    assert twice.response is not None
    assert twice.response.assignment == b"yours"


def test_a_stable_generation_survives_a_restart_with_its_assignments() -> None:
    shard = Shard()
    generation, ids = shard.stable(3)
    shard.restart()
    assert shard.state() is State.STABLE
    for member_id in ids:
        assert shard.heartbeat(generation, member_id) is ErrorCode.NONE
        assert answered(shard.sync(generation, member_id)).assignment == member_id.encode()


@pytest.mark.parametrize("phase", ["preparing", "completing"])
def test_a_restart_in_the_middle_of_a_rebalance_goes_back_to_the_last_generation(phase: str) -> None:
    shard = Shard()
    generation, (first, second) = shard.stable(2)
    shard.waiting(first)
    if phase == "completing":
        shard.joined(second)
    shard.restart()
    assert shard.heartbeat(generation, first) is ErrorCode.NONE
    if phase == "completing":
        # It heard of a generation that the log doesn't know, and must join again.
        assert shard.heartbeat(generation + 1, second) is ErrorCode.ILLEGAL_GENERATION
    shard.waiting(first)
    assert shard.joined(second).generation_id == generation + 1


def test_members_that_do_not_come_back_after_a_restart_lose_their_sessions() -> None:
    shard = Shard()
    generation, (first, second) = shard.stable(2)
    shard.restart()
    shard.sleep(6_000)
    assert shard.heartbeat(generation, first) is ErrorCode.NONE
    shard.sleep(5_000)
    assert shard.heartbeat(generation, second) is ErrorCode.UNKNOWN_MEMBER_ID
    assert shard.joined(first).generation_id == generation + 1


def test_the_record_of_a_generation_is_what_kafka_writes() -> None:
    shard = Shard(GroupSettings())
    generation, (first,) = shard.stable(session_timeout_ms=12_000, rebalance_timeout_ms=34_000)
    value = last_group_value(shard.log)
    assert value is not None
    assert (value.protocol_type, value.generation, value.protocol, value.leader) == (
        "consumer",
        generation,
        "range",
        first,
    )
    (member,) = value.members
    assert (member.client_id, member.client_host) == ("client", "/127.0.0.1")
    assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (12_000, 34_000)
