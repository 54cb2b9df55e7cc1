"""The transaction index of a segment (`.txnindex`): the transactions whose abort lies in it (Kafka:
TransactionIndex, AbortedTxn).

34 bytes an entry, big-endian: version i16 (0), producer id i64, first offset of the transaction i64, offset
of its marker i64, last stable offset behind that marker i64. Entries are in the order of their markers, so
last stable offsets never fall. A segment without an aborted transaction has no such file, and there is no
checksum: an index that can't be right is built again from the log; one that is cut at an entry's end looks
right, so it is only trusted where it was synced before anything relied on it.

Held in memory whole; an entry costs what it costs in the file, less its version.
"""

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

VERSION = 0
ENTRY_BYTES = 34

_ENTRY = struct.Struct(">hqqqq")


class AbortedTransaction(NamedTuple):
    """A transaction that the marker at `last_offset` has aborted; `last_stable_offset` is what readers of
    committed data could read up to by then, were there no other bound.
    """

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class TransactionIndex:
    """Aborted transactions, of one segment or of a whole log, in the order of their markers."""

    __slots__ = ("_first_offsets", "_last_offsets", "_producer_ids", "_stable_offsets")

    def __init__(self) -> None:
        self._producer_ids = array("q")
        self._first_offsets = array("q")
        self._last_offsets = array("q")
        self._stable_offsets = array("q")

    def __len__(self) -> int:
        return len(self._last_offsets)

    def __iter__(self) -> Iterator[AbortedTransaction]:
        return map(
            AbortedTransaction,
            self._producer_ids,
            self._first_offsets,
            self._last_offsets,
            self._stable_offsets,
        )

    def append(self, aborted: AbortedTransaction) -> None:
        """Add a transaction; ValueError unless its marker lies behind the last one's."""
        if self._last_offsets and aborted.last_offset <= self._last_offsets[-1]:
            raise ValueError(f"the marker at {aborted.last_offset} does not follow {self._last_offsets[-1]}")
        self._producer_ids.append(aborted.producer_id)
        self._first_offsets.append(aborted.first_offset)
        self._last_offsets.append(aborted.last_offset)
        self._stable_offsets.append(aborted.last_stable_offset)

    def collect(self, start_offset: int, end_offset: int, into: list[AbortedTransaction]) -> bool:
        """Add those that have a part in [start_offset, end_offset) to `into`; whether later ones can have
        none: they all begin at or behind a last stable offset that is not below `end_offset`.
        """
        for at in range(bisect_left(self._last_offsets, start_offset), len(self._last_offsets)):
            first_offset, stable_offset = self._first_offsets[at], self._stable_offsets[at]
            if first_offset < end_offset:
                into.append(
                    AbortedTransaction(
                        self._producer_ids[at], first_offset, self._last_offsets[at], stable_offset
                    )
                )
            if stable_offset >= end_offset:
                return True
        return False

    def truncate(self, offset: int) -> bool:
        """Drop those whose marker lies at or above `offset`; whether there were any."""
        keep = bisect_left(self._last_offsets, offset)
        return self._keep(slice(keep, None))

    def drop_before(self, offset: int) -> bool:
        """Drop those whose marker lies below `offset`: nobody can read anything of them. Whether there were
        any.
        """
        return self._keep(slice(0, bisect_left(self._last_offsets, offset)))

    def _keep(self, dropped: slice) -> bool:
        before = len(self)
        for column in (self._producer_ids, self._first_offsets, self._last_offsets, self._stable_offsets):
            del column[dropped]
        return len(self) < before

    def encode(self) -> bytes:
        """The file's bytes."""
        return b"".join(_ENTRY.pack(VERSION, *aborted) for aborted in self)

    @classmethod
    def decode(cls, data: bytes, base_offset: int, end_offset: int) -> "TransactionIndex | None":
        """The index in the bytes of a segment's file, the segment's offsets being [base_offset, end_offset);
        None when it can't be right.
        """
        if len(data) % ENTRY_BYTES:
            return None
        index = cls()
        found = list(_ENTRY.iter_unpack(data))
        for version, *fields in found:
            aborted = AbortedTransaction._make(fields)
            producer_id, first_offset, last_offset, stable_offset = aborted
            if (
                version != VERSION
                or producer_id < 0
                or not base_offset <= last_offset < end_offset
                or not 0 <= first_offset < last_offset
                or stable_offset > last_offset + 1
                or (index._last_offsets and last_offset <= index._last_offsets[-1])
            ):
                return None
            index.append(aborted)
        if any(later < stable for stable, later in pairwise(index._stable_offsets)):
            return None
        return index
