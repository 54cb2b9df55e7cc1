"""A group's next target: whose changes, and by what. What exactly the assignors give is in the vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

import pytest

from kwire.coordinators.groups.assignors import ASSIGNORS, RANGE, UNIFORM
from kwire.coordinators.groups.assignors.group_spec import Assignment
from kwire.coordinators.groups.consumer.member import ConsumerGroupMember
from kwire.coordinators.groups.consumer.target_assignment import GroupView, build_target
from kwire.coordinators.groups.consumer.topic_ids import TopicIds, subscribed_topic_ids
from kwire.coordinators.groups.consumer.topics import FixedTopics, Topic

FOO, BAR = UUID(int=1), UUID(int=2)
TOPICS = FixedTopics([Topic("foo", FOO, 4), Topic("bar", BAR, 2)])


class Found(NamedTuple):
    topics: frozenset[str]


def member(member_id: str, *names: str, instance: str | None = None, regex: str = "") -> ConsumerGroupMember:
    return ConsumerGroupMember(
        member_id, instance_id=instance, subscribed_topic_names=frozenset(names), subscribed_topic_regex=regex
    )


def group(
    *members: ConsumerGroupMember, target: Mapping[str, Assignment] | None = None, alike: bool = True
) -> GroupView:
    target = target or {}
    inverted: dict[UUID, set[int]] = {}
    for assignment in target.values():
        for topic_id, partitions in assignment.items():
            inverted.setdefault(topic_id, set()).update(partitions)
    resolved = {"f.*": Found(frozenset(["foo", "fuu"]))}
    return GroupView({each.member_id: each for each in members}, target, inverted, alike, resolved, TOPICS)


def sets(changed: Mapping[str, Assignment]) -> dict[str, dict[UUID, set[int]]]:
    return {
        member_id: {topic_id: set(partitions) for topic_id, partitions in assignment.items()}
        for member_id, assignment in changed.items()
    }


def test_a_first_member_gets_everything() -> None:
    changed = build_target(ASSIGNORS[UNIFORM], group(), [member("a", "foo", "bar")])
    assert sets(changed) == {"a": {FOO: {0, 1, 2, 3}, BAR: {0, 1}}}


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_who_keeps_its_target_is_not_told_of(assignor: str) -> None:
    view = group(member("a", "foo"), target={"a": {FOO: (0, 1, 2, 3)}})
    assert build_target(ASSIGNORS[assignor], view) == {}


def test_a_member_without_a_target_gets_an_empty_one() -> None:
    changed = build_target(ASSIGNORS[UNIFORM], group(member("a"), member("b", "gone")))
    assert changed == {"a": {}, "b": {}}


def test_a_second_member_gets_what_the_first_gives_up() -> None:
    view = group(member("a", "foo"), target={"a": {FOO: (0, 1, 2, 3)}})
    changed = build_target(ASSIGNORS[UNIFORM], view, [member("b", "foo")])
    assert sets(changed) == {"a": {FOO: {0, 1}}, "b": {FOO: {2, 3}}}


@pytest.mark.parametrize("target", [{"a": {FOO: (0, 2)}, "b": {FOO: (1, 3)}}])
def test_a_static_member_that_comes_back_takes_its_predecessors_place(target: dict[str, Assignment]) -> None:
    view = group(member("a", "foo", instance="i"), member("b", "foo"), target=target)
    assert build_target(ASSIGNORS[UNIFORM], view, [member("c", "foo", instance="i")]) == {}
    changed = build_target(ASSIGNORS[UNIFORM], view, [member("c", "foo", instance="other")])
    assert "c" in changed


def test_a_removed_member_is_left_out() -> None:
    view = group(member("a", "foo"), member("b", "foo"), target={"a": {FOO: (0, 1)}})
    changed = build_target(ASSIGNORS[UNIFORM], view, removed=["b"])
    assert sets(changed) == {"a": {FOO: {0, 1, 2, 3}}}


def test_a_snapshot_keeps_what_was_when_the_group_goes_on() -> None:
    members = {"a": member("a", "foo"), "b": member("b", "foo")}
    inverted = {FOO: {0, 1}}
    view = GroupView(members, {"a": {FOO: (0, 1)}}, inverted, True, {}, TOPICS)
    snapshot = view.snapshot()
    expected = build_target(ASSIGNORS[UNIFORM], view)
    del members["b"]
    inverted[FOO].add(3)
    assert build_target(ASSIGNORS[UNIFORM], snapshot) == expected


def test_an_updated_subscription_counts_instead_of_the_old_one() -> None:
    view = group(member("a", "foo"), target={"a": {FOO: (0, 1, 2, 3)}})
    changed = build_target(ASSIGNORS[RANGE], view, [member("a", "bar")])
    assert sets(changed) == {"a": {BAR: {0, 1}}}


def test_topics_that_an_expression_matches_are_subscribed_to() -> None:
    changed = build_target(ASSIGNORS[UNIFORM], group(), [member("a", regex="f.*")])
    assert sets(changed) == {"a": {FOO: {0, 1, 2, 3}}}


@pytest.mark.parametrize(
    ("of", "ids", "length"),
    [
        (member("a", "foo", "gone"), {FOO}, 2),
        (member("a", regex="f.*"), {FOO}, 2),
        (member("a", "bar", "foo", regex="f.*"), {FOO, BAR}, 3),
        (member("a", "bar", regex="not resolved yet"), {BAR}, 1),
        (member("a"), set(), 0),
    ],
)
def test_topic_ids_are_those_of_names_and_expressions(
    of: ConsumerGroupMember, ids: set[UUID], length: int
) -> None:
    found: TopicIds = subscribed_topic_ids(of, TOPICS, group().resolved)
    assert set(found) == ids
    assert [topic_id for topic_id in (FOO, BAR, UUID(int=3)) if topic_id in found] == sorted(ids)
    assert len(found) == length
