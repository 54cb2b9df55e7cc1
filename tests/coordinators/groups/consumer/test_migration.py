"""Groups that change their kind while their members live on, and members of both protocols in one group."""

from __future__ import annotations

from typing import Any

import pytest
from kwire_codecs.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    decode_assignment,
    encode_prefixed,
)
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State as ClassicState
from kwire.coordinators.groups.consumer.group import State
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import JoinResult, LeavingMember, Protocol, SyncResult
from kwire.coordinators.outcome import Ticket
from tests.coordinators.groups.consumer.context import Consumer, Groups
from tests.coordinators.groups.context import GROUP, answered, response_of, ticket

POLICIES = ["bidirectional", "upgrade", "downgrade", "disabled"]


def groups(policy: str = "bidirectional", **settings: Any) -> Groups:
    return Groups(GroupSettings(migration_policy=policy, **settings), orders=4)


class Classic:
    """A consumer of the classic protocol, as it sees itself."""

    def __init__(self, shard: Groups, instance: str | None = None) -> None:
        self.shard = shard
        self.instance = instance
        self.member_id = ""
        self.generation_id = -1
        self.owned: dict[str, list[int]] = {}
        self.joining: Ticket[JoinResult] | None = None

    def offer(self) -> tuple[Protocol, ...]:
        owned = [
            ConsumerProtocolSubscription.TopicPartitions(topic=topic, partitions=partitions)
            for topic, partitions in self.owned.items()
        ]
        said = ConsumerProtocolSubscription(topics=["orders"], owned_partitions=owned)
        return (Protocol("range", encode_prefixed(said, 3)),)

    def join(self) -> JoinResult | None:
        """JoinGroup, with the second one that MEMBER_ID_REQUIRED asks for; None if it waits."""
        for _ in range(2):
            response = self.shard.join(self.member_id, protocols=self.offer(), instance=self.instance)
            if isinstance(response, Ticket):
                self.joining = response
                return self.collect()
            if response.error_code is not ErrorCode.MEMBER_ID_REQUIRED:
                return self._joined(response)
            self.member_id = response.member_id
        raise AssertionError("it was asked for its id twice")

    def collect(self) -> JoinResult | None:
        assert self.joining is not None
        if self.joining.response is None:
            return None
        result, self.joining = self.joining.response, None
        return self._joined(result)

    def _joined(self, result: JoinResult) -> JoinResult:
        if result.error_code is ErrorCode.NONE:
            self.member_id = result.member_id
            self.generation_id = result.generation_id
        return result

    def sync(self, assignments: dict[str, bytes] | None = None) -> SyncResult:
        response = self.shard.sync(self.generation_id, self.member_id, assignments, instance=self.instance)
        result = answered(response)
        if result.error_code is ErrorCode.NONE:
            assigned = decode_assignment(result.assignment).assigned_partitions
            self.owned = {topic.topic: sorted(topic.partitions) for topic in assigned}
        return result

    def heartbeat(self) -> ErrorCode:
        return self.shard.heartbeat(self.generation_id, self.member_id, instance=self.instance)

    def step(self) -> None:
        """Heartbeat, and what follows."""
        error = self.heartbeat()
        if error is ErrorCode.REBALANCE_IN_PROGRESS:
            joined = self.join()
            assert joined is not None
            assert joined.error_code is ErrorCode.NONE
            assert self.sync().error_code is ErrorCode.NONE
        else:
            assert error is ErrorCode.NONE

    def has(self) -> list[int]:
        return self.owned.get("orders", [])


def assigned(**topics: list[int]) -> bytes:
    return encode_prefixed(
        ConsumerProtocolAssignment(
            assigned_partitions=[
                ConsumerProtocolAssignment.TopicPartitions(topic=topic, partitions=partitions)
                for topic, partitions in topics.items()
            ]
        ),
        3,
    )


def classic_group(shard: Groups, count: int = 1) -> list[Classic]:
    """A stable classic group whose members share `orders`."""
    members = [Classic(shard) for _ in range(count)]
    for number, member in enumerate(members, 1):
        member.join()
        for other in members[: number - 1]:
            other.join()
    for member in members:
        if member.joining is not None:
            member.collect()
    group = shard.group()
    ids = [member.member_id for member in members]
    shares = {
        member_id: assigned(orders=list(range(4))[number::count]) for number, member_id in enumerate(ids)
    }
    leader = next(member for member in members if member.member_id == group.leader_id)
    leader.sync(shares)
    for member in members:
        member.sync()
    assert shard.state_of(group) is ClassicState.STABLE
    return members


# Upgrade


