"""Runs one shard of a coordinator: loads it from its log, turns it, keeps its log.

    run(operation): the machine decides -> its records are replayed at once -> appended -> answers go out

Rules
- A response, and every completion that came with it, leaves only after the append of its records has
  completed, and after that of all records written before: nobody is told what may yet be lost.
- One writer at a time, in order. What is decided while an append is under way goes into the next one
  together.
- An operation is answered without a task switch if nothing is under way: where there are no records, and
  where there are few and the log takes them at once.
- If an append fails, memory is ahead of the log: the shard is unloaded, everything that is held and
  everyone who waits is refused with NOT_COORDINATOR, and it loads again.
- While it loads, operations are refused with COORDINATOR_LOAD_IN_PROGRESS.
- Timers belong to the shard, on semantic time; unloading forgets them.

It knows neither groups nor transactions: the machine and the format of its records are handed in. (Kafka:
CoordinatorRuntime.)
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from enum import Enum
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch

from kwire.coordinators.outcome import Completion, Outcome, Ticket
from kwire.partitions.clock import Clock, TimerHandle
from kwire.runtime.journal import Journal, RecordFormat, ShardLog
from kwire.runtime.soon import Soon, awaited

logger = logging.getLogger("kwire.runtime")

R = TypeVar("R")
Rec = TypeVar("Rec")

READ_BYTES = 1 << 20
"""How much of the log is read and replayed in one go while loading; in between, others get their turn."""

RELOAD_AFTER_MS = 10_000
"""How long a log that can't be read is left alone before it is tried again."""

MAX_DECOMPRESSED_BYTES = 64 << 20


_NO_ERROR = ErrorCode.NONE


class Refused(NamedTuple):
    """The shard did not carry the operation out, or can't say that it did."""

    error_code: ErrorCode


class Machine(Protocol[Rec]):
    """What the shard needs of a coordinator."""

    def replay(self, record: Rec) -> None:
        """Apply a record to hard state."""

    def on_loaded(self, now_ms: int) -> Outcome[None, Rec]:
        """The log has been replayed to its end."""
        ...

    def expire(self, key: Hashable, now_ms: int) -> Outcome[None, Rec]:
        """A timer came due."""
        ...


M = TypeVar("M", bound=Machine[Any])
"""A kind of machine. Its records are its own affair: the shard only carries them between machine, format
and log.
"""


