"""Message sets of magic 0 and 1: Java's bytes are read and made, conversions are Kafka's."""

import struct
import tracemalloc
from contextlib import suppress
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.records import batch, compression, legacy
from kwire_codecs.records.batch import (
    Compression,
    CorruptBatch,
    ReadableBuffer,
    Reason,
    Record,
    TimestampType,
)

from tests.codecs.records import golden

VECTORS = golden.load()
MAX_BYTES = golden.MAX_BYTES
OLD = [name for name in VECTORS if name.startswith(("magic0", "magic1"))]
DOWN = [name for name in VECTORS if name.startswith("down")]
both_magics = pytest.mark.parametrize("magic", [0, 1])
old_codecs = pytest.mark.parametrize("codec", range(4))

record = st.builds(
    Record,
    key=st.none() | st.binary(max_size=50),
    value=st.none() | st.binary(max_size=100),
    timestamp=st.integers(-1, 2**62),
    headers=st.just(()),
    offset=st.just(0),
)
some_records = st.lists(record, min_size=1, max_size=10)


def numbered(count: int, first: int = 0, timestamp: int = 1000) -> list[Record]:
    return [Record(b"k%d" % i, b"v%d" % i, timestamp + i, (), first + i) for i in range(count)]


def expected(name: str) -> list[Record]:
    magic, _, kind = name.split("-")
    number = int(magic[-1])
    return golden.large(number) if kind == "large" else golden.small(number, append_time=kind == "append")


@pytest.mark.parametrize("name", OLD)
def test_a_set_that_java_built_is_read(name: str) -> None:
    assert legacy.parse(VECTORS[name], MAX_BYTES) == expected(name)


@pytest.mark.parametrize("name", OLD)
def test_a_set_built_from_the_same_records_is_javas(name: str) -> None:
    magic, codec, kind = name.split("-")
    append_time = kind == "append"
    records = golden.large(1) if kind == "large" else golden.small(1)
    if magic == "magic0":
        records = expected(name)
    mine = legacy.build(
        records,
        int(magic[-1]),
        compression=golden.CODECS[codec],
        timestamp_type=TimestampType(append_time),
        append_time_ms=golden.APPEND_TIME,
    )
    assert_same_but_for_compression(mine, VECTORS[name])


def assert_same_but_for_compression(mine: ReadableBuffer, java: ReadableBuffer) -> None:
    """How well a library compresses is its own affair; the wrapper and all that it holds is not."""
    for (_, one), (_, other) in zip(legacy.walk(mine), legacy.walk(java), strict=True):
        if not one.compression:
            continue
        assert one._replace(size=0, crc=0, value=None) == other._replace(size=0, crc=0, value=None)
        assert legacy.open_wrapper(one, MAX_BYTES) == legacy.open_wrapper(other, MAX_BYTES)
        if one.compression == Compression.LZ4:
            assert one.value is not None
            assert other.value is not None
            assert one.value[:7] == other.value[:7]  # the header, whose checksum is wrong in magic 0
        return
    assert mine == java


@pytest.mark.parametrize("name", DOWN)
def test_down_conversion_is_javas(name: str) -> None:
    _, codec, kind, magic, _ = name.split("-")
    to = int(magic[-1])
    mine = legacy.convert_down(VECTORS[f"magic2-{codec}-{kind}"], to, 102, MAX_BYTES)
    assert_same_but_for_compression(mine, VECTORS[name])


@both_magics
@old_codecs
@given(records=some_records)
def test_records_come_back_as_they_went_in(magic: int, codec: int, records: list[Record]) -> None:
    records = [
        r._replace(offset=5 + i, timestamp=r.timestamp if magic else -1) for i, r in enumerate(records)
    ]
    assert legacy.parse(legacy.build(records, magic, compression=codec), MAX_BYTES) == records


@both_magics
@old_codecs
def test_conversion_up_keeps_codec_records_and_times(magic: int, codec: int) -> None:
    records = [r._replace(timestamp=r.timestamp if magic else -1) for r in numbered(5)]
    data = legacy.convert_up(legacy.build(records, magic, compression=codec), 7777, MAX_BYTES)
    header = batch.read_header(data)
    assert batch.crc_is_valid(data, 0, header)
    assert header.compression == codec
    assert header.timestamp_type is TimestampType.CREATE_TIME
    assert batch.records(data, 0, header, MAX_BYTES) == records