def test_a_classic_group_becomes_a_consumer_group_when_a_consumer_of_the_new_protocol_joins() -> None:
    shard = groups()
    [old] = classic_group(shard)
    generation_id = old.generation_id
    new = shard.join_as("new", "orders")
    group = shard.consumers()
    assert group.group_epoch == generation_id + 1
    assert group.members[old.member_id].uses_classic_protocol
    assert new.has("orders") == []
    old.step()
    assert len(old.has()) == 2
    for _ in range(3):
        new.beat()
        old.step()
    assert sorted(old.has() + new.has("orders")) == [0, 1, 2, 3]
    assert group.state is State.STABLE


def test_the_conversion_is_one_outcome_and_replays_to_what_is_in_memory() -> None:
    shard = groups()
    [old] = classic_group(shard)
    before = len(shard.log)
    shard.join_as("new", "orders")
    kinds = [(type(key).__name__, value is None) for key, value in shard.log[before:]]
    assert kinds[:6] == [
        ("GroupKey", True),
        ("MemberKey", False),
        ("EpochKey", False),
        ("MemberTargetKey", False),
        ("TargetKey", False),
        ("MemberCurrentKey", False),
    ]
    members = dict(shard.consumers().members)
    shard.restart()
    assert shard.consumers().members == members
    assert old.heartbeat() is ErrorCode.REBALANCE_IN_PROGRESS


def test_members_who_wait_in_a_rebalance_are_told_to_join_again() -> None:
    shard = groups()
    first, second = classic_group(shard, 2)
    assert first.join() is None
    shard.join_as("new", "orders")
    result = first.collect()
    assert result is not None
    assert result.error_code is ErrorCode.REBALANCE_IN_PROGRESS
    assert not {key for key in shard.timers if isinstance(key, tuple) and key[0] in ("join", "sync")}
    for member in (first, second):
        joined = member.join()
        assert joined is not None
        assert joined.error_code is ErrorCode.NONE
        assert member.sync().error_code is ErrorCode.NONE


@pytest.mark.parametrize("policy", ["downgrade", "disabled"])
def test_where_groups_may_not_be_upgraded_the_consumer_is_refused(policy: str) -> None:
    shard = groups(policy)
    classic_group(shard)
    before = len(shard.log)
    refused = Consumer(shard, "new", ["orders"]).beat()
    assert refused.error_code is ErrorCode.GROUP_ID_NOT_FOUND
    assert refused.message == (
        "Cannot upgrade classic group orders to consumer group because online upgrade is disabled."
    )
    assert len(shard.log) == before


def test_a_group_of_another_protocol_type_is_not_upgraded() -> None:
    shard = groups()
    shard.stable(protocol_type="connect")
    refused = Consumer(shard, "new", ["orders"]).beat()
    assert refused.error_code is ErrorCode.GROUP_ID_NOT_FOUND
    assert refused.message is not None
    assert refused.message.endswith("because the group does not use the consumer embedded protocol.")


def test_a_group_that_is_too_large_is_not_upgraded() -> None:
    shard = groups(consumer_max_size=1)
    classic_group(shard, 2)
    refused = Consumer(shard, "new", ["orders"]).beat()
    assert refused.error_code is ErrorCode.GROUP_ID_NOT_FOUND
    assert refused.message is not None
    assert refused.message.endswith("because the group size exceeds the consumer group maximum size.")


def test_an_assignment_that_is_no_consumers_is_not_upgraded() -> None:
    shard = groups()
    member_id, join = shard.member(protocols=Classic(shard).offer())
    generation_id = response_of(join).generation_id
    shard.sync(generation_id, member_id, {member_id: b"mine"})
    refused = Consumer(shard, "new", ["orders"]).beat()
    assert refused.error_code is ErrorCode.GROUP_ID_NOT_FOUND
    assert refused.message is not None
    assert refused.message.endswith("because the embedded consumer protocol is malformed.")
    assert shard.heartbeat(generation_id, member_id) is ErrorCode.NONE


def test_a_partition_that_a_classic_leader_gave_twice_stops_the_upgrade() -> None:
    shard = groups()
    first, second = classic_group(shard, 2)
    share = assigned(orders=[0])
    first.join()
    second.join()
    first.collect()
    leader = first if shard.group().leader_id == first.member_id else second
    leader.sync({first.member_id: share, second.member_id: share})
    refused = Consumer(shard, "new", ["orders"]).beat()
    assert refused.error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert shard.state() is ClassicState.STABLE


@pytest.mark.parametrize("policy", POLICIES)
def test_an_empty_group_of_either_kind_gives_way_to_the_other(policy: str) -> None:
    shard = groups(policy)
    [old] = classic_group(shard)
    shard.leave(old.member_id)
    new = shard.join_as("new", "orders")
    assert new.has("orders") == [0, 1, 2, 3]
    new.leave()
    again = Classic(shard)
    joined = again.join()
    assert joined is not None
    assert joined.error_code is ErrorCode.NONE
    assert shard.group().generation_id == 1
    shard.restart()
    assert shard.machine.consumer_group(GROUP) is None


