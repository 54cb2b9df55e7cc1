"""Writes what a shard has decided: in that order, one append at a time, of all that there is by then.

Where the log waits, or there is much to encode, a task of the shard's owner goes on: whoever asked may go
away. What is decided while an append is under way goes into the next one together.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeAlias

import trio
from kwire_codecs.errors import ErrorCode

from kwire import failpoints
from kwire.runtime.held import Held
from kwire.runtime.journal import Journal
from kwire.runtime.soon import Soon

logger = logging.getLogger("kwire.runtime")

Unwritten: TypeAlias = list[tuple[Sequence[object], Held]]
"""Records in the order in which they were decided, and whom they hold up."""
Still: TypeAlias = Callable[[], bool]
"""Whether the machine whose records these are is the shard's still."""


class Writer:
    """Of one shard, which adds to `unwritten` and calls `write`; it outlives the shard's machines.

    :param still: gives what tells whether the shard's machine is the one that it is now.
    :param written: told when an append has ended, and how.
    """

    __slots__ = ("_journal", "_name", "_spawn", "_still", "_written", "is_writing", "unwritten")

    def __init__(
        self,
        name: str,
        journal: Journal,
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
        still: Callable[[], Still],
        written: Callable[[Unwritten, ErrorCode, Still], None],
    ) -> None:
        self._name = name
        self._journal = journal
        self._spawn = spawn
        self._still = still
        self._written = written
        self.unwritten: Unwritten = []
        self.is_writing = False

    def take_back(self) -> Unwritten:
        """What is not being written yet, and will not be."""
        unwritten, self.unwritten = self.unwritten, []
        return unwritten

    def write(self) -> None:
        """Append until nothing is left, unless someone is at it."""
        if self.is_writing:
            return
        self.is_writing = True
        while self.unwritten:
            unwritten, self.unwritten = self.unwritten, []
            still = self._still()
            appending = self._append(unwritten, still)
            if not isinstance(appending, ErrorCode):
                self._spawn(partial(self._go_on, unwritten, appending, still))
                return
            self._written(unwritten, appending, still)
        self.is_writing = False

    def _append(self, unwritten: Unwritten, still: Still) -> Soon[ErrorCode]:
        if len(unwritten) == 1:  # nearly always, and then two lists need not be gone through
            [(records, held)] = unwritten
            decided, of_transactions = [records], held.of_transactions
        else:
            decided = [records for records, _ in unwritten]
            of_transactions = any([held.of_transactions for _, held in unwritten])
        if failpoints.armed is not None:
            failpoints.reach_append("before", [record for records in decided for record in records])
        try:
            return self._journal.append(decided, still, of_transactions=of_transactions)
        except Exception:
            return self._unwritable()

    async def _go_on(
        self, unwritten: Unwritten, appending: Coroutine[Any, Any, ErrorCode], still: Still
    ) -> None:
        error_code = ErrorCode.NOT_COORDINATOR
        with trio.CancelScope(shield=True):
            try:
                error_code = await appending
            except Exception:
                error_code = self._unwritable()
        self.is_writing = False
        self._written(unwritten, error_code, still)
        self.write()

    def _unwritable(self) -> ErrorCode:
        logger.exception("%s could not write its records", self._name)
        return ErrorCode.UNKNOWN_SERVER_ERROR
