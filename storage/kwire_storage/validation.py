"""What a produced set of records must be to enter a log: Kafka's ProduceRequest.validateRecords,
UnifiedLog.analyzeAndValidateRecords and LogValidator, in that order and with their error codes.

Rules:
- Expected refusals are values (`Refusal`); no exception leaves `validate`, whatever the bytes.
- The usual case, one batch of magic 2 on a topic that keeps the producer's codec, is judged by its header and
  CRC: no record is decoded, nothing is copied, and what is handed on are the request's own bytes. Then
  timestamps are believed as the header states them. Kafka decodes every record; `strict` does as well.
- Records are decoded where something hangs on them: an old magic, a compacted topic (keys), another codec
  than the producer's, a limit on old timestamps, a header whose timestamps are refused (which ones?).
- As in Kafka, a last batch that is cut off is dropped silently, and whatever else does not parse refuses the
  whole set. Sets of magic 0 and 1 become one batch of magic 2.
"""

from collections.abc import Iterable, Iterator

from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import legacy
from kwire_codecs.records.batch import (
    ATTRIBUTES_POSITION,
    HEADER_SIZE,
    LOG_OVERHEAD,
    BatchHeader,
    Compression,
    Record,
    TimestampType,
    new_tuple,
)
from kwire_codecs.records.checksum import crc32c
from kwire_codecs.records.corrupt import CorruptBatch, Reason
from kwire_codecs.records.record import SMALLEST_RECORD

from .engine import ValidBatch
from .produce_rules import ProduceRules, Refusal
from .record_checks import RecordChecks

__all__ = [
    "Fields",
    "accept_usual",
    "needs_records",
    "takes_long",
    "usual_fields",
    "validate",
]

Fields = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int]
"""A `BatchHeader`'s, in their order."""

QUICK_BYTES = 64 * 1024
QUICK_COMPRESSED_BYTES = 4 * 1024
QUICK_RECORDS = 1000
"""Up to these a set is decoded on the loop."""

_INVALID = Refusal(ErrorCode.INVALID_RECORD)
_INVALID_EARLY = Refusal(ErrorCode.INVALID_RECORD, with_log_start_offset=False)
_CORRUPT = Refusal(ErrorCode.CORRUPT_MESSAGE, with_log_start_offset=False)
_TOO_LARGE = Refusal(ErrorCode.MESSAGE_TOO_LARGE, with_log_start_offset=False)
_LIST_TOO_LARGE = Refusal(ErrorCode.RECORD_LIST_TOO_LARGE, with_log_start_offset=False)
_NO_SUCH_CODEC = Refusal(ErrorCode.UNKNOWN_SERVER_ERROR)

# How bytes that were let in by their CRC and then do not parse are answered. Kafka has no name for a stream
# that does not decompress: the exception is none of its own, hence UNKNOWN_SERVER_ERROR.
_BY_REASON = {
    Reason.LENGTH: _CORRUPT,
    Reason.MAGIC: _CORRUPT,
    Reason.CRC: _CORRUPT,
    Reason.COUNT: _INVALID,
    Reason.RECORD: _INVALID,
    Reason.COMPRESSION: Refusal(ErrorCode.UNKNOWN_SERVER_ERROR),
    Reason.TOO_LARGE: _TOO_LARGE,
}

_SMALLEST_SIZE = 14  # of a message of magic 0, which Kafka checks for any magic


def needs_records(records: memoryview, rules: ProduceRules, now_ms: int | None = None) -> bool:
    """Whether `validate` will decode the records: for large ones, work for a thread.

    Without `now_ms` a set that has to be decoded only to say which timestamps are refused is not foreseen.
    """
    if rules.decodes_always:
        return True
    if len(records) < record_batch.HEADER_SIZE or records[16] != 2:
        return True
    header = BatchHeader._make(record_batch.HEADER.unpack_from(records))
    if rules.compression is not None and rules.compression != header.compression:
        return True
    if header.timestamp_type is TimestampType.LOG_APPEND_TIME:
        return True
    return now_ms is not None and _timestamps_suspect(header, rules, now_ms)


