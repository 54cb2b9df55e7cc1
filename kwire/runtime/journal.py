"""Writes a shard's records into its log: encodes them, gathers them into batches, appends these in one go.

Few records are encoded and appended within the call, if the log does not wait either; many are encoded in
turns with everyone else's work. What one decision comes to is one batch, however large: a crash may leave the
first of an append's batches in the log, and a group whose kind was half changed would be neither. Only beyond
`LARGEST_BYTES`, which no request comes to, is it several. Records of a producer's transaction are in batches
of that producer, and a transaction's end is a control batch, all in the order in which they were decided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.internal.coordinator import CoordinatorBatch
from kwire_codecs.records.batch import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, read_header
from kwire_codecs.records.control import EndTransactionMarker, marker_batch
from kwire_storage.engine import ValidBatch

from kwire.coordinators.outcome import TransactionalRecord, TransactionEnd
from kwire.partitions.clock import Clock
from kwire.runtime.soon import Soon, awaited

Rec = TypeVar("Rec")

BATCH_BYTES = 512 * 1024
"""What several decisions come to is gathered into batches of about this size; one of them may be larger."""

LARGEST_BYTES = 64 * 1024 * 1024

RECORDS_A_TURN = 500
"""So many are encoded before others have their turn."""


class RecordFormat(Protocol[Rec]):
    """How a coordinator's records travel."""

    def to_bytes(self, record: Rec) -> tuple[bytes, bytes | None]:
        """Key and value."""
        ...

    def from_bytes(self, key: bytes | None, value: bytes | None) -> Rec | None:
        """The record, or None for one that this coordinator does not keep. ValueError if it can't be read."""
        ...


class ShardLog(Protocol):
    """The partition that a shard lives on."""

    @property
    def start_offset(self) -> int:
        """Where to start reading."""
        ...

    @property
    def end_offset(self) -> int:
        """Where the next record goes."""
        ...

    def append(self, batches: Sequence[ValidBatch]) -> Soon[ErrorCode]:
        """Append whole batches, all or none; done when the error code is there."""
        ...

    async def read(self, offset: int, max_bytes: int) -> Sequence[memoryview] | ErrorCode:
        """Whole batches from the one that holds `offset`; none at the end."""
        ...


class Journal:
    """The writing side of one shard's log. One append at a time: the shard sees to that."""

    __slots__ = ("_clock", "_format", "_log")

    def __init__(self, log: ShardLog, records: RecordFormat[Any], clock: Clock) -> None:
        self._log = log
        self._format = records
        self._clock = clock

    def append(
        self,
        decided: Sequence[Sequence[Any]],
        is_wanted: Callable[[], bool],
        *,
        of_transactions: bool = False,
    ) -> Soon[ErrorCode]:
        """Append the records of decisions, all or none; done when the error code is there.

        :param is_wanted: asked once many are encoded; if they are not any more, NOT_COORDINATOR comes back.
        :param of_transactions: there may be `TransactionalRecord`s or `TransactionEnd`s among them.
        :raises Exception: what the format says of a record that cannot be encoded; nothing is written then.
        """
        count = len(decided[0]) if len(decided) == 1 else sum(map(len, decided))
        if count > RECORDS_A_TURN:
            return self._append_many(decided, is_wanted, of_transactions)
        if not count:
            return ErrorCode.NONE
        gathered = _Gathered(self._clock.now_ms())
        add = gathered.add_of_transactions if of_transactions else gathered.add
        for records in decided:
            add(self._format, records)
        return self._log.append(gathered.batches())

    async def _append_many(
        self, decided: Sequence[Sequence[Any]], is_wanted: Callable[[], bool], of_transactions: bool
    ) -> ErrorCode:
        gathered = _Gathered(self._clock.now_ms())
        add = gathered.add_of_transactions if of_transactions else gathered.add
        left = RECORDS_A_TURN
        for records in decided:
            if len(records) > RECORDS_A_TURN:
                gathered.begin_batch()
            following = iter(records)
            goes_on = False
            while turn := list(islice(following, left)):
                add(self._format, turn, goes_on=goes_on)
                goes_on = True
                left -= len(turn)
                if not left:
                    left = RECORDS_A_TURN
                    await trio.lowlevel.checkpoint()
        if not is_wanted():
            # The shard was closed while these were encoded: whoever has loaded it since does not know them.
            return ErrorCode.NOT_COORDINATOR
        return await awaited(self._log.append(gathered.batches()))


class _Gathered:
    """Batches in the making."""

    __slots__ = ("_batch", "_full", "_now_ms")

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._full: list[ValidBatch] = []
        self._batch = CoordinatorBatch(now_ms)

    def add(self, record_format: RecordFormat[Any], records: Sequence[Any], *, goes_on: bool = False) -> None:
        """Records of one decision, without a transaction; so is the batch that grows. `goes_on`: the decision
        has begun in that batch.
        """
        to_bytes, current = record_format.to_bytes, self._batch
        encoded = [to_bytes(record) for record in records]
        if current.count:
            size = current.size + sum(len(key) + (len(value) if value else 0) for key, value in encoded)
            if size > (LARGEST_BYTES if goes_on else BATCH_BYTES):
                current = self._next(current.producer_id, current.producer_epoch)
        for key, value in encoded:
            current.add(key, value)

    def add_of_transactions(
        self, record_format: RecordFormat[Any], records: Sequence[Any], *, goes_on: bool = False
    ) -> None:
        """Records of one decision, with and without a transaction, and ends of transactions."""
        alike: list[Any] = []
        for record in records:
            if type(record) is TransactionEnd:
                self.add(record_format, alike, goes_on=goes_on)
                alike = []
                self._end(record)
                continue
            producer = NO_PRODUCER_ID, NO_PRODUCER_EPOCH
            if type(record) is TransactionalRecord:
                producer = record.producer_id, record.producer_epoch
                record = record.record
            if producer != (self._batch.producer_id, self._batch.producer_epoch):
                self.add(record_format, alike, goes_on=goes_on)
                alike = []
                self._next(*producer)
            alike.append(record)
        self.add(record_format, alike, goes_on=goes_on)

    def begin_batch(self) -> None:
        """What comes next is in a batch of its own."""
        if self._batch.size:
            self._next(self._batch.producer_id, self._batch.producer_epoch)

    def _next(self, producer_id: int, producer_epoch: int) -> CoordinatorBatch:
        """Go on with a new batch."""
        if self._batch.size:
            self._full.append(ValidBatch._make(self._batch.finish()))
        self._batch = CoordinatorBatch(self._now_ms, producer_id, producer_epoch)
        return self._batch

    def _end(self, end: TransactionEnd) -> None:
        self._next(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)
        marker = EndTransactionMarker(end.is_commit, end.coordinator_epoch)
        data = marker_batch(
            marker, self._now_ms, producer_id=end.producer_id, producer_epoch=end.producer_epoch
        )
        self._full.append(ValidBatch(memoryview(data), read_header(data)))

    def batches(self) -> list[ValidBatch]:
        if self._batch.count or not self._full:
            return [*self._full, ValidBatch._make(self._batch.finish())]
        return self._full
