"""What a coordinator answers: records to append, a response (or a ticket for one), completions and timers.

A coordinator is a function (state, request, now_ms) -> Outcome. Rules:

- It decides. Hard state (what must survive a restart) changes only in `replay(record)`, which the runtime
  calls for each of `Outcome.records` at once, in order, and again for every record when it loads the log.
  Soft state (who is waiting, session deadlines) may change while deciding; it is lost with the shard, and
  no answer may depend on that.
- The runtime appends the records and holds the response and every completion until that append has completed.
- A message tells the shard's owner to do something that lies outside of the machine (write a transaction's
  markers). It leaves with the responses: after the append, and never if that fails. It may get lost with the
  shard; `on_loaded` gives again what still has to be done.
- Nothing here knows of clocks, tasks or sockets: a timer is a key and a moment, and the runtime calls the
  machine back with the key.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

K_co = TypeVar("K_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)
R = TypeVar("R")
Rec = TypeVar("Rec")


class CoordinatorRecord(NamedTuple, Generic[K_co, V_co]):
    """One record of a coordinator's log, typed. A `value` of None is a tombstone for `key`.

    Logs that are not keyed (`__cluster_metadata`) have `key` None.
    """

    key: K_co
    value: V_co | None


class TransactionalRecord(NamedTuple, Generic[Rec]):
    """A record that counts only once its producer's transaction is committed. It is among an outcome's
    records, is written in a batch of that producer, and replayed by `replay_transactional`.
    """

    producer_id: int
    producer_epoch: int
    record: Rec


class TransactionEnd(NamedTuple):
    """The end of a producer's transaction in a coordinator's own log. It is among an outcome's records, is
    written as a control batch, and replayed by `replay_transaction_end`.
    """

    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    is_commit: bool


class Ticket(Generic[R]):
    """The promise of a response that waits for others (a member that waits for the rest of its group).

    The machine makes it, keeps it in its soft state and completes it, exactly once, by a `Completion` of a
    later outcome. The runtime delivers: `deliver` is idempotent, and a ticket that nobody waits for any
    more (its client has gone) takes its response silently.
    """

    __slots__ = ("_on_delivery", "response")

    def __init__(self) -> None:
        self.response: R | None = None
        self._on_delivery: Callable[[], None] | None = None

    @property
    def delivered(self) -> bool:
        return self.response is not None

    def deliver(self, response: R) -> None:
        """Hand the response over. The first one counts; a shard that is unloaded may come second."""
        if self.response is None:
            self.response = response
            if self._on_delivery is not None:
                self._on_delivery()

    def on_delivery(self, callback: Callable[[], None] | None) -> None:
        """Have `callback()` called when the response is there (at most one callback; None forgets it)."""
        self._on_delivery = callback
        if callback is not None and self.response is not None:
            callback()


class Completion(NamedTuple):
    """The response of a ticket that was given out by an earlier (or this) outcome."""

    ticket: Ticket[Any]
    response: Any


class Timer(NamedTuple):
    """Call the machine's `expire(key, now_ms)` at `at_ms`; None disarms. Arming a key again replaces its
    moment.

    `at_ms` is semantic time (`cluster.clock`), in milliseconds since the epoch.
    """

    key: Hashable
    at_ms: int | None


@dataclass(slots=True)
class Outcome(Generic[R, Rec]):
    """What one operation decided.

    `response` is the answer, or a Ticket when it waits for others, or None where nobody asked (a timer
    fired).
    """

    response: R | Ticket[R]
    records: Sequence[Rec] = ()
    completions: Sequence[Completion] = ()
    timers: Sequence[Timer] = ()
    messages: Sequence[object] = ()
