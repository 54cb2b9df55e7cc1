"""The records inside a magic 2 batch, once decompressed.

    length varint | attributes i8 (unused) | timestamp delta varlong | offset delta varint
    key length varint (-1 null) | key | value length varint | value | header count varint | headers
    a header: key length varint | key | value length varint (-1 null) | value

The length counts what follows it. Kafka: DefaultRecord.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .corrupt import CorruptBatch, Reason
from .varint import encode, read_int, read_long

NO_TIMESTAMP = -1
_INT64_LIMIT = 1 << 63
SMALLEST_RECORD = 7  # bytes that a record takes at the least


Headers = tuple[tuple[bytes, bytes | None], ...]


class Record(NamedTuple):
    """One record. `timestamp` in ms since the epoch, -1 for none; header keys are undecoded UTF-8."""

    key: bytes | None
    value: bytes | None
    timestamp: int = NO_TIMESTAMP
    headers: Headers = ()
    offset: int = 0


def decode_records(
    data: bytes,
    count: int,
    base_offset: int,
    last_offset_delta: int,
    base_timestamp: int,
    append_time: int | None,
    *,
    check_offsets: bool = True,
) -> Iterator[Record]:
    """The `count` records that fill `data`, one by one; with `append_time` that is the timestamp of each.

    Raises `CorruptBatch`, at the latest after the last, unless they fill it exactly and (`check_offsets`)
    their offset deltas ascend to at most last_offset_delta.
    """
    end = len(data)
    if count * SMALLEST_RECORD > end:  # a count that lies costs nothing
        raise CorruptBatch(Reason.COUNT, f"{count} records cannot fill {end} bytes")
    new = tuple.__new__
    previous_delta = -1
    position = 0
    try:
        for _ in range(count):
            # Varints of a byte, and of two where they are common, are decoded in line: calls would triple
            # the time. A position beyond the data raises IndexError, once for all of them.
            length = data[position]
            position += 1
            if length < 0x80:
                length = (length >> 1) ^ -(length & 1)
            elif (byte := data[position]) < 0x80:
                length = (length & 0x7F) | byte << 7
                length = (length >> 1) ^ -(length & 1)
                position += 1
            else:
                length, position = read_int(data, position - 1)
            record_end = position + length
            if length < 6 or record_end > end:
                left = end - position
                raise CorruptBatch(Reason.RECORD, f"record length {length} where {left} bytes are left")
            position += 1  # one byte of attributes, all unused
            timestamp = data[position]
            position += 1
            if timestamp < 0x80:
                timestamp = (timestamp >> 1) ^ -(timestamp & 1)
            else:
                timestamp, position = read_long(data, position - 1)
            timestamp += base_timestamp
            offset_delta = data[position]
            position += 1
            if offset_delta < 0x80:
                offset_delta = (offset_delta >> 1) ^ -(offset_delta & 1)
            elif (byte := data[position]) < 0x80:
                offset_delta = (offset_delta & 0x7F) | byte << 7
                offset_delta = (offset_delta >> 1) ^ -(offset_delta & 1)
                position += 1
            else:
                offset_delta, position = read_int(data, position - 1)
            if check_offsets and not previous_delta < offset_delta <= last_offset_delta:
                raise CorruptBatch(Reason.RECORD, f"offset delta {offset_delta} after {previous_delta}")
            previous_delta = offset_delta

            length = data[position]
            position += 1
            if length < 0x80:
                length = (length >> 1) ^ -(length & 1)
            else:
                length, position = read_int(data, position - 1)
            key: bytes | None = None
            if length >= 0:
                key = data[position : position + length]
                position += length
            if position >= record_end:
                raise CorruptBatch(Reason.RECORD, "a key reaches beyond its record")
            length = data[position]
            position += 1
            if length < 0x80:
                length = (length >> 1) ^ -(length & 1)
            elif (byte := data[position]) < 0x80:
                length = (length & 0x7F) | byte << 7
                length = (length >> 1) ^ -(length & 1)
                position += 1
            else:
                length, position = read_int(data, position - 1)
            value: bytes | None = None
            if length >= 0:
                value = data[position : position + length]
                position += length
            if position >= record_end:
                raise CorruptBatch(Reason.RECORD, "a value reaches beyond its record")

            headers: Headers = ()
            if data[position] == 0:
                position += 1
            else:
                headers, position = _decode_headers(data, position, record_end)
            if position != record_end:
                raise CorruptBatch(
                    Reason.RECORD, f"a record ends {record_end - position} bytes off its length"
                )
            if append_time is not None:
                timestamp = append_time
            elif not -_INT64_LIMIT <= timestamp < _INT64_LIMIT:
                timestamp = _wrapped(timestamp)
            yield new(Record, (key, value, timestamp, headers, base_offset + offset_delta))
    except IndexError:
        raise CorruptBatch(Reason.RECORD, "a record is cut off") from None
    if position != end:
        raise CorruptBatch(Reason.RECORD, f"{end - position} bytes behind the last record")


def only_record(data: bytes, position: int, end: int) -> tuple[bytes, bytes | None] | None:
    """Key and value of the one record between two places, if it is as coordinators write theirs: its time and
    offset are its batch's, its lengths are of two bytes at most, it has a key and no headers. None for any
    other, and for what is none: `decode_records` tells those apart.
    """
    try:
        length = data[position]
        position += 1
        if length > 0x7F:
            byte = data[position]
            position += 1
            if byte > 0x7F:
                return None
            length = (length & 0x7F) | byte << 7
        if length & 1 or position + (length >> 1) != end or data[position + 1] or data[position + 2]:
            return None
        position += 4
        length = data[position - 1]
        if length > 0x7F:
            byte = data[position]
            position += 1
            if byte > 0x7F:
                return None
            length = (length & 0x7F) | byte << 7
        if length & 1:
            return None
        value_at = position + (length >> 1)
        key = data[position:value_at]
        length = data[value_at]
        value_at += 1
        if length > 0x7F:
            byte = data[value_at]
            value_at += 1
            if byte > 0x7F:
                return None
            length = (length & 0x7F) | byte << 7
        value_end = value_at + (length >> 1)
        if length & 1:
            if length != 1 or value_at + 1 != end or data[value_at]:
                return None
            return key, None
        if value_end + 1 != end or data[value_end]:
            return None
        return key, data[value_at:value_end]
    except IndexError:
        return None


def _wrapped(number: int) -> int:
    """`number` as 64-bit arithmetic, which Kafka's is, would have it."""
    return (number + _INT64_LIMIT) % (2 * _INT64_LIMIT) - _INT64_LIMIT


