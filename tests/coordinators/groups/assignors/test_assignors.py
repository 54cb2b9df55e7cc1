"""What holds of any assignment, whatever the group: checked over groups at random and over their changes.

1. Every partition of a topic that anybody is subscribed to is with exactly one member. 2. That member is
subscribed to it. 3. With equal subscriptions `uniform` gives nobody two more than anybody else, and `range`
gives stretches, of each topic alike. 4. A second run changes nothing. 5. `uniform` moves no more than it
must when a member goes: whoever stays keeps what its quota allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwire.coordinators.groups.assignors import ASSIGNORS
from kwire.coordinators.groups.assignors.group_spec import (
    Assignment,
    AssignorError,
    GroupAssignment,
    GroupSpec,
    MemberSpec,
)
from kwire.coordinators.groups.consumer.topics import FixedTopics, Topic

Subscriptions = Mapping[str, tuple[UUID, ...]]


class Group(NamedTuple):
    topics: FixedTopics
    members: Subscriptions
    instances: Mapping[str, str]
    is_homogeneous: bool

    def assign(self, assignor: str, before: Mapping[str, Assignment] | None = None) -> GroupAssignment:
        before = before or {}
        inverted: dict[UUID, set[int]] = {}
        for assignment in before.values():
            for topic_id, partitions in assignment.items():
                inverted.setdefault(topic_id, set()).update(partitions)
        spec = GroupSpec(
            {
                member: MemberSpec(ids, before.get(member, {}), self.instances.get(member))
                for member, ids in self.members.items()
            },
            self.is_homogeneous,
            inverted,
        )
        result = ASSIGNORS[assignor](spec, self.topics)
        assert all(partitions for each in result.values() for partitions in each.values())
        return result


def topic_ids(count: int) -> list[UUID]:
    return [
        UUID(int=(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 & (1 << 128) - 1)
        for number in range(count)
    ]


@st.composite
def groups(draw: st.DrawFn, homogeneous: bool | None = None) -> Group:
    ids = topic_ids(draw(st.integers(1, 5)))
    topics = FixedTopics(Topic(f"t{n}", topic_id, draw(st.integers(1, 20))) for n, topic_id in enumerate(ids))
    names = draw(st.lists(st.text("abcdef-", min_size=1, max_size=6), min_size=1, max_size=8, unique=True))
    is_homogeneous = draw(st.booleans()) if homogeneous is None else homogeneous
    some = st.lists(st.sampled_from(ids), min_size=1, max_size=5, unique=True).map(tuple)
    one = draw(some)
    members = {name: one if is_homogeneous else draw(some) for name in names}
    instances = {name: f"i{name}" for name in names if draw(st.booleans())}
    return Group(topics, members, instances, is_homogeneous)


def flat(assignment: Assignment) -> set[tuple[UUID, int]]:
    return {(topic_id, partition) for topic_id, partitions in assignment.items() for partition in partitions}


def partitions_of(group: Group) -> set[tuple[UUID, int]]:
    found = (group.topics.by_id(topic_id) for ids in group.members.values() for topic_id in ids)
    return {
        (topic.topic_id, partition) for topic in found if topic for partition in range(topic.partition_count)
    }


def check(group: Group, result: GroupAssignment) -> None:
    given_out = Counter(which for assignment in result.values() for which in flat(assignment))
    assert set(given_out.values()) <= {1}
    assert given_out.keys() == partitions_of(group)
    for member, assignment in result.items():
        assert assignment.keys() <= set(group.members[member])


def same(one: GroupAssignment, other: GroupAssignment) -> bool:
    return {member: flat(each) for member, each in one.items()} == {
        member: flat(each) for member, each in other.items()
    }


@pytest.mark.parametrize("assignor", ASSIGNORS)
@settings(max_examples=50)
@given(group=groups())
def test_every_partition_is_with_one_member_that_is_subscribed_to_it(assignor: str, group: Group) -> None:
    check(group, group.assign(assignor))


@pytest.mark.parametrize("assignor", ASSIGNORS)
@settings(max_examples=50)
@given(group=groups())
def test_a_second_run_changes_nothing(assignor: str, group: Group) -> None:
    once = group.assign(assignor)
    assert same(group.assign(assignor, once), once)


@given(group=groups(homogeneous=True))
def test_uniform_gives_nobody_two_more_than_anybody_else(group: Group) -> None:
    sizes = [len(flat(assignment)) for assignment in group.assign("uniform").values()]
    assert max(sizes) - min(sizes) <= 1


@given(group=groups(homogeneous=False))
def test_uniform_is_even_among_those_with_the_same_subscription(group: Group) -> None:
    result = group.assign("uniform")
    alike: dict[frozenset[UUID], list[int]] = {}
    for member, ids in group.members.items():
        alike.setdefault(frozenset(ids), []).append(len(flat(result[member])))
    assert all(max(sizes) - min(sizes) <= 1 for sizes in alike.values())


@given(group=groups(homogeneous=True))
def test_range_gives_one_stretch_of_each_topic_and_the_longer_ones_first(group: Group) -> None:
    result = group.assign("range")
    in_order = sorted(
        group.members, key=lambda member: (member not in group.instances, group.instances.get(member, member))
    )
    for topic_id in next(iter(group.members.values())):
        stretches = [list(result[member].get(topic_id, ())) for member in in_order]
        assert list(chain.from_iterable(stretches)) == list(range(sum(map(len, stretches))))
        lengths = [len(stretch) for stretch in stretches]
        assert lengths == sorted(lengths, reverse=True)
        assert lengths[0] - lengths[-1] <= 1


@given(group=groups(homogeneous=True), data=st.data())
def test_uniform_moves_only_what_it_must_when_a_member_goes(group: Group, data: st.DataObject) -> None:
    before = group.assign("uniform")
    gone = data.draw(st.sampled_from(sorted(group.members)))
    left = group._replace(members={member: ids for member, ids in group.members.items() if member != gone})
    if not left.members:
        return
    remaining = {member: each for member, each in before.items() if member != gone}
    after = left.assign("uniform", remaining)
    check(left, after)
    for member, assignment in remaining.items():
        assert flat(assignment) <= flat(after[member])


@settings(max_examples=50)
@given(group=groups(), data=st.data())
def test_any_target_so_far_still_gives_a_whole_one(group: Group, data: st.DataObject) -> None:
    """Whatever the members had, of whatever topics, each partition with one at most."""
    members = sorted(group.members)
    before: dict[str, dict[UUID, tuple[int, ...]]] = {}
    for topic_id, partition in sorted(partitions_of(group)):
        owner = data.draw(st.sampled_from([None, *members]))
        if owner is not None:
            mine = before.setdefault(owner, {})
            mine[topic_id] = (*mine.get(topic_id, ()), partition)
    for assignor in ASSIGNORS:
        after = group.assign(assignor, before)
        check(group, after)
        assert same(group.assign(assignor, after), after) or not group.is_homogeneous


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_no_members_no_targets(assignor: str) -> None:
    assert ASSIGNORS[assignor](GroupSpec({}, True), FixedTopics()) == {}


@pytest.mark.parametrize("assignor", ASSIGNORS)
@pytest.mark.parametrize("is_homogeneous", [True, False])
def test_members_without_topics_own_nothing(assignor: str, is_homogeneous: bool) -> None:
    result = ASSIGNORS[assignor](GroupSpec({"a": MemberSpec(())}, is_homogeneous), FixedTopics())
    assert not result.get("a")


@pytest.mark.parametrize("assignor", ASSIGNORS)
@pytest.mark.parametrize("is_homogeneous", [True, False])
def test_a_topic_that_is_not_there_cannot_be_assigned(assignor: str, is_homogeneous: bool) -> None:
    with pytest.raises(AssignorError):
        ASSIGNORS[assignor](GroupSpec({"a": MemberSpec(topic_ids(1))}, is_homogeneous), FixedTopics())


@pytest.mark.parametrize("is_homogeneous", [True, False])
def test_books_that_contradict_each_other_are_an_error_and_no_crash(is_homogeneous: bool) -> None:
    (topic_id,) = topic_ids(1)
    topics = FixedTopics([Topic("t", topic_id, 2)])
    mine = MemberSpec((topic_id,), {topic_id: (0, 1, 2, 3)})
    spec = GroupSpec({"a": mine, "b": mine}, is_homogeneous, {topic_id: {0, 1, 2, 3}})
    with pytest.raises(AssignorError):
        ASSIGNORS["uniform"](spec, topics)
