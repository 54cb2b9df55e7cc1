"""Static members (KIP-345): a place that outlives the member that sits in it."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import LeavingMember, Protocol
from tests.coordinators.groups.context import (
    Shard,
    answered,
    last_group_value,
    response_of,
    subscription,
    ticket,
)


def stable_pair(shard: Shard) -> tuple[int, str, str]:
    """Two static members, "one" (the leader) and "two", in a stable group."""
    first = answered(shard.join(instance="one"))
    shard.sync(1, first.member_id, {first.member_id: b"one"}, instance="one")
    joining = shard.waiting(instance="two")
    shard.join(first.member_id, instance="one")
    assert joining.response is not None
    second = joining.response.member_id
    generation = shard.group().generation_id
    shard.sync(generation, first.member_id, {first.member_id: b"one", second: b"two"}, instance="one")
    shard.sync(generation, second, instance="two")
    assert shard.state() is State.STABLE
    return generation, first.member_id, second


@pytest.mark.parametrize("version", [5, 8, 9])
@pytest.mark.parametrize("instance", ["one", "two"])
def test_a_static_member_that_comes_back_takes_its_place_without_a_rebalance(
    instance: str, version: int
) -> None:
    shard = Shard()
    generation, first, second = stable_pair(shard)
    old = first if instance == "one" else second
    result = answered(shard.join(instance=instance, version=version))
    assert result.error_code is ErrorCode.NONE
    assert result.generation_id == generation
    assert result.member_id not in (first, second)
    assert shard.state() is State.STABLE
    if version >= 9 and instance == "one":
        # It leads, and must not assign anew (KIP-814).
        assert result.skip_assignment
        assert result.leader == result.member_id
        assert len(result.members) == 2
    elif instance == "one":
        assert result.leader == first
        assert not result.members
    else:
        assert result.leader == first
        assert not result.skip_assignment
        assert not result.members
    assert (
        answered(shard.sync(generation, result.member_id, instance=instance)).assignment == instance.encode()
    )
    assert shard.heartbeat(generation, old, instance=instance) is ErrorCode.FENCED_INSTANCE_ID
    assert shard.heartbeat(generation, old) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_replaced_static_member_is_in_the_log() -> None:
    shard = Shard()
    generation, first, _ = stable_pair(shard)
    new = answered(shard.join(instance="two")).member_id
    value = last_group_value(shard.log)
    assert value is not None
    assert [member.member_id for member in value.members] == [first, new]
    shard.restart()
    assert answered(shard.sync(generation, new, instance="two")).assignment == b"two"


def test_a_static_member_whose_protocols_change_the_groups_choice_makes_it_rebalance() -> None:
    shard = Shard()
    both = (Protocol("range", subscription("t")), Protocol("sticky", subscription("t")))
    first = answered(shard.join(instance="one", protocols=both))
    shard.sync(1, first.member_id, {first.member_id: b"all"}, instance="one", protocol_name="range")
    result = answered(shard.join(instance="one", protocols=both[1:]))
    assert result.generation_id == 2
    assert result.protocol_name == "sticky"


@pytest.mark.parametrize("operation", ["join", "sync", "heartbeat", "leave", "commit"])
def test_a_fenced_member_is_told_so_whatever_it_asks(operation: str) -> None:
    shard = Shard()
    generation, _, old = stable_pair(shard)
    shard.join(instance="two")
    match operation:
        case "join":
            error = shard.joined(old, instance="two").error_code
        case "sync":
            error = answered(shard.sync(generation, old, instance="two")).error_code
        case "heartbeat":
            error = shard.heartbeat(generation, old, instance="two")
        case "leave":
            error = shard.leave(LeavingMember(old, "two")).members[0].error_code
        case _:
            error = shard.commit(7, generation_id=generation, member_id=old, instance="two")
    assert error is ErrorCode.FENCED_INSTANCE_ID


def test_a_duplicate_that_waits_is_fenced_at_once() -> None:
    shard = Shard(GroupSettings(initial_rebalance_delay_ms=3_000))
    waiting = shard.waiting(instance="one")
    shard.waiting(instance="one")
    assert waiting.response is not None
    assert waiting.response.error_code is ErrorCode.FENCED_INSTANCE_ID
    shard.sleep(3_000)
    shard.sleep(3_000)
    assert len(shard.group().members) == 1


def test_a_duplicate_that_waits_for_its_assignment_is_fenced_and_the_group_rebalances() -> None:
    shard = Shard()
    first = answered(shard.join(instance="one"))
    shard.sync(1, first.member_id, {}, instance="one")
    joining = shard.waiting(instance="two")
    shard.join(first.member_id, instance="one")
    second = response_of(joining).member_id
    syncing = ticket(shard.sync(2, second, instance="two"))
    shard.join(instance="two")
    assert response_of(syncing).error_code is ErrorCode.FENCED_INSTANCE_ID
    assert shard.state() is State.PREPARING_REBALANCE


def test_a_static_member_that_stays_away_keeps_its_place_until_its_session_ends() -> None:
    shard = Shard()
    generation, first, second = stable_pair(shard)
    waiting = shard.waiting(first, instance="one", protocols=(Protocol("range", subscription("new")),))
    for _ in range(11):
        shard.sleep(5_000)
        shard.heartbeat(generation, second, instance="two")
    shard.sleep(5_000)
    # It heartbeats but does not join: its place and its metadata go into the new generation.
    assert waiting.response is not None
    assert {member.member_id for member in waiting.response.members} == {first, second}
    shard.sleep(10_000)
    assert second not in shard.group().members


def test_a_group_of_static_members_none_of_whom_joins_is_waited_for() -> None:
    shard = Shard()
    generation, first, second = stable_pair(shard)
    newcomer, _ = shard.member()
    shard.leave(newcomer)
    assert shard.state() is State.PREPARING_REBALANCE
    for _ in range(20):
        shard.sleep(5_000)
        shard.heartbeat(generation, first, instance="one")
        shard.heartbeat(generation, second, instance="two")
    assert shard.state() is State.PREPARING_REBALANCE
    shard.sleep(60_000)
    assert shard.state() is State.EMPTY


def test_leaving_frees_the_instance_id() -> None:
    shard = Shard()
    _, _, second = stable_pair(shard)
    assert shard.leave(LeavingMember(second, "two")).members[0].error_code is ErrorCode.NONE
    assert shard.group().static_member_id("two") is None


def test_a_pending_member_that_claims_an_instance_id_is_refused() -> None:
    shard = Shard()
    pending = shard.joined().member_id
    assert shard.joined(pending, instance="one").error_code is ErrorCode.UNKNOWN_SERVER_ERROR


def test_a_replaced_static_member_changes_what_the_group_is_subscribed_to() -> None:
    shard = Shard()
    stable_pair(shard)
    reads_other = (Protocol("range", subscription("other")),)
    for instance in ("one", "two"):
        shard.join(instance=instance, protocols=reads_other)
    assert shard.state() is State.STABLE
    assert shard.group().subscribed_topics == frozenset({"other"})
    shard.restart()
    assert shard.group().subscribed_topics == frozenset({"other"})
