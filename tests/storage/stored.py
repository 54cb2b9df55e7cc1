"""What a stored batch comes to, in a form that is the same whichever broker stored it and when."""

import hashlib

from kwire_codecs.records import batch
from kwire_codecs.records.batch import CorruptBatch, ReadableBuffer, TimestampType

NEAR_MS = 30 * 86_400_000


def summary(data: ReadableBuffer, now_ms: int) -> str:
    """Attributes, counts, producer and a digest of the records of the batch at the start of `data`.

    Timestamps near `now_ms` are counted from it; one that the broker set is only said to be so.
    """
    header = batch.read_header(data)
    appended = header.timestamp_type is TimestampType.LOG_APPEND_TIME

    def relative(time_ms: int) -> int:
        return time_ms - now_ms if abs(time_ms - now_ms) < NEAR_MS else time_ms

    times = [relative(header.base_timestamp), -1 if appended else relative(header.max_timestamp)]
    try:
        records = batch.records(data, 0, header, 1 << 24)
        content = [
            (r.key, r.value, "appended" if appended else relative(r.timestamp), r.headers) for r in records
        ]
        offsets = [r.offset - header.base_offset for r in records]
        digest = hashlib.sha256(repr((content, offsets)).encode()).hexdigest()[:12]
    except CorruptBatch as corrupt:
        digest = corrupt.reason.value
    valid = batch.crc_is_valid(data, 0, header)
    fields = [
        header.attributes,
        header.last_offset_delta,
        *times,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        header.record_count,
        "crc" if valid else "CRC WRONG",
        digest,
    ]
    return "/".join(map(str, fields))
