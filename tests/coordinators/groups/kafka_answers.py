"""kwire's answers to the cases that compat-tests/assignors asks of Kafka's own classes.

A case is what README.md there says; `answer` gives what Kafka would print for it: the order of members,
topics and partitions counts as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias
from uuid import UUID

from kwire.coordinators.groups.assignors import ASSIGNORS
from kwire.coordinators.groups.assignors.group_spec import (
    Assignment,
    AssignorError,
    GroupSpec,
    MemberSpec,
    partitions_in_order,
    topics_in_order,
)
from kwire.coordinators.groups.consumer.member import ConsumerGroupMember, MemberState, OwnedPartitions
from kwire.coordinators.groups.consumer.reconciliation import (
    UNASSIGNED,
    UNKNOWN_STATE_MESSAGE,
    Goal,
    reconcile,
)
from kwire.coordinators.groups.consumer.target_assignment import GroupView, build_target
from kwire.coordinators.groups.consumer.topic_ids import Matches, subscribed_topic_ids
from kwire.coordinators.groups.consumer.topics import FixedTopics, Topic
from kwire.coordinators.regular_expressions import problem_with, resolve

Json: TypeAlias = Any
"""What came out of a JSON document, or goes into one."""


def answer(case: Json) -> Json:
    """The answer to one case."""
    try:
        match case["kind"]:
            case "assign":
                return _Case(case).assign()
            case "target":
                return _Case(case).target()
            case "reconcile":
                return _Case(case).reconcile()
            case _:
                return {"results": [_matches(each, case["names"]) for each in case["expressions"]]}
    except AssignorError:
        return {"error": True}


def is_same(ours: Json, kafkas: Json) -> bool:
    """Whether an answer is Kafka's; which error there is, is not compared. Null: Kafka crashed."""
    if "error" in ours or "error" in kafkas:
        return "error" in ours and "error" in kafkas
    if "members" in kafkas:
        return list(ours["members"].items()) == list(kafkas["members"].items())
    if "results" in kafkas:
        return all(
            kafka in (None, our) for our, kafka in zip(ours["results"], kafkas["results"], strict=True)
        )
    return bool(ours == kafkas)


def _matches(expression: str, names: Sequence[str]) -> Json:
    problem = problem_with(expression)
    if problem is not None:
        return problem
    matched = resolve([expression], names)[expression]
    return [name for name in names if name in matched]


class _Case:
    def __init__(self, case: Json) -> None:
        self.case = case
        self.ids = [UUID(topic_id) for _, topic_id, _ in case["topics"]]
        self.places = {topic_id: place for place, topic_id in enumerate(self.ids)}
        self.topics = FixedTopics(
            Topic(name, UUID(topic_id), count) for name, topic_id, count in case["topics"] if count >= 0
        )

    def assign(self) -> Json:
        members = {
            member_id: MemberSpec([self.ids[at] for at in subscribed], self.assignment(target), instance_id)
            for member_id, instance_id, subscribed, target in self.case["members"]
        }
        spec = GroupSpec(members, self.case["homogeneous"], self.assignment(self.case["assigned"]))
        result = ASSIGNORS[self.case["assignor"]](spec, self.topics)
        return {
            "members": {
                member_id: self.shown(_as_held(result[member_id], members[member_id].assignment))
                for member_id in members
                if member_id in result
            }
        }

    def target(self) -> Json:
        case = self.case
        members = [_member(each) for each in case["members"]]
        target = {member_id: self.assignment(each) for member_id, each in case["target"].items()}
        inverted: dict[UUID, set[int]] = {}
        for assignment in target.values():
            for topic_id, partitions in assignment.items():
                inverted.setdefault(topic_id, set()).update(partitions)
        view = GroupView(
            {member.member_id: member for member in members},
            target,
            inverted,
            case["homogeneous"],
            self.resolved(),
            self.topics,
        )
        updated = [_member(each) for each in case["updated"]]
        changed = build_target(ASSIGNORS[case["assignor"]], view, updated, case["removed"])
        return {"records": [[member_id, self.shown(each)] for member_id, each in changed.items()]}

    def reconcile(self) -> Json:
        case, before = self.case, self.case["member"]
        member = ConsumerGroupMember(
            "m",
            before["epoch"],
            before["previous"],
            MemberState.of(before["state"]),
            subscribed_topic_names=frozenset(before["names"]),
            subscribed_topic_regex=before["regex"],
            assigned_partitions=self.owned(before["assigned"]),
            partitions_pending_revocation=self.owned(before["revoked"]),
        )
        held = self.owned(case["held"])
        owned = case["owned"]
        after = reconcile(
            member,
            Goal(
                case["target_epoch"],
                self.assignment(case["target"]),
                subscribed_topic_ids(member, self.topics, self.resolved()),
                lambda topic_id, partition: held.get(topic_id, {}).get(partition, UNASSIGNED),
                None if owned is None else [(self.ids[at], partitions) for at, partitions in owned],
                case["changed"],
            ),
        )
        if after is None:
            return {"fenced": UNKNOWN_STATE_MESSAGE}
        return {
            "state": int(after.state),
            "epoch": after.member_epoch,
            "previous": after.previous_member_epoch,
            "assigned": self.with_epochs(after.assigned_partitions),
            "revoked": self.with_epochs(after.partitions_pending_revocation),
        }

    def assignment(self, given: Json) -> Assignment:
        return {self.ids[at]: tuple(partitions) for at, partitions in given}

    def owned(self, given: Json) -> OwnedPartitions:
        return {self.ids[at]: dict(map(tuple, partitions)) for at, partitions in given}

    def resolved(self) -> Mapping[str, Matches]:
        found: dict[str, Collection[str]] = self.case.get("resolved", {})
        return {regex: SimpleNamespace(topics=frozenset(names)) for regex, names in found.items()}

    def shown(self, assignment: Assignment) -> Json:
        return [[self.places[topic_id], list(partitions)] for topic_id, partitions in assignment.items()]

    def with_epochs(self, owned: OwnedPartitions) -> Json:
        return sorted([self.places[each], _pairs(partitions.items())] for each, partitions in owned.items())


def _pairs(items: Iterable[tuple[int, int]]) -> Json:
    return sorted(map(list, items))


def _as_held(new: Assignment, old: Assignment) -> Assignment:
    """What an assignor gives back as it was is shown in the order in which Kafka holds it."""
    if new is not old:
        return new
    return {topic_id: partitions_in_order(old[topic_id]) for topic_id in topics_in_order(old)}


def _member(given: Json) -> ConsumerGroupMember:
    member_id, instance_id, names, regex = given
    return ConsumerGroupMember(
        member_id,
        instance_id=instance_id,
        subscribed_topic_names=frozenset(names),
        subscribed_topic_regex=regex,
    )
