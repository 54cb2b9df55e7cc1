"""Those who wait for a response that a later decision completes (JoinGroup, SyncGroup)."""

from __future__ import annotations

from typing import Any

import trio
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.outcome import Ticket
from kwire.runtime.held import Refused


class WaitingTickets:
    """The tickets of one shard for which somebody waits, in the order in which they came."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[Ticket[Any], None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait_for(self, ticket: Ticket[Any]) -> None:
        """Returns once the ticket, which is not yet, is delivered."""
        event = trio.Event()
        ticket.on_delivery(event.set)
        self._waiting[ticket] = None
        try:
            await event.wait()
        finally:
            self._waiting.pop(ticket, None)
            ticket.on_delivery(None)

    def refuse(self, error_code: ErrorCode) -> None:
        """Nobody waits any longer: that is the response to all of them."""
        waiting, self._waiting = self._waiting, {}
        for ticket in waiting:
            ticket.deliver(Refused(error_code))
