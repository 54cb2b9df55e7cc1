"""Turns for the others: a request about very many partitions must not hold every other client up.

Rules: a handler counts what it answers, one by one. Every few hundred give the others a turn; several
thousand have the answer encoded in a thread; and an answer of more than a million parts, which a small
request can ask for by naming the same thing again and again, is not given at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from kwire.handlers.context import CloseConnection

if TYPE_CHECKING:
    from kwire.handlers.context import Context

PARTITIONS_A_TURN: Final = 300
LARGE_ANSWER: Final = 3_000
LARGEST_ANSWER: Final = 1_000_000


class Turns:
    """Counts the partitions that a handler has seen to; one object a request."""

    __slots__ = ("_context", "_next", "_seen")

    def __init__(self, context: Context) -> None:
        """`context` is told when the answer becomes a large one."""
        self._context = context
        self._seen = 0
        self._next = PARTITIONS_A_TURN

    async def one_more(self, weight: int = 1) -> None:
        """Another partition is next; after every few hundred of them other tasks run first. `weight` is how
        many it counts for, if it costs more than most.
        """
        self._seen += weight
        if self._seen >= self._next:
            await self._give_one()

    async def _give_one(self) -> None:
        self._next = self._seen + PARTITIONS_A_TURN
        if self._seen > LARGE_ANSWER:
            self._context.answer_is_large = True
        if self._seen > LARGEST_ANSWER:
            raise CloseConnection(f"its answer would have more than {LARGEST_ANSWER} parts")
        await trio.lowlevel.checkpoint()
