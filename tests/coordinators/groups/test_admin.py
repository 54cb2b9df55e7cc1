"""What administrators see: lists and descriptions of groups."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from tests.coordinators.groups.context import GROUP, Shard, answered, subscription


def shard_of_all_states() -> Shard:
    shard = Shard()
    shard.commit(1, group_id="simple")
    shard.stable(group_id="stable")
    _, (first, _) = shard.stable(2, group_id="preparing", protocol_type="connect")
    shard.waiting(first, group_id="preparing", protocol_type="connect")
    shard.join(group_id="completing", version=3)
    return shard


@pytest.mark.parametrize(
    ("states", "types", "expected"),
    [
        ([], [], {"simple", "stable", "preparing", "completing"}),
        (["Stable"], [], {"stable"}),
        (["stable ", "EMPTY"], [], {"stable", "simple"}),
        (["preparingrebalance", "CompletingRebalance"], [], {"preparing", "completing"}),
        (["Dead"], [], set()),
        (["no such state"], [], set()),
        ([], ["classic"], {"simple", "stable", "preparing", "completing"}),
        ([], ["CLASSIC", "consumer"], {"simple", "stable", "preparing", "completing"}),
        ([], ["consumer"], set()),
        ([], ["no such type"], set()),
        (["stable"], ["Classic"], {"stable"}),
    ],
)
def test_list_groups_by_state_and_type(states: list[str], types: list[str], expected: set[str]) -> None:
    shard = shard_of_all_states()
    listed = answered(shard.run(shard.machine.list_groups(states, types)))
    assert {group.group_id for group in listed} == expected


def test_listed_groups_say_what_they_are() -> None:
    shard = shard_of_all_states()
    listed = {group.group_id: group for group in answered(shard.run(shard.machine.list_groups([], [])))}
    assert listed["simple"][1:] == ("", "Empty", "classic")
    assert listed["stable"][1:] == ("consumer", "Stable", "classic")
    assert listed["preparing"][1:] == ("connect", "PreparingRebalance", "classic")
    assert listed["completing"][1:] == ("consumer", "CompletingRebalance", "classic")


def test_a_stable_group_is_described_with_metadata_and_assignments() -> None:
    shard = Shard()
    _, (first,) = shard.stable()
    (group,) = answered(shard.run(shard.machine.describe_groups([GROUP])))
    assert (group.group_state, group.protocol_type, group.protocol_data) == ("Stable", "consumer", "range")
    (member,) = group.members
    assert member.member_id == first
    assert (member.client_id, member.client_host) == ("client", "/127.0.0.1")
    assert member.metadata == subscription("orders-topic")
    assert member.assignment == first.encode()


def test_a_group_in_a_rebalance_is_described_without_metadata() -> None:
    shard = Shard()
    shard.join(version=3)
    (group,) = answered(shard.run(shard.machine.describe_groups([GROUP])))
    assert (group.group_state, group.protocol_data) == ("CompletingRebalance", "")
    assert group.members[0].metadata == b""


def test_a_group_that_is_not_there_is_dead() -> None:
    shard = Shard()
    (group,) = answered(shard.run(shard.machine.describe_groups(["nobody"])))
    assert (group.error_code, group.group_state) == (ErrorCode.GROUP_ID_NOT_FOUND, "Dead")
