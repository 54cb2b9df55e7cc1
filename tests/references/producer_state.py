"""How a producer's batch is judged, in its simplest form: Kafka's rules one after the other."""

from __future__ import annotations

from kwire_codecs.errors import ErrorCode
from kwire_codecs.records.batch import NO_PRODUCER_EPOCH, BatchHeader
from kwire_storage.producer_entry import ProducerEntry
from kwire_storage.producer_state import Duplicate, Origin, Verification

LARGEST_SEQUENCE = 0x7FFFFFFF


def check(
    entry: ProducerEntry | None,
    header: BatchHeader,
    origin: Origin = Origin.CLIENT,
    verification: Verification | None = None,
    verified: Verification | bool = False,
) -> Duplicate | ErrorCode | None:
    """May the batch be appended, as `ProducerState.check` says it? `verification` is the one that is under
    way.
    """
    if header.producer_id < 0:
        return None
    known = ProducerEntry(header.producer_id) if entry is None else entry
    from_client = origin is Origin.CLIENT
    if from_client and header.producer_epoch == known.epoch:
        for written in known.batches:
            same_end = written.last_sequence == header.last_sequence
            if same_end and written.base_sequence == header.base_sequence:
                return Duplicate(written.base_offset, written.last_offset, written.timestamp_ms)
    if header.producer_epoch < known.epoch:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if header.is_control:
        return None
    is_open = known.transaction_first_offset >= 0
    goes_on = is_open and header.producer_epoch == known.epoch
    if from_client and header.is_transactional and not goes_on:
        is_verified = verified is True or (verification is not None and verified is verification)
        if not is_verified:
            return ErrorCode.INVALID_TXN_STATE
    if from_client and verification is not None:
        if verification.supports_epoch_bump and not known.batches and header.base_sequence != 0:
            return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        if header.base_sequence > verification.lowest_sequence:
            return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    if from_client and not is_next(known, header):
        return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    if is_open and not header.is_transactional:
        return ErrorCode.INVALID_TXN_STATE
    return None


def check_marker(
    entry: ProducerEntry | None, epoch: int, coordinator_epoch: int, transaction_version: int
) -> ErrorCode | None:
    """May the marker be appended, as `ProducerState.check_marker` says it?"""
    known = ProducerEntry(0) if entry is None else entry
    if epoch < known.epoch:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    is_written_twice = known.transaction_first_offset < 0 or epoch == 0x7FFF
    if transaction_version >= 2 and epoch == known.epoch and not is_written_twice:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if known.coordinator_epoch > coordinator_epoch:
        return ErrorCode.TRANSACTION_COORDINATOR_FENCED
    return None


def is_next(entry: ProducerEntry, header: BatchHeader) -> bool:
    """Whether the batch follows the producer's last one."""
    if entry.epoch == NO_PRODUCER_EPOCH:
        return True
    if header.producer_epoch != entry.epoch:
        return header.base_sequence == 0
    last = entry.last_sequence
    return header.base_sequence == last + 1 or (last == LARGEST_SEQUENCE and header.base_sequence == 0)
