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
_SMALLEST = 7  # bytes that a record takes at the least


class Record(NamedTuple):
    """One record. `timestamp` in ms since the epoch, -1 for none; header keys are undecoded UTF-8."""

    key: bytes | None
    value: bytes | None
    timestamp: int = NO_TIMESTAMP
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
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
    # A one-byte varint, by far the most common, is decoded in line: a call would double the time.
    end = len(data)
    previous_delta = -1
    position = 0
    if count * _SMALLEST > end:  # a count that lies costs nothing
        raise CorruptBatch(Reason.COUNT, f"{count} records cannot fit {end} bytes")
    for _ in range(count):
        length, position = read_int(data, position)
        record_end = position + length
        if length < 6 or record_end > end:
            raise CorruptBatch(Reason.RECORD, f"record length {length} where {end - position} bytes are left")
        timestamp_delta, position = read_long(data, position + 1)  # one byte of attributes, all unused
        offset_delta, position = read_int(data, position)
        if check_offsets and not previous_delta < offset_delta <= last_offset_delta:
            raise CorruptBatch(Reason.RECORD, f"offset delta {offset_delta} after {previous_delta}")
        previous_delta = offset_delta

        key_length, position = _length(data, position)
        if key_length >= 0:
            key: bytes | None = data[position : position + key_length]
            position += key_length
        else:
            key = None
        if position >= record_end:
            raise CorruptBatch(Reason.RECORD, "a key reaches beyond its record")
        value_length, position = _length(data, position)
        if value_length >= 0:
            value: bytes | None = data[position : position + value_length]
            position += value_length
        else:
            value = None
        if position >= record_end:
            raise CorruptBatch(Reason.RECORD, "a value reaches beyond its record")

        if data[position] == 0:
            position += 1
            headers: tuple[tuple[bytes, bytes | None], ...] = ()
        else:
            headers, position = _decode_headers(data, position, record_end)
        if position != record_end:
            raise CorruptBatch(Reason.RECORD, f"a record ends {record_end - position} bytes off its length")
        timestamp = base_timestamp + timestamp_delta if append_time is None else append_time
        if not -_INT64_LIMIT <= timestamp < _INT64_LIMIT:
            timestamp = _wrapped(timestamp)
        yield Record(key, value, timestamp, headers, base_offset + offset_delta)
    if position != end:
        raise CorruptBatch(Reason.RECORD, f"{end - position} bytes behind the last record")


def _wrapped(number: int) -> int:
    """`number` as 64-bit arithmetic, which Kafka's is, would have it."""
    return (number + _INT64_LIMIT) % (2 * _INT64_LIMIT) - _INT64_LIMIT


def _length(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position] if position < len(data) else 0x80
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), position + 1
    return read_int(data, position)


def _decode_headers(
    data: bytes, position: int, record_end: int
) -> tuple[tuple[tuple[bytes, bytes | None], ...], int]:
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
        body = [b"\0", encode(timestamp_delta), encode(delta)]
        if key is None:
            body.append(b"\1")
        else:
            body += (encode(len(key)), key)
        if value is None:
            body.append(b"\1")
        else:
            body += (encode(len(value)), value)
        if headers:
            body.append(encode(len(headers)))
            for name, content in headers:
                body += (encode(len(name)), name)
                body += (b"\1",) if content is None else (encode(len(content)), content)
        else:
            body.append(b"\0")
        joined = b"".join(body)
        out += encode(len(joined))
        out += joined
    return out, count, delta, NO_TIMESTAMP if base_timestamp is None else base_timestamp, max_timestamp
