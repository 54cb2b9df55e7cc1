"""A segment's index files against its batches, in step with one walk through them.

Each check is told of every batch, in order (`see`), and of the segment's end (`end`), and gives findings. Of
a file full of wrong entries the first few are told, and how many more there are.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Protocol

from kwire_codecs.records import control
from kwire_codecs.records.batch import CorruptBatch
from kwire_codecs.records.control import ControlType

from . import offset_entries
from .batches import Batch
from .findings import Finding
from .source import Source, Unreadable

TOLD = 5
"""Findings of one kind in one file."""


class Check(Protocol):
    """One index file."""

    def see(self, batch: Batch) -> Iterator[Finding]: ...

    def end(self, end_offset: int, log_size: int, max_timestamp: int) -> Iterator[Finding]: ...


class Told:
    """Keeps a file from filling the screen."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found = 0

    def tell(self, message: str, position: int | None = None) -> Iterator[Finding]:
        self._found += 1
        if self._found <= TOLD:
            yield Finding(self._path, message, position)

    def rest(self) -> Iterator[Finding]:
        if self._found > TOLD:
            yield Finding(self._path, f"{self._found - TOLD} more entries are wrong")


class _Entries:
    """The entries of a file with their positions, one ahead."""

    def __init__(self, source: Source, layout: Struct, *, room_ahead: bool = False) -> None:
        self._source = source
        self._room_ahead = room_ahead
        self._size = layout.size
        self._entries = offset_entries.entries(source, layout)
        self._position = -layout.size
        self.current: tuple[int, ...] | None = None
        self.broken: Unreadable | None = None
        self.has_room = False
        """Whether zeros follow: a Kafka that did not close it, so that its last entry may be missing."""
        self.step()

    @property
    def position(self) -> int:
        """Where the current entry is."""
        return self._position

    def step(self) -> None:
        try:
            self.current = next(self._entries, None)
        except Unreadable as wrong:
            self.current, self.broken = None, wrong
        self._position += self._size
        if self._room_ahead and self.current is not None and not any(self.current):
            self._room_ahead = False  # one look: what follows is zeros, or it is wrong
            if offset_entries.zeros_from(self._source, self._position):
                self.current, self.has_room = None, True


class OffsetIndexCheck:
    """Entries rise; at each one's position begins a batch that holds, or lies before, its offset."""

    def __init__(self, source: Source, base_offset: int, *, room_ahead: bool) -> None:
        self._base = base_offset
        self._told = Told(source.path)
        self._entries = _Entries(source, offset_entries.OFFSETS, room_ahead=room_ahead)
        self._previous = (-1, 0)

    def see(self, batch: Batch) -> Iterator[Finding]:
        while (entry := self._entries.current) is not None and entry[1] <= batch.position:
            relative, position = entry
            before, before_position = self._previous
            at = self._entries.position
            if relative <= before or position <= before_position:
                yield from self._told.tell(
                    f"offset {self._base + relative} at {position} does not follow "
                    f"{self._base + before} at {before_position}",
                    at,
                )
            elif position != batch.position:
                yield from self._told.tell(f"no batch begins at {position}, which it names", at)
            elif batch.base_offset > self._base + relative:
                yield from self._told.tell(
                    f"the batch at {position} begins at offset {batch.base_offset}, "
                    f"behind {self._base + relative}, which it names",
                    at,
                )
            if relative > before and position > before_position:
                self._previous = (relative, position)
            self._entries.step()

    def end(self, end_offset: int, log_size: int, max_timestamp: int) -> Iterator[Finding]:
        while (entry := self._entries.current) is not None:
            yield from self._told.tell(
                f"no batch begins at {entry[1]}, which it names; the log has {log_size} bytes",
                self._entries.position,
            )
            self._entries.step()
        yield from self._told.rest()
        yield from _broken(self._entries)


