"""What the runtime needs of a coordinator: records go in, decisions come out.

A machine in whose log there are transactions of producers has two methods more: `replay_transactional` and
`replay_transaction_end`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol, TypeVar

from kwire.coordinators.outcome import Outcome, TransactionalRecord, TransactionEnd

Rec = TypeVar("Rec")
Taken = TypeVar("Taken", contravariant=True)


class Replayed(Protocol[Taken]):
    """What is loaded. Without `replay_transactional(producer_id, record)` it has every record replayed;
    without `replay_transaction_end(producer_id, is_commit)` ends are passed over.
    """

    def replay(self, record: Taken) -> None:
        """Apply a record to hard state."""


class Machine(Replayed[Rec], Protocol[Rec]):
    """What the shard needs of a coordinator."""

    def on_loaded(self, now_ms: int) -> Outcome[None, Rec]:
        """The log has been replayed to its end."""
        ...

    def expire(self, key: Hashable, now_ms: int) -> Outcome[None, Rec]:
        """A timer came due."""
        ...


def replay_any(machine: Any, record: object) -> None:
    """Replay a record that may be of a producer's transaction, or its end."""
    if type(record) is TransactionalRecord:
        machine.replay_transactional(record.producer_id, record.record)
    elif type(record) is TransactionEnd:
        machine.replay_transaction_end(record.producer_id, record.is_commit)
    else:
        machine.replay(record)
