"""Staying in a group, and leaving it: on purpose, or by silence."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.coordinator import EXPIRE_OFFSETS
from kwire.coordinators.groups.member import session_key
from kwire.coordinators.groups.values import LeavingMember, LeftMember
from tests.coordinators.groups.context import GROUP, Shard, last_group_value, response_of, ticket


@pytest.mark.parametrize(
    ("group_id", "generation", "member", "instance", "error"),
    [
        (GROUP, 1, "first", None, ErrorCode.NONE),
        ("another", 1, "first", None, ErrorCode.UNKNOWN_MEMBER_ID),
        (GROUP, 1, "nobody", None, ErrorCode.UNKNOWN_MEMBER_ID),
        (GROUP, 1, "", None, ErrorCode.UNKNOWN_MEMBER_ID),
        (GROUP, 0, "first", None, ErrorCode.ILLEGAL_GENERATION),
        (GROUP, 2, "first", None, ErrorCode.ILLEGAL_GENERATION),
        (GROUP, -1, "first", None, ErrorCode.ILLEGAL_GENERATION),
        (GROUP, 1, "first", "an instance", ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_who_may_heartbeat(
    group_id: str, generation: int, member: str, instance: str | None, error: ErrorCode
) -> None:
    shard = Shard()
    _, (first,) = shard.stable()
    member_id = first if member == "first" else member
    assert shard.heartbeat(generation, member_id, group_id=group_id, instance=instance) is error


def test_heartbeat_in_a_rebalance_says_so() -> None:
    shard = Shard()
    generation, (first, second) = shard.stable(2)
    shard.waiting(first)
    assert shard.heartbeat(generation, second) is ErrorCode.REBALANCE_IN_PROGRESS


def test_heartbeat_while_the_assignment_is_awaited_is_fine() -> None:
    shard = Shard()
    joined = shard.joined(version=3)
    assert shard.state() is State.COMPLETING_REBALANCE
    assert shard.heartbeat(1, joined.member_id) is ErrorCode.NONE


def test_a_heartbeat_arms_no_timer_and_the_session_ends_a_whole_timeout_after_it() -> None:
    shard = Shard()
    generation, (first,) = shard.stable(session_timeout_ms=10_000)
    shard.sleep(9_000)
    outcome = shard.machine.heartbeat(GROUP, generation, first, None, shard.now_ms)
    assert not outcome.timers
    assert not outcome.records
    assert shard.sleep(9_999) == [session_key(GROUP, first)]
    assert shard.state() is State.STABLE
    assert shard.sleep(1) == [session_key(GROUP, first)]
    assert shard.state() is State.EMPTY


def test_a_session_whose_timer_has_passed_begins_anew_with_a_heartbeat() -> None:
    shard = Shard()
    joined = shard.joined(version=3, session_timeout_ms=10_000)
    follower = shard.waiting(version=3, session_timeout_ms=10_000)
    generation = shard.joined(joined.member_id, session_timeout_ms=10_000).generation_id
    member_id = response_of(follower).member_id
    ticket(shard.sync(generation, member_id))
    shard.sleep(9_000)
    shard.heartbeat(generation, joined.member_id)
    # Who waits for its assignment is not given up on, and no timer looks at it any more.
    assert session_key(GROUP, member_id) in shard.sleep(1_000)
    assert shard.heartbeat(generation, member_id) is ErrorCode.NONE
    assert session_key(GROUP, member_id) in shard.timers


def test_a_silent_member_is_out_and_the_others_rebalance() -> None:
    shard = Shard()
    generation, (first, second) = shard.stable(2)
    shard.sleep(6_000)
    shard.heartbeat(generation, first)
    shard.sleep(4_000)
    assert shard.heartbeat(generation, first) is ErrorCode.REBALANCE_IN_PROGRESS
    assert shard.heartbeat(generation, second) is ErrorCode.UNKNOWN_MEMBER_ID
    assert shard.joined(first).generation_id == generation + 1


def test_members_that_wait_for_a_rebalance_need_no_heartbeat() -> None:
    shard = Shard()
    _, (first, second) = shard.stable(2, session_timeout_ms=6_000)
    generation = shard.group().generation_id
    waiting = shard.waiting(first)
    for _ in range(5):
        shard.sleep(5_000)
        shard.heartbeat(generation, second)
    assert waiting.response is None
    shard.joined(second)
    assert waiting.response is not None


def test_a_new_member_whose_join_takes_too_long_is_told_to_join_anew() -> None:
    shard = Shard()
    generation, (first,) = shard.stable(rebalance_timeout_ms=600_000)
    newcomer = shard.waiting(version=3)
    for _ in range(60):
        shard.sleep(5_000)
        shard.heartbeat(generation, first)
    assert newcomer.response is not None
    assert newcomer.response.error_code is ErrorCode.UNKNOWN_MEMBER_ID
    assert newcomer.response.member_id == ""


def test_a_pending_member_that_never_joins_is_forgotten_and_holds_nobody_up() -> None:
    shard = Shard()
    _, (first,) = shard.stable(session_timeout_ms=30_000)
    pending = shard.joined(session_timeout_ms=6_000).member_id
    waiting = shard.waiting(first)
    shard.sleep(5_999)
    assert waiting.response is None
    shard.sleep(1)
    assert waiting.response is not None
    assert shard.joined(pending).error_code is ErrorCode.UNKNOWN_MEMBER_ID


def test_the_last_member_leaves_an_empty_group_with_the_next_generation() -> None:
    shard = Shard()
    generation, (first,) = shard.stable()
    assert shard.leave(first).members == [LeftMember(first, None, ErrorCode.NONE)]
    assert shard.state() is State.EMPTY
    value = last_group_value(shard.log)
    assert value is not None
    assert (value.generation, value.protocol, value.leader, value.members) == (generation + 1, None, None, ())
    assert value.protocol_type == "consumer"
    assert shard.timers == {EXPIRE_OFFSETS}


def test_leaving_answers_each_member_and_rebalances_once() -> None:
    shard = Shard()
    generation, (first, second, third) = shard.stable(3)
    result = shard.leave(second, "nobody", third)
    assert [member.error_code for member in result.members] == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.NONE,
    ]
    assert shard.joined(first).generation_id == generation + 1


def test_leaving_a_group_that_is_not_there_is_an_unknown_member() -> None:
    result = Shard().leave("someone")
    assert result.error_code is ErrorCode.NONE
    assert result.members == [LeftMember("someone", None, ErrorCode.UNKNOWN_MEMBER_ID)]


def test_nobody_leaving_changes_nothing() -> None:
    shard = Shard()
    shard.stable()
    assert shard.leave("nobody").members[0].error_code is ErrorCode.UNKNOWN_MEMBER_ID
    assert shard.state() is State.STABLE


def test_a_pending_member_may_leave() -> None:
    shard = Shard()
    _, (first,) = shard.stable()
    pending = shard.joined().member_id
    waiting = shard.waiting(first)
    assert shard.leave(pending).members[0].error_code is ErrorCode.NONE
    assert session_key(GROUP, pending) not in shard.timers
    assert waiting.response is not None


def test_who_waits_and_leaves_is_told_that_it_is_unknown() -> None:
    shard = Shard()
    _, (first, second) = shard.stable(2)
    joining = shard.waiting(first)
    shard.leave(first)
    assert joining.response is not None
    assert joining.response.error_code is ErrorCode.UNKNOWN_MEMBER_ID
    shard.joined(second)
    third, _ = shard.member()
    shard.joined(second)
    syncing = ticket(shard.sync(shard.group().generation_id, third))
    shard.leave(third)
    assert response_of(syncing).error_code is ErrorCode.UNKNOWN_MEMBER_ID


def test_the_member_that_leaves_last_of_those_awaited_ends_the_join_phase() -> None:
    shard = Shard()
    _, (first, second) = shard.stable(2)
    waiting = shard.waiting(first)
    shard.leave(second)
    assert waiting.response is not None
    assert [member.member_id for member in waiting.response.members] == [first]


def test_a_leave_by_instance_id_needs_no_member_id() -> None:
    shard = Shard()
    shard.join(instance="one")
    result = shard.leave(LeavingMember("", "one"), LeavingMember("", "two"), LeavingMember(""))
    assert [member.error_code for member in result.members] == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.UNKNOWN_MEMBER_ID,
    ]
    assert result.members[0] == LeftMember("", "one", ErrorCode.NONE)
    assert not shard.group().members
