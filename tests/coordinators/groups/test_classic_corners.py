"""Corners of classic groups that two things at once lead into, as Kafka's GroupMetadataManager has them."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups import loaded_sessions, offset_expiry
from kwire.coordinators.groups.classic_group import State
from kwire.coordinators.groups.coordinator import EXPIRE_OFFSETS
from kwire.coordinators.groups.loaded_sessions import BEGIN_SESSIONS
from kwire.coordinators.groups.records import GroupKey
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import Protocol
from tests.coordinators.groups.context import (
    GROUP,
    START_MS,
    Shard,
    answered,
    last_group_value,
    response_of,
    subscription,
    ticket,
)

NONE = ErrorCode.NONE
RANGE = Protocol("range", subscription("t"))
STICKY = Protocol("sticky", subscription("t"))


def pair(shard: Shard, protocols: tuple[Protocol, ...] = (RANGE, STICKY)) -> tuple[int, str, str]:
    """Two static members, "one" (the leader) and "two", in a stable group; generation and their ids."""
    first = answered(shard.join(instance="one", protocols=protocols)).member_id
    shard.sync(1, first, {}, instance="one")
    joining = shard.waiting(instance="two", protocols=protocols)
    shard.join(first, instance="one", protocols=protocols)
    second = response_of(joining).member_id
    shard.sync(2, first, {first: b"one", second: b"two"}, instance="one")
    shard.sync(2, second, instance="two")
    assert shard.state() is State.STABLE
    return 2, first, second


# A static member is replaced


@pytest.mark.parametrize("instance", ["one", "two"])
def test_a_static_member_that_is_replaced_while_it_waits_in_a_join_phase_hands_its_wait_on(
    instance: str,
) -> None:
    shard = Shard()
    generation, first, second = pair(shard)
    old, other = (first, second) if instance == "one" else (second, first)
    other_instance = "two" if instance == "one" else "one"
    # The leader always starts a rebalance; a follower does by something new.
    waiting = shard.waiting(old, instance=instance, protocols=(STICKY, RANGE))
    assert shard.state() is State.PREPARING_REBALANCE
    again = shard.waiting(instance=instance, protocols=(STICKY, RANGE))
    assert response_of(waiting).error_code is ErrorCode.FENCED_INSTANCE_ID
    assert again.response is None
    joined = answered(shard.join(other, instance=other_instance, protocols=(STICKY, RANGE)))
    told = response_of(again)
    assert (told.error_code, told.generation_id) == (NONE, generation + 1)
    assert told.member_id != old
    assert joined.leader == told.leader == (told.member_id if instance == "one" else other)
    assert shard.heartbeat(told.generation_id, old, instance=instance) is ErrorCode.FENCED_INSTANCE_ID


def test_a_static_member_that_is_replaced_before_it_joins_again_is_joined_by_that() -> None:
    shard = Shard()
    _, first, second = pair(shard)
    waiting = shard.waiting(first, instance="one", protocols=(RANGE, STICKY))
    told = answered(shard.join(instance="two", protocols=(RANGE, STICKY)))
    assert (told.error_code, response_of(waiting).error_code) == (NONE, NONE)
    assert second not in shard.group().members


@pytest.mark.parametrize("instance", ["one", "two"])
def test_a_static_member_that_is_replaced_while_assignments_are_awaited_makes_the_group_join_again(
    instance: str,
) -> None:
    shard = Shard()
    generation, first, second = pair(shard)
    shard.join(first, instance="one", protocols=(RANGE, STICKY))
    shard.join(second, instance="two", protocols=(RANGE, STICKY))
    assert shard.state() is State.COMPLETING_REBALANCE
    other, other_instance = (second, "two") if instance == "one" else (first, "one")
    syncing = None
    if instance == "one":  # the follower waits for the leader's assignment
        syncing = ticket(shard.sync(generation + 1, other, instance=other_instance))
    again = shard.waiting(instance=instance, protocols=(RANGE, STICKY))
    assert shard.state() is State.PREPARING_REBALANCE
    if syncing is not None:
        assert response_of(syncing).error_code is ErrorCode.REBALANCE_IN_PROGRESS
    shard.join(other, instance=other_instance, protocols=(RANGE, STICKY))
    assert response_of(again).generation_id == generation + 2


def test_a_replaced_member_that_had_not_synced_yet_is_waited_for_under_its_new_id() -> None:
    shard = Shard()
    _, first, second = pair(shard)
    shard.join(first, instance="one", protocols=(RANGE, STICKY))
    shard.join(second, instance="two", protocols=(RANGE, STICKY))
    shard.sync(3, first, {first: b"1", second: b"2"}, instance="one")
    assert shard.state() is State.STABLE
    new = answered(shard.join(instance="two", protocols=(RANGE, STICKY))).member_id
    assert answered(shard.sync(3, new, instance="two")).assignment == b"2"
    for _ in range(20):
        shard.sleep(5_000)
        assert shard.heartbeat(3, first, instance="one") is NONE
        assert shard.heartbeat(3, new, instance="two") is NONE


def test_a_replaced_members_session_is_the_former_ones_until_it_is_heard_of() -> None:
    shard = Shard()
    generation, first, second = pair(shard)
    new = answered(shard.join(instance="two", protocols=(RANGE, STICKY), session_timeout_ms=30_000)).member_id
    shard.sleep(9_999)
    assert new in shard.group().members
    assert second not in shard.group().members
    assert shard.heartbeat(generation, new, instance="two") is NONE
    assert shard.heartbeat(generation, first, instance="one") is NONE
    shard.sleep(10_000)
    assert first not in shard.group().members
    assert new in shard.group().members


def test_a_replacement_that_no_record_can_hold_is_taken_back() -> None:
    """Kafka's append of it fails: the member is who it was before, and whoever came is told of an error."""
    shard = Shard(GroupSettings(max_record_bytes=2_000))
    generation, first, second = pair(shard)
    records = len(shard.log)
    large = (Protocol("range", b"\0" * 1_990), STICKY)
    told = answered(shard.join(instance="two", protocols=large, session_timeout_ms=30_000))
    assert told.error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert (told.member_id, told.generation_id, told.leader) == ("", generation, first)
    assert len(shard.log) == records
    assert shard.state() is State.STABLE
    assert shard.heartbeat(generation, second, instance="two") is NONE
    assert shard.group().members[second].protocols == (RANGE, STICKY)
    shard.sleep(9_999)
    assert shard.heartbeat(generation, second, instance="two") is NONE
    assert first in shard.group().members
    shard.sleep(9_000)
    assert list(shard.group().members) == [second]