def takes_long(records: memoryview, rules: ProduceRules, now_ms: int) -> bool:
    """Whether `validate` may need more than some milliseconds, and so belongs in a thread.

    That goes by what the records may come to, not by their size: a few KB may decompress to all that the
    rules allow. Small batches of few records, which is most, are not worth a thread's turn.
    """
    if not needs_records(records, rules, now_ms):
        return False
    if len(records) > QUICK_BYTES:
        return True
    if len(records) < record_batch.HEADER_SIZE or records[record_batch.MAGIC_POSITION] != 2:
        return len(records) > QUICK_COMPRESSED_BYTES
    header = BatchHeader._make(record_batch.HEADER.unpack_from(records))
    # Any few bytes of zstd may come to all that is allowed; the others to a thousand times their size.
    if header.compression and (
        len(records) > QUICK_COMPRESSED_BYTES or header.compression == Compression.ZSTD
    ):
        return True
    return header.record_count > QUICK_RECORDS


def validate(records: memoryview, rules: ProduceRules, now_ms: int) -> list[ValidBatch] | Refusal:
    """What of a Produce request's `records` (writable) may be appended, or why none of it.

    The batches are the request's own bytes, timestamps stamped in place where the topic wants it, or newly
    built ones; at most one. Offsets and leader epoch are still to be stamped. An empty list, possible up to
    Produce v2, is a success that appends nothing (Kafka answers base offset -1).
    """
    return accept_usual(records, rules, now_ms) or _validate(records, rules, now_ms)


def accept_usual(records: memoryview, rules: ProduceRules, now_ms: int) -> list[ValidBatch] | None:
    """The one batch that `records` is, if header and CRC suffice to accept it: all that the hot path does.

    Whatever is not beyond doubt is None: left to `validate`, which alone refuses, and which must agree.
    """
    fields = usual_fields(records, rules, now_ms)
    if fields is None:
        return None
    header = new_tuple(BatchHeader, fields)
    if rules.log_append_time:
        header = record_batch.stamp_append_time(records, 0, header, now_ms)
    return [new_tuple(ValidBatch, (records, header))]


def usual_fields(records: memoryview, rules: ProduceRules, now_ms: int) -> Fields | None:
    """The header's fields of what `accept_usual` accepts, before anything is stamped."""
    size = len(records)
    if size < HEADER_SIZE:
        return None
    fields: Fields = _unpack_header(records)
    offset, length, _, magic, crc, attributes, delta, _, timestamp, producer_id, _, sequence, count = fields
    codec = attributes & 7
    if not (
        magic == 2
        and length == size - LOG_OVERHEAD
        and offset == 0
        and size <= rules.max_message_bytes
        and size <= rules.segment_bytes
        and codec <= 4
        and (codec != 4 or not 3 <= rules.version < 7)
        and (rules.compression is None or rules.compression == codec)
        and not attributes & _UNUSUAL
        and 0 < count == delta + 1
        and (codec or count * SMALLEST_RECORD <= size - HEADER_SIZE)
        and (producer_id < 0 or sequence >= 0)
        and not rules.decodes_always
        and (rules.log_append_time or timestamp - now_ms <= rules.timestamp_after_max_ms)
        and crc32c(records[ATTRIBUTES_POSITION:]) == crc
    ):
        return None
    return fields


_UNUSUAL = record_batch.CONTROL | record_batch.APPEND_TIME
_unpack_header = record_batch.HEADER.unpack_from


