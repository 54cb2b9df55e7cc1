"""Static members of a consumer group (KIP-345): they leave for a while, come back, and are not imitated."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.member import LEAVE_STATIC_EPOCH
from tests.coordinators.groups.consumer.context import Consumer, Groups, settle


def two_members(shard: Groups) -> tuple[Consumer, Consumer]:
    first = shard.join_as("first", "orders", instance_id="one")
    second = shard.join_as("second", "orders", instance_id="two")
    settle(first, second)
    return first, second


def test_what_a_member_had_that_is_away_is_kept_for_its_return() -> None:
    shard = Groups(orders=4)
    first, second = two_members(shard)
    had, epoch = first.has("orders"), shard.consumers().group_epoch
    left = first.leave(LEAVE_STATIC_EPOCH)
    assert (left.error_code, left.member_id, left.member_epoch) == (ErrorCode.NONE, "first", -2)
    settle(second)
    assert len(second.has("orders")) == 2
    back = shard.join_as("first again", "orders", instance_id="one")
    assert back.has("orders") == had
    assert shard.consumers().group_epoch == epoch, "nobody has to rebalance for it"
    assert set(shard.consumers().members) == {"second", "first again"}
    settle(back, second)


def test_a_member_that_is_away_for_too_long_is_out() -> None:
    shard = Groups(orders=4)
    first, second = two_members(shard)
    first.leave(LEAVE_STATIC_EPOCH)
    shard.sleep(30_000)
    second.beat()
    shard.sleep(15_000)
    assert set(shard.consumers().members) == {"second"}
    settle(second)
    assert second.has("orders") == [0, 1, 2, 3]


def test_the_timer_of_a_member_that_was_replaced_hurts_nobody() -> None:
    shard = Groups(orders=4)
    first, second = two_members(shard)
    first.leave(LEAVE_STATIC_EPOCH)
    shard.sleep(40_000)
    second.beat()
    back = shard.join_as("first again", "orders", instance_id="one")
    shard.sleep(10_000)
    assert set(shard.consumers().members) == {"second", "first again"}
    settle(back, second)


def test_a_place_that_is_taken_is_not_given_away() -> None:
    shard = Groups(orders=1)
    shard.join_as("first", "orders", instance_id="one")
    thief = Consumer(shard, "thief", ["orders"], instance_id="one")
    refused = thief.beat()
    assert refused.error_code is ErrorCode.UNRELEASED_INSTANCE_ID
    assert refused.message == (
        "Static member thief with instance id one cannot join the group because the instance id is owned by "
        "first member."
    )


@pytest.mark.parametrize("epoch", [3, -1, -2])
def test_a_member_whose_instance_id_somebody_else_has_is_fenced(epoch: int) -> None:
    shard = Groups(orders=1)
    shard.join_as("first", "orders", instance_id="one")
    assert shard.beat("other", epoch, instance_id="one").error_code is ErrorCode.FENCED_INSTANCE_ID


@pytest.mark.parametrize("epoch", [3, -1, -2])
def test_an_instance_id_that_nobody_has_is_unknown(epoch: int) -> None:
    shard = Groups(orders=1)
    shard.join_as("first", "orders", instance_id="one")
    unknown = shard.beat("first", epoch, instance_id="two")
    assert unknown.error_code is ErrorCode.UNKNOWN_MEMBER_ID
    assert unknown.message == "Instance id two is unknown."


def test_a_static_member_that_leaves_for_good_leaves_nothing() -> None:
    shard = Groups(orders=2)
    first, second = two_members(shard)
    first.leave()
    settle(second)
    assert second.has("orders") == [0, 1]
    assert shard.consumers().static_members == {"two": "second"}


def test_a_member_comes_back_after_a_restart_of_the_broker() -> None:
    shard = Groups(orders=4)
    first, second = two_members(shard)
    had = first.has("orders")
    first.leave(LEAVE_STATIC_EPOCH)
    shard.restart()
    back = shard.join_as("first again", "orders", instance_id="one")
    assert back.has("orders") == had
    settle(back, second)


def test_a_member_that_comes_back_with_another_subscription_gets_what_it_asks_for() -> None:
    shard = Groups(orders=4, events=2)
    first, second = two_members(shard)
    first.leave(LEAVE_STATIC_EPOCH)
    back = shard.join_as("first again", "events", instance_id="one")
    settle(back, second)
    assert back.has("orders") == []
    assert back.has("events") == [0, 1]
    assert second.has("orders") == [0, 1, 2, 3]


def test_what_a_member_that_is_away_holds_is_given_to_nobody_else_meanwhile() -> None:
    shard = Groups(orders=3)
    first, second = two_members(shard)
    first.leave(LEAVE_STATIC_EPOCH)
    third = shard.join_as("third", "orders")
    settle(second, third)
    held = shard.consumers().members["first"].assigned_partitions[shard.id_of("orders")]
    assert not set(held) & set(second.has("orders") + third.has("orders"))
    shard.sleep(30_000)
    settle(second, third, rounds=1)
    shard.sleep(15_000)
    settle(second, third)
    assert sorted(second.has("orders") + third.has("orders")) == [0, 1, 2]
