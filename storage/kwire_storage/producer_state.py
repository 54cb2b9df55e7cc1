"""What a log knows of the idempotent and transactional producers that wrote to it (Kafka's
ProducerStateManager).

Rules
- `check` judges a batch and changes nothing; `append` records a batch that is in the log and judges
  nothing, so that replaying a log after a restart gives the state that it had.
- A producer's last five batches are remembered; one sent again is a `Duplicate` and is answered with its
  first offset.
- A producer that the log does not know may begin at any sequence (its older records may be gone); a new
  epoch begins at 0.
- Expiry is by `expire`, called now and then, never within `check`: last_timestamp is the producer's own
  clock, and one that writes old timestamps must still be protected between two of its batches.

Snapshot file (`<offset>.snapshot`, Kafka's ProducerSnapshot v1), big-endian: version i16, CRC32C u32 of all
that follows, count i32, and for each producer: id i64, epoch i16, last sequence i32, last offset i64,
offset delta i32, timestamp i64, coordinator epoch i32, first offset of the open transaction i64 (-1: none).
Of the five batches only the newest is in it.
"""

import struct
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import (
    CONTROL,
    NO_PRODUCER_EPOCH,
    NO_SEQUENCE,
    TRANSACTIONAL,
    BatchHeader,
    CorruptBatch,
    new_tuple,
)
from kwire_codecs.records.checksum import crc32c

BATCHES_REMEMBERED = 5
SNAPSHOT_VERSION = 1

_INT32_MAX = 0x7FFFFFFF
_PREFIX = struct.Struct(">hIi")
_CRC_ENDS = 6
_ENTRY = struct.Struct(">qhiqiqiq")
_INT16_PAIR = struct.Struct(">hh")
_MARKER_VALUE = struct.Struct(">hi")
_MARKER_MAX_BYTES = 1 << 16
_ABORT, _COMMIT = 0, 1


class CorruptSnapshot(Exception):
    """A `.snapshot` file that can't be used; the next older one, or the whole log, is read instead."""


class Origin(Enum):
    """Who sends a batch: only a client's carries sequences to be checked; a coordinator's is checked for
    its epoch.
    """

    CLIENT = "client"
    COORDINATOR = "coordinator"


_CLIENT = Origin.CLIENT
NOT_KNOWN = -2
"""No batch has this sequence."""


class Duplicate(NamedTuple):
    """The batch is in the log already, from `base_offset` to `last_offset`; `timestamp_ms` is the newest of
    its records.
    """

    base_offset: int
    last_offset: int
    timestamp_ms: int


