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
- Whether the log takes what belongs to a producer's transaction is asked before it is replayed: a producer
  that was fenced is no reason to unload. The log knows what is written, so a producer's next operation waits
  until its last one is.
- Timers belong to the shard, on semantic time; unloading forgets them.

It knows neither groups nor how transactions end: the machine and the format of its records are handed in.
(Kafka: CoordinatorRuntime.)
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from enum import Enum
from typing import Any, Generic, TypeVar

import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch

from kwire import failpoints
from kwire.coordinators.outcome import Outcome, Ticket
from kwire.partitions.clock import Clock
from kwire.runtime.held import Held, told
from kwire.runtime.held import Refused as Refused
from kwire.runtime.journal import Journal, RecordFormat, ShardLog
from kwire.runtime.loading import load
from kwire.runtime.machine import Machine, replay_any
from kwire.runtime.soon import Soon, awaited
from kwire.runtime.tickets import WaitingTickets
from kwire.runtime.timers import Timers
from kwire.runtime.writer import Still, Unwritten, Writer

logger = logging.getLogger("kwire.runtime")

R = TypeVar("R")

RELOAD_AFTER_MS = 10_000
"""How long a log that can't be read is left alone before it is tried again."""


M = TypeVar("M", bound=Machine[Any])
"""A kind of machine. Its records are its own affair: the shard only carries them between machine, format
and log.
"""


