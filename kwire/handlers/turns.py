"""Turns for the others: a request about very many partitions must not hold every other client up."""

from __future__ import annotations

import trio

PARTITIONS_A_TURN = 300


class Turns:
    """Counts the partitions that a handler has seen to; one object a request."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = 0

    async def one_more(self) -> None:
        """Another partition is next; after every few hundred of them other tasks run first."""
        self._seen += 1
        if not self._seen % PARTITIONS_A_TURN:
            await trio.lowlevel.checkpoint()