class WrittenBatch(NamedTuple):
    """What is remembered of one of a producer's batches."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp_ms: int

    @property
    def base_sequence(self) -> int:
        return (self.last_sequence - self.offset_delta) & _INT32_MAX

    @property
    def base_offset(self) -> int:
        return self.last_offset - self.offset_delta


class CompletedTransaction(NamedTuple):
    """A transaction that a marker at `last_offset` has ended; `last_stable_offset` is what becomes readable
    by it.
    """

    producer_id: int
    first_offset: int
    last_offset: int
    is_aborted: bool
    last_stable_offset: int


class ProducerEntry:
    """One producer as the log knows it. `transaction_first_offset` is -1 when it has no transaction open."""

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "epoch",
        "last_timestamp_ms",
        "next_sequence",
        "producer_id",
        "transaction_first_offset",
    )

    def __init__(
        self,
        producer_id: int,
        epoch: int = NO_PRODUCER_EPOCH,
        coordinator_epoch: int = -1,
        last_timestamp_ms: int = -1,
        transaction_first_offset: int = -1,
        batches: list[WrittenBatch] | None = None,
    ) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self.coordinator_epoch = coordinator_epoch
        self.last_timestamp_ms = last_timestamp_ms
        self.transaction_first_offset = transaction_first_offset
        self.batches: list[WrittenBatch] = [] if batches is None else batches
        self.next_sequence = next_sequence(self.batches)
        """As the function says; kept, since nearly every batch has it."""

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProducerEntry):
            return NotImplemented
        compared = [name for name in self.__slots__ if name != "next_sequence"]
        return all(getattr(self, name) == getattr(other, name) for name in compared)

    def __repr__(self) -> str:
        return f"ProducerEntry({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"

    __hash__ = None  # type: ignore[assignment]  # mutable, compared by value in tests


def next_sequence(batches: Sequence[WrittenBatch]) -> int:
    """The sequence after the newest batch's, where none of the batches can be one that begins with it;
    NOT_KNOWN where sequences wrapped or went back.
    """
    if not batches:
        return NOT_KNOWN
    newest = batches[-1].last_sequence
    ascend = all(0 <= written.base_sequence <= written.last_sequence <= newest for written in batches)
    return newest + 1 if ascend else NOT_KNOWN


class ProducerState:
    """The producers of one log, by producer id."""

    __slots__ = ("_entries", "_open_transactions", "end_offset", "expiration_ms")

    def __init__(self, expiration_ms: int = 24 * 3600 * 1000) -> None:
        self._entries: dict[int, ProducerEntry] = {}
        self._open_transactions: dict[int, int] = {}  # first offset -> producer id, offsets ascending
        self.end_offset = 0
        """Everything below is in this state."""
        self.expiration_ms = expiration_ms

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[ProducerEntry]:
        return iter(self._entries.values())

    def get(self, producer_id: int) -> ProducerEntry | None:
        """What is known of one producer."""
        return self._entries.get(producer_id)

    def check(
        self, header: BatchHeader, now_ms: int, *, origin: Origin = Origin.CLIENT
    ) -> Duplicate | ErrorCode | None:
        """May this batch be appended? None: yes. A `Duplicate`: it is in the log, answer with that. Else
        the error to answer.

        Kafka: UnifiedLog.analyzeAndValidateProducerState and ProducerAppendInfo. `now_ms` is for later
        rules about time.
        """
        producer_id, epoch, sequence = header.producer_id, header.producer_epoch, header.base_sequence
        if producer_id < 0:
            return None
        entry, attributes = self._entries.get(producer_id), header.attributes
        if (
            entry is not None
            and entry.next_sequence == sequence
            and entry.epoch == epoch
            and entry.transaction_first_offset < 0
            and not attributes & CONTROL
        ):
            return None  # as everything below would say
        if entry is None:
            return ErrorCode.INVALID_PRODUCER_EPOCH if epoch < NO_PRODUCER_EPOCH else None
        known_epoch = entry.epoch
        if epoch < known_epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        last = NO_SEQUENCE
        if epoch == known_epoch and origin is _CLIENT:
            sought = header.last_sequence
            for written in entry.batches:
                last = written.last_sequence
                if last == sought and written.base_sequence == sequence:
                    return Duplicate(written.base_offset, written.last_offset, written.timestamp_ms)
        if attributes & CONTROL:
            return None
        if origin is _CLIENT and known_epoch != NO_PRODUCER_EPOCH:
            expected = last + 1 if epoch == known_epoch else 0
            if sequence != expected and (sequence or last != _INT32_MAX):
                return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        if entry.transaction_first_offset >= 0 and not attributes & TRANSACTIONAL:
            return ErrorCode.INVALID_TXN_STATE
        return None

    def append(self, header: BatchHeader, buffer: memoryview) -> CompletedTransaction | None:
        """Take in a batch that is now in the log; `buffer` is its bytes (a marker's record is decoded from
        them).
        """
        base_offset, _, _, _, _, attributes, delta, _, timestamp_ms, producer_id, epoch, sequence, _ = header
        last_offset = base_offset + delta
        self.end_offset = last_offset + 1
        if producer_id < 0:
            return None
        entry = self._entries.get(producer_id)
        if entry is None:
            entry = self._entries[producer_id] = ProducerEntry(producer_id)
        if attributes & CONTROL:
            return self._append_marker(entry, header, buffer)
        batches = entry.batches
        if entry.epoch != epoch:
            entry.epoch = epoch
            batches.clear()
            entry.next_sequence = NOT_KNOWN
        last_sequence = NO_SEQUENCE if sequence == NO_SEQUENCE else (sequence + delta) & _INT32_MAX
        if len(batches) >= BATCHES_REMEMBERED:
            del batches[0]
        batches.append(new_tuple(WrittenBatch, (last_sequence, last_offset, delta, timestamp_ms)))
        if sequence == entry.next_sequence and sequence <= last_sequence:
            entry.next_sequence = last_sequence + 1
        else:
            entry.next_sequence = next_sequence(batches)
        entry.last_timestamp_ms = timestamp_ms
        if attributes & TRANSACTIONAL and entry.transaction_first_offset < 0:
            entry.transaction_first_offset = base_offset
            self._open_transactions[base_offset] = producer_id
        return None

    def _append_marker(
        self, entry: ProducerEntry, header: BatchHeader, buffer: memoryview
    ) -> CompletedTransaction | None:
        try:
            found = record_batch.records(buffer, 0, header, _MARKER_MAX_BYTES)
        except CorruptBatch:  # not a marker that anyone can read; the batch's checksum is the log's business
            return None
        if not found:  # compaction has emptied the batch
            return None
        marker = found[0]
        if marker.key is None or len(marker.key) < _INT16_PAIR.size:
            return None
        kind = _INT16_PAIR.unpack_from(marker.key)[1]
        if kind not in (_ABORT, _COMMIT):
            return None
        if marker.value is not None and len(marker.value) >= _MARKER_VALUE.size:
            entry.coordinator_epoch = _MARKER_VALUE.unpack_from(marker.value)[1]
        if entry.epoch != header.producer_epoch:
            entry.epoch = header.producer_epoch
            entry.batches.clear()
            entry.next_sequence = NOT_KNOWN
        entry.last_timestamp_ms = marker.timestamp
        first_offset, entry.transaction_first_offset = entry.transaction_first_offset, -1
        if first_offset < 0:
            return None
        self._open_transactions.pop(first_offset, None)
        stable = next(iter(self._open_transactions), header.base_offset + 1)
        return CompletedTransaction(
            entry.producer_id, first_offset, header.base_offset, kind == _ABORT, stable
        )

    @property
    def first_undecided_offset(self) -> int | None:
        """Where the oldest open transaction began: readers of committed data stop there."""
        return next(iter(self._open_transactions), None)

    def expire(self, now_ms: int) -> int:
        """Forget producers that have been idle for `expiration_ms` and have no transaction open; gives how
        many.
        """
        idle = [
            producer_id
            for producer_id, entry in self._entries.items()
            if entry.transaction_first_offset < 0 and now_ms - entry.last_timestamp_ms >= self.expiration_ms
        ]
        for producer_id in idle:
            del self._entries[producer_id]
        return len(idle)

    def clear(self, end_offset: int) -> None:
        """Start again with nothing known, at `end_offset`."""
        self._entries.clear()
        self._open_transactions.clear()
        self.end_offset = end_offset

    def encode_snapshot(self) -> bytes:
        """The state as the bytes of a `.snapshot` file."""
        out = bytearray(_PREFIX.pack(SNAPSHOT_VERSION, 0, len(self._entries)))
        for entry in self._entries.values():
            written = entry.batches[-1] if entry.batches else WrittenBatch(NO_SEQUENCE, -1, 0, -1)
            out += _ENTRY.pack(
                entry.producer_id,
                entry.epoch,
                written.last_sequence,
                written.last_offset,
                written.offset_delta,
                entry.last_timestamp_ms,
                entry.coordinator_epoch,
                entry.transaction_first_offset,
            )
        struct.pack_into(">I", out, 2, crc32c(memoryview(out)[_CRC_ENDS:]))
        return bytes(out)

    def load_snapshot(self, data: bytes, end_offset: int, now_ms: int) -> None:
        """Become what `data`, taken at `end_offset`, says, less what has expired by `now_ms`.
        CorruptSnapshot leaves all as it is.
        """
        loaded = list(decode_snapshot(data))
        self.clear(end_offset)
        for entry in loaded:
            if entry.transaction_first_offset < 0 and now_ms - entry.last_timestamp_ms >= self.expiration_ms:
                continue
            self._entries[entry.producer_id] = entry
        for entry in sorted(self._entries.values(), key=lambda entry: entry.transaction_first_offset):
            if entry.transaction_first_offset >= 0:
                self._open_transactions[entry.transaction_first_offset] = entry.producer_id


def decode_snapshot(data: bytes) -> Iterator[ProducerEntry]:
    """The producers in a `.snapshot` file's bytes; CorruptSnapshot when they are not one."""
    if len(data) < _PREFIX.size:
        raise CorruptSnapshot(f"{len(data)} bytes are too few")
    version, crc, count = _PREFIX.unpack_from(data)
    if version != SNAPSHOT_VERSION:
        raise CorruptSnapshot(f"its version is {version}, not {SNAPSHOT_VERSION}")
    if count < 0 or len(data) != _PREFIX.size + count * _ENTRY.size:
        raise CorruptSnapshot(f"it names {count} producers in {len(data)} bytes")
    if crc32c(memoryview(data)[_CRC_ENDS:]) != crc:
        raise CorruptSnapshot("its checksum does not match")
    for fields in _ENTRY.iter_unpack(memoryview(data)[_PREFIX.size :]):
        producer_id, epoch, sequence, offset, delta, timestamp_ms, coordinator_epoch, transaction = fields
        batches = [WrittenBatch(sequence, offset, delta, timestamp_ms)] if offset >= 0 else []
        yield ProducerEntry(
            producer_id,
            epoch,
            coordinator_epoch,
            timestamp_ms,
            transaction if transaction >= 0 else -1,
            batches,
        )
