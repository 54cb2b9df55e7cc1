"""Cases for Kafka's classes and for kwire, from a seed. README.md says what is in them.

Targets are made in histories: a group changes, its target is computed, and the answer is the next case's
past. So what members have is what Kafka gave them, in its order.
"""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Generator, Iterator
from typing import Any

Json = Any
Ask = Callable[[Json], Json]

REGEXES = ["t.*", ".*[02468]", "none"]
SIZES = [(3, 2, 4), (5, 4, 8), (8, 6, 20), (12, 10, 12), (40, 4, 130)]
"""The most members, topics and partitions of a topic; histories are short where these are large."""


def histories(seed: int) -> Iterator[Generator[Json, Json, None]]:
    """Endless: each generator yields cases and is sent their answers."""
    chance = random.Random(seed)
    while True:
        for make in (_targets, _targets, _assignments, _reconciliations, _expressions):
            yield make(random.Random(chance.random()))


def _topics(chance: random.Random, most: int, partitions: int) -> list[list[Json]]:
    return [
        [f"t{number}", _id(chance), chance.randint(1, partitions)]
        for number in range(chance.randint(1, most))
    ]


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128)))


def _member_id(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return "".join(chance.choices("ab-é\U0001f600\uffee", k=chance.randint(1, 4)))
    return "".join(chance.choices(string.ascii_letters + string.digits + "-_", k=22))


# Targets


class _Group:
    """A group and what has become of it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.most_members, most_topics, self.most_partitions = chance.choice(SIZES)
        self.topics = _topics(chance, most_topics, self.most_partitions)
        self.alike = chance.random() < 0.5
        self.by_regex = chance.random() < 0.2
        self.members: dict[str, list[Json]] = {}
        self.target: dict[str, Json] = {}
        self.names, self.regex = self.subscription()

    def subscription(self) -> tuple[list[str], str]:
        chance = self.chance
        names = [name for name, _, _ in self.topics] + (["gone"] if chance.random() < 0.2 else [])
        some = sorted(chance.sample(names, chance.randint(1, len(names))))
        if self.by_regex:
            return (
                ([], chance.choice(REGEXES))
                if self.alike or chance.random() < 0.7
                else (some, chance.choice(REGEXES))
            )
        return some, ""

    def resolved(self) -> dict[str, list[str]]:
        names = sorted(name for name, _, count in self.topics if count >= 0)
        return {"t.*": names, ".*[02468]": [name for name in names if name[-1] in "02468"], "none": []}

    def new_member(self) -> list[Json]:
        names, regex = (self.names, self.regex) if self.alike else self.subscription()
        instance = self._unused("i", 1) if self.chance.random() < 0.3 else None
        return [self._unused("", 0), instance, names, regex]

    def _unused(self, prefix: str, column: int) -> str:
        """An id that no member has: coordinators see to that, and assignors rely on it."""
        used = {member[column] for member in self.members.values()}
        while (unused := prefix + _member_id(self.chance)) in used:
            pass
        return unused

    def change(self) -> tuple[list[Json], list[str]]:
        """One change of the group; the members that it updates, and those that it removes."""
        chance, members = self.chance, self.members
        what = chance.random()
        if what < 0.15:
            self.topics.append([f"t{len(self.topics)}", _id(chance), chance.randint(1, self.most_partitions)])
        elif what < 0.25:
            topic = chance.choice(self.topics)
            if topic[2] >= 0:
                topic[2] += chance.randint(1, self.most_partitions)
        elif what < 0.32:
            chance.choice(self.topics)[2] = -1
        elif what < 0.42:
            self.alike = chance.random() < 0.6
            self.names, self.regex = self.subscription()
            if self.alike:
                for member in members.values():
                    member[2:] = [self.names, self.regex]
        elif what < 0.52 and members and not self.alike:
            member = list(chance.choice(list(members.values())))
            member[2:] = self.subscription()
            return [member], []
        elif what < 0.62 and any(member[1] for member in members.values()):
            instance = chance.choice([member[1] for member in members.values() if member[1]])
            return [[*self.new_member()[:1], instance, *self.new_member()[2:]]], []
        elif what < 0.8 and members:
            return [], chance.sample(sorted(members), min(len(members), chance.choice([1, 1, 1, 2])))
        elif len(members) < self.most_members:
            return [self.new_member()], []
        return [], []

    def is_homogeneous(self, members: list[list[Json]]) -> bool:
        return len({(tuple(names), regex) for _, _, names, regex in members}) <= 1

    def after(self, updated: list[Json], removed: list[str]) -> dict[str, list[Json]]:
        members = {
            member_id: member for member_id, member in self.members.items() if member_id not in removed
        }
        for member in updated:
            replaced = [
                member_id
                for member_id, other in members.items()
                if member[1] and other[1] == member[1] and member_id != member[0]
            ]
            for member_id in replaced:
                del members[member_id]
                if member_id in self.target:
                    self.target[member[0]] = self.target.pop(member_id)
            members[member[0]] = member
        return members


def _targets(chance: random.Random) -> Generator[Json, Json, None]:
    group = _Group(chance)
    for _ in range(chance.randint(1, group.most_members)):
        member = group.new_member()
        group.members[member[0]] = member
    assignor = chance.choice(["uniform", "uniform", "range"])
    for step in range(max(3, 60 // group.most_members)):
        updated, removed = group.change() if step else ([], [])
        before, target = list(group.members.values()), dict(group.target)
        after = group.after(updated, removed)
        if removed and chance.random() < 0.7:
            # Their tombstones were replayed already.
            group.members = after
            group.target = {member_id: each for member_id, each in group.target.items() if member_id in after}
            before, target, removed = list(after.values()), dict(group.target), []
        case = {
            "kind": "target",
            "assignor": assignor,
            "homogeneous": group.is_homogeneous(list(after.values())),
            "topics": [list(topic) for topic in group.topics],
            "members": [list(member) for member in before],
            "updated": updated,
            "removed": removed,
            "target": target,
            "resolved": group.resolved() if any(member[3] for member in [*before, *updated]) else {},
        }
        answer = yield case
        if "records" in answer:
            group.target |= {member_id: assignment for member_id, assignment in answer["records"]}
        group.members = after
        group.target = {member_id: each for member_id, each in group.target.items() if member_id in after}
        if chance.random() < 0.1:
            assignor = chance.choice(["uniform", "range"])


# Assignments of groups that need not make sense


def _assignments(chance: random.Random) -> Generator[Json, Json, None]:
    for _ in range(3):
        most_members, most_topics, most_partitions = chance.choice(SIZES[:4])
        topics = _topics(chance, most_topics, most_partitions)
        if chance.random() < 0.05:
            chance.choice(topics)[2] = -1
        places = range(len(topics))
        homogeneous = chance.random() < 0.5
        alike = _some(chance, places)
        members: list[Json] = [
            [
                _member_id(chance),
                f"i{_member_id(chance)}" if chance.random() < 0.3 else None,
                alike if homogeneous else _some(chance, places),
                [],
            ]
            for _ in range(chance.randint(1, most_members))
        ]
        members = list({member[0]: member for member in members}.values())
        assigned: dict[int, list[int]] = {}
        for place, (_, _, count) in enumerate(topics):
            beyond = count + (2 if chance.random() < 0.05 else 0)
            for partition in chance.sample(range(beyond), beyond) if beyond > 0 else ():
                if chance.random() < 0.7:
                    target = chance.choice(members)[3]
                    mine = next((partitions for at, partitions in target if at == place), None)
                    if mine is None:
                        target.append([place, mine := []])
                    mine.append(partition)
                    if chance.random() < 0.98:
                        assigned.setdefault(place, []).append(partition)
        for member in members:
            chance.shuffle(member[3])
        yield {
            "kind": "assign",
            "assignor": chance.choice(["uniform", "uniform", "range"]),
            "homogeneous": homogeneous,
            "topics": topics,
            "members": members,
            "assigned": [list(each) for each in assigned.items()],
        }


def _some(chance: random.Random, places: range) -> list[int]:
    return chance.sample(places, chance.randint(0 if chance.random() < 0.05 else 1, len(places)))


# Reconciliation


def _reconciliations(chance: random.Random) -> Generator[Json, Json, None]:
    for _ in range(8):
        topics = _topics(chance, 3, 4)
        if chance.random() < 0.1:
            chance.choice(topics)[2] = -1
        everything = [(place, partition) for place in range(len(topics)) for partition in range(4)]
        owners = {which: chance.choice(["mine", "revoked", "other", None, None]) for which in everything}
        few = chance.random() < 0.5
        mine = [
            which
            for which, owner in owners.items()
            if owner == "mine" and not (few and chance.random() < 0.6)
        ]
        revoked = [
            which
            for which, owner in owners.items()
            if owner == "revoked" and not (few and chance.random() < 0.8)
        ]
        state = chance.choice([0, 0, 1, 1, 2, 127])
        if state in (0, 2):
            revoked = []
        epoch = chance.randint(1, 6)
        target = [which for which in everything if chance.random() < (0.8 if which in mine else 0.3)]
        owned = [
            which
            for which in everything
            if chance.random() < (0.9 if which in mine else 0.3 if which in revoked else 0)
        ]
        names = [name for name, _, _ in topics if chance.random() < 0.8] if chance.random() < 0.9 else []
        yield {
            "kind": "reconcile",
            "topics": topics,
            "member": {
                "state": state,
                "epoch": epoch,
                "previous": chance.randint(0, epoch),
                "names": names,
                "regex": chance.choice(["", "", "t.*", "new"]),
                "assigned": _by_topic(
                    (place, [partition, chance.randint(1, epoch)]) for place, partition in mine
                ),
                "revoked": _by_topic(
                    (place, [partition, chance.randint(1, epoch)]) for place, partition in revoked
                ),
            },
            "target_epoch": epoch + chance.choice([0, 0, 1, 3]),
            "target": _by_topic(target),
            "changed": chance.random() < 0.4,
            "owned": None if chance.random() < 0.3 else [] if chance.random() < 0.15 else _by_topic(owned),
            "held": _by_topic(
                (place, [partition, 5])
                for (place, partition), owner in owners.items()
                if owner == "other" or (place, partition) in mine or (place, partition) in revoked
            ),
            "resolved": {"t.*": sorted(name for name, _, count in topics if count >= 0)[:2]},
        }


def _by_topic(pairs: Any) -> list[list[Json]]:
    result: dict[int, list[Json]] = {}
    for place, each in pairs:
        result.setdefault(place, []).append(each)
    return [list(each) for each in result.items()]


# Regular expressions

ATOMS = [
    *"abt01.-_^$|*+?()[]",
    *[
        "(?:",
        "(?i)",
        "(?i:",
        "(?P<n>",
        "(?<n>",
        "(?P<m",
        "(?=",
        "(?-s:",
        "(?U)",
        "{2}",
        "{1,}",
        "{,2}",
        "{0,2}",
        "{1001}",
        "{2,1}",
    ],
    *[
        r"\d",
        r"\W",
        r"\b",
        r"\B",
        r"\A",
        r"\z",
        r"\Z",
        r"\C",
        r"\Q",
        r"\E",
        r"\pL",
        r"\p{Lu}",
        r"\P{Greek}",
        r"\p{No such}",
        r"\p{^L}",
    ],
    *[
        r"\.",
        r"\-",
        r"\_",
        r"\é",
        r"\x41",
        r"\x{61}",
        r"\x{110000}",
        r"\07",
        r"\1",
        r"\n",
        r"\a",
        r"\e",
        "\\",
    ],
    *[
        "[:alpha:]",
        "[:^digit:]",
        "[:nope:]",
        "[^",
        "[a-",
        "-z]",
        "[]",
        "]]",
        "é",
        "ü",
        " ",
        "&&",
        ",",
        "}",
        "{",
        ":",
        "<",
        ">",
    ],
]
NAMES = [
    "a",
    "b",
    "t",
    "ab",
    "t0",
    "t1",
    "a.b",
    "a-b",
    "A",
    "T0",
    "orders-0",
    "_x",
    "aa",
    "aaa",
    "abab",
    "0",
    "10",
    "-",
]


def _expressions(chance: random.Random) -> Generator[Json, Json, None]:
    yield {
        "kind": "regex",
        "expressions": ["".join(chance.choices(ATOMS, k=chance.randint(1, 7))) for _ in range(40)],
        "names": NAMES,
    }
