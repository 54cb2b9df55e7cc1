"""What a log's transactions come to, in its simplest form: all batches ever appended, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kwire_storage.transaction_index import AbortedTransaction


class Written(NamedTuple):
    """A batch. `end` is None for records, else whether it is the marker of a commit."""

    first_offset: int
    last_offset: int
    producer_id: int = -1
    epoch: int = -1
    sequence: int = -1
    is_transactional: bool = False
    end: bool | None = None
    coordinator_epoch: int = -1


class Known(NamedTuple):
    """What is known of a producer."""

    epoch: int
    last_sequence: int
    coordinator_epoch: int
    transaction_first_offset: int


class Transactions:
    """What `batches`, from the log's very beginning, say."""

    def __init__(self, batches: Iterable[Written]) -> None:
        self.producers: dict[int, Known] = {}
        self.aborted: list[AbortedTransaction] = []
        for batch in batches:
            if batch.producer_id >= 0:
                self._take(batch)

    def _take(self, batch: Written) -> None:
        known = self.producers.get(batch.producer_id, Known(-1, -1, -1, -1))
        is_new_epoch = known.epoch != batch.epoch
        if batch.end is None:
            opened = known.transaction_first_offset
            if batch.is_transactional and opened < 0:
                opened = batch.first_offset
            last = batch.sequence + batch.last_offset - batch.first_offset if batch.sequence >= 0 else -1
            self.producers[batch.producer_id] = Known(batch.epoch, last, known.coordinator_epoch, opened)
            return
        last = -1 if is_new_epoch else known.last_sequence
        self.producers[batch.producer_id] = Known(batch.epoch, last, batch.coordinator_epoch, -1)
        if known.transaction_first_offset >= 0 and not batch.end:
            undecided = self.first_undecided_offset
            stable = batch.first_offset + 1 if undecided is None else undecided
            self.aborted.append(
                AbortedTransaction(
                    batch.producer_id, known.transaction_first_offset, batch.first_offset, stable
                )
            )

    @property
    def first_undecided_offset(self) -> int | None:
        """Where the oldest open transaction began."""
        return min(
            (
                known.transaction_first_offset
                for known in self.producers.values()
                if known.transaction_first_offset >= 0
            ),
            default=None,
        )

    def aborted_in(self, start_offset: int, end_offset: int) -> list[AbortedTransaction]:
        """Those that have a part in the range."""
        return [
            aborted
            for aborted in self.aborted
            if aborted.last_offset >= start_offset and aborted.first_offset < end_offset
        ]
