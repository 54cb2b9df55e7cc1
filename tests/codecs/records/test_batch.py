"""Batches of magic 2: Java's bytes are read and made, and whatever does not add up is refused."""

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.records import batch
from kwire_codecs.records.batch import HEADER_SIZE, CorruptBatch, Reason, Record, TimestampType
from kwire_codecs.records.record import only_record

from tests.codecs.records import golden

VECTORS = golden.load()
MAX_BYTES = golden.MAX_BYTES
MAGIC_2 = [name for name in VECTORS if name.startswith("magic2")]

headers = st.lists(st.tuples(st.binary(max_size=9), st.none() | st.binary(max_size=9)), max_size=3).map(tuple)
record = st.builds(
    Record,
    key=st.none() | st.binary(max_size=100),
    value=st.none() | st.binary(max_size=200),
    timestamp=st.integers(-1, 2**62),
    headers=headers,
    offset=st.just(0),
)
some_records = st.lists(record, min_size=1, max_size=20)


def built(**options: object) -> bytearray:
    records = [Record(b"k%d" % i, b"v" * 70 * i, 1000 + i) for i in range(4)]
    return batch.build(records, **options)  # type: ignore[arg-type]  # any option of build


def expected(name: str) -> list[Record]:
    _, _, kind = name.split("-")
    return golden.large(2) if kind == "large" else golden.small(2, append_time=kind == "append")


@pytest.mark.parametrize("name", MAGIC_2)
def test_a_batch_that_java_built_is_read(name: str) -> None:
    data = VECTORS[name]
    header = batch.read_header(data)
    assert header.size == len(data)
    assert batch.crc_is_valid(data, 0, header)
    assert (header.base_offset, header.partition_leader_epoch) == (100, 5)
    assert header.compression == golden.CODECS[name.split("-")[1]]
    assert (header.timestamp_type is TimestampType.LOG_APPEND_TIME) == name.endswith("append")
    assert batch.records(data, 0, header, MAX_BYTES) == expected(name)


@pytest.mark.parametrize("name", MAGIC_2)
def test_a_batch_built_from_the_same_records_is_javas(name: str) -> None:
    _, codec, kind = name.split("-")
    mine = batch.build(
        expected(name) if kind == "large" else golden.small(2),
        base_offset=100,
        leader_epoch=5,
        compression=golden.CODECS[codec],
        timestamp_type=TimestampType(kind == "append"),
        append_time_ms=golden.APPEND_TIME,
    )
    java = VECTORS[name]
    if codec == "none":
        assert mine == java
    else:
        # How well a library compresses is its own affair: the length and the CRC may differ, nothing else.
        assert mine[:8] + mine[12:17] + mine[21:61] == java[:8] + java[12:17] + java[21:61]
        assert batch.crc_is_valid(mine, 0, batch.read_header(mine))
        assert batch.records(mine, 0, batch.read_header(mine), MAX_BYTES) == expected(name)


def test_a_transactional_batch_is_javas() -> None:
    records = [Record(b"k", b"v%d" % i, 1_700_000_000_000 + i) for i in range(3)]
    mine = batch.build(
        records,
        producer_id=4321,
        producer_epoch=3,
        base_sequence=2147483646,
        leader_epoch=9,
        is_transactional=True,
    )
    assert mine == VECTORS["transactional"]
    header = batch.read_header(mine)
    assert header.is_transactional
    assert header.has_producer_id
    assert not header.is_control


@pytest.mark.parametrize(
    ("base", "delta", "last"),
    [(0, 0, 0), (5, 4, 9), (2147483646, 1, 2147483647), (2147483646, 2, 0), (2147483647, 3, 2), (-1, 7, -1)],
)
def test_sequences_wrap_after_the_greatest(base: int, delta: int, last: int) -> None:
    header = batch.read_header(built())._replace(base_sequence=base, last_offset_delta=delta)
    assert header.last_sequence == last


