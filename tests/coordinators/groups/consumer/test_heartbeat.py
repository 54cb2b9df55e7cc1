"""Members of a consumer group join, stay, reconcile and leave."""

from __future__ import annotations

from uuid import UUID

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.group import State
from kwire.coordinators.groups.consumer.member import MemberState
from kwire.coordinators.groups.consumer.values import HeartbeatRequest, problem_with
from kwire.coordinators.groups.settings import GroupSettings
from tests.coordinators.groups.consumer.context import Consumer, Groups, settle

ASSIGNORS = ("uniform", "range")


def test_the_first_member_gets_everything_at_once() -> None:
    shard = Groups(orders=3)
    first = shard.join_as("first", "orders")
    assert first.has("orders") == [0, 1, 2]
    assert first.last is not None
    assert first.last.member_epoch == 2
    assert first.last.heartbeat_interval_ms == 5_000
    assert shard.consumers().state is State.STABLE
    assert first.beat().assignment is None


def test_a_member_without_an_id_is_given_one() -> None:
    shard = Groups(orders=1)
    result = shard.beat(
        "", 0, new_member_id="given", rebalance_timeout_ms=1, subscribed_topic_names=["orders"], owned=()
    )
    assert result.member_id == "given"
    assert list(shard.consumers().members) == ["given"]


def test_a_second_member_waits_until_the_first_has_given_back_half() -> None:
    shard = Groups(orders=4)
    first = shard.join_as("first", "orders")
    second = shard.join_as("second", "orders")
    assert second.has("orders") == []
    assert shard.consumers().state is State.RECONCILING
    assert shard.consumers().members["second"].state is MemberState.UNRELEASED_PARTITIONS
    told = first.beat()
    assert told.member_epoch == 2, "it stays at its epoch until it has revoked"
    kept = first.has("orders")
    assert len(kept) == 2
    assert second.beat().assignment is None, "nothing was given back yet"
    assert first.beat().member_epoch == 3
    second.beat()
    assert sorted(first.has("orders") + second.has("orders")) == [0, 1, 2, 3]
    assert shard.consumers().state is State.STABLE


def test_a_member_that_reports_what_it_must_revoke_is_waited_for() -> None:
    shard = Groups(orders=2)
    first = shard.join_as("first", "orders")
    shard.join_as("second", "orders")
    orders = shard.id_of("orders")
    for _ in range(3):
        assert shard.beat("first", 2, owned=((orders, (0, 1)),)).member_epoch == 2
    assert len(first.shard.consumers().members["first"].partitions_pending_revocation[orders]) == 1


def test_what_a_member_leaves_goes_to_the_others() -> None:
    shard = Groups(orders=3)
    first, second = shard.join_as("first", "orders"), shard.join_as("second", "orders")
    settle(first, second)
    left = first.leave()
    assert (left.error_code, left.member_id, left.member_epoch) == (ErrorCode.NONE, "first", -1)
    assert left.heartbeat_interval_ms == 0
    settle(second)
    assert second.has("orders") == [0, 1, 2]


def test_a_group_that_all_have_left_is_empty_and_stays() -> None:
    shard = Groups(orders=1)
    shard.join_as("first", "orders").leave()
    group = shard.consumers()
    assert group.state is State.EMPTY
    assert (group.group_epoch, group.assignment_epoch) == (3, 3)
    assert shard.timers == {"expire-offsets"}


def test_a_topic_that_grows_is_noticed_by_the_next_heartbeat() -> None:
    shard = Groups(orders=1)
    first = shard.join_as("first", "orders")
    shard.grow("orders", 3)
    assert first.beat().member_epoch == 3
    assert first.has("orders") == [0, 1, 2]


def test_a_topic_that_is_created_later_is_noticed() -> None:
    shard = Groups()
    first = shard.join_as("first", "later")
    assert first.owned == {}
    shard.create("later", 2)
    first.beat()
    assert first.has("later") == [0, 1]


def test_a_topic_that_is_deleted_is_taken_away() -> None:
    shard = Groups(orders=1, events=1)
    first = shard.join_as("first", "orders", "events")
    shard.delete("orders")
    first.beat()
    settle(first)
    assert first.has("events") == [0]
    assert len(first.owned) == 1


def test_a_topic_that_nobody_subscribes_to_changes_nothing() -> None:
    shard = Groups(orders=1)
    first = shard.join_as("first", "orders")
    before = len(shard.log)
    shard.create("other", 5)
    first.beat()
    assert len(shard.log) == before


def test_a_changed_subscription_takes_topics_and_gives_others() -> None:
    shard = Groups(orders=2, events=2)
    first = shard.join_as("first", "orders")
    first.beat(subscribed_topic_names=("events",))
    settle(first)
    assert first.has("orders") == []
    assert first.has("events") == [0, 1]


def test_nothing_is_written_for_a_heartbeat_that_brings_nothing() -> None:
    shard = Groups(orders=2)
    first = shard.join_as("first", "orders")
    settle(first)
    before = len(shard.log)
    timers = shard.timers
    shard.sleep(3_000)
    first.beat()
    assert len(shard.log) == before
    assert shard.timers == timers


