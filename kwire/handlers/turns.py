"""Turns for the others: a request about very many partitions must not hold every other client up.

Rules: a handler counts what it answers, one by one. Every hundred or so, about a millisecond's work, give the
others a turn; a thousand and more have the answer encoded in a thread. What would take very long all the same
has a bound, which Kafka has not: an answer of more than `LARGEST_ANSWER` parts, which a small request can ask
for by naming the same thing again and again, and more than `LARGEST_CHANGE` changes of the cluster, which are
decided in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from kwire.handlers.context import CloseConnection

if TYPE_CHECKING:
    from kwire.handlers.context import Context

T = TypeVar("T")

PARTITIONS_A_TURN: Final = 150
PARTITIONS_A_DECISION: Final = 60
"""So many partitions, or topics, the controller creates or deletes in one go, where topics stand each for
itself.
"""
LARGE_ANSWER: Final = 1_000
LARGEST_ANSWER: Final = 250_000
LARGEST_CHANGE: Final = 20_000


def check_size(*counts: int) -> None:
    """Refuses a request about more partitions than LARGEST_ANSWER. Raises CloseConnection."""
    if sum(counts) > LARGEST_ANSWER:
        raise CloseConnection(f"it asked for {sum(counts)} parts at once; the most is {LARGEST_ANSWER}")


def check_changes(*counts: int) -> None:
    """Refuses a request of more changes than LARGEST_CHANGE. Raises CloseConnection."""
    if sum(counts) > LARGEST_CHANGE:
        raise CloseConnection(f"it asked for {sum(counts)} changes at once; the most is {LARGEST_CHANGE}")


def slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as may be seen to in one turn; at least one slice, if an empty one."""
    if len(items) <= PARTITIONS_A_TURN:
        yield items
        return
    for start in range(0, len(items), PARTITIONS_A_TURN):
        yield items[start : start + PARTITIONS_A_TURN]


def decisions(topics: Sequence[T], partitions: Callable[[T], int]) -> list[Sequence[T]]:
    """`topics` in pieces of about PARTITIONS_A_DECISION, in order; there is one at least. `partitions` says
    how many a topic has.
    """
    pieces: list[Sequence[T]] = []
    begin = cost = 0
    for at, topic in enumerate(topics):
        more = 1 + partitions(topic)
        if at > begin and cost + more > PARTITIONS_A_DECISION:
            pieces.append(topics[begin:at])
            begin, cost = at, 0
        cost += more
    return [*pieces, topics[begin:]]


class Turns:
    """Counts the partitions that a handler has seen to; one object a request."""

    __slots__ = ("_context", "_cost", "_next", "_seen")

    def __init__(self, context: Context) -> None:
        """`context` is told when the answer becomes a large one."""
        self._context = context
        self._seen = 0
        self._cost = 0.0
        self._next: float = PARTITIONS_A_TURN

    async def one_more(self, parts: int = 1, *, cost: int | None = None) -> None:
        """Another partition is next, or that many `parts` of the answer; after every hundred or so of them
        other tasks run first. `cost` is how many it takes the time of, if that is another number.
        """
        if self.is_due(parts, parts if cost is None else cost):
            await self.give_one()

    def is_due(self, parts: int, cost: float) -> bool:
        """As `one_more`, without the turn: whether `give_one` has to be called now."""
        self._seen += parts
        self._cost += cost
        return self._cost >= self._next

    async def give_one(self) -> None:
        """Lets the others run. Raises CloseConnection when the answer has become too large."""
        self._next = self._cost + PARTITIONS_A_TURN
        if self._seen > LARGE_ANSWER:
            self._context.answer_is_large = True
        check_size(self._seen)
        await trio.lowlevel.checkpoint()