@given(some_records, st.sampled_from(range(5)), st.integers(0, 2**40))
def test_records_come_back_as_they_went_in(records: list[Record], codec: int, base_offset: int) -> None:
    data = batch.build(records, base_offset=base_offset, compression=codec)
    header = batch.read_header(data)
    assert header.size == len(data)
    assert batch.crc_is_valid(data, 0, header)
    assert header.record_count == len(records)
    assert header.max_timestamp == max(record.timestamp for record in records)
    wanted = [record._replace(offset=base_offset + i) for i, record in enumerate(records)]
    assert batch.records(data, 0, header, MAX_BYTES) == wanted


def test_timestamps_at_both_ends_of_64_bits_come_back() -> None:
    records = [Record(None, None, stamp, (), i) for i, stamp in enumerate((2**63 - 1, -1, 0, 2**62))]
    data = batch.build(records)
    assert batch.records(data, 0, batch.read_header(data), MAX_BYTES) == records


def test_offsets_with_gaps_are_kept_on_request() -> None:
    records = [Record(b"k", b"v", 1, (), offset) for offset in (12, 15, 19)]
    data = batch.build(records, base_offset=10, keep_offsets=True, last_offset=25)
    header = batch.read_header(data)
    assert (header.last_offset, header.next_offset, header.record_count) == (25, 26, 3)
    assert batch.records(data, 0, header, MAX_BYTES) == records


def test_a_batch_that_compaction_emptied_is_read() -> None:
    data = batch.build([], base_offset=10, keep_offsets=True, last_offset=12, producer_id=1, producer_epoch=0)
    header = batch.read_header(data)
    assert (header.record_count, header.last_offset) == (0, 12)
    assert batch.records(data, 0, header, MAX_BYTES) == []


@pytest.mark.parametrize(
    ("records", "options", "complaint"),
    [
        ([], {}, "needs a record"),
        ([Record(b"", b"", 0, (), 4), Record(b"", b"", 0, (), 4)], {"keep_offsets": True}, "out of order"),
        ([Record(b"", b"", 0, (), 4)], {"keep_offsets": True, "base_offset": 5}, "out of order"),
        ([Record(b"", b"", 0, (), 9)], {"keep_offsets": True, "last_offset": 8}, "before the last"),
        ([Record(b"", b"")], {"compression": 5}, "codec 5"),
    ],
)
def test_what_makes_no_batch_is_an_error_of_the_caller(
    records: list[Record], options: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        batch.build(records, **options)  # type: ignore[arg-type]  # any option of build


def test_stamping_writes_offset_and_epoch_and_leaves_the_crc_right() -> None:
    data = bytearray(b"before") + built(compression=1)
    batch.stamp(data, 6, 1234567890123, 42)
    header = batch.read_header(data, 6)
    assert (header.base_offset, header.partition_leader_epoch) == (1234567890123, 42)
    assert batch.crc_is_valid(data, 6, header)
    assert data[:6] == b"before"


def test_append_time_is_stamped_in_place_with_a_new_crc() -> None:
    data = built()
    before = batch.read_header(data)
    after = batch.stamp_append_time(data, 0, before, 9999)
    assert after == batch.read_header(data)
    assert batch.crc_is_valid(data, 0, after)
    assert after.timestamp_type is TimestampType.LOG_APPEND_TIME
    assert after.base_timestamp == before.base_timestamp
    assert {record.timestamp for record in batch.records(data, 0, after, MAX_BYTES)} == {9999}


def test_walking_gives_every_batch_with_its_position() -> None:
    parts = [built(base_offset=0), built(base_offset=4, compression=2), built(base_offset=8)]
    data = b"".join(parts)
    assert [(position, header.base_offset) for position, header in batch.walk(data)] == [
        (0, 0),
        (len(parts[0]), 4),
        (len(parts[0]) + len(parts[1]), 8),
    ]
    assert [header.base_offset for _, header in batch.walk(data, len(parts[0]))] == [4, 8]


def test_a_walk_over_a_cut_off_end_stops_or_raises_as_asked() -> None:
    whole = bytes(built())
    data = whole + whole
    for end in range(len(whole) + 1, len(data)):
        assert len(list(batch.walk(data[:end], allow_partial_end=True))) == 1
        with pytest.raises(CorruptBatch) as caught:
            list(batch.walk(data[:end]))
        assert caught.value.reason is Reason.LENGTH
        assert caught.value.position == len(whole)


def test_a_header_alone_is_read_on_request() -> None:
    data = built()
    assert batch.read_header(data[:61], whole=False) == batch.read_header(data)
    with pytest.raises(CorruptBatch):
        batch.read_header(data[:61])


def patched(position: int, layout: str, value: int) -> bytearray:
    data = built()
    struct.pack_into(layout, data, position, value)
    return data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.LENGTH),
        (bytes(60), Reason.LENGTH),
        (patched(16, "b", 1), Reason.MAGIC),
        (patched(16, "b", 3), Reason.MAGIC),
        (patched(16, "b", -1), Reason.MAGIC),
        (patched(8, ">i", 48), Reason.LENGTH),
        (patched(8, ">i", 0), Reason.LENGTH),
        (patched(8, ">i", -1), Reason.LENGTH),
        (patched(8, ">i", 2**31 - 1), Reason.LENGTH),
        (patched(8, ">i", -(2**31)), Reason.LENGTH),
        (built()[:-1], Reason.LENGTH),
        (patched(57, ">i", -1), Reason.COUNT),
        (patched(57, ">i", 5), Reason.COUNT),
        (patched(57, ">i", 2**31 - 1), Reason.COUNT),
        (patched(23, ">i", -1), Reason.COUNT),
        (patched(23, ">i", -(2**31)), Reason.COUNT),
        (patched(23, ">i", 2), Reason.COUNT),
    ],
)
def test_a_header_that_does_not_add_up_is_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(CorruptBatch) as caught:
        batch.read_header(data)
    assert caught.value.reason is reason