def test_the_second_target_is_computed_when_the_interval_is_over() -> None:
    shard = Groups(orders=2)
    shard.configure(assignment_interval_ms=1_000)
    first = shard.join_as("first", "orders")
    shard.sleep(999)
    second = shard.join_as("second", "orders")
    assert shard.consumers().state is State.ASSIGNING
    assert second.epoch == 2, "it is in the group, at the epoch of the target that there is"
    shard.sleep(1)
    settle(first, second)
    assert (len(first.has("orders")), len(second.has("orders"))) == (1, 1)


@pytest.mark.parametrize(("assignor", "expected"), [("range", [0, 1]), ("uniform", [0, 1])])
def test_the_assignor_that_most_ask_for_assigns(assignor: str, expected: list[int]) -> None:
    shard = Groups(orders=4)
    first = shard.join_as("a", "orders", server_assignor=assignor)
    second = shard.join_as("b", "orders", server_assignor=assignor)
    settle(first, second)
    assert len(first.has("orders")) == 2
    assert shard.describe().assignor_name == assignor


def test_another_assignor_with_most_votes_assigns_anew() -> None:
    shard = Groups(orders=2)
    first = shard.join_as("first", "orders", server_assignor="uniform")
    assert first.beat(server_assignor="uniform").member_epoch == 2
    assert first.beat(server_assignor="range").member_epoch == 3
    assert shard.describe().assignor_name == "range"


def test_a_group_that_is_full_takes_back_a_static_member() -> None:
    shard = Groups(GroupSettings(consumer_max_size=1), orders=1)
    shard.join_as("first", "orders", instance_id="one").leave(-2)
    assert shard.join_as("again", "orders", instance_id="one").has("orders") == [0]


# Epochs


def test_a_member_at_a_wrong_epoch_is_fenced() -> None:
    shard = Groups(orders=1)
    first = shard.join_as("first", "orders")
    settle(first)
    ahead = shard.beat("first", first.epoch + 1)
    assert ahead.error_code is ErrorCode.FENCED_MEMBER_EPOCH
    assert ahead.message == (
        "The consumer group member has a greater member epoch (3) than the one known by the group "
        "coordinator (2). The member must abandon all its partitions and rejoin."
    )
    assert (ahead.member_id, ahead.member_epoch, ahead.heartbeat_interval_ms) == (None, 0, 0)
    assert shard.beat("first", first.epoch - 1).error_code is ErrorCode.FENCED_MEMBER_EPOCH


def test_a_member_that_missed_an_answer_may_repeat_itself() -> None:
    shard = Groups(orders=2, events=1)
    first = shard.join_as("first", "orders")
    shard.grow("orders", 3)
    orders = shard.id_of("orders")
    assert first.beat().member_epoch == 3
    again = shard.beat("first", 2, owned=((orders, (0, 1)),))
    assert again.error_code is ErrorCode.NONE
    assert again.member_epoch == 3
    claims = shard.beat("first", 2, owned=((shard.id_of("events"), (0,)),))
    assert claims.error_code is ErrorCode.FENCED_MEMBER_EPOCH
    assert shard.beat("first", 2).error_code is ErrorCode.FENCED_MEMBER_EPOCH, "it does not say what it owns"


def test_a_fenced_member_joins_again_with_its_id() -> None:
    shard = Groups(orders=2)
    first = shard.join_as("first", "orders")
    epoch = first.epoch
    first.rejoin()
    result = first.beat()
    assert result.member_epoch == epoch
    assert first.has("orders") == [0, 1]


@pytest.mark.parametrize("epoch", [1, 5, -1])
def test_a_member_of_no_group_hears_that_there_is_none(epoch: int) -> None:
    shard = Groups()
    assert shard.beat("first", epoch).error_code is ErrorCode.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize("epoch", [1, -1])
def test_an_unknown_member_is_told_so(epoch: int) -> None:
    shard = Groups(orders=1)
    shard.join_as("first", "orders")
    result = shard.beat("other", epoch)
    assert result.error_code is ErrorCode.UNKNOWN_MEMBER_ID
    assert result.message == "Member other is not a member of group orders."


def test_a_full_group_takes_nobody_in_but_keeps_who_is_there() -> None:
    shard = Groups(GroupSettings(consumer_max_size=1), orders=1)
    first = shard.join_as("first", "orders")
    second = Consumer(shard, "second", ["orders"])
    full = second.beat()
    assert full.error_code is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert full.message == "The consumer group has reached its maximum capacity of 1 members."
    assert first.beat().error_code is ErrorCode.NONE


def test_what_fits_no_record_is_refused_and_changes_nothing() -> None:
    shard = Groups(GroupSettings(max_record_bytes=1_000), orders=1)
    first = shard.join_as("first", "orders")
    before = len(shard.log)
    assert first.beat(subscribed_topic_names=["x" * 1_000]).error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert len(shard.log) == before


