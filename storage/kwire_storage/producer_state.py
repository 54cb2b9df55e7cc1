"""What a log knows of the idempotent and transactional producers that wrote to it (Kafka's
ProducerStateManager, ProducerAppendInfo).

Rules
- `check` judges a batch, `check_marker` a transaction's end, and they change nothing; `append` records a
  batch that is in the log and judges nothing, so that replaying a log after a restart gives the state that
  it had.
- A producer's last five batches are remembered; one sent again is a `Duplicate` and is answered with its
  first offset.
- A producer that the log does not know may begin at any sequence (its older records may be gone); a new
  epoch begins at 0.
- A client's batch may begin a transaction only if the transaction coordinator knows of it: who asks it calls
  `start_verification` before, and hands what that gave to `check` afterwards. A marker that is appended
  meanwhile makes it worthless (Kafka: VerificationGuard), so that no transaction is begun that nobody ends.
- Expiry is by `expire`, called now and then, never within `check`: last_timestamp is the producer's own
  clock, and one that writes old timestamps must still be protected between two of its batches. Who has a
  transaction open does not expire.
"""

from collections.abc import Iterator
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
from kwire_codecs.records.control import EndTransactionMarker, decode_marker

from .producer_entry import INT32_MAX, NOT_KNOWN, ProducerEntry, WrittenBatch, next_sequence
from .producer_snapshot import decode_snapshot, encode_snapshot
from .transaction_index import AbortedTransaction

BATCHES_REMEMBERED = 5
LARGEST_EPOCH = 0x7FFF

_MARKER_MAX_BYTES = 1 << 16
_KIND = TRANSACTIONAL | CONTROL


class Origin(Enum):
    """Who sends a batch: only a client's carries sequences to be checked, and has to be known to the
    transaction coordinator; a coordinator's is checked for its epoch.
    """

    CLIENT = "client"
    COORDINATOR = "coordinator"


_CLIENT = Origin.CLIENT


class Duplicate(NamedTuple):
    """The batch is in the log already, from `base_offset` to `last_offset`; `timestamp_ms` is the newest of
    its records.
    """

    base_offset: int
    last_offset: int
    timestamp_ms: int


class CompletedTransaction(NamedTuple):
    """A transaction that a marker at `last_offset` has ended; `last_stable_offset` is what becomes readable
    by it.
    """

    producer_id: int
    first_offset: int
    last_offset: int
    is_aborted: bool
    last_stable_offset: int

    @property
    def aborted(self) -> AbortedTransaction | None:
        """What a transaction index keeps of it."""
        if not self.is_aborted:
            return None
        return AbortedTransaction(
            self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset
        )


class Verification:
    """That the coordinator is being asked for a producer's transaction, and, until that has begun in the log,
    its answer. The object itself is the proof: another one for the same producer is not as good.

    Kafka: VerificationStateEntry. `lowest_sequence` is the lowest that was seen meanwhile: none above it is
    let in before it. `supports_epoch_bump`: the producer's client knows transaction version 2.
    """

    __slots__ = ("epoch", "lowest_sequence", "started_ms", "supports_epoch_bump")

    def __init__(self, epoch: int, sequence: int, supports_epoch_bump: bool, started_ms: int) -> None:
        self.epoch = epoch
        self.lowest_sequence = sequence
        self.supports_epoch_bump = supports_epoch_bump
        self.started_ms = started_ms

    def also_for(self, epoch: int, sequence: int) -> None:
        """Another batch waits for the same answer; sequences begin again with an epoch."""
        if epoch > self.epoch or (epoch == self.epoch and sequence < self.lowest_sequence):
            self.epoch, self.lowest_sequence = epoch, sequence