def test_a_static_member_of_a_full_group_that_forgot_its_id_has_no_room() -> None:
    """Kafka counts it as one more: it says no member id."""
    shard = Shard(GroupSettings(max_size=2))
    generation, _, second = pair(shard)
    told = answered(shard.join(instance="two", protocols=(RANGE, STICKY)))
    assert told.error_code is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert shard.heartbeat(generation, second, instance="two") is NONE


# What members offer changes


def test_a_group_goes_over_to_a_protocol_that_all_come_to_prefer() -> None:
    shard = Shard()
    _, first, second = pair(shard)
    assert shard.group().protocol_name == "range"
    shard.waiting(second, instance="two", protocols=(STICKY, RANGE))
    told = answered(shard.join(first, instance="one", protocols=(STICKY, RANGE)))
    assert told.protocol_name == "sticky"


def test_a_protocol_that_one_member_no_longer_offers_is_no_choice() -> None:
    shard = Shard()
    _, first, second = pair(shard)
    shard.waiting(second, instance="two", protocols=(STICKY,))
    refused = answered(shard.join(first, instance="one", protocols=(RANGE,)))
    assert refused.error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    told = answered(shard.join(first, instance="one", protocols=(RANGE, STICKY)))
    assert told.protocol_name == "sticky"


@pytest.mark.parametrize(("state", "error"), [("empty", NONE), ("without members", "inconsistent")])
def test_another_protocol_type_may_take_over_an_empty_group_but_not_one_that_is_joining(
    state: str, error: ErrorCode | str
) -> None:
    shard = Shard()
    _, (member_id,) = shard.stable()
    if state == "without members":
        shard.joined()  # a member that is about to join holds the join phase open
    shard.leave(member_id)
    assert shard.state() is (State.EMPTY if state == "empty" else State.PREPARING_REBALANCE)
    assert not shard.group().members
    told = shard.join(version=3, protocol_type="connect", protocols=(Protocol("v1", b""),))
    if error is NONE:
        assert answered(told).protocol_type == "connect"
    else:
        assert answered(told).error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("protocol_type", ["connect", "sr", "consumer", "größe"])