def test_conversion_up_under_append_time_stamps_it() -> None:
    data = legacy.convert_up(
        legacy.build(numbered(2), 0), 7777, MAX_BYTES, timestamp_type=TimestampType.LOG_APPEND_TIME
    )
    header = batch.read_header(data)
    assert (header.timestamp_type, header.max_timestamp) == (TimestampType.LOG_APPEND_TIME, 7777)


def test_conversion_up_to_another_codec() -> None:
    data = legacy.convert_up(legacy.build(numbered(2), 1, compression=1), 1, MAX_BYTES, compression=4)
    assert batch.read_header(data).compression == Compression.ZSTD


def test_nothing_is_not_converted_up() -> None:
    with pytest.raises(CorruptBatch):
        legacy.convert_up(b"", 1, MAX_BYTES)


def test_a_wrapper_holds_relative_offsets_in_magic_1_and_absolute_ones_in_magic_0() -> None:
    for magic, inner in ((0, [50, 51, 52]), (1, [0, 1, 2])):
        data = legacy.build(numbered(3, first=50), magic, compression=1)
        ((_, wrapper),) = legacy.walk(data)
        assert wrapper.offset == 52
        opened = legacy.open_wrapper(wrapper, MAX_BYTES)
        assert [message.offset for _, message in legacy.walk(opened)] == inner
        assert [record.offset for record in legacy.parse(data, MAX_BYTES)] == [50, 51, 52]


def test_relative_offsets_with_gaps_end_at_the_wrappers() -> None:
    # pykafka asserts on a first inner offset other than 0 where the last one is below the wrapper's.
    records = [Record(b"", b"", 1, (), offset) for offset in (40, 43, 44)]
    data = legacy.build(records, 1, compression=1)
    assert [record.offset for record in legacy.parse(data, MAX_BYTES)] == [40, 43, 44]


def test_a_produced_wrapper_with_unassigned_offsets_is_read() -> None:
    # pykafka writes -1 everywhere, some librdkafka versions 0 in the wrapper.
    unassigned = [Record(b"a", b"", 1, (), -1), Record(b"b", b"", 1, (), -1)]
    inner = legacy.build(unassigned, 1)
    for offset in (-1, 0):
        data = wrap(inner, offset=offset)
        assert [record.key for record in legacy.parse(data, MAX_BYTES)] == [b"a", b"b"]
    assert [r.offset for r in legacy.parse(wrap(legacy.build(numbered(2), 1), offset=0), MAX_BYTES)] == [0, 1]


def wrap(
    inner: ReadableBuffer,
    *,
    magic: int = 1,
    offset: int = 0,
    codec: int = 1,
    attributes: int = 0,
    timestamp: int = 5,
) -> bytes:
    """A wrapper of any bytes, with a right CRC."""
    value = bytes(inner) if codec > 4 else compression.compress(codec, inner, legacy_lz4=magic == 0)
    body = struct.pack(">bb", magic, codec | attributes) + (struct.pack(">q", timestamp) if magic else b"")
    body += struct.pack(">ii", -1, len(value)) + value
    return struct.pack(">qiI", offset, len(body) + 4, crc32(body)) + body


def test_append_time_in_the_wrapper_is_that_of_all_within() -> None:
    data = wrap(legacy.build(numbered(2), 1), attributes=8, timestamp=4242)
    assert [record.timestamp for record in legacy.parse(data, MAX_BYTES)] == [4242, 4242]


def test_a_message_cut_off_at_the_end_is_left_out_only_on_request() -> None:
    whole = legacy.build(numbered(1), 1)
    data = bytes(whole + legacy.build(numbered(1), 1))
    for end in range(len(whole) + 1, len(data)):
        assert len(legacy.parse(data[:end], MAX_BYTES, allow_partial_end=True)) == 1
        with pytest.raises(CorruptBatch):
            legacy.parse(data[:end], MAX_BYTES)