def test_offsets_outlive_a_change_of_kind() -> None:
    shard = groups()
    [old] = classic_group(shard)
    assert shard.commit(7, generation_id=old.generation_id, member_id=old.member_id) is ErrorCode.NONE
    shard.join_as("new", "orders")
    assert shard.fetched().offset == 7
    shard.restart()
    assert shard.fetched().offset == 7


# Classic members in a consumer group


def mixed(shard: Groups) -> tuple[Consumer, Classic]:
    new = shard.join_as("new", "orders")
    old = Classic(shard)
    joined = old.join()
    assert joined is not None
    assert joined.error_code is ErrorCode.NONE
    assert joined.protocol_name == "range"
    assert (joined.leader, list(joined.members)) == ("", [])
    assert old.sync().error_code is ErrorCode.NONE
    for _ in range(3):
        new.beat()
        old.step()
    return new, old


@pytest.mark.parametrize("policy", POLICIES[:3])
def test_a_classic_consumer_joins_a_consumer_group(policy: str) -> None:
    shard = groups(policy)
    new, old = mixed(shard)
    assert sorted(old.has() + new.has("orders")) == [0, 1, 2, 3]
    assert len(old.has()) == 2
    assert shard.consumers().state is State.STABLE
    described = {member.member_id: member for member in shard.describe().members}
    assert described[old.member_id].uses_classic_protocol
    assert not described["new"].uses_classic_protocol


def test_where_groups_do_not_migrate_the_classic_consumer_is_refused() -> None:
    shard = groups("disabled")
    shard.join_as("new", "orders")
    assert shard.joined().error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_a_member_of_another_protocol_type_is_refused() -> None:
    shard = groups()
    shard.join_as("new", "orders")
    assert shard.joined(protocol_type="connect").error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_a_protocol_that_the_other_classic_members_do_not_offer_is_refused() -> None:
    shard = groups()
    mixed(shard)
    offer = (Protocol("other", Classic(shard).offer()[0].metadata),)
    assert shard.joined(protocols=offer).error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_metadata_that_is_no_consumers_is_refused() -> None:
    shard = groups()
    shard.join_as("new", "orders")
    refused = shard.joined("old", protocols=(Protocol("range", b"?"),))
    assert refused.error_code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert list(shard.consumers().members) == ["new"]


