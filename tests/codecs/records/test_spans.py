"""The spans of a batch's records: those that decoding finds, for any batch; a clear answer to any bytes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import spans
from kwire_codecs.records.batch import CorruptBatch, Record
from kwire_codecs.records.record import decode_records
from kwire_codecs.records.varint import encode

keys = st.one_of(st.none(), st.binary(max_size=70), st.just(b"k" * 9000))
values = st.one_of(st.none(), st.binary(max_size=70), st.just(b"v" * 20_000))
headers = st.lists(st.tuples(st.binary(max_size=3), st.one_of(st.none(), st.binary(max_size=3))), max_size=2)
records = st.builds(
    Record, keys, values, st.integers(-(1 << 40), 1 << 41), headers.map(tuple), st.integers(0, 3)
)


def made(batch: list[Record], *, with_gaps: bool) -> tuple[bytes, record_batch.BatchHeader]:
    """The body of a batch, and its header; with gaps between the offsets, as compaction leaves them."""
    offset = -1
    placed = []
    for each in batch:
        offset += 1 + each.offset
        placed.append(each._replace(offset=offset))
    built = record_batch.build(placed, keep_offsets=with_gaps)
    header = record_batch.read_header(built)
    return record_batch.body(built, 0, header, 1 << 30), header


@given(st.lists(records, min_size=1, max_size=80), st.booleans())
def test_they_are_what_decoding_finds(batch: list[Record], with_gaps: bool) -> None:
    data, header = made(batch, with_gaps=with_gaps)
    found = spans.scan(data, header.record_count, header.last_offset_delta)
    decoded = list(record_batch.decode_body(data, header))
    assert found.keys == [each.key for each in decoded]
    assert list(found.offset_deltas) == [each.offset for each in decoded]
    assert found.valueless == [at for at, each in enumerate(decoded) if each.value is None]
    assert found.starts[0] == 0
    assert found.starts[-1] == len(data)
    assert spans.starts(data, header.record_count) == found.starts
    greatest = spans.greatest_timestamp_delta(data, found.starts[:-1])
    assert header.base_timestamp + greatest == max(each.timestamp for each in decoded)


@given(st.lists(records, min_size=1, max_size=20), st.data())
def test_some_of_them_joined_are_a_body(batch: list[Record], data: st.DataObject) -> None:
    body, header = made(batch, with_gaps=False)
    found = spans.scan(body, header.record_count, header.last_offset_delta)
    places = sorted(data.draw(st.sets(st.integers(0, len(batch) - 1))))
    joined = spans.join(body, found.starts, places)
    decoded = list(record_batch.decode_body(body, header))
    again = decode_records(
        joined, len(places), 0, header.last_offset_delta, header.base_timestamp, None, check_offsets=True
    )
    assert list(again) == [decoded[place] for place in places]


@given(st.binary(max_size=200), st.integers(0, 20), st.integers(0, 30))
@example(b"\x0c\x00\x00\x00\x01\x01\x00", 1, 0)
@example(b"\x80" * 100, 5, 4)
@example(b"\xff\xff\xff\xff\x0f" + b"\x00" * 20, 1, 0)
def test_any_bytes_are_spans_or_refused(data: bytes, count: int, last_offset_delta: int) -> None:
    try:
        found = spans.scan(data, count, last_offset_delta)
    except CorruptBatch:
        return
    assert len(found.keys) == len(found.starts) - 1 == len(found.offset_deltas) == count
    assert found.starts == sorted(found.starts)
    assert spans.starts(data, count) == found.starts


@given(st.binary(max_size=200), st.integers(0, 20))
@example(b"\x02\x00" * 3, 4)
@example(b"\xff\xff\xff\xff\x0f" + b"\x00" * 20, 1)
def test_any_bytes_have_starts_or_are_refused(data: bytes, count: int) -> None:
    try:
        found = spans.starts(data, count)
    except CorruptBatch:
        return
    assert len(found) == count + 1
    assert found == sorted(set(found))
    assert found[-1] == len(data)


@given(st.lists(records, min_size=1, max_size=5), st.data())
def test_a_byte_that_was_changed_is_harmless(batch: list[Record], data: st.DataObject) -> None:
    body, header = made(batch, with_gaps=False)
    at = data.draw(st.integers(0, len(body) - 1))
    garbled = body[:at] + bytes([data.draw(st.integers(0, 255))]) + body[at + 1 :]
    try:
        found = spans.scan(garbled, header.record_count, header.last_offset_delta)
    except CorruptBatch:
        return
    assert found.starts[-1] == len(body)


@pytest.mark.parametrize(
    ("data", "count", "last_offset_delta"),
    [
        (b"", 1, 0),
        (encode(6) + bytes([0, 0, 2, 1, 1, 0]), 1, 5),  # fine
        (encode(6) + bytes([0, 0, 4, 1, 1, 0]), 1, 1),  # an offset beyond the last
        (encode(6) + bytes([0, 0, 0, 1, 1, 0]) + b"x", 1, 0),  # a byte too many
        (encode(5) + bytes([0, 0, 0, 1, 1]), 1, 0),  # too short for a record
        (encode(-6) + bytes([0, 0, 0, 1, 1, 0]), 1, 0),
        (encode(6) + bytes([0, 0, 0, 40, 1, 0]), 1, 0),  # a key of 20 bytes
    ],
)
def test_what_is_no_record_is_refused(data: bytes, count: int, last_offset_delta: int) -> None:
    if last_offset_delta == 5:
        assert spans.scan(data, count, last_offset_delta).offset_deltas == [1]
        return
    with pytest.raises(CorruptBatch):
        spans.scan(data, count, last_offset_delta)


def test_overlong_nulls_are_nulls() -> None:
    record = bytes([0, 0, 0]) + b"\x81\x00" + b"\x81\x00" + b"\x00"
    found = spans.scan(encode(len(record)) + record, 1, 0)
    assert found.keys == [None]
    assert found.valueless == [0]