def _validate(records: memoryview, rules: ProduceRules, now_ms: int) -> list[ValidBatch] | Refusal:
    try:
        sizes = _find_batches(records, rules.version)
        if isinstance(sizes, Refusal):
            return sizes
        if not sizes:
            return []
        refusal = _analyze(records, sizes, rules)
        if refusal is not None:
            return refusal
        result = (
            _validate_magic_2(records, sizes, rules, now_ms)
            if records[record_batch.MAGIC_POSITION] == 2
            else _validate_legacy(records, sizes, rules, now_ms)
        )
    except CorruptBatch as corrupt:
        return _BY_REASON[corrupt.reason]
    if isinstance(result, ValidBatch):
        if result.header.size > rules.segment_bytes:
            return _LIST_TOO_LARGE
        return [result]
    return result


# What ProduceRequest.validateRecords and ByteBufferLogInputStream do


def _next_size(records: memoryview, position: int) -> int | None:
    """The size of the batch or message at `position`; None where the rest is cut off. Raises for nonsense."""
    left = len(records) - position
    if left < record_batch.LOG_OVERHEAD:
        return None
    size = record_batch.size_at(records, position)
    if size < record_batch.LOG_OVERHEAD + _SMALLEST_SIZE:
        raise CorruptBatch(Reason.LENGTH, f"size {size}", position)
    if left <= record_batch.MAGIC_POSITION:
        return None
    magic = records[position + record_batch.MAGIC_POSITION]
    if magic > 2:
        raise CorruptBatch(Reason.MAGIC, f"magic {magic}", position)
    return size if size <= left else None


def _find_batches(records: memoryview, version: int) -> list[int] | Refusal:
    """The sizes of the batches or messages that follow each other, as Produce `version` allows them."""
    try:
        size = _next_size(records, 0)
    except CorruptBatch as corrupt:
        return _CORRUPT._replace(message=corrupt.detail)
    if size is None:
        return [] if version < 3 else _INVALID_EARLY
    if version >= 3:
        if records[record_batch.MAGIC_POSITION] != 2:
            return _INVALID_EARLY
        if version < 7 and size > record_batch.ATTRIBUTES_POSITION + 1:
            codec = records[record_batch.ATTRIBUTES_POSITION + 1] & 7
            if codec == Compression.ZSTD:
                return Refusal(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, with_log_start_offset=False)
            if codec > Compression.ZSTD:
                return _NO_SUCH_CODEC._replace(with_log_start_offset=False)
        if size < len(records) and _next_size(records, size) is not None:
            return _INVALID_EARLY
        return [size]
    sizes = []
    position = 0
    while size is not None:
        sizes.append(size)
        position += size
        size = _next_size(records, position)
    return sizes


# What UnifiedLog.analyzeAndValidateRecords does


def _analyze(records: memoryview, sizes: list[int], rules: ProduceRules) -> Refusal | None:
    position = 0
    for size in sizes:
        if records[position + record_batch.MAGIC_POSITION] == 2:
            if records[position : position + 8] != _ZERO_OFFSET:
                return _INVALID
            if size > rules.max_message_bytes:
                return _TOO_LARGE
            if size < record_batch.HEADER_SIZE:
                return _CORRUPT
            header = BatchHeader._make(record_batch.HEADER.unpack_from(records, position))
            if not record_batch.crc_is_valid(records, position, header):
                return _CORRUPT
            codec = header.compression
        else:
            if size > rules.max_message_bytes:
                return _TOO_LARGE
            if not legacy.crc_is_valid(records, position, size - record_batch.LOG_OVERHEAD):
                return _CORRUPT
            codec = records[position + 17] & 7
        if codec > Compression.ZSTD:
            return _NO_SUCH_CODEC
        position += size
    return None


_ZERO_OFFSET = bytes(8)


# What LogValidator does


