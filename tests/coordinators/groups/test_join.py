"""Joining a classic group: member ids, the join phase, the protocol, the leader, the limits."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.rebalance import join_key
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import JoinedMember, Protocol
from tests.coordinators.groups.context import GROUP, Shard, answered, subscription


@pytest.mark.parametrize("version", range(10))
def test_rule_24_member_id_required_is_for_v4_and_later_without_an_instance_id(version: int) -> None:
    shard = Shard()
    response = shard.join(version=version)
    if version < 4:
        assert answered(response).error_code is ErrorCode.NONE
        assert shard.state() is State.COMPLETING_REBALANCE
    else:
        assert answered(response).error_code is ErrorCode.MEMBER_ID_REQUIRED
        assert answered(response).member_id.startswith("client-")
        assert shard.state() is State.EMPTY


@pytest.mark.parametrize("version", [5, 9])
def test_rule_24_a_static_member_needs_no_member_id(version: int) -> None:
    shard = Shard()
    result = answered(shard.join(instance="one", version=version))
    assert result.error_code is ErrorCode.NONE
    assert result.member_id == f"one-{'0' * 8}-0000-0000-0000-{1:012}"


def test_rule_25_a_join_waits_until_every_known_member_has_joined_again() -> None:
    shard = Shard()
    generation, (first,) = shard.stable()
    second, joining = shard.member()
    assert joining.response is None
    assert shard.heartbeat(generation, first) is ErrorCode.REBALANCE_IN_PROGRESS
    again = shard.joined(first)
    assert joining.response is not None
    assert again.generation_id == joining.response.generation_id == generation + 1
    assert {member.member_id for member in again.members} == {first, second}
    assert not joining.response.members


def test_rule_25_a_join_phase_ends_with_the_longest_rebalance_timeout() -> None:
    shard = Shard()
    generation, (first,) = shard.stable(rebalance_timeout_ms=20_000, session_timeout_ms=30_000)
    _, joining = shard.member(rebalance_timeout_ms=5_000)
    shard.sleep(19_999)
    assert joining.response is None
    assert shard.sleep(1) == [join_key(GROUP)]
    assert joining.response is not None
    assert joining.response.generation_id == generation + 1
    assert [member.member_id for member in joining.response.members] == [joining.response.member_id]
    assert shard.heartbeat(generation, first) is ErrorCode.UNKNOWN_MEMBER_ID


def test_rule_25_without_a_delay_the_first_member_is_answered_at_once() -> None:
    result = answered(Shard().join(version=3))
    assert result.generation_id == 1
    assert result.leader == result.member_id


def test_rule_25_an_empty_group_waits_the_initial_delay_and_longer_while_members_arrive() -> None:
    shard = Shard(GroupSettings(initial_rebalance_delay_ms=3_000))
    first = shard.waiting(version=3, rebalance_timeout_ms=8_000)
    shard.sleep(2_000)
    second = shard.waiting(version=3, rebalance_timeout_ms=8_000)
    shard.sleep(3_999)
    assert first.response is None
    shard.sleep(1)
    assert first.response is not None
    assert second.response is not None
    assert first.response.generation_id == second.response.generation_id == 1
    assert len(first.response.members) == 2


def test_the_initial_delay_is_never_longer_than_the_rebalance_timeout() -> None:
    shard = Shard(GroupSettings(initial_rebalance_delay_ms=3_000))
    first = shard.waiting(version=3, rebalance_timeout_ms=7_000)
    for _ in range(4):
        shard.sleep(1_500)
        shard.waiting(version=3, rebalance_timeout_ms=7_000)
    shard.sleep(999)
    assert first.response is None
    shard.sleep(1)
    assert first.response is not None
    assert len(first.response.members) == 5


def test_the_initial_delay_starts_anew_for_a_group_that_became_empty() -> None:
    shard = Shard(GroupSettings(initial_rebalance_delay_ms=3_000))
    generation, (member,) = shard.stable()
    shard.leave(member)
    assert shard.state() is State.EMPTY
    joining = shard.waiting(version=3)
    shard.sleep(2_999)
    assert joining.response is None
    shard.sleep(1)
    assert joining.response is not None
    assert joining.response.generation_id == generation + 2


def test_a_member_id_that_nobody_gave_is_unknown() -> None:
    shard = Shard()
    assert shard.joined("someone").error_code is ErrorCode.UNKNOWN_MEMBER_ID
    assert shard.machine.group(GROUP) is None
    shard.stable()
    assert shard.joined("someone").error_code is ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize(
    ("protocol_type", "names"),
    [("", ("range",)), ("consumer", ()), ("connect", ("range",)), ("consumer", ("sticky",))],
)
def test_a_member_that_fits_no_protocol_of_the_group_is_refused(
    protocol_type: str, names: tuple[str, ...]
) -> None:
    shard = Shard()
    offers = tuple(Protocol(name, b"") for name in names)
    if not protocol_type or not names:
        result = shard.joined(protocol_type=protocol_type, protocols=offers)
        assert result.error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    shard.stable()
    result = shard.joined(protocol_type=protocol_type, protocols=offers)
    assert result.error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("protocol_type", ["consumer", "connect", "sr", "whatever it is"])
def test_any_protocol_type_will_do(protocol_type: str) -> None:
    shard = Shard()
    generation, _ = shard.stable(
        2, protocol_type=protocol_type, protocols=(Protocol("v1", b"\xff"), Protocol("v0", b""))
    )
    assert generation == 2
    assert shard.group().protocol_type == protocol_type
    assert shard.group().protocol_name == "v1"


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ([["range", "roundrobin"], ["range"]], "range"),
        ([["range", "roundrobin"], ["roundrobin", "range"], ["roundrobin", "range"]], "roundrobin"),
        ([["a", "b"], ["b", "c"]], "b"),
        # A draw: the one that a Java HashMap of these names is walked to first.
        ([["range", "roundrobin"], ["roundrobin", "range"]], "range"),
        ([["cooperative-sticky", "sticky"], ["sticky", "cooperative-sticky"]], "sticky"),
    ],
)
def test_the_protocol_with_the_most_votes_wins(offers: list[list[str]], chosen: str) -> None:
    shard = Shard(GroupSettings(initial_rebalance_delay_ms=1))
    tickets = [
        shard.waiting(version=3, protocols=tuple(Protocol(name, name.encode()) for name in names))
        for names in offers
    ]
    shard.sleep(1)
    shard.sleep(1)
    for ticket in tickets:
        assert ticket.response is not None
        assert ticket.response.protocol_name == chosen
        for member in ticket.response.members:
            assert member.metadata == chosen.encode()


def test_the_leader_sees_all_members_and_the_others_none() -> None:
    shard = Shard(GroupSettings(initial_rebalance_delay_ms=1))
    first = shard.waiting(instance="one")
    second = shard.waiting(version=3)
    shard.sleep(2)
    assert first.response is not None
    assert second.response is not None
    metadata = subscription("orders-topic")
    assert first.response.members == [
        JoinedMember(first.response.member_id, "one", metadata),
        JoinedMember(second.response.member_id, None, metadata),
    ]
    assert second.response.leader == first.response.member_id
    assert second.response.members == ()


def test_a_leader_that_stays_away_is_replaced_by_a_member_that_came() -> None:
    shard = Shard()
    _, (leader, follower) = shard.stable(2, session_timeout_ms=100_000)
    _, joining = shard.member()
    again = shard.waiting(follower)
    shard.sleep(60_000)
    assert again.response is not None
    assert again.response.leader == follower
    assert joining.response is not None
    assert leader not in shard.group().members


def test_a_leader_that_joins_again_starts_a_rebalance_and_a_follower_with_nothing_new_does_not() -> None:
    shard = Shard()
    generation, (leader, follower) = shard.stable(2)
    same = shard.joined(follower)
    assert (same.generation_id, same.members, same.error_code) == (generation, (), ErrorCode.NONE)
    assert shard.state() is State.STABLE
    shard.waiting(leader)
    assert shard.state() is State.PREPARING_REBALANCE


def test_a_follower_with_new_metadata_starts_a_rebalance() -> None:
    shard = Shard()
    _, (_, follower) = shard.stable(2)
    shard.waiting(follower, protocols=(Protocol("range", subscription("other")),))
    assert shard.state() is State.PREPARING_REBALANCE


def test_a_member_that_missed_its_answer_is_told_again_while_the_assignment_is_awaited() -> None:
    shard = Shard()
    first = shard.joined(version=3)
    again = shard.joined(first.member_id)
    assert again == first
    assert shard.state() is State.COMPLETING_REBALANCE


def test_a_join_that_is_sent_twice_answers_the_first_when_the_second_takes_its_place() -> None:
    shard = Shard()
    _, (first, second) = shard.stable(2)
    once = shard.waiting(first)
    twice = shard.waiting(first)
    assert once.response is not None
    assert once.response.error_code is ErrorCode.REBALANCE_IN_PROGRESS
    shard.joined(second)
    assert twice.response is not None
    assert twice.response.error_code is ErrorCode.NONE


def test_members_beyond_the_groups_size_are_refused_and_known_ones_are_not() -> None:
    shard = Shard(GroupSettings(max_size=2))
    _, (first, second) = shard.stable(2)
    assert shard.joined(version=3).error_code is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert shard.joined(second).error_code is ErrorCode.NONE
    shard.waiting(first)
    assert shard.joined(second).error_code is ErrorCode.NONE
    assert shard.state() is State.COMPLETING_REBALANCE


def test_the_last_of_more_pending_members_than_there_is_room_for_is_refused() -> None:
    shard = Shard(GroupSettings(max_size=1, initial_rebalance_delay_ms=1_000))
    first = shard.joined().member_id
    second = shard.joined().member_id
    shard.waiting(first)
    refused = shard.joined(second)
    assert refused.error_code is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert not shard.group().pending_joins


def test_a_group_that_is_over_its_size_when_it_is_loaded_rebalances_and_loses_the_last() -> None:
    shard = Shard()
    _, ids = shard.stable(3, session_timeout_ms=100_000)
    shard.restart(GroupSettings(max_size=2))
    assert shard.state() is State.PREPARING_REBALANCE
    shard.waiting(ids[0])
    shard.waiting(ids[1])
    assert shard.joined(ids[2]).error_code is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert shard.state() is State.COMPLETING_REBALANCE
    assert list(shard.group().members) == ids[:2]


def test_a_new_group_is_in_the_log_even_if_nobody_has_joined_yet() -> None:
    shard = Shard()
    shard.joined()
    shard.restart()
    assert shard.state() is State.EMPTY
    assert shard.group().generation_id == 0
    assert shard.group().protocol_type is None


def test_a_client_id_that_leaves_no_room_for_a_member_id_is_refused() -> None:
    assert Shard().joined(client_id="x" * 32_767).error_code is ErrorCode.INVALID_REQUEST


def test_protocols_named_twice_count_once() -> None:
    shard = Shard()
    offers = (Protocol("range", b"one"), Protocol("range", b"two"))
    shard.stable(2, protocols=offers)
    assert shard.group().joined_members()[0].metadata == b"one"


def test_cooperative_members_keep_their_place_through_a_second_rebalance() -> None:
    shard = Shard()
    cooperative = (Protocol("cooperative-sticky", subscription("orders-topic")),)
    generation, (first,) = shard.stable(protocols=cooperative)
    _, joining = shard.member(protocols=cooperative)
    revoking = shard.joined(first, protocols=cooperative)
    assert revoking.generation_id == generation + 1
    names = {"protocol_name": "cooperative-sticky"}
    shard.sync(generation + 1, first, {first: b"half"}, **names)
    # Having given up partitions, the member joins again, and so must everybody.
    shard.waiting(first, protocols=(Protocol("cooperative-sticky", subscription("orders-topic") + b"owned"),))
    assert joining.response is not None
    second = joining.response.member_id
    assert shard.heartbeat(generation + 1, second) is ErrorCode.REBALANCE_IN_PROGRESS
    assert shard.joined(second, protocols=cooperative).generation_id == generation + 2
