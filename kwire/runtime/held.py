"""Answers that wait for an append, and what their clients hear when it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import trio
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.outcome import Completion

_NO_ERROR = ErrorCode.NONE


class Refused(NamedTuple):
    """The shard did not carry the operation out, or can't say that it did."""

    error_code: ErrorCode


class Held:
    """The answer, the completions and the messages of one outcome; told all together, once."""

    __slots__ = ("_released", "completions", "error_code", "messages", "of_transactions", "released")

    def __init__(
        self, completions: Sequence[Completion], messages: Sequence[object], of_transactions: bool
    ) -> None:
        self.completions = completions
        self.messages = messages
        self.of_transactions = of_transactions
        """Its records are of producers' transactions, or ends of them."""
        self.error_code = _NO_ERROR
        self.released = False
        self._released: trio.Event | None = None

    def release(self, error_code: ErrorCode) -> None:
        """The append has ended: tickets are delivered, whoever waits goes on."""
        self.error_code = error_code
        self.released = True
        for ticket, response in self.completions:
            ticket.deliver(Refused(error_code) if error_code else response)
        if self._released is not None:
            self._released.set()

    async def wait(self) -> None:
        """Returns once released; any number may wait."""
        if not self.released:
            if self._released is None:
                self._released = trio.Event()
            await self._released.wait()


def told(error_code: ErrorCode) -> ErrorCode:
    """What a client hears of an append: to look for its coordinator if it failed, unless that is in vain.
    (Kafka: CoordinatorOperationExceptionHelper.)
    """
    match error_code:
        case ErrorCode.NOT_ENOUGH_REPLICAS | ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        case ErrorCode.MESSAGE_TOO_LARGE | ErrorCode.RECORD_LIST_TOO_LARGE | ErrorCode.UNKNOWN_SERVER_ERROR:
            return ErrorCode.UNKNOWN_SERVER_ERROR
        case _:
            return ErrorCode.NOT_COORDINATOR