class TimeIndexCheck:
    """Entries rise; each one's time is the largest so far, and that of the batch that it names; the last is
    the segment's.
    """

    def __init__(self, source: Source, base_offset: int, *, room_ahead: bool) -> None:
        self._base = base_offset
        self._told = Told(source.path)
        self._entries = _Entries(source, offset_entries.TIMES, room_ahead=room_ahead)
        self._previous = (-1, -1)
        self._newest = -1

    def see(self, batch: Batch) -> Iterator[Finding]:
        self._newest = max(self._newest, batch.max_timestamp)
        while (entry := self._entries.current) is not None and self._base + entry[1] <= batch.last_offset:
            timestamp, relative = entry
            at = self._entries.position
            before, before_offset = self._previous
            if timestamp <= before or relative < before_offset:
                yield from self._told.tell(
                    f"timestamp {timestamp} at offset {self._base + relative} does not follow "
                    f"{before} at {self._base + before_offset}",
                    at,
                )
            elif batch.magic == 2 and (
                timestamp != self._newest
                or timestamp != batch.max_timestamp
                or batch.base_offset > self._base + relative
            ):
                yield from self._told.tell(
                    f"up to offset {self._base + relative} the largest timestamp is {self._newest}, not "
                    f"{timestamp}",
                    at,
                )
            self._previous = (max(timestamp, before), max(relative, before_offset))
            self._entries.step()

    def end(self, end_offset: int, log_size: int, max_timestamp: int) -> Iterator[Finding]:
        while (entry := self._entries.current) is not None:
            yield from self._told.tell(
                f"offset {self._base + entry[1]} is beyond the segment, which ends at {end_offset}",
                self._entries.position,
            )
            self._entries.step()
        yield from self._told.rest()
        yield from _broken(self._entries)
        is_closed = self._entries.broken is None and not self._entries.has_room
        if is_closed and self._previous[0] < max_timestamp:
            yield from self._told.tell(
                f"its last timestamp is {self._previous[0]}; the segment's largest is {max_timestamp}"
            )


class TransactionIndexCheck:
    """Each entry's marker is there, and each transaction that was begun and aborted in what was seen has an
    entry.

    `open_transactions` is the first offset of each producer's transaction, kept from segment to segment.
    """

    def __init__(
        self, source: Source | None, path: str, base_offset: int, open_transactions: dict[int, int]
    ) -> None:
        self._base = base_offset
        self._told = Told(path)
        self._entries = None if source is None else _Entries(source, offset_entries.TRANSACTIONS)
        self._open = open_transactions

    def see(self, batch: Batch) -> Iterator[Finding]:
        header = batch.header
        aborted: tuple[int, int | None] | None = None
        if header is not None and header.has_producer_id and header.is_transactional:
            if not header.is_control:
                self._open.setdefault(header.producer_id, header.base_offset)
            else:
                first_offset = self._open.pop(header.producer_id, None)
                if _is_abort(batch):
                    aborted = header.producer_id, first_offset
        yield from self._compare(batch, aborted)

    def _compare(self, batch: Batch, aborted: tuple[int, int | None] | None) -> Iterator[Finding]:
        entries = self._entries
        found = False
        while (
            entries is not None and (entry := entries.current) is not None and entry[3] <= batch.last_offset
        ):
            version, producer_id, first_offset, last_offset, _ = entry
            if version != 0:
                yield from self._told.tell(f"an entry of version {version}", entries.position)
            elif last_offset != batch.last_offset or aborted is None or aborted[0] != producer_id:
                yield from self._told.tell(
                    f"producer {producer_id} has no abort marker at offset {last_offset}", entries.position
                )
            elif aborted[1] is not None and aborted[1] < first_offset:  # compaction may have taken the first
                yield from self._told.tell(
                    f"the transaction aborted at {last_offset} began at {aborted[1]}, not {first_offset}",
                    entries.position,
                )
            else:
                found = True
            entries.step()
        if aborted is not None and aborted[1] is not None and not found:
            yield from self._told.tell(
                f"the transaction of producer {aborted[0]} that was aborted at offset {batch.last_offset} is "
                "missing: readers of committed records would see it"
            )

    def end(self, end_offset: int, log_size: int, max_timestamp: int) -> Iterator[Finding]:
        while self._entries is not None and (entry := self._entries.current) is not None:
            yield from self._told.tell(
                f"offset {entry[3]} is beyond the segment, which ends at {end_offset}", self._entries.position
            )
            self._entries.step()
        yield from self._told.rest()
        if self._entries is not None:
            yield from _broken(self._entries)


def _broken(entries: _Entries) -> Iterator[Finding]:
    if entries.broken is not None:
        yield Finding(entries.broken.path, entries.broken.reason, entries.broken.position)


def _is_abort(batch: Batch) -> bool:
    try:
        return any(control.decode_key(record.key) is ControlType.ABORT for record in batch.records())
    except (CorruptBatch, Unreadable):
        return False