class Status(Enum):
    """What a shard is up to."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    ACTIVE = "active"


class _Held:
    """Answers that wait for an append."""

    __slots__ = ("completions", "error_code", "released", "waiter")

    def __init__(self, completions: Sequence[Completion]) -> None:
        self.completions = completions
        self.error_code = _NO_ERROR
        self.released = False
        self.waiter: trio.Event | None = None

    def release(self, error_code: ErrorCode) -> None:
        self.error_code = error_code
        self.released = True
        for ticket, response in self.completions:
            ticket.deliver(Refused(error_code) if error_code else response)
        if self.waiter is not None:
            self.waiter.set()

    async def wait(self) -> None:
        if not self.released:
            self.waiter = trio.Event()
            await self.waiter.wait()


_Unwritten: TypeAlias = list[tuple[Sequence[object], _Held]]
"""Records in the order in which they were decided, and whom they hold up."""


class Shard(Generic[M]):
    """One shard. `spawn(async function)` starts a task in the nursery of the shard's owner.

    The owner calls `open()` once, and `close()` when another node takes the partition over or the broker
    stops.
    """

    def __init__(
        self,
        name: str,
        log: ShardLog,
        new_machine: Callable[[], M],
        records: RecordFormat[Any],
        clock: Clock,
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
    ) -> None:
        self.name = name
        self.status = Status.UNLOADED
        self._log = log
        self._new_machine = new_machine
        self._records = records
        self._journal = Journal(log, records, clock)
        self._clock = clock
        self._spawn = spawn
        self._machine: M | None = None
        self._refusal = Refused(ErrorCode.NOT_COORDINATOR)
        self._timers: dict[Hashable, TimerHandle] = {}
        self._waiting: dict[Ticket[Any], None] = {}  # in the order in which they came
        self._unwritten: _Unwritten = []
        self._writing = False
        self._draining = False
        self._incarnation = 0

    @property
    def machine(self) -> M | None:
        """The machine, while the shard is active; for reading only."""
        return self._machine

    # Loading and unloading

    def open(self) -> None:
        """Load the log. An empty one is loaded when this returns; otherwise a task loads it."""
        self._incarnation += 1
        if self._log.start_offset >= self._log.end_offset:
            self._activate(self._new_machine())
            return
        self.status = Status.LOADING
        self._refusal = Refused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        self._spawn(self._load)

    async def _load(self) -> None:
        incarnation = self._incarnation
        machine = self._new_machine()
        offset = self._log.start_offset
        count = 0
        try:
            while incarnation == self._incarnation and offset < self._log.end_offset:
                read = await self._log.read(offset, READ_BYTES)
                if isinstance(read, ErrorCode):
                    raise ValueError(f"its log can't be read at offset {offset}: {read.message}")
                next_offset = offset
                for part in read:
                    for position, header in batch.walk(part):
                        if header.base_offset + header.last_offset_delta >= offset and not header.is_control:
                            count += self._replay_batch(machine, part, position, header, offset)
                        next_offset = header.next_offset
                if next_offset == offset:
                    break
                offset = next_offset
                await trio.lowlevel.checkpoint()
        except Exception as error:
            # A log that can't be read, or a record that breaks the machine: this shard's trouble alone.
            expected = isinstance(error, batch.CorruptBatch | ValueError)
            if incarnation == self._incarnation:
                logger.error("%s is not available: %s", self.name, error, exc_info=not expected)
                self._unload(ErrorCode.NOT_COORDINATOR)
                unloaded = self._incarnation
                self._clock.schedule(self._clock.now_ms() + RELOAD_AFTER_MS, lambda: self._reopen(unloaded))
            return
        if incarnation == self._incarnation:
            logger.info("%s loaded: %d records up to offset %d", self.name, count, offset)
            self._activate(machine)

    def _replay_batch(
        self, machine: M, part: memoryview, position: int, header: batch.BatchHeader, offset: int
    ) -> int:
        replay = machine.replay
        from_bytes = self._records.from_bytes
        count = 0
        for record in batch.records(part, position, header, MAX_DECOMPRESSED_BYTES):
            if record.offset < offset:
                continue
            decoded = from_bytes(record.key, record.value)
            if decoded is not None:
                replay(decoded)
                count += 1
        return count

    def _activate(self, machine: M) -> None:
        self._machine = machine
        self.status = Status.ACTIVE
        if self._apply(machine, machine.on_loaded(self._clock.now_ms())) is not None:
            self._write()

    def _reopen(self, incarnation: int) -> None:
        if incarnation == self._incarnation:  # not closed meanwhile, as when another node took over
            self.open()

    def close(self) -> None:
        """Another node coordinates from now on, or nobody: whoever waits is told NOT_COORDINATOR."""
        self._incarnation += 1
        self._unload(ErrorCode.NOT_COORDINATOR)

    def drain(self) -> None:
        """The broker stops: nobody is kept waiting for others any more, all else goes on until `close()`."""
        self._draining = True
        self._refuse_waiting(ErrorCode.NOT_COORDINATOR)

    def _refuse_waiting(self, error_code: ErrorCode) -> None:
        waiting, self._waiting = self._waiting, {}
        for ticket in waiting:
            ticket.deliver(Refused(error_code))

    def _unload(self, error_code: ErrorCode) -> None:
        self.status = Status.UNLOADED
        self._machine = None
        self._refusal = Refused(ErrorCode.NOT_COORDINATOR)
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        unwritten, self._unwritten = self._unwritten, []
        for _, held in unwritten:
            held.release(error_code)
        self._refuse_waiting(error_code)

    # Operations

    def begin(self, operation: Callable[[M, int], Outcome[R, Any]]) -> Soon[R | Refused]:
        """Carry out `operation(machine, now_ms)`; gives its response, or what is to be awaited until it may
        be told.
        """
        machine = self._machine
        if machine is None:
            return self._refusal
        try:
            outcome = operation(machine, self._clock.now_ms())
        except Exception:
            self._distrust()
            raise
        response = outcome.response
        if outcome.records or outcome.completions or outcome.timers or self._writing:
            held = self._apply(machine, outcome)
            if held is not None:
                self._write()
                if not held.released:
                    return self._once_released(held, response, self._incarnation)
                if held.error_code:
                    return Refused(held.error_code)
        if isinstance(response, Ticket):
            ticket: Ticket[Any] = response
            delivered: R | Refused | None = ticket.response
            return self._wait_for(ticket, self._incarnation) if delivered is None else delivered
        return response

    async def run(self, operation: Callable[[M, int], Outcome[R, Any]]) -> R | Refused:
        """Carry out `operation(machine, now_ms)`; gives its response when it may be told."""
        begun: Soon[R | Refused] = self.begin(operation)
        return await awaited(begun)

    async def _once_released(self, held: _Held, response: R | Ticket[R], incarnation: int) -> R | Refused:
        await held.wait()
        if held.error_code:
            return Refused(held.error_code)
        if isinstance(response, Ticket):
            return await self._wait_for(response, incarnation)
        return response

    async def _wait_for(self, ticket: Ticket[R], incarnation: int) -> R | Refused:
        """The ticket's response. `incarnation` is the one that gave the ticket: when it ends, so does the
        waiting.
        """
        if not ticket.delivered:
            if self._draining or incarnation != self._incarnation:
                return Refused(ErrorCode.NOT_COORDINATOR)
            event = trio.Event()
            ticket.on_delivery(event.set)
            self._waiting[ticket] = None
            try:
                await event.wait()
            finally:
                self._waiting.pop(ticket, None)
                ticket.on_delivery(None)
        delivered = ticket.response
        assert delivered is not None
        return delivered

    def _apply(self, machine: M, outcome: Outcome[Any, Any]) -> _Held | None:
        """Replay, arm timers; gives what is held back, or None when nothing stands in the way."""
        records = outcome.records
        for record in records:
            machine.replay(record)
        for key, at_ms in outcome.timers:
            self._arm(key, at_ms)
        if records or self._writing or self._unwritten:
            held = _Held(outcome.completions)
            self._unwritten.append((records, held))
            return held
        for ticket, response in outcome.completions:
            ticket.deliver(response)
        return None

    # Timers

    def _arm(self, key: Hashable, at_ms: int | None) -> None:
        handle = self._timers.pop(key, None)
        if handle is not None:
            handle.cancel()
        if at_ms is not None:
            self._timers[key] = self._clock.schedule(at_ms, lambda: self._fire(key))

    def _fire(self, key: Hashable) -> None:
        machine = self._machine
        if machine is None or self._timers.pop(key, None) is None:
            return
        try:
            held = self._apply(machine, machine.expire(key, self._clock.now_ms()))
        except Exception:
            self._distrust()
            raise
        if held is not None:
            self._write()

    def _distrust(self) -> None:
        """The machine failed within an operation, so nobody knows what is in it: back to the log."""
        logger.error("%s is unloaded: its coordinator failed", self.name)
        self.close()
        self.open()

    # Writing

    def _write(self) -> None:
        """Append until nothing is left, unless someone is at it. Where the log waits, or there is much to
        encode, a task of the shard's owner goes on: whoever asked may go away.
        """
        if self._writing:
            return
        self._writing = True
        while self._unwritten:
            unwritten, self._unwritten = self._unwritten, []
            incarnation = self._incarnation
            appending = self._append(unwritten, incarnation)
            if not isinstance(appending, ErrorCode):
                self._spawn(partial(self._go_on_writing, unwritten, appending, incarnation))
                return
            self._written(unwritten, appending, incarnation)
        self._writing = False

    def _append(self, unwritten: _Unwritten, incarnation: int) -> Soon[ErrorCode]:
        records = (
            unwritten[0][0] if len(unwritten) == 1 else [record for each, _ in unwritten for record in each]
        )
        try:
            return self._journal.append(records, lambda: incarnation == self._incarnation)
        except Exception:
            return self._unwritable()

    async def _go_on_writing(
        self, unwritten: _Unwritten, appending: Coroutine[Any, Any, ErrorCode], incarnation: int
    ) -> None:
        error_code = ErrorCode.NOT_COORDINATOR
        with trio.CancelScope(shield=True):
            try:
                error_code = await appending
            except Exception:
                error_code = self._unwritable()
        self._writing = False
        self._written(unwritten, error_code, incarnation)
        self._write()

    def _unwritable(self) -> ErrorCode:
        logger.exception("%s could not write its records", self.name)
        return ErrorCode.UNKNOWN_SERVER_ERROR

    def _written(self, unwritten: _Unwritten, error_code: ErrorCode, incarnation: int) -> None:
        """Answer what was held for an append that has ended."""
        if incarnation != self._incarnation:
            error_code = error_code or ErrorCode.NOT_COORDINATOR
        told = _told(error_code) if error_code else error_code
        for _, held in unwritten:
            held.release(told)
        if error_code and incarnation == self._incarnation:
            logger.error("%s is unloaded: %s", self.name, error_code.message)
            self.close()
            self.open()


def _told(error_code: ErrorCode) -> ErrorCode:
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
