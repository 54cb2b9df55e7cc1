"""Keys and values of the records that brokers write for themselves, and the consumer protocol."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    decode_assignment,
    decode_subscription,
    encode_prefixed,
)
from kwire_codecs.errors import Malformed
from kwire_codecs.internal import group_records, metadata_records, share_records, transaction_records
from kwire_codecs.internal.coordinator import (
    CoordinatorBatch,
    CoordinatorRecord,
    UnknownRecord,
    encode_key,
    encode_value,
)
from kwire_codecs.records import batch
from kwire_codecs.wire import ZERO_UUID

KEY = group_records.OffsetCommitKey(group="g", topic="t", partition=3)
VALUE = group_records.OffsetCommitValue(offset=42, metadata="m", commit_timestamp=7)


def test_a_key_begins_with_its_type_and_a_value_with_its_version() -> None:
    assert encode_key(KEY) == b"\0\1" + b"\0\1g" + b"\0\1t" + b"\0\0\0\3"
    value = encode_value(VALUE, 3)
    assert value == b"\0\3" + struct.pack(">qi", 42, -1) + b"\0\1m" + struct.pack(">q", 7)


@pytest.mark.parametrize("version", range(5))
def test_an_offset_commit_is_read_back(version: int) -> None:
    value = encode_value(VALUE, version)
    assert group_records.decode_record(encode_key(KEY), value) == CoordinatorRecord(KEY, VALUE, version)


def test_a_tombstone_is_a_record_without_a_value() -> None:
    assert encode_value(None, 0) is None
    assert group_records.decode_record(encode_key(KEY), None) == CoordinatorRecord(KEY, None)


@pytest.mark.parametrize("value", [b"anything", b"", None])
def test_a_record_of_an_unknown_type_comes_back_as_it_was(value: bytes | None) -> None:
    assert group_records.decode_record(b"\0\x63key", value) == UnknownRecord(b"\0\x63key", value)


def test_a_value_of_an_unknown_version_comes_back_as_it_was() -> None:
    key = encode_key(KEY)
    assert group_records.decode_record(key, b"\0\x63new") == UnknownRecord(key, b"\0\x63new")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"", None),
        (b"\0", None),
        (encode_key(KEY)[:-1], None),
        (encode_key(KEY), b"\0"),
        (encode_key(KEY), b"\0\3"),
    ],
)
def test_a_known_record_that_is_broken_is_refused(key: bytes, value: bytes | None) -> None:
    with pytest.raises(Malformed):
        group_records.decode_record(key, value)


def test_transactions_and_share_groups_have_types_of_their_own() -> None:
    key = transaction_records.TransactionLogKey(transactional_id="t")
    assert transaction_records.decode_record(encode_key(key), None) == CoordinatorRecord(key, None)
    share = share_records.ShareSnapshotKey(group_id="g", topic_id=ZERO_UUID, partition=0)
    assert share_records.decode_record(encode_key(share), None) == CoordinatorRecord(share, None)


def test_a_metadata_record_is_framed_by_three_varints() -> None:
    record = metadata_records.TopicRecord(name="t", topic_id=ZERO_UUID)
    value = metadata_records.encode_value(record, 0)
    assert value == b"\1\2\0" + b"\2t" + bytes(16) + b"\0"
    assert metadata_records.decode_value(value) == (record, 0)


@pytest.mark.parametrize("value", [b"\1\x63\0?", b"\1\2\x63?"])
def test_a_metadata_record_of_an_unknown_type_or_version_comes_back_as_it_was(value: bytes) -> None:
    assert metadata_records.decode_value(value) == UnknownRecord(b"", value)


@pytest.mark.parametrize("value", [b"", b"\1", b"\1\2", b"\1\2\0", b"\2\2\0\2t", b"\xff\xff\xff\xff\xff\xff"])
def test_a_metadata_record_that_is_broken_is_refused(value: bytes) -> None:
    with pytest.raises(Malformed):
        metadata_records.decode_value(value)


@pytest.mark.parametrize("version", range(4))
def test_a_subscription_is_read_back(version: int) -> None:
    subscription = ConsumerProtocolSubscription(topics=["a", "b"], user_data=b"u")
    assert decode_subscription(encode_prefixed(subscription, version)) == subscription


def test_a_subscription_of_a_newer_version_is_read_as_the_newest_known() -> None:
    data = encode_prefixed(ConsumerProtocolSubscription(topics=["a"], rack_id="r"), 3)
    newer = b"\0\x09" + data[2:] + b"what version 9 adds"
    assert decode_subscription(newer).rack_id == "r"


def test_an_assignment_is_read_back() -> None:
    partitions = [ConsumerProtocolAssignment.TopicPartitions(topic="t", partitions=[0, 2])]
    assignment = ConsumerProtocolAssignment(assigned_partitions=partitions)
    assert decode_assignment(encode_prefixed(assignment, 0)) == assignment


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xff", b"\0\0\0\0\0\5"])
def test_a_broken_subscription_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_subscription(data)


sizes = st.integers(0, 200) | st.sampled_from([8191, 8192, 70_000])
datas = st.binary(max_size=20) | sizes.map(bytes)


@given(st.integers(0, 2**62), st.lists(st.tuples(datas, st.none() | datas), min_size=1, max_size=80))
def test_a_batch_that_grows_is_the_batch_that_is_built(
    now_ms: int, records: list[tuple[bytes, bytes | None]]
) -> None:
    growing = CoordinatorBatch(now_ms)
    for key, value in records:
        growing.add(key, value)
    size = growing.size
    buffer, header = growing.finish()
    built = batch.build([batch.Record(key, value, now_ms) for key, value in records])
    assert buffer == built
    assert header == batch.read_header(built)
    assert size == len(built) - batch.HEADER_SIZE
    assert not buffer.readonly