def test_a_part_of_a_message_at_the_end_of_a_wrapper_is_left_out() -> None:
    inner = bytes(legacy.build(numbered(2), 1))
    assert len(legacy.parse(wrap(inner[:-1]), MAX_BYTES)) == 1
    assert len(legacy.parse(wrap(inner + b"\0" * 5), MAX_BYTES)) == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wrap(b""), Reason.RECORD),
        (wrap(b"\0" * 11), Reason.RECORD),
        (wrap(bytes(legacy.build(numbered(1), 0))), Reason.RECORD),
        (wrap(bytes(legacy.build(numbered(1), 1)), magic=0), Reason.RECORD),
        (wrap(wrap(bytes(legacy.build(numbered(1), 1)))), Reason.RECORD),
        (wrap(bytes(legacy.build(numbered(1), 1)), codec=4), Reason.RECORD),
        (wrap(bytes(legacy.build(numbered(1), 1)), codec=5), Reason.COMPRESSION),
        (wrap(bytes(legacy.build(numbered(3, first=9), 1)), offset=10), Reason.RECORD),
        (wrap(bytes(legacy.build(numbered(3), 1)), offset=-1), Reason.RECORD),
        (wrap(struct.pack(">qi", 0, 5) + bytes(50)), Reason.LENGTH),
        (wrap(struct.pack(">qi", 0, -1) + bytes(50)), Reason.LENGTH),
        (wrap(bytes(legacy.build(numbered(1), 1))[:-1] + b"x"), Reason.CRC),
        (bytes(legacy.build(numbered(1), 1))[:-1] + b"x", Reason.CRC),
        (bytes(legacy.build(numbered(1), 1))[:16] + b"\2" + bytes(60), Reason.MAGIC),
        (struct.pack(">qiIbb", 0, 13, 0, 0, 0) + bytes(60), Reason.LENGTH),
        (struct.pack(">qiIbb", 0, 21, 0, 1, 0) + bytes(60), Reason.LENGTH),
        (struct.pack(">qiIbb", 0, 2**31 - 1, 0, 1, 0) + bytes(60), Reason.LENGTH),
        (struct.pack(">qiIbbii", 0, 14, 0, 0, 0, 5, 0), Reason.RECORD),
        (struct.pack(">qiIbbii", 0, 14, 0, 0, 0, -1, 1), Reason.RECORD),
        (struct.pack(">qiIbbii", 0, 15, 0, 0, 0, -1, 0) + b"x", Reason.RECORD),
        (struct.pack(">qiIbbii", 0, 14, 0, 0, 0, 2**31 - 1, -1), Reason.RECORD),
    ],
)
def test_sets_that_do_not_add_up_are_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(CorruptBatch) as caught:
        legacy.parse(data, MAX_BYTES)
    assert caught.value.reason is reason


def test_a_compressed_message_without_a_value_is_refused() -> None:
    data = bytearray(legacy.build([Record(None, None, 1)], 1))
    data[17] = 1
    with pytest.raises(CorruptBatch) as caught:
        legacy.parse(data, MAX_BYTES, check_crc=False)
    assert caught.value.reason is Reason.RECORD


def test_all_wrappers_of_a_set_share_one_bound() -> None:
    one = bytes(legacy.build([Record(None, bytes(1000), 1)], 1, compression=1))
    size = 1000 + 34
    assert len(legacy.parse(one * 3, 3 * size)) == 3
    with pytest.raises(CorruptBatch) as caught:
        legacy.parse(one * 3, 3 * size - 1)
    assert caught.value.reason is Reason.TOO_LARGE


def test_zstd_exists_in_no_message_set() -> None:
    with pytest.raises(ValueError, match="zstd"):
        legacy.build(numbered(1), 1, compression=4)
    with pytest.raises(ValueError, match="magic 2"):
        legacy.build(numbered(1), 2)