class Status(Enum):
    """What a shard is up to."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    ACTIVE = "active"


class Shard(Generic[M]):
    """One shard. `spawn(async function)` starts a task in the nursery of the shard's owner;
    `deliver(message)` hands it an outcome's message, and must not call the shard back, but may spawn what
    does. Shards that share `loads` load one at a time.

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
        deliver: Callable[[object], None] | None = None,
        loads: trio.Lock | None = None,
    ) -> None:
        self.name = name
        self.status = Status.UNLOADED
        self._log = log
        self._new_machine = new_machine
        self._records = records
        self._writer = Writer(name, Journal(log, records, clock), spawn, self._as_it_is, self._written)
        self._clock = clock
        self._spawn = spawn
        self._deliver = deliver
        self._loads = trio.Lock() if loads is None else loads
        self._machine: M | None = None
        self._refusal = Refused(ErrorCode.NOT_COORDINATOR)
        self._timers = Timers(clock, self._fire)
        self._waiting = WaitingTickets()
        self._producers: dict[int, Held] = {}
        """Producers of whose transactions something is not written yet, and the newest of it."""
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
        is_wanted = self._as_it_is()
        machine = self._new_machine()
        try:
            async with self._loads:
                loaded = await load(self._log, machine, self._records, is_wanted)
            if is_wanted():
                logger.info("%s loaded: %d records up to offset %d", self.name, *loaded[:2])
                if loaded.passed_over:
                    logger.info(
                        "%s holds %d records of kinds that kwire has no use for; they stay in the log",
                        self.name,
                        loaded.passed_over,
                    )
                self._activate(machine)
        except Exception as error:
            # A log that can't be read, or a record that breaks the machine: this shard's trouble alone.
            expected = isinstance(error, batch.CorruptBatch | ValueError)
            if is_wanted():
                logger.error("%s is not available: %s", self.name, error, exc_info=not expected)
                self._unload(ErrorCode.NOT_COORDINATOR)
                unloaded = self._incarnation
                self._clock.schedule(self._clock.now_ms() + RELOAD_AFTER_MS, lambda: self._reopen(unloaded))

    def _activate(self, machine: M) -> None:
        self._machine = machine
        self.status = Status.ACTIVE
        if self._apply(machine, machine.on_loaded(self._clock.now_ms())) is not None:
            self._writer.write()

    def _as_it_is(self) -> Still:
        """What tells whether the shard was neither opened nor closed since now."""
        incarnation = self._incarnation
        return lambda: incarnation == self._incarnation

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
        self._waiting.refuse(ErrorCode.NOT_COORDINATOR)

    def _unload(self, error_code: ErrorCode) -> None:
        self.status = Status.UNLOADED
        self._machine = None
        self._refusal = Refused(ErrorCode.NOT_COORDINATOR)
        self._timers.forget()
        self._producers.clear()
        for _, held in self._writer.take_back():
            held.release(error_code)
        self._waiting.refuse(error_code)

    # Operations

    def begin(self, operation: Callable[[M, int], Outcome[R, Any]]) -> Soon[R | Refused]:
        """Carry out `operation(machine, now_ms)`; gives its response, or what is to be awaited until it may
        be told.
        """
        machine = self._machine
        if machine is None:
            return self._refusal
        held = None
        try:
            outcome = operation(machine, self._clock.now_ms())
            if (
                outcome.records
                or outcome.completions
                or outcome.timers
                or outcome.messages
                or self._writer.is_writing
            ):
                held = self._apply(machine, outcome)
        except Exception:
            self._distrust()
            raise
        response = outcome.response
        if held is not None:
            self._writer.write()
            if not held.released or held.error_code:
                return self._answer(held, response)
        if isinstance(response, Ticket):
            return self._delivered(response)
        return response

    def begin_transactional(
        self,
        producer_id: int,
        operation: Callable[[M, int], Outcome[R, Any]],
        refusal: Callable[[], ErrorCode],
    ) -> Soon[R | Refused]:
        """As `begin`, for an operation whose records are of a producer's transaction, or its end.

        If there are any, `refusal()` is asked for what the log has against the producer, before anything is
        replayed. Where something of the producer is being written, it is the coroutine that does the work.
        """
        before = self._producers.get(producer_id)
        if before is not None and not before.released:
            return self._begin_after(before, producer_id, operation, refusal)
        machine = self._machine
        if machine is None:
            return self._refusal
        try:
            outcome = operation(machine, self._clock.now_ms())
            if outcome.records and (error_code := refusal()):
                return Refused(error_code)
            held = self._apply(machine, outcome, of_transactions=True)
        except Exception:
            self._distrust()
            raise
        if held is not None:
            self._producers[producer_id] = held
            self._writer.write()
            if held.released:
                self._producers.pop(producer_id, None)
        return self._answer(held, outcome.response)

    async def _begin_after(
        self,
        before: Held,
        producer_id: int,
        operation: Callable[[M, int], Outcome[R, Any]],
        refusal: Callable[[], ErrorCode],
    ) -> R | Refused:
        await before.wait()
        begun: Soon[R | Refused] = self.begin_transactional(producer_id, operation, refusal)
        return await awaited(begun)

    def _answer(self, held: Held | None, response: R | Ticket[R]) -> Soon[R | Refused]:
        """The response, or what is to be awaited for it."""
        if held is not None:
            if not held.released:
                return self._once_released(held, response, self._incarnation)
            if held.error_code:
                return Refused(held.error_code)
        if isinstance(response, Ticket):
            return self._delivered(response)
        return response

    def _delivered(self, ticket: Ticket[Any]) -> Soon[Any]:
        """A ticket's response, or what is to be awaited for it."""
        delivered = ticket.response
        return self._wait_for(ticket, self._incarnation) if delivered is None else delivered

    async def run(self, operation: Callable[[M, int], Outcome[R, Any]]) -> R | Refused:
        """Carry out `operation(machine, now_ms)`; gives its response when it may be told."""
        begun: Soon[R | Refused] = self.begin(operation)
        return await awaited(begun)

    async def _once_released(self, held: Held, response: R | Ticket[R], incarnation: int) -> R | Refused:
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
            await self._waiting.wait_for(ticket)
        delivered = ticket.response
        assert delivered is not None
        return delivered

    def _apply(self, machine: M, outcome: Outcome[Any, Any], *, of_transactions: bool = False) -> Held | None:
        """Replay, arm timers; gives what is held back, or None when nothing stands in the way."""
        records = outcome.records
        if of_transactions:
            for record in records:
                replay_any(machine, record)
        else:
            for record in records:
                machine.replay(record)
        for key, at_ms in outcome.timers:
            self._timers.arm(key, at_ms)
        writer = self._writer
        if records or writer.is_writing or writer.unwritten:
            held = Held(outcome.completions, outcome.messages, of_transactions)
            writer.unwritten.append((records, held))
            return held
        for ticket, response in outcome.completions:
            ticket.deliver(response)
        self._hand_over(outcome.messages)
        return None

    def _hand_over(self, messages: Sequence[object]) -> None:
        for message in messages:
            assert self._deliver is not None, "a machine that has messages needs an owner that takes them"
            self._deliver(message)

    def _fire(self, key: Hashable) -> None:
        """A timer came due."""
        machine = self._machine
        if machine is None:
            return
        try:
            held = self._apply(machine, machine.expire(key, self._clock.now_ms()))
        except Exception:
            self._distrust()
            raise
        if held is not None:
            self._writer.write()

    def _distrust(self) -> None:
        """The machine failed within an operation, so nobody knows what is in it: back to the log."""
        logger.error("%s is unloaded: its coordinator failed", self.name)
        self.close()
        self.open()

    def _written(self, unwritten: Unwritten, error_code: ErrorCode, still: Still) -> None:
        """Answer what was held for an append that has ended."""
        if not still():
            error_code = error_code or ErrorCode.NOT_COORDINATOR
        elif failpoints.armed is not None and not error_code:
            failpoints.reach_append("after", [record for records, _ in unwritten for record in records])
        answer = told(error_code) if error_code else error_code
        lost = False
        for _, held in unwritten:
            held.release(answer)
            if held.messages and not answer:
                try:
                    self._hand_over(held.messages)
                except Exception:
                    # Nobody else is to wait for what the owner could not take: loading gives it again.
                    logger.exception("what %s has to have done was lost", self.name)
                    lost = True
        if self._producers:
            self._producers = {known: held for known, held in self._producers.items() if not held.released}
        if not still():
            return
        if error_code:
            logger.error("%s is unloaded: %s", self.name, error_code.message)
            self.close()
            self.open()
        elif lost:
            self._distrust()
