"""What kwire promises, as far as clients can see it, kept beside what they saw.

Rules: everything is judged by what was acknowledged before a question was asked, so that answers which were
late on the way accuse nobody. A power loss may take what was acknowledged and not synced; what is left must
still be in order and there once. Topics are told apart by id: one that is made anew owes nothing to the old.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple
from uuid import UUID

from tests.simulation.world import World


class Place(NamedTuple):
    """A partition of a topic."""

    topic_id: UUID
    number: int

    def __str__(self) -> str:
        return f"{str(self.topic_id)[:8]}-{self.number}"


class Promises:
    """Told of all that clients see; says to the world what was broken."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acknowledged: dict[Place, dict[int, bytes]] = defaultdict(dict)
        self._seen: dict[Place, dict[int, bytes]] = defaultdict(dict)
        self._epochs: dict[Place, int] = {}
        self._generations: dict[str, int] = {}
        self._owners: dict[tuple[str, int, int], str] = {}
        self._committed: dict[tuple[str, int], int] = {}
        self._attempted: dict[tuple[str, int], int] = {}

    @property
    def weak(self) -> bool:
        """Whether acknowledged things may be gone: the power failed."""
        return self.world.power_losses > 0

    # -- records

    def record_acknowledged(self, place: Place, offset: int, value: bytes) -> None:
        """A producer was told that its record is at `offset`."""
        before = self.acknowledged[place].get(offset)
        if before is not None and before != value and not self.weak:
            self.world.violation(f"{place}: offset {offset} was given to {before!r} and to {value!r}")
        self.acknowledged[place][offset] = value
        self.record_seen(place, offset, value)

    def record_seen(self, place: Place, offset: int, value: bytes) -> None:
        """A reader, or a producer's answer, says what is at an offset: always the same."""
        before = self._seen[place].setdefault(offset, value)
        if before != value:
            if self.weak:
                self._seen[place][offset] = value
            else:
                self.world.violation(f"{place}: offset {offset} held {before!r}, then {value!r}")

    def log_is(self, place: Place, log: dict[int, bytes]) -> None:
        """At the end: all that a partition holds."""
        if not self.weak:
            for offset, value in self.acknowledged[place].items():
                if log.get(offset) != value:
                    self.world.violation(
                        f"{place}: {value!r} was acknowledged at {offset}, where {log.get(offset)!r} is"
                    )
        numbers: dict[bytes, int] = {}
        for offset, value in sorted(log.items()):
            producer, _, number = value.rpartition(b":")
            last = numbers.get(producer, -1)
            if int(number) == last:
                self.world.violation(f"{place}: {value!r} is there twice, again at {offset}")
            elif int(number) < last:
                self.world.violation(f"{place}: {value!r} at {offset} comes behind number {last}")
            numbers[producer] = max(last, int(number))

    # -- leaders

    def epoch_known(self, place: Place) -> int:
        """The highest leader epoch that anybody was told: what is asked from now on must not go below."""
        return self._epochs.get(place, -1)

    def epoch_told(self, place: Place, epoch: int, known_before: int) -> None:
        """An answer names a leader epoch, to a question asked when `known_before` was known."""
        if epoch < known_before and not self.weak:
            self.world.violation(f"{place}: leader epoch {epoch} after {known_before}")
        self._epochs[place] = max(epoch, self._epochs.get(place, -1))

    # -- groups

    def generation_known(self, group_id: str) -> int:
        """The highest generation of which a member has its assignment."""
        return self._generations.get(group_id, -1)

    def joined(self, group_id: str, generation: int, known_before: int) -> None:
        """A member joined a generation; it asked when `known_before` was known."""
        if generation < known_before and not self.weak:
            self.world.violation(f"{group_id}: generation {generation} after {known_before}")

    def assigned(self, group_id: str, generation: int, member_id: str, indexes: list[int]) -> None:
        """A member was told what it owns."""
        self._generations[group_id] = max(generation, self._generations.get(group_id, -1))
        for index in indexes:
            owner = self._owners.setdefault((group_id, generation, index), member_id)
            if owner != member_id and not self.weak:
                self.world.violation(
                    f"{group_id}: partition {index} belongs to {owner} and {member_id} "
                    f"in generation {generation}"
                )

    def commit_attempted(self, group_id: str, index: int, offset: int) -> None:
        key = group_id, index
        self._attempted[key] = max(offset, self._attempted.get(key, -1))

    def committed(self, group_id: str, index: int, offset: int) -> None:
        key = group_id, index
        self._committed[key] = max(offset, self._committed.get(key, -1))

    def commit_known(self, group_id: str, index: int) -> int:
        return self._committed.get((group_id, index), -1)

    def commit_fetched(self, group_id: str, index: int, offset: int, known_before: int) -> None:
        """The coordinator says what is committed."""
        if offset < known_before and not self.weak:
            self.world.violation(
                f"{group_id}: partition {index} was committed at {known_before}, and is at {offset}"
            )
        if offset > self._attempted.get((group_id, index), -1):
            self.world.violation(f"{group_id}: partition {index} is committed at {offset}, which nobody did")