def _decode_headers(data: bytes, position: int, record_end: int) -> tuple[Headers, int]:
    count, position = read_int(data, position)
    if not 0 <= count <= (record_end - position) // 2:
        raise CorruptBatch(Reason.RECORD, f"{count} headers in {record_end - position} bytes")
    headers: list[tuple[bytes, bytes | None]] = []
    for _ in range(count):
        key_length, position = read_int(data, position)
        if not 0 <= key_length <= record_end - position:
            raise CorruptBatch(Reason.RECORD, f"header key length {key_length}")
        key = data[position : position + key_length]
        value_length, position = read_int(data, position + key_length)
        if value_length > record_end - position:
            raise CorruptBatch(Reason.RECORD, f"header value length {value_length}")
        if value_length < 0:
            headers.append((key, None))
        else:
            headers.append((key, data[position : position + value_length]))
            position += value_length
    return tuple(headers), position


def encode_records(
    records: Iterable[Record], base_timestamp: int | None, keep_offsets_from: int | None
) -> tuple[bytearray, int, int, int, int]:
    """(bytes, number of records, last offset delta, base timestamp, greatest timestamp) of `records`.

    The base timestamp is the first record's unless given, -1 without records, as are the last offset delta
    and the greatest timestamp. Offset deltas count up from 0, or are the records' own offsets, which must
    ascend, less `keep_offsets_from`. Records are taken one by one: an iterator's never exist all at once.
    """
    out = bytearray()
    max_timestamp = NO_TIMESTAMP
    delta = -1
    count = 0
    for key, value, timestamp, headers, offset in records:
        if base_timestamp is None:
            base_timestamp = timestamp
        if keep_offsets_from is None:
            delta = count
        elif offset - keep_offsets_from > delta:
            delta = offset - keep_offsets_from
        else:
            raise ValueError(f"offset {offset} is out of order")
        count += 1
        if timestamp > max_timestamp:
            max_timestamp = timestamp
        timestamp_delta = timestamp - base_timestamp
        if not -_INT64_LIMIT <= timestamp_delta < _INT64_LIMIT:
            timestamp_delta = _wrapped(timestamp_delta)
        start = b"\0" + encode(timestamp_delta) + encode(delta)
        start += b"\1" if key is None else encode(len(key)) + key
        start += b"\1" if value is None else encode(len(value))
        tail = _encode_headers(headers) if headers else b"\0"
        if value is None:
            out += encode(len(start) + len(tail))
            out += start
        else:
            out += encode(len(start) + len(value) + len(tail))
            out += start
            out += value
        out += tail
    return out, count, delta, NO_TIMESTAMP if base_timestamp is None else base_timestamp, max_timestamp


def _encode_headers(headers: Headers) -> bytes:
    parts = [encode(len(headers))]
    for name, content in headers:
        parts += (encode(len(name)), name)
        parts += (b"\1",) if content is None else (encode(len(content)), content)
    return b"".join(parts)