@pytest.mark.parametrize(
    ("generation", "kind", "name", "error"),
    [
        (0, "consumer", "range", ErrorCode.NONE),
        (0, None, None, ErrorCode.NONE),
        (1, "consumer", "range", ErrorCode.ILLEGAL_GENERATION),
        (0, "connect", "range", ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        (0, "consumer", "other", ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_a_sync_is_checked_as_in_a_classic_group(
    generation: int, kind: str | None, name: str | None, error: ErrorCode
) -> None:
    shard = groups()
    _, old = mixed(shard)
    response = shard.sync(
        old.generation_id + generation, old.member_id, protocol_type=kind, protocol_name=name
    )
    assert answered(response).error_code is error


def test_requests_of_the_other_protocol_are_refused() -> None:
    shard = groups()
    new, old = mixed(shard)
    assert shard.heartbeat(new.epoch, "new") is ErrorCode.UNKNOWN_MEMBER_ID
    assert answered(shard.sync(new.epoch, "new")).error_code is ErrorCode.UNKNOWN_MEMBER_ID
    assert shard.heartbeat(old.generation_id + 1, old.member_id) is ErrorCode.ILLEGAL_GENERATION
    assert shard.heartbeat(old.generation_id, "nobody") is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_classic_member_that_does_not_fetch_its_assignment_is_out() -> None:
    shard = groups()
    new = shard.join_as("new", "orders")
    old = Classic(shard)
    old.join()
    for _ in range(6):
        shard.sleep(9_999)
        new.beat()
        old.heartbeat()
    assert old.member_id in shard.consumers().members
    shard.sleep(60)
    assert old.member_id not in shard.consumers().members


def test_a_classic_member_that_does_not_join_again_is_out() -> None:
    shard = groups()
    new, old = mixed(shard)
    third = shard.join_as("third", "orders")
    assert old.heartbeat() is ErrorCode.REBALANCE_IN_PROGRESS
    for _ in range(6):
        shard.sleep(9_999)
        new.beat()
        third.beat()
        old.heartbeat()
    assert old.member_id in shard.consumers().members
    shard.sleep(60)
    assert old.member_id not in shard.consumers().members


def test_a_classic_member_has_the_session_that_it_asked_for() -> None:
    shard = groups()
    _, old = mixed(shard)
    shard.sleep(9_999)
    assert old.member_id in shard.consumers().members
    shard.sleep(1)
    assert list(shard.consumers().members) == ["new"]


def test_a_member_becomes_one_of_the_new_protocol_under_its_instance_id() -> None:
    shard = groups()
    shard.join_as("new", "orders")
    old = Classic(shard, "static")
    old.join()
    old.sync()
    upgraded = shard.join_as("upgraded", "orders", instance_id="static")
    group = shard.consumers()
    assert set(group.members) == {"new", "upgraded"}
    assert group.classic_member_count == 0
    assert upgraded.epoch == group.assignment_epoch
    assert old.heartbeat() is ErrorCode.FENCED_INSTANCE_ID


# Downgrade


@pytest.mark.parametrize("policy", ["bidirectional", "downgrade"])
def test_a_group_of_classic_consumers_alone_is_classic_again(policy: str) -> None:
    shard = groups(policy)
    new, old = mixed(shard)
    epoch = shard.consumers().group_epoch
    had = old.has()
    new.leave()
    group = shard.group()
    assert group.state is ClassicState.PREPARING_REBALANCE
    assert group.generation_id == epoch
    assert old.heartbeat() is ErrorCode.REBALANCE_IN_PROGRESS
    joined = old.join()
    assert joined is not None
    assert (joined.error_code, joined.leader) == (ErrorCode.NONE, old.member_id)
    assert joined.generation_id == epoch + 1
    kept = group.members[old.member_id]
    assert had
    assert kept.session_timeout_ms == 10_000
    old.sync({old.member_id: assigned(orders=[0, 1, 2, 3])})
    assert old.has() == [0, 1, 2, 3]


def test_a_downgrade_survives_a_restart_with_what_everybody_shall_own() -> None:
    shard = groups()
    new, old = mixed(shard)
    had = old.has()
    new.leave()
    shard.restart()
    group = shard.group()
    assert group.state is ClassicState.STABLE
    [topic] = decode_assignment(group.members[old.member_id].assignment).assigned_partitions
    assert sorted(topic.partitions) == had
    assert shard.machine.consumer_group(GROUP) is None


@pytest.mark.parametrize("policy", ["upgrade", "disabled"])
def test_where_groups_may_not_be_downgraded_they_stay(policy: str) -> None:
    shard = groups()
    new, old = mixed(shard)
    shard.restart(GroupSettings(migration_policy=policy))
    new.leave()
    assert list(shard.consumers().members) == [old.member_id]
    assert shard.consumers().state is State.ASSIGNING


def test_a_session_that_ends_downgrades_too() -> None:
    shard = groups()
    _, old = mixed(shard)
    for _ in range(9):
        shard.sleep(5_000)
        old.heartbeat()
    assert list(shard.group().members) == [old.member_id]


def test_leave_group_removes_members_of_both_protocols() -> None:
    shard = groups()
    new, old = mixed(shard)
    left = shard.leave("new", LeavingMember("nobody"), LeavingMember("", "unknown"))
    assert [member.error_code for member in left.members] == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.UNKNOWN_MEMBER_ID,
    ]
    assert list(shard.group().members) == [old.member_id]
    assert new.beat().error_code is ErrorCode.GROUP_ID_NOT_FOUND


def test_all_members_may_leave_at_once_and_the_group_stays_of_its_kind() -> None:
    shard = groups()
    _, old = mixed(shard)
    shard.leave("new", old.member_id)
    assert shard.consumers().state is State.EMPTY


def test_the_last_static_member_that_comes_back_with_the_classic_protocol_downgrades() -> None:
    shard = groups()
    new = shard.join_as("new", "orders", instance_id="static")
    old = Classic(shard)
    old.join()
    old.sync()
    for _ in range(3):
        new.beat()
        old.step()
    had = new.has("orders")
    back = Classic(shard, "static")
    joined = back.join()
    assert joined is not None
    assert joined.error_code is ErrorCode.NONE
    group = shard.group()
    assert set(group.members) == {old.member_id, back.member_id}
    assert group.generation_id == joined.generation_id
    assert back.sync().error_code is ErrorCode.NONE
    assert back.has() == had, "it goes on with what it had, without a rebalance"
    assert old.heartbeat() is ErrorCode.NONE
    shard.restart()
    assert set(shard.group().members) == {old.member_id, back.member_id}


def test_nobody_waits_for_what_a_downgraded_group_knew_of_its_members() -> None:
    shard = groups()
    new, old = mixed(shard)
    new.leave()
    assert shard.timers == {"expire-offsets", ("session", GROUP, old.member_id), ("join", GROUP)}
    assert ticket(shard.join("", protocols=old.offer(), version=3))