def _validate_magic_2(
    records: memoryview, sizes: list[int], rules: ProduceRules, now_ms: int
) -> ValidBatch | Refusal:
    if len(sizes) > 1:
        return _INVALID
    header = BatchHeader._make(record_batch.HEADER.unpack_from(records))
    body_size = header.size - record_batch.HEADER_SIZE
    if (
        header.record_count <= 0
        or header.record_count != header.last_offset_delta + 1
        or (header.record_count * SMALLEST_RECORD > body_size and not header.compression)
        or header.attributes & record_batch.CONTROL
        or (header.producer_id > record_batch.NO_PRODUCER_ID and header.base_sequence < 0)
    ):
        return _INVALID
    batch = records[: sizes[0]]
    target = header.compression if rules.compression is None else rules.compression
    rebuild = target != header.compression
    if rebuild or rules.decodes_always or _timestamps_suspect(header, rules, now_ms):
        data = record_batch.body(batch, 0, header, rules.max_decompressed_bytes)
        checked = RecordChecks(rules, now_ms, header.timestamp_type)
        checked.see(record_batch.decode_body(data, header, check_offsets=False))
        if checked.errors:
            return checked.refusal()
        if rebuild or not checked.offsets_count_up:
            built = record_batch.build(
                record_batch.decode_body(data, header, check_offsets=False),
                compression=target,
                compression_level=rules.compression_level,
                timestamp_type=_timestamp_type(rules),
                append_time_ms=now_ms,
                producer_id=header.producer_id,
                producer_epoch=header.producer_epoch,
                base_sequence=header.base_sequence,
                is_transactional=header.is_transactional,
            )
            return _built(built, rules)
        if not rules.log_append_time:
            kind = TimestampType.CREATE_TIME
            header = record_batch.stamp_time(batch, 0, header, kind, checked.max_timestamp)
    if rules.log_append_time:
        header = record_batch.stamp_append_time(batch, 0, header, now_ms)
    return ValidBatch(batch, header)


def _timestamps_suspect(header: BatchHeader, rules: ProduceRules, now_ms: int) -> bool:
    """Whether the header alone cannot say that every record's timestamp is allowed."""
    if header.timestamp_type is TimestampType.LOG_APPEND_TIME:
        return True
    if rules.log_append_time:
        return False
    return header.max_timestamp - now_ms > rules.timestamp_after_max_ms


def _timestamp_type(rules: ProduceRules) -> TimestampType:
    return TimestampType.LOG_APPEND_TIME if rules.log_append_time else TimestampType.CREATE_TIME


def _built(built: bytearray, rules: ProduceRules) -> ValidBatch | Refusal:
    if len(built) > rules.max_message_bytes:
        return _TOO_LARGE
    return ValidBatch(memoryview(built), record_batch.read_header(built))


def _validate_legacy(
    records: memoryview, sizes: list[int], rules: ProduceRules, now_ms: int
) -> ValidBatch | Refusal:
    magic = records[record_batch.MAGIC_POSITION]
    messages = []
    position = 0
    codec = 0
    for size in sizes:
        # A wrapper that shares its set with other messages is refused, as is a mix of magics.
        codec = records[position + 17] & 7 or codec
        if records[position + record_batch.MAGIC_POSITION] != magic:
            return _INVALID
        messages.append(legacy.read_message(records, position))
        position += size
    if codec and len(sizes) > 1:
        return _INVALID
    wrapper = messages[0] if codec else None
    data = legacy.open_wrapper(wrapper, rules.max_decompressed_bytes) if wrapper else b""

    def content() -> Iterator[Record]:
        return map(legacy.to_record, legacy.inner_messages(data, wrapper) if wrapper else messages)

    # Each uncompressed message is a batch of its own, the first refused of which settles the answer.
    batches: Iterable[Iterable[Record]] = [content()] if wrapper else ([record] for record in content())
    for message, records_of_batch in zip(messages, batches, strict=True):
        checked = RecordChecks(rules, now_ms, message.timestamp_type)
        checked.see(records_of_batch)
        if checked.errors:
            return checked.refusal()
    built = record_batch.build(
        content(),
        compression=codec if rules.compression is None else rules.compression,
        compression_level=rules.compression_level,
        timestamp_type=_timestamp_type(rules),
        append_time_ms=now_ms,
    )
    return _built(built, rules)
