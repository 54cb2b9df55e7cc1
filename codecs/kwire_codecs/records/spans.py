"""Where the records of a batch lie, and their keys, without decoding the rest: what compaction asks of it.

A record's bytes do not say where its batch begins but by its deltas, so that those of some of a batch's
records, joined, are the body of a thinned batch with the same base offset and base timestamp.

Rules: `data` is a batch's decompressed body, and may be anything; whatever does not add up raises
`CorruptBatch`, in linear time. Values and headers are not looked into.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .corrupt import CorruptBatch, Reason
from .record import SMALLEST_RECORD
from .varint import read_int, read_long


class Spans(NamedTuple):
    """The records of a batch in order: their keys, where each begins in the body (and behind the last one,
    where that ends), their offset deltas, and which of them (by place) have no value.
    """

    keys: list[bytes | None]
    starts: list[int]
    offset_deltas: Sequence[int]
    valueless: list[int]


def scan(data: bytes, count: int, last_offset_delta: int) -> Spans:
    """The spans of the `count` records that fill `data`. Raises `CorruptBatch`."""
    end = len(data)
    if count * SMALLEST_RECORD > end:
        raise CorruptBatch(Reason.COUNT, f"{count} records cannot fill {end} bytes")
    keys: list[bytes | None] = []
    starts: list[int] = []
    deltas: list[int] = []
    valueless: list[int] = []
    add_key, add_start = keys.append, starts.append
    # As many offsets as records: they count up, whatever the records say, as for Kafka's broker.
    is_whole = count == last_offset_delta + 1
    previous = -1
    position = 0
    try:
        for place in range(count):
            add_start(position)
            length = data[position]
            position += 1
            if length > 0x7F:
                if (byte := data[position]) < 0x80:
                    length = (length & 0x7F) | byte << 7
                    position += 1
                else:
                    length, position = read_int(data, position - 1)
                    length <<= 1
            record_end = position + (length >> 1)
            if length & 1 or length < 12 or record_end > end:
                left = end - position
                raise CorruptBatch(Reason.RECORD, f"record length {length >> 1} where {left} bytes are left")
            position += 1  # attributes
            while data[position] > 0x7F:  # timestamp delta
                position += 1
            position += 1
            if is_whole:
                while data[position] > 0x7F:
                    position += 1
                position += 1
            else:
                delta, position = read_int(data, position)
                if not previous < delta <= last_offset_delta:
                    raise CorruptBatch(Reason.RECORD, f"offset delta {delta} after {previous}")
                deltas.append(delta)
                previous = delta
            length = data[position]
            position += 1
            if length > 0x7F:
                length, position = read_int(data, position - 1)
                length <<= 1
            if length & 1 or length < 0:
                add_key(None)
            else:
                key_end = position + (length >> 1)
                add_key(data[position:key_end])
                position = key_end
            if position >= record_end:
                raise CorruptBatch(Reason.RECORD, "a key reaches beyond its record")
            if data[position] & 1:  # the sign is the lowest bit
                valueless.append(place)
            position = record_end
    except IndexError:
        raise CorruptBatch(Reason.RECORD, "a record is cut off") from None
    if position != end:
        raise CorruptBatch(Reason.RECORD, f"{end - position} bytes behind the last record")
    add_start(end)
    return Spans(keys, starts, range(count) if is_whole else deltas, valueless)


def greatest_timestamp_delta(data: bytes, starts: Iterable[int]) -> int:
    """The greatest timestamp delta of the records that begin at `starts`, of which there must be one."""
    greatest = None
    for position in starts:
        while data[position] > 0x7F:  # length
            position += 1
        delta, _ = read_long(data, position + 2)
        if greatest is None or delta > greatest:
            greatest = delta
    if greatest is None:
        raise ValueError("no records have no greatest timestamp")
    return greatest


def join(data: bytes, starts: Sequence[int], places: Iterable[int]) -> bytes:
    """The bytes of the records at `places`, which ascend, one after the other."""
    parts: list[memoryview] = []
    with memoryview(data) as view:
        begin = behind = -1
        for place in places:
            if place != behind:
                if begin >= 0:
                    parts.append(view[starts[begin] : starts[behind]])
                begin = place
            behind = place + 1
        if begin >= 0:
            parts.append(view[starts[begin] : starts[behind]])
        joined = b"".join(parts)
        for part in parts:
            part.release()
    return joined
