"""Subscriptions by regular expression: looked up by the shard's owner, and again when topics come."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.group import State
from kwire.coordinators.groups.consumer.values import ResolveExpressions
from tests.coordinators.groups.consumer.context import Consumer, Groups, settle


def test_a_member_gets_what_its_expression_matches_once_that_is_known() -> None:
    shard = Groups(orders_eu=1, orders_us=1, events=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    joined = first.beat()
    assert joined.error_code is ErrorCode.NONE
    assert first.owned == {}
    assert shard.messages == [ResolveExpressions("orders", ("orders_.*",))]
    assert shard.resolve() == 1
    first.beat()
    assert (first.has("orders_eu"), first.has("orders_us"), first.has("events")) == ([0], [0], [])
    assert shard.consumers().state is State.STABLE


def test_nothing_is_looked_up_twice_at_a_time() -> None:
    shard = Groups(orders_eu=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    first.beat()
    second = Consumer(shard, "second", None, subscribed_topic_regex="orders_e.*")
    second.beat()
    assert len(shard.messages) == 1
    shard.resolve()
    first.beat()
    assert not shard.messages, "the next time is ten seconds later"
    shard.sleep(10_001)
    first.beat()
    assert shard.messages == [ResolveExpressions("orders", ("orders_.*", "orders_e.*"))]
    shard.resolve()
    settle(first, second)
    assert set(shard.consumers().resolved_expressions) == {"orders_.*", "orders_e.*"}


def test_topics_that_are_created_later_are_found() -> None:
    shard = Groups(orders_eu=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    first.beat()
    shard.resolve()
    settle(first)
    shard.create("orders_us", 1)
    shard.create("events", 1)
    shard.sleep(10_001)
    first.beat()
    assert shard.resolve() == 1
    settle(first)
    assert first.has("orders_us") == [0]
    before = len(shard.log)
    shard.sleep(10_001)
    first.beat()
    assert (shard.resolve(), len(shard.log)) == (0, before)


def test_expressions_are_looked_up_again_after_some_time_anyway() -> None:
    shard = Groups(orders_eu=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    first.beat()
    shard.resolve()
    settle(first)
    epoch = shard.consumers().group_epoch
    for _ in range(20):
        shard.sleep(30_000)
        first.beat()
    assert shard.resolve() == 0
    shard.sleep(1)
    first.beat()
    assert shard.resolve() == 1
    assert shard.consumers().group_epoch == epoch, "what matches is the same"


def test_what_is_being_looked_up_when_the_broker_dies_is_looked_up_again() -> None:
    shard = Groups(orders_eu=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    first.beat()
    shard.restart()
    first.beat()
    assert shard.resolve() == 1
    settle(first)
    assert first.has("orders_eu") == [0]


def test_a_second_member_with_a_known_expression_is_assigned_to_at_once() -> None:
    shard = Groups(orders_eu=2)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    first.beat()
    shard.resolve()
    settle(first)
    second = Consumer(shard, "second", None, subscribed_topic_regex="orders_.*")
    second.beat()
    assert not shard.messages
    settle(first, second)
    assert sorted(first.has("orders_eu") + second.has("orders_eu")) == [0, 1]


def test_a_member_that_turns_to_names_gives_up_its_expression() -> None:
    shard = Groups(orders_eu=1, events=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    first.beat()
    shard.resolve()
    settle(first)
    first.beat(subscribed_topic_names=["events"], subscribed_topic_regex="")
    settle(first)
    assert (first.has("orders_eu"), first.has("events")) == ([], [0])
    group = shard.consumers()
    assert (group.resolved_expressions, group.expressions) == ({}, {})
    assert set(group.subscriptions) == {"events"}


def test_an_expression_that_nobody_has_any_more_is_forgotten() -> None:
    shard = Groups(orders_eu=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    second = shard.join_as("second", "orders_eu")
    first.beat()
    shard.resolve()
    settle(first, second)
    first.leave()
    settle(second)
    group = shard.consumers()
    assert (group.resolved_expressions, group.expressions) == ({}, {})
    assert second.has("orders_eu") == [0]


@pytest.mark.parametrize("expression", ["[", "(", "a{2000}", "(?<=x)y", "*"])
def test_what_is_no_expression_is_refused_and_changes_nothing(expression: str) -> None:
    shard = Groups(orders=1)
    first = shard.join_as("first", "orders")
    before = len(shard.log)
    refused = first.beat(subscribed_topic_regex=expression)
    assert refused.error_code is ErrorCode.INVALID_REGULAR_EXPRESSION
    assert refused.message is not None
    assert refused.message.startswith(
        f"SubscribedTopicRegex `{expression}` is not a valid regular expression: "
    )
    assert len(shard.log) == before
    assert not shard.consumers().resolving


def test_a_result_for_a_group_that_is_gone_is_dropped() -> None:
    shard = Groups(orders_eu=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    first.beat()
    first.leave()
    shard.run(shard.machine.delete_groups(["orders"], shard.now_ms))
    before = len(shard.log)
    shard.resolve()
    assert len(shard.log) == before


def test_a_topic_that_two_expressions_match_stays_when_one_of_them_goes() -> None:
    shard = Groups(orders_eu=1)
    first = Consumer(shard, "first", None, subscribed_topic_regex="orders_.*")
    second = Consumer(shard, "second", None, subscribed_topic_regex="orders_e.*")
    first.beat()
    second.beat()
    shard.resolve()
    shard.sleep(10_001)
    first.beat()
    shard.resolve()
    settle(first, second)
    second.leave()
    assert shard.consumers().is_subscribed_to("orders_eu")
    shard.grow("orders_eu", 2)
    settle(first)
    assert first.has("orders_eu") == [0, 1]
