"""How a member of a consumer group gets to its target: the known steps as tables, and whole groups at random.

What must hold of a group after every heartbeat, in any order and with any of them lost:

1. A partition is with one member at most, in the coordinator's books and in the clients' hands. 2. A member's
epoch never goes back while it is in the group. 3. When the target stays and everybody heartbeats, all end
STABLE at the target's epoch with just what the target gives them of the topics that they are subscribed to.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwire.coordinators.groups.consumer.member import ConsumerGroupMember, MemberState, OwnedPartitions
from kwire.coordinators.groups.consumer.reconciliation import UNASSIGNED, Goal, reconcile

STABLE, UNREVOKED, UNRELEASED, UNKNOWN = MemberState
FOO, BAR = UUID(int=1), UUID(int=2)
BOTH = (FOO, BAR)
Owned = list[tuple[UUID, Collection[int]]]


def member(
    state: MemberState,
    epoch: int,
    assigned: Mapping[UUID, Mapping[int, int]],
    revoked: Mapping[UUID, Mapping[int, int]] | None = None,
    previous: int | None = None,
) -> ConsumerGroupMember:
    return ConsumerGroupMember(
        "m",
        member_epoch=epoch,
        previous_member_epoch=epoch if previous is None else previous,
        state=state,
        assigned_partitions=assigned,
        partitions_pending_revocation=revoked or {},
    )


def goal(
    epoch: int,
    target: Mapping[UUID, Collection[int]],
    *,
    taken: Collection[tuple[UUID, int]] = (),
    owned: Owned | None = None,
    subscribed: Collection[UUID] = BOTH,
    changed: bool = False,
) -> Goal:
    """A goal where the partitions in `taken` are with somebody."""
    return Goal(epoch, target, subscribed, lambda *which: 9 if which in taken else UNASSIGNED, owned, changed)


BEFORE = member(STABLE, 10, {FOO: {1: 8, 2: 9}, BAR: {4: 10}})
REVOKING = member(UNREVOKED, 10, {FOO: {2: 9}}, {FOO: {1: 8}, BAR: {4: 10}})
WAITING = member(UNRELEASED, 11, {FOO: {2: 9}})

STEPS = {
    "at its target's epoch a stable member stays": (BEFORE, goal(10, {FOO: [1]}), BEFORE),
    "a new epoch with the same target only moves the epoch": (
        BEFORE,
        goal(11, {FOO: [1, 2], BAR: [4]}),
        member(STABLE, 11, BEFORE.assigned_partitions, previous=10),
    ),
    "free partitions come with the epoch, and keep that of their assignment": (
        BEFORE,
        goal(12, {FOO: [1, 2, 3], BAR: [4]}),
        member(STABLE, 12, {FOO: {1: 8, 2: 9, 3: 12}, BAR: {4: 10}}, previous=10),
    ),
    "partitions of others are waited for": (
        BEFORE,
        goal(12, {FOO: [1, 2, 3], BAR: [4, 5]}, taken=[(FOO, 3)]),
        member(UNRELEASED, 12, {FOO: {1: 8, 2: 9}, BAR: {4: 10, 5: 12}}, previous=10),
    ),
    "only partitions of others: it waits in the new epoch": (
        BEFORE,
        goal(12, {FOO: [1, 2, 3], BAR: [4]}, taken=[(FOO, 3)]),
        member(UNRELEASED, 12, BEFORE.assigned_partitions, previous=10),
    ),
    "what is not in the target is revoked first, and nothing is given meanwhile": (
        BEFORE,
        goal(11, {FOO: [2, 3]}),
        member(UNREVOKED, 10, {FOO: {2: 9}}, {FOO: {1: 8}, BAR: {4: 10}}),
    ),
    "what the member says it no longer has needs no revocation": (
        BEFORE,
        goal(11, {FOO: [2, 3]}, owned=[(FOO, [2])]),
        member(STABLE, 11, {FOO: {2: 9, 3: 11}}, previous=10),
    ),
    "a topic that it is not subscribed to counts as not in its target": (
        BEFORE,
        goal(11, {FOO: [1, 2], BAR: [4]}, subscribed=[FOO]),
        member(UNREVOKED, 10, {FOO: {1: 8, 2: 9}}, {BAR: {4: 10}}),
    ),
    "revoking: a heartbeat without owned partitions changes nothing": (
        REVOKING,
        goal(12, {FOO: [2]}),
        REVOKING,
    ),
    "revoking: one of them still owned changes nothing": (
        REVOKING,
        goal(12, {FOO: [2]}, owned=[(FOO, [2]), (BAR, [4])]),
        REVOKING,
    ),
    "revoked: on to the newest target": (
        REVOKING,
        goal(12, {FOO: [2, 3]}, owned=[(FOO, [2])]),
        member(STABLE, 12, {FOO: {2: 9, 3: 12}}, previous=10),
    ),
    "revoked, and the target gives it back: its own revocation is in nobody's way": (
        REVOKING,
        goal(12, {FOO: [1, 2]}, owned=[(FOO, [2])], taken=[(FOO, 1)]),
        member(STABLE, 12, {FOO: {1: 12, 2: 9}}, previous=10),
    ),
    "revoked, and the next target wants more revoked": (
        REVOKING,
        goal(12, {BAR: [4]}, owned=[(FOO, [2])]),
        member(UNREVOKED, 10, {}, {FOO: {2: 9}}),
    ),
    "waiting: nothing is released": (
        WAITING,
        goal(11, {FOO: [2, 3]}, taken=[(FOO, 3)]),
        member(UNRELEASED, 11, {FOO: {2: 9}}),
    ),
    "waiting: what is released is given": (
        WAITING,
        goal(11, {FOO: [2, 3, 4]}, taken=[(FOO, 4)]),
        member(UNRELEASED, 11, {FOO: {2: 9, 3: 11}}),
    ),
    "waiting: everything is released": (
        WAITING,
        goal(11, {FOO: [2, 3]}),
        member(STABLE, 11, {FOO: {2: 9, 3: 11}}),
    ),
    "waiting, and another target comes": (
        WAITING,
        goal(13, {BAR: [1]}),
        member(UNREVOKED, 11, {}, {FOO: {2: 9}}),
    ),
    "another subscription takes topics away at once, in the same epoch": (
        BEFORE,
        goal(10, {}, subscribed=[FOO], changed=True),
        member(UNREVOKED, 10, {FOO: {1: 8, 2: 9}}, {BAR: {4: 10}}),
    ),
    "another subscription, and the topics' partitions are given back already": (
        BEFORE,
        goal(10, {}, subscribed=[FOO], changed=True, owned=[(FOO, [1, 2])]),
        member(STABLE, 10, {FOO: {1: 8, 2: 9}}),
    ),
    "another subscription that takes nothing away changes nothing": (
        BEFORE,
        goal(10, {}, changed=True),
        BEFORE,
    ),
    "another subscription in the middle of a revocation adds to it": (
        member(UNREVOKED, 10, {FOO: {2: 9}}, {FOO: {1: 8}}),
        goal(12, {}, subscribed=[BAR], changed=True),
        member(UNREVOKED, 10, {}, {FOO: {1: 8, 2: 9}}),
    ),
    "no subscription at all takes everything away": (
        BEFORE,
        goal(10, {}, subscribed=[], changed=True),
        member(UNREVOKED, 10, {}, BEFORE.assigned_partitions),
    ),
    "no subscription and nothing owned: the epoch becomes the previous one too": (
        member(STABLE, 10, {}, previous=9),
        goal(10, {}, subscribed=[], changed=True),
        member(STABLE, 10, {}, previous=10),
    ),
    "an unknown state starts from nothing": (
        member(UNKNOWN, 10, {}, {FOO: {1: 8}}),
        goal(12, {FOO: [1, 2]}, owned=[]),
        member(STABLE, 12, {FOO: {1: 12, 2: 12}}, previous=10),
    ),
}


@pytest.mark.parametrize("case", STEPS.values(), ids=STEPS.keys())
def test_one_step_of_a_member(case: tuple[ConsumerGroupMember, Goal, ConsumerGroupMember]) -> None:
    before, wanted, after = case
    assert reconcile(before, wanted) == after


@pytest.mark.parametrize("owned", [None, [(FOO, [1])]])
def test_a_member_in_an_unknown_state_is_fenced_until_it_owns_nothing(owned: Owned | None) -> None:
    assert reconcile(member(UNKNOWN, 10, {FOO: {1: 8}}), goal(12, {FOO: [1]}, owned=owned)) is None


MEMBERS = ["a", "b", "c"]
PARTITIONS = [(FOO, 0), (FOO, 1), (FOO, 2), (BAR, 0), (BAR, 1)]
SUBSCRIPTIONS = [frozenset(BOTH), frozenset([FOO]), frozenset([BAR]), frozenset[UUID]()]


def held(*owned: OwnedPartitions) -> set[tuple[UUID, int]]:
    return {
        (topic, partition) for each in owned for topic, partitions in each.items() for partition in partitions
    }


class Client:
    """A consumer: what it was last told to own, and what it has."""

    def __init__(self) -> None:
        self.told: set[tuple[UUID, int]] = set()
        self.has: set[tuple[UUID, int]] = set()


class Group:
    """A group's coordinator and its clients, which answer when they like."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.epoch = 1
        self.subscriptions_changed = False
        self.target: dict[str, dict[UUID, set[int]]] = {}
        self.members: dict[str, ConsumerGroupMember] = {}
        self.subscribed: dict[str, frozenset[UUID]] = {}
        self.clients: dict[str, Client] = {}

    def partition_epoch(self, topic_id: UUID, partition: int) -> int:
        for each in self.members.values():
            if (topic_id, partition) in held(each.assigned_partitions, each.partitions_pending_revocation):
                return each.member_epoch
        return UNASSIGNED

    def beat(self, who: str, *, tells: bool = True, changed: bool = False, arrives: bool = True) -> None:
        before, client = self.members[who], self.clients[who]
        owned: Owned = [(topic, [p for t, p in client.has if t == topic]) for topic in BOTH]
        after = reconcile(
            before,
            Goal(
                self.epoch,
                self.target.get(who, {}),
                self.subscribed[who],
                self.partition_epoch,
                owned if tells else None,
                changed,
            ),
        )
        assert after is not None
        assert after.member_epoch >= before.member_epoch
        self.members[who] = after
        # Whoever missed an answer keeps what it has, and takes no more before the next one.
        client.told = held(after.assigned_partitions) if arrives else client.told & client.has

    def join(self, who: str) -> None:
        self.members[who] = ConsumerGroupMember(who)
        self.subscribed[who] = self.chance.choice(SUBSCRIPTIONS[:3])
        self.clients[who] = Client()

    def leave_or_be_fenced(self, who: str) -> None:
        for of in (self.members, self.clients, self.subscribed, self.target):
            of.pop(who)

    def assign(self) -> None:
        self.epoch += 1
        self.subscriptions_changed = False
        self.target = {who: {} for who in self.members}
        for topic, partition in PARTITIONS:
            who = self.chance.choice([*self.members, None])
            if who is not None:
                self.target[who].setdefault(topic, set()).add(partition)

    def step(self) -> None:
        """Something happens: mostly heartbeats."""
        chance, who = self.chance, self.chance.choice(MEMBERS)
        if who not in self.members:
            self.join(who)
            self.target[who] = {}
            return
        client = self.clients[who]
        match chance.choice(
            ["beat"] * 8 + ["revokes", "takes"] * 4 + ["assign"] * 3 + ["subscribes", "leaves"]
        ):
            case "beat":
                self.beat(who, tells=chance.random() < 0.8, arrives=chance.random() < 0.8)
            case "revokes":
                client.has &= client.told
            case "takes" if client.has <= client.told:
                client.has = set(client.told)
            case "assign":
                self.assign()
            case "subscribes":
                self.subscribed[who] = chance.choice(SUBSCRIPTIONS)
                self.subscriptions_changed = True
                self.beat(who, tells=chance.random() < 0.5, changed=True)
            case "leaves":
                self.leave_or_be_fenced(who)

    def no_partition_is_with_two(self) -> None:
        books = [
            which
            for each in self.members.values()
            for which in held(each.assigned_partitions, each.partitions_pending_revocation)
        ]
        hands = [which for client in self.clients.values() for which in client.has]
        assert len(set(books)) == len(books)
        assert len(set(hands)) == len(hands)

    def all_come_to_the_target(self) -> None:
        if self.subscriptions_changed:
            # A group's epoch rises then, and a target for it follows sooner or later.
            self.assign()
        for _ in range(4):
            for who in self.members:
                self.clients[who].has = set(self.clients[who].told)
                self.beat(who)
                self.clients[who].has = set(self.clients[who].told)
                self.no_partition_is_with_two()
        for who, each in self.members.items():
            assert (each.state, each.member_epoch) == (STABLE, self.epoch)
            wanted = {
                (topic, partition)
                for topic, partitions in self.target[who].items()
                if topic in self.subscribed[who]
                for partition in partitions
            }
            assert held(each.assigned_partitions) == wanted == self.clients[who].has


@given(seed=st.integers(0, 2**32))
def test_no_partition_is_with_two_and_all_come_to_their_target(seed: int) -> None:
    group = Group(random.Random(seed))
    for step in range(120):
        group.step()
        group.no_partition_is_with_two()
        if step % 40 == 39:
            group.all_come_to_the_target()
