"""Filling the offset map, batch by batch (Kafka: Cleaner.buildOffsetMapForSegment)."""

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import spans
from kwire_codecs.records.batch import BatchHeader

from .offset_map import OffsetMap
from .transactions import CleanedTransactions

LARGEST_BODY_BYTES = 100 << 20
"""The most that one batch may come to when it is decompressed; a topic that compacts takes no larger ones."""


def map_batch(
    newest: OffsetMap,
    transactions: CleanedTransactions,
    buffer: memoryview,
    header: BatchHeader,
    dirty_offset: int,
) -> bool:
    """Take in a batch, of which only what is dirty and not aborted counts; False, and nothing is taken in,
    where the map has no room. Raises `CorruptBatch`.
    """
    if header.is_control:
        transactions.has_no_data(header, buffer)
    elif not transactions.is_aborted(header) and header.record_count and header.last_offset >= dirty_offset:
        if not newest.has_room(header.record_count):
            return False
        data = record_batch.body(buffer, 0, header, LARGEST_BODY_BYTES)
        found = spans.scan(data, header.record_count, header.last_offset_delta)
        base, deltas = header.base_offset, found.offset_deltas
        if isinstance(deltas, range):
            newest.put(found.keys, range(base, base + len(deltas)))
            if not found.valueless:
                newest.remember(base, len(deltas))
        else:
            newest.put(found.keys, [base + delta for delta in deltas])
    newest.end_offset = max(newest.end_offset, header.next_offset)
    return True