@pytest.mark.parametrize("position", [21, 60, 61, -1])
def test_a_flipped_bit_behind_the_crc_shows(position: int) -> None:
    data = built()
    header = batch.read_header(data)
    data[position] ^= 1
    assert not batch.crc_is_valid(data, 0, header)


def with_body(body: bytes, count: int = 1, last_offset_delta: int | None = None) -> bytearray:
    data = built()[:61] + body
    struct.pack_into(">i", data, 8, len(data) - 12)
    struct.pack_into(">i", data, 57, count)
    struct.pack_into(">i", data, 23, count - 1 if last_offset_delta is None else last_offset_delta)
    return data


RECORD = b"\x0e\0\0\0\1\2v\0"  # key null, value "v", no headers


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"", 1),
        (RECORD[:-1], 1),
        (RECORD + b"\0", 1),
        (RECORD + RECORD, 1),
        (RECORD, 2),
        (RECORD + RECORD, 2),  # the same offset twice
        (b"\x0c\0\0\2\1\1\0", 1),  # an offset beyond last_offset_delta
        (b"\x0c\0\0\1\1\1\0", 1),  # offset delta -1
        (b"\x01\0\0\0\1\1\0", 1),  # length -1
        (b"\0\0\0\0\1\1\0", 1),
        (b"\x10\0\0\0\1\2v\0", 1),  # a length one too great
        (b"\x0c\0\0\0\1\2v\0", 1),  # one too small
        (b"\x0e\0\0\0\x7fv\0\0", 1),  # key length -64 is null, then its bytes are in the way
        (b"\x0e\0\0\0\1\x7e\0\0", 1),  # value of 63 bytes
        (b"\x0e\0\0\0\x7e\1v\0", 1),  # key of 63 bytes
        (b"\x0e\0\0\0\1\2v\2", 1),  # a header that is not there
        (b"\x0e\0\0\0\1\2v\1", 1),  # -1 headers
        (b"\x12\0\0\0\1\1\2\1\1\0", 1),  # header key of -1
        (b"\x12\0\0\0\1\1\2\x20\1\0", 1),  # header key beyond the record
        (b"\x12\0\0\0\1\1\2\0\x20\0", 1),  # header value beyond the record
        (b"\xff\xff\xff\xff\xff\xff\xff\0\0\0", 1),  # a varint without end
        (b"\xff\xff\xff\xff\x7f\0\0\0\0\0", 1),  # a varint beyond 32 bits
        (b"\x1e\0" + b"\xff" * 10 + b"\1\0\1\1\0", 1),  # a varlong beyond 64 bits
    ],
)
def test_records_that_do_not_add_up_are_refused(body: bytes, count: int) -> None:
    data = with_body(body, count)
    header = batch.read_header(data)
    with pytest.raises(CorruptBatch):
        batch.records(data, 0, header, MAX_BYTES)


