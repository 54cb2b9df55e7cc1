"""Writes a shard's records into its log: encodes them, gathers them into batches, appends these in one go.

Few records are encoded and appended within the call, if the log does not wait either; many are encoded in
turns with everyone else's work. A batch is about `BATCH_BYTES` large, so what one request decides is nearly
always one batch, whole or not there at all after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.internal.coordinator import CoordinatorBatch
from kwire_storage.engine import ValidBatch

from kwire.partitions.clock import Clock
from kwire.runtime.soon import Soon, awaited

Rec = TypeVar("Rec")

BATCH_BYTES = 512 * 1024
"""Records are gathered into batches of about this size; a single record may be larger."""

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

    def append(self, records: Sequence[Any], is_wanted: Callable[[], bool]) -> Soon[ErrorCode]:
        """Append records, all or none; done when the error code is there.

        :param is_wanted: asked once many are encoded; if they are not any more, NOT_COORDINATOR comes back.
        :raises Exception: what the format says of a record that cannot be encoded; nothing is written then.
        """
        if len(records) > RECORDS_A_TURN:
            return self._append_many(records, is_wanted)
        if not records:
            return ErrorCode.NONE
        gathered = _Gathered(self._clock.now_ms())
        gathered.add(self._format, records)
        return self._log.append(gathered.batches())

    async def _append_many(self, records: Sequence[Any], is_wanted: Callable[[], bool]) -> ErrorCode:
        gathered = _Gathered(self._clock.now_ms())
        following = iter(records)
        while turn := list(islice(following, RECORDS_A_TURN)):
            gathered.add(self._format, turn)
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

    def add(self, record_format: RecordFormat[Any], records: Sequence[Any]) -> None:
        to_bytes, current = record_format.to_bytes, self._batch
        for record in records:
            key, value = to_bytes(record)
            if current.size and current.size + len(key) + (len(value) if value else 0) > BATCH_BYTES:
                self._full.append(ValidBatch._make(current.finish()))
                self._batch = current = CoordinatorBatch(self._now_ms)
            current.add(key, value)

    def batches(self) -> list[ValidBatch]:
        return [*self._full, ValidBatch._make(self._batch.finish())]