def test_a_group_of_any_type_rebalances_is_listed_and_comes_back(protocol_type: str) -> None:
    shard = Shard()
    offer = (Protocol("v1", b"\x01\x02 not a subscription"),)
    generation, (first, _) = shard.stable(2, protocol_type=protocol_type, protocols=offer)
    (listed,) = answered(shard.run(shard.machine.list_groups(["stable"], ["classic"])))
    assert listed == (GROUP, protocol_type, "Stable", "classic")
    shard.restart()
    assert shard.group().protocol_type == protocol_type
    assert shard.heartbeat(generation, first) is NONE


# Time-outs


def test_a_rebalance_timeout_below_nothing_is_nothing() -> None:
    shard = Shard()
    shard.member(rebalance_timeout_ms=-5)
    assert shard.group().rebalance_timeout_ms == 0


def test_the_record_of_a_generation_is_of_the_time_at_which_it_began() -> None:
    shard = Shard()
    member_id, _ = shard.member()
    shard.sleep(3_000)
    shard.sync(1, member_id, {})
    value = last_group_value(shard.log)
    assert value is not None
    assert value.current_state_timestamp_ms == START_MS


# Much at once, a little at a time


def test_sessions_of_many_loaded_members_begin_in_steps_and_all_of_them_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loaded_sessions, "MEMBERS_A_STEP", 3)
    shard = Shard()
    ids: dict[str, tuple[int, list[str]]] = {
        f"g{number}": shard.stable(2, group_id=f"g{number}") for number in range(5)
    }
    shard.restart()
    assert sum(key[0] == "session" for key in shard.timers if isinstance(key, tuple)) == 2
    # A member that is heard of first is not given its time again.
    generation, (early, _) = ids["g0"]
    assert shard.heartbeat(generation, early, group_id="g0") is NONE
    assert shard.sleep(100) == [BEGIN_SESSIONS] * 4
    for group_id, (generation, members) in ids.items():
        for member_id in members:
            assert shard.heartbeat(generation, member_id, group_id=group_id) is NONE
    shard.sleep(20_100)
    assert all(shard.group(group_id).state is State.EMPTY for group_id in ids)


def test_many_groups_over_their_size_all_rebalance_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded_sessions, "MEMBERS_A_STEP", 1)
    shard = Shard()
    ids = {f"g{number}": shard.stable(2, group_id=f"g{number}")[1] for number in range(3)}
    shard.restart(GroupSettings(max_size=1))
    # One rebalances already when its turn comes.
    shard.waiting(ids["g0"][0], group_id="g0")
    shard.sleep(10)
    assert all(shard.group(group_id).state is State.PREPARING_REBALANCE for group_id in ids)


@pytest.mark.parametrize("step", [1, 3, 7, 1_000])
def test_expired_offsets_go_in_steps_and_their_groups_with_the_last(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(offset_expiry, "OFFSETS_A_STEP", step)
    shard = Shard(GroupSettings(offsets_retention_ms=1_000, offsets_retention_check_interval_ms=5_000))
    for group in range(3):
        for topic in range(4):
            for partition in range(2):
                shard.commit(1, group_id=f"g{group}", topic=f"t{topic}", partition=partition)
    shard.sleep(4_500)
    shard.commit(2, group_id="g1", topic="t0")
    before = len(shard.log)
    fired = shard.sleep(1_000)
    assert fired.count(EXPIRE_OFFSETS) == len(fired)
    assert (len(fired) == 1) == (step == 1_000)
    assert [(key.group, key.topic, key.partition) for key in shard.machine.committed()] == [("g1", "t0", 0)]
    assert shard.machine.group("g0") is None
    assert shard.machine.group("g2") is None
    assert len(shard.log) == before + 23 + 2
    assert shard.sleep(4_400) == []
    shard.sleep(700)
    assert not shard.machine.committed()
    assert shard.log[-1] == (GroupKey("g1"), None)


def test_an_offset_that_is_committed_between_two_steps_keeps_its_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(offset_expiry, "OFFSETS_A_STEP", 1)
    shard = Shard(GroupSettings(offsets_retention_ms=1_000, offsets_retention_check_interval_ms=5_000))
    for topic in range(3):
        shard.commit(1, topic=f"t{topic}")
    shard.sleep(5_001)
    assert len(shard.machine.committed()) == 1
    shard.commit(2, topic="t2")
    shard.sleep(100)
    assert [key.topic for key in shard.machine.committed()] == ["t2"]
    shard.restart()
    assert shard.machine.group(GROUP) is not None