@pytest.mark.parametrize("codec", range(1, 8))
def test_a_body_that_is_no_stream_of_its_codec_is_refused(codec: int) -> None:
    data = built()
    data[22] = codec
    with pytest.raises(CorruptBatch) as caught:
        batch.records(data, 0, batch.read_header(data), MAX_BYTES)
    assert caught.value.reason is Reason.COMPRESSION


def test_a_count_that_lies_costs_no_memory() -> None:
    data = with_body(RECORD, 2**31 - 1)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptBatch):
            batch.records(data, 0, batch.read_header(data), MAX_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", range(1, 5))
def test_a_batch_beyond_the_bound_is_too_large(codec: int) -> None:
    data = batch.build([Record(None, bytes(1000))], compression=codec)
    with pytest.raises(CorruptBatch) as caught:
        batch.records(data, 0, batch.read_header(data), 1008)
    assert caught.value.reason is Reason.TOO_LARGE
    assert batch.records(data, 0, batch.read_header(data), 1009)[0].value == bytes(1000)


@given(st.binary(max_size=200))
def test_garbage_is_refused_as_corrupt_and_nothing_else(data: bytes) -> None:
    with pytest.raises(CorruptBatch):
        for _ in batch.walk(data + b"\0" * 17):
            pass


@given(st.data(), st.sampled_from(range(5)))
def test_a_damaged_batch_parses_or_is_corrupt(data: st.DataObject, codec: int) -> None:
    damaged = built(compression=codec)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        header = batch.read_header(damaged)
        for found in batch.records(damaged, 0, header, MAX_BYTES):
            assert header.base_offset <= found.offset <= header.last_offset
    except CorruptBatch:
        pass


keys = st.binary(max_size=20) | st.just(bytes(200))
values = st.none() | st.binary(max_size=20) | st.just(bytes(5_000))


@given(keys, values)
def test_the_only_record_of_a_batch_is_read_at_once(key: bytes, value: bytes | None) -> None:
    data = b"before" + bytes(batch.build([Record(key, value, 5)])[HEADER_SIZE:]) + b"behind"
    assert only_record(data, 6, len(data) - 6) == (key, value)


@pytest.mark.parametrize(
    "record",
    [
        Record(None, b"v", 5),
        Record(b"k", b"v", 5, ((b"h", b""),)),
        Record(b"k", bytes(20_000), 5),
        Record(bytes(20_000), b"v", 5),
    ],
)
def test_what_coordinators_do_not_write_is_left_to_others(record: Record) -> None:
    data = bytes(batch.build([record]))
    assert only_record(data, HEADER_SIZE, len(data)) is None


def test_a_record_that_is_not_at_the_start_of_its_batch_is_left_to_others() -> None:
    data = bytes(batch.build([Record(b"k", b"v", 5, offset=2)], keep_offsets=True, last_offset=2))
    assert only_record(data, HEADER_SIZE, len(data)) is None


@given(keys, values, st.data())
def test_a_damaged_record_is_read_as_it_would_be_by_others_or_left_to_them(
    key: bytes, value: bytes | None, data: st.DataObject
) -> None:
    whole = batch.build([Record(key, value, 5)])
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(HEADER_SIZE, min(len(whole) - 1, 120)))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: len(whole) - data.draw(st.integers(0, 2))])
    found = only_record(damaged, HEADER_SIZE, len(damaged))
    if found is not None:
        header = batch.read_header(whole)
        [record] = batch.decode_body(damaged[HEADER_SIZE:], header)
        assert found == (record.key, record.value)
        assert (record.offset, record.timestamp) == (0, 5)
