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
    position = 0  # of a record, and then behind it; `at` goes through it
    try:
        for place in range(count):
            add_start(position)
            # Varints of a byte or two are decoded in line, lengths as they stand: twice the number, the sign
            # in the lowest bit.
            length = data[position]
            if length < 0x80:
                at = position + 2  # behind the attributes
                position += (length >> 1) + 1
            elif (byte := data[position + 1]) < 0x80:
                length = (length & 0x7F) | byte << 7
                at = position + 3
                position += (length >> 1) + 2
            else:
                size, at = read_int(data, position)
                length, position, at = size << 1, at + size, at + 1
            if length & 1 or length < 12 or position > end:
                raise CorruptBatch(Reason.RECORD, f"record length {length >> 1} where {end} bytes are in all")
            while data[at] > 0x7F:  # timestamp delta
                at += 1
            at += 1
            if is_whole:
                while data[at] > 0x7F:
                    at += 1
                at += 1
            else:
                delta, at = read_int(data, at)
                if not previous < delta <= last_offset_delta:
                    raise CorruptBatch(Reason.RECORD, f"offset delta {delta} after {previous}")
                deltas.append(delta)
                previous = delta
            length = data[at]
            at += 1
            if length > 0x7F:
                size, at = read_int(data, at - 1)
                length = size << 1 if size >= 0 else 1
            if length & 1:
                add_key(None)
            else:
                key_end = at + (length >> 1)
                add_key(data[at:key_end])
                at = key_end
            if at >= position:
                raise CorruptBatch(Reason.RECORD, "a key reaches beyond its record")
            if data[at] & 1:
                valueless.append(place)
    except IndexError:
        raise CorruptBatch(Reason.RECORD, "a record is cut off") from None
    if position != end:
        raise CorruptBatch(Reason.RECORD, f"{end - position} bytes behind the last record")
    add_start(end)
    return Spans(keys, starts, range(count) if is_whole else deltas, valueless)


def starts(data: bytes, count: int) -> list[int]:
    """`Spans.starts` alone, of a body that `scan` has taken. Raises `CorruptBatch`, though not for all that
    `scan` refuses.
    """
    found: list[int] = []
    add = found.append
    position = 0
    try:
        for _ in range(count):
            add(position)
            length = data[position]
            if length < 0x80:
                position += (length >> 1) + 1
            elif (byte := data[position + 1]) < 0x80:
                position += ((length & 0x7F) | byte << 7) // 2 + 2
            else:
                size, at = read_int(data, position)
                position = at + max(size, 0)
    except IndexError:
        raise CorruptBatch(Reason.RECORD, "a record is cut off") from None
    if position != len(data):
        raise CorruptBatch(Reason.RECORD, f"{len(data) - position} bytes behind the last record")
    add(position)
    return found


def greatest_timestamp_delta(data: bytes, starts: Iterable[int]) -> int:
    """The greatest timestamp delta of the records that begin at `starts`, of which there must be one."""
    greatest = None
    for position in starts:
        while data[position] > 0x7F:  # length
            position += 1
        delta = data[position + 2]
        if delta < 0x80:
            delta = (delta >> 1) ^ -(delta & 1)
        else:
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