def test_rule_33_down_conversion_drops_headers_and_control_batches() -> None:
    data = batch.build([Record(b"k", b"v", 5, ((b"h", b"x"),))], base_offset=7)
    data += batch.build(
        [Record(b"\0\0\0\1", b"\0" * 6, 6)], base_offset=8, is_control=True, is_transactional=True
    )
    data += batch.build([Record(b"k2", b"v2", 7)], base_offset=9, compression=2)
    assert legacy.parse(legacy.convert_down(data, 1, 0, MAX_BYTES), MAX_BYTES) == [
        Record(b"k", b"v", 5, (), 7),
        Record(b"k2", b"v2", 7, (), 9),
    ]


def test_down_conversion_of_control_batches_alone_gives_nothing() -> None:
    control = batch.build([Record(b"\0\0\0\1", b"\0" * 6, 6)], is_control=True)
    assert legacy.convert_down(control, 1, 0, MAX_BYTES) == b""


def test_down_conversion_starts_at_the_offset_unless_compressed() -> None:
    for codec, offsets in ((0, [12, 13]), (1, [10, 11, 12, 13])):
        data = batch.build(numbered(4), base_offset=10, compression=codec)
        converted = legacy.convert_down(data, 1, 12, MAX_BYTES)
        assert [record.offset for record in legacy.parse(converted, MAX_BYTES)] == offsets


@old_codecs
def test_a_batch_whose_records_all_lie_before_the_offset_is_dropped(codec: int) -> None:
    # Compaction took the last record: the batch still ends behind the offset that was asked for.
    data = batch.build(numbered(3), keep_offsets=True, last_offset=9, compression=codec)
    assert legacy.convert_down(data, 1, 5, MAX_BYTES) == b""


def test_down_conversion_passes_append_time_on_in_magic_1_only() -> None:
    data = batch.build(
        numbered(2), timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=99, compression=1
    )
    ((_, one),) = legacy.walk(legacy.convert_down(data, 1, 0, MAX_BYTES))
    ((_, zero),) = legacy.walk(legacy.convert_down(data, 0, 0, MAX_BYTES))
    assert (one.timestamp_type, one.timestamp) == (TimestampType.LOG_APPEND_TIME, 99)
    assert (zero.timestamp_type, zero.timestamp, zero.attributes) == (TimestampType.CREATE_TIME, -1, 1)


def test_zstd_stops_down_conversion() -> None:
    plain, packed = batch.build(numbered(1)), batch.build(numbered(1), base_offset=1, compression=4)
    with pytest.raises(legacy.NotConvertible):
        legacy.convert_down(packed + plain, 1, 0, MAX_BYTES)
    assert len(legacy.parse(legacy.convert_down(plain + packed, 1, 0, MAX_BYTES), MAX_BYTES)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("codec", [0, 3])
def test_down_conversion_of_countless_records_costs_a_small_multiple_of_their_bytes(codec: int) -> None:
    count = 20_000
    data = batch.build([Record(None, None, 5)] * count, compression=codec)
    legacy.convert_down(data, 1, 0, MAX_BYTES)
    tracemalloc.start()
    try:
        converted = legacy.convert_down(data, 1, 0, MAX_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 4 * count * 34
    finally:
        tracemalloc.stop()
    assert len(legacy.parse(converted, MAX_BYTES)) == count


def test_a_corrupt_batch_behind_a_good_one_stops_down_conversion() -> None:
    good, bad = batch.build(numbered(2)), batch.build(numbered(2), base_offset=2)
    bad[61] = 0
    with pytest.raises(CorruptBatch) as caught:
        legacy.convert_down(good + bad, 1, 0, MAX_BYTES)
    assert caught.value.position == len(good)


@given(st.binary(max_size=120), st.booleans())
def test_garbage_parses_or_is_corrupt(data: bytes, wrapped: bool) -> None:
    with suppress(CorruptBatch):
        legacy.parse(wrap(data) if wrapped else data, MAX_BYTES, check_crc=False)


@both_magics
@old_codecs
@given(data=st.data())
def test_a_damaged_set_parses_or_is_corrupt(magic: int, codec: int, data: st.DataObject) -> None:
    damaged = legacy.build(numbered(3), magic, compression=codec)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for check_crc in (False, True):
        with suppress(CorruptBatch):
            legacy.parse(damaged, MAX_BYTES, allow_partial_end=True, check_crc=check_crc)