class ProducerState:
    """The producers of one log, by producer id."""

    __slots__ = ("_entries", "_open_transactions", "_verifications", "end_offset", "expiration_ms")

    def __init__(self, expiration_ms: int = 24 * 3600 * 1000) -> None:
        self._entries: dict[int, ProducerEntry] = {}
        self._open_transactions: dict[int, int] = {}  # first offset -> producer id, offsets ascending
        self._verifications: dict[int, Verification] = {}
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

    def has_open_transaction(self, producer_id: int, epoch: int) -> bool:
        """Whether the producer has begun a transaction here, in this epoch, that has not ended."""
        entry = self._entries.get(producer_id)
        return entry is not None and entry.transaction_first_offset >= 0 and entry.epoch == epoch

    # Judging

    def check(
        self,
        header: BatchHeader,
        now_ms: int,
        origin: Origin = Origin.CLIENT,
        verified: Verification | bool = False,
    ) -> Duplicate | ErrorCode | None:
        """May this batch be appended? None: yes. A `Duplicate`: it is in the log, answer with that. Else
        the error to answer.

        Kafka: UnifiedLog.analyzeAndValidateProducerState and ProducerAppendInfo. `now_ms` is for later
        rules about time. `verified` is what `start_verification` gave, or True where nothing can have
        happened since the transaction coordinator was asked.
        """
        producer_id, epoch, sequence = header.producer_id, header.producer_epoch, header.base_sequence
        if producer_id < 0:
            return None
        entry, attributes = self._entries.get(producer_id), header.attributes
        if (
            entry is not None
            and entry.next_sequence == sequence
            and entry.epoch == epoch
            and attributes & _KIND == (0 if entry.transaction_first_offset < 0 else TRANSACTIONAL)
        ):
            return None  # as everything below would say
        known_epoch = NO_PRODUCER_EPOCH if entry is None else entry.epoch
        if epoch < known_epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        is_open = entry is not None and entry.transaction_first_offset >= 0
        if origin is _CLIENT:
            if entry is not None and epoch == known_epoch:
                sought = header.last_sequence
                for written in entry.batches:
                    if written.last_sequence == sought and written.base_sequence == sequence:
                        return Duplicate(written.base_offset, written.last_offset, written.timestamp_ms)
            if attributes & CONTROL:
                return None
            verification = self._verifications.get(producer_id)
            begins = attributes & TRANSACTIONAL and not (is_open and epoch == known_epoch)
            if begins and not self.is_verified(producer_id, verified):
                return ErrorCode.INVALID_TXN_STATE
            if _is_out_of_order(entry, epoch, sequence, verification):
                return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        if is_open and not attributes & _KIND:
            return ErrorCode.INVALID_TXN_STATE
        return None

    def check_marker(
        self, producer_id: int, epoch: int, coordinator_epoch: int, transaction_version: int
    ) -> ErrorCode | None:
        """May this end of a transaction be appended? None: yes, though the log may not know the producer, or
        no transaction of his.

        Under version 2 the coordinator raises the epoch with each end, so a marker of the known epoch is late
        or one written twice: the latter is harmless where nothing has been begun since (KAFKA-19999). At the
        largest epoch that can't be told apart. Kafka: ProducerAppendInfo.checkProducerEpoch,
        checkCoordinatorEpoch.
        """
        entry = self._entries.get(producer_id)
        known_epoch = NO_PRODUCER_EPOCH if entry is None else entry.epoch
        if epoch < known_epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if entry is None:
            return None
        is_written_twice = entry.transaction_first_offset < 0 or epoch == LARGEST_EPOCH
        if transaction_version >= 2 and epoch == known_epoch and not is_written_twice:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if coordinator_epoch < entry.coordinator_epoch:
            return ErrorCode.TRANSACTION_COORDINATOR_FENCED
        return None

    # Verification

    def start_verification(
        self, producer_id: int, epoch: int, sequence: int, *, supports_epoch_bump: bool, now_ms: int
    ) -> Verification | ErrorCode | None:
        """To be called before the coordinator is asked whether a batch that begins with `sequence` may begin
        a transaction here; what it gives is handed to `check` with the answer. None: the transaction is open,
        nobody needs to be asked. Kafka: UnifiedLog.maybeStartTransactionVerification.
        """
        entry = self._entries.get(producer_id)
        if entry is not None:
            if epoch < entry.epoch:
                return ErrorCode.INVALID_PRODUCER_EPOCH
            if entry.transaction_first_offset >= 0 and epoch == entry.epoch:
                return None
            entry.next_sequence = NOT_KNOWN
        verification = self._verifications.get(producer_id)
        if verification is None:
            verification = Verification(epoch, sequence, supports_epoch_bump, now_ms)
            self._verifications[producer_id] = verification
        else:
            verification.also_for(epoch, sequence)
        return verification

    def is_verified(self, producer_id: int, verified: Verification | bool) -> bool:
        """Whether what `start_verification` gave is still worth something: no marker has come since."""
        return verified is True or (bool(verified) and self._verifications.get(producer_id) is verified)

    def _settle(self, header: BatchHeader) -> None:
        """A batch or marker of a transaction ends what was being verified; only not the marker of a
        transaction whose successor is: under version 2 that one has the marker's epoch.
        """
        verification = self._verifications.get(header.producer_id)
        if verification is None:
            return
        is_successor = verification.supports_epoch_bump and verification.epoch == header.producer_epoch
        if not (header.attributes & CONTROL and is_successor):
            del self._verifications[header.producer_id]

    # Recording

    def append(self, header: BatchHeader, buffer: memoryview) -> CompletedTransaction | None:
        """Take in a batch that is now in the log; `buffer` is its bytes (a marker's record is decoded from
        them). Gives the transaction that it has ended.
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
        last_sequence = NO_SEQUENCE if sequence == NO_SEQUENCE else (sequence + delta) & INT32_MAX
        if len(batches) >= BATCHES_REMEMBERED:
            del batches[0]
        batches.append(new_tuple(WrittenBatch, (last_sequence, last_offset, delta, timestamp_ms)))
        entry.last_timestamp_ms = timestamp_ms
        if attributes & TRANSACTIONAL:
            if entry.transaction_first_offset < 0:
                entry.transaction_first_offset = base_offset
                self._open_transactions[base_offset] = producer_id
            if self._verifications:
                self._settle(header)
        if sequence == entry.next_sequence and sequence <= last_sequence:
            entry.next_sequence = last_sequence + 1
        else:
            entry.next_sequence = NOT_KNOWN if producer_id in self._verifications else next_sequence(batches)
        return None

    def _append_marker(
        self, entry: ProducerEntry, header: BatchHeader, buffer: memoryview
    ) -> CompletedTransaction | None:
        found = read_marker(header, buffer)
        if found is None:
            return None
        marker, entry.last_timestamp_ms = found
        entry.coordinator_epoch = marker.coordinator_epoch
        if entry.epoch != header.producer_epoch:
            entry.epoch = header.producer_epoch
            entry.batches.clear()
            entry.next_sequence = NOT_KNOWN
        if self._verifications:
            self._settle(header)
        first_offset, entry.transaction_first_offset = entry.transaction_first_offset, -1
        if first_offset < 0:
            return None
        self._open_transactions.pop(first_offset, None)
        stable = next(iter(self._open_transactions), header.base_offset + 1)
        return CompletedTransaction(
            entry.producer_id, first_offset, header.base_offset, not marker.committed, stable
        )

    @property
    def first_undecided_offset(self) -> int | None:
        """Where the oldest open transaction began: readers of committed data stop there."""
        return next(iter(self._open_transactions), None)

    def expire(self, now_ms: int) -> int:
        """Forget producers that have been idle for `expiration_ms` and have no transaction open; gives how
        many. What has been waiting for verification as long is forgotten, too.
        """
        idle = [
            producer_id for producer_id, entry in self._entries.items() if self._is_expired(entry, now_ms)
        ]
        for producer_id in idle:
            del self._entries[producer_id]
        for producer_id, verification in list(self._verifications.items()):
            if now_ms - verification.started_ms >= self.expiration_ms:
                del self._verifications[producer_id]
        return len(idle)

    def _is_expired(self, entry: ProducerEntry, now_ms: int) -> bool:
        return entry.transaction_first_offset < 0 and now_ms - entry.last_timestamp_ms >= self.expiration_ms

    # All of it

    def clear(self, end_offset: int) -> None:
        """Start again with nothing known, at `end_offset`."""
        self._entries.clear()
        self._open_transactions.clear()
        self._verifications.clear()
        self.end_offset = end_offset

    def become(self, entries: Iterator[ProducerEntry], end_offset: int) -> None:
        """Start again at `end_offset` with these."""
        known = {entry.producer_id: entry for entry in entries}
        self.clear(end_offset)
        self._entries.update(known)
        opened = [
            (entry.transaction_first_offset, entry.producer_id)
            for entry in known.values()
            if entry.transaction_first_offset >= 0
        ]
        self._open_transactions.update(sorted(opened))

    def encode_snapshot(self) -> bytes:
        """The state as the bytes of a `.snapshot` file."""
        return encode_snapshot(self._entries.values())

    def load_snapshot(self, data: bytes, end_offset: int, now_ms: int) -> None:
        """Become what `data`, taken at `end_offset`, says, less what has expired by `now_ms`.
        CorruptSnapshot leaves all as it is.
        """
        self.become(
            (entry for entry in decode_snapshot(data) if not self._is_expired(entry, now_ms)), end_offset
        )


def _is_out_of_order(
    entry: ProducerEntry | None, epoch: int, sequence: int, verification: Verification | None
) -> bool:
    """Whether a batch of a client's leaves a gap (Kafka: ProducerAppendInfo.checkSequence)."""
    if verification is not None:
        if verification.supports_epoch_bump and sequence != 0 and (entry is None or not entry.batches):
            return True
        if sequence > verification.lowest_sequence:
            return True
    if entry is None or entry.epoch == NO_PRODUCER_EPOCH:
        return False
    last = entry.last_sequence if epoch == entry.epoch else NO_SEQUENCE
    return sequence != last + 1 and (sequence != 0 or last != INT32_MAX)


def read_marker(header: BatchHeader, buffer: memoryview) -> tuple[EndTransactionMarker, int] | None:
    """The end of a transaction that a control batch is, and its time (ms); None where it is none that anyone
    can read, or compaction has emptied the batch. Its checksum is the log's business.
    """
    try:
        found = record_batch.records(buffer, 0, header, _MARKER_MAX_BYTES)
        marker = decode_marker(found[0]) if found else None
    except CorruptBatch:
        return None
    return None if marker is None else (marker, found[0].timestamp)