# Time


def test_a_member_that_is_not_heard_of_is_out_after_its_session() -> None:
    shard = Groups(orders=2)
    first, second = shard.join_as("first", "orders"), shard.join_as("second", "orders")
    settle(first, second)
    shard.sleep(30_000)
    second.beat()
    shard.sleep(15_000)
    assert list(shard.consumers().members) == ["second"]
    settle(second)
    assert second.has("orders") == [0, 1]
    shard.sleep(45_000)
    assert shard.consumers().state is State.EMPTY


def test_sessions_begin_anew_when_the_group_is_loaded() -> None:
    shard = Groups(orders=1)
    shard.join_as("first", "orders")
    shard.sleep(44_000)
    shard.restart()
    shard.sleep(44_999)
    assert "first" in shard.consumers().members
    shard.sleep(1)
    assert not shard.consumers().members


def test_the_session_is_as_long_as_the_groups_settings_say() -> None:
    shard = Groups(orders=1)
    shard.configure(session_timeout_ms=50_000, heartbeat_interval_ms=7_000)
    first = shard.join_as("first", "orders")
    assert first.last is not None
    assert first.last.heartbeat_interval_ms == 7_000
    shard.sleep(49_999)
    assert shard.consumers().members
    shard.sleep(1)
    assert not shard.consumers().members


@pytest.mark.parametrize("restarts", [False, True])
def test_a_member_that_does_not_revoke_in_time_is_out(restarts: bool) -> None:
    shard = Groups(orders=2)
    first = shard.join_as("first", "orders", rebalance_timeout_ms=20_000)
    second = shard.join_as("second", "orders")
    first.beat()
    if restarts:
        shard.restart()
    shard.sleep(19_999)
    orders = shard.id_of("orders")
    assert shard.beat("first", 2, owned=((orders, (0, 1)),)).error_code is ErrorCode.NONE
    shard.sleep(1)
    assert list(shard.consumers().members) == ["second"]
    settle(second)
    assert second.has("orders") == [0, 1]


def test_a_member_that_revokes_in_time_stays() -> None:
    shard = Groups(orders=2)
    first = shard.join_as("first", "orders", rebalance_timeout_ms=20_000)
    second = shard.join_as("second", "orders")
    settle(first, second)
    shard.sleep(20_000)
    assert set(shard.consumers().members) == {"first", "second"}


# Requests that are wrong in themselves


def request(**changes: object) -> HeartbeatRequest:
    fields: dict[str, object] = {
        "group_id": "g",
        "member_id": "m",
        "member_epoch": 0,
        "client_id": "",
        "client_host": "/",
        "rebalance_timeout_ms": 5,
        "subscribed_topic_names": (),
        "owned": (),
    }
    return HeartbeatRequest(**{**fields, **changes})  # type: ignore[arg-type]  # told by name


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"member_id": ""}, "MemberId can't be empty."),
        ({"member_id": " ", "member_epoch": 1, "requires_own_member_id": False}, "MemberId can't be empty."),
        ({"member_id": "", "member_epoch": -1, "requires_own_member_id": False}, "MemberId can't be empty."),
        ({"group_id": ""}, "GroupId can't be empty."),
        ({"instance_id": ""}, "InstanceId can't be empty."),
        ({"rack_id": " "}, "RackId can't be empty."),
        ({"rebalance_timeout_ms": -1}, "RebalanceTimeoutMs must be provided in first request."),
        ({"owned": None}, "TopicPartitions must be empty when (re-)joining."),
        ({"owned": ((UUID(int=1), (0,)),)}, "TopicPartitions must be empty when (re-)joining."),
        (
            {"subscribed_topic_names": None},
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        ({"member_epoch": -2}, "InstanceId can't be null."),
        ({"member_epoch": -3}, "MemberEpoch is invalid."),
    ],
)
def test_a_request_that_is_wrong_in_itself_is_refused(changes: dict[str, object], text: str) -> None:
    refusal = problem_with(request(**changes), ASSIGNORS)
    assert refusal is not None
    assert refusal == (ErrorCode.INVALID_REQUEST, text)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"member_id": "", "requires_own_member_id": False},
        {"subscribed_topic_names": None, "subscribed_topic_regex": ""},
        {"member_epoch": -2, "instance_id": "i"},
        {"member_epoch": 4, "rebalance_timeout_ms": -1, "owned": None, "subscribed_topic_names": None},
        {"server_assignor": "range"},
    ],
)
def test_other_requests_are_not(changes: dict[str, object]) -> None:
    assert problem_with(request(**changes), ASSIGNORS) is None


def test_an_unknown_assignor_is_refused() -> None:
    refusal = problem_with(request(server_assignor="best"), ASSIGNORS)
    assert refusal is not None
    assert refusal.error_code is ErrorCode.UNSUPPORTED_ASSIGNOR
    assert refusal.message == "ServerAssignor best is not supported. Supported assignors: uniform, range."
