"""How a producer's batch is judged, in its simplest form: Kafka's rules one after the other."""

from __future__ import annotations

from kwire_codecs.errors import ErrorCode
from kwire_codecs.records.batch import NO_PRODUCER_EPOCH, BatchHeader
from kwire_storage.producer_state import Duplicate, Origin, ProducerEntry

LARGEST_SEQUENCE = 0x7FFFFFFF


def check(
    entry: ProducerEntry | None, header: BatchHeader, origin: Origin = Origin.CLIENT
) -> Duplicate | ErrorCode | None:
    """May the batch be appended, as `ProducerState.check` says it?"""
    if header.producer_id < 0:
        return None
    if entry is None:
        return ErrorCode.INVALID_PRODUCER_EPOCH if header.producer_epoch < NO_PRODUCER_EPOCH else None
    if origin is Origin.CLIENT and header.producer_epoch == entry.epoch:
        for written in entry.batches:
            same_end = written.last_sequence == header.last_sequence
            if same_end and written.base_sequence == header.base_sequence:
                return Duplicate(written.base_offset, written.last_offset, written.timestamp_ms)
    if header.producer_epoch < entry.epoch:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if header.is_control:
        return None
    if origin is Origin.CLIENT and not is_next(entry, header):
        return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    if entry.transaction_first_offset >= 0 and not header.is_transactional:
        return ErrorCode.INVALID_TXN_STATE
    return None


def is_next(entry: ProducerEntry, header: BatchHeader) -> bool:
    """Whether the batch follows the producer's last one."""
    if entry.epoch == NO_PRODUCER_EPOCH:
        return True
    if header.producer_epoch != entry.epoch:
        return header.base_sequence == 0
    last = entry.last_sequence
    return header.base_sequence == last + 1 or (last == LARGEST_SEQUENCE and header.base_sequence == 0)
