"""The bytes of `__consumer_offsets`, and what is read from a subscription."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.internal import group_records as codec
from kwire_codecs.internal.coordinator import encode_key, encode_value

from kwire.coordinators.groups.java_hash import hash_map_order, java_hash, partition_for
from kwire.coordinators.groups.records import (
    GroupKey,
    GroupsFormat,
    GroupsRecord,
    GroupValue,
    MemberValue,
    OffsetKey,
    OffsetValue,
)
from kwire.coordinators.groups.subscription import subscribed_topics
from kwire.coordinators.outcome import CoordinatorRecord
from tests.coordinators.groups.context import subscription
from tests.references import group_records

texts = st.text(max_size=20)
int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)
members = st.builds(
    MemberValue,
    texts,
    st.none() | texts,
    texts,
    texts,
    int32s,
    int32s,
    st.binary(max_size=40),
    st.binary(max_size=40),
)
values = st.builds(
    GroupValue,
    texts,
    int32s,
    st.none() | texts,
    st.none() | texts,
    int64s,
    st.lists(members, max_size=3).map(tuple),
)
offset_keys = st.builds(OffsetKey, texts, texts, int32s)
plain_offsets = st.builds(OffsetValue, int64s, int32s, texts, int64s, st.just(-1), st.uuids())
expiring_offsets = st.builds(
    OffsetValue, int64s, st.just(-1), texts, int64s, st.integers(0, 2**62), st.just(UUID(int=0))
)
records = st.one_of(
    st.builds(CoordinatorRecord, offset_keys, st.none() | plain_offsets | expiring_offsets),
    st.builds(CoordinatorRecord, st.builds(GroupKey, texts), st.none() | values),
)


@given(records)
def test_records_come_back_as_they_went(record: GroupsRecord) -> None:
    assert GroupsFormat().from_bytes(*GroupsFormat().to_bytes(record)) == record


long_texts = texts | st.integers(110, 140).map(lambda length: "m" * length)
any_offsets = (
    plain_offsets
    | expiring_offsets
    | st.builds(OffsetValue, int64s, int32s, long_texts, int64s, st.just(-1), st.just(UUID(int=0)))
)


@given(offset_keys, st.none() | any_offsets)
def test_offsets_are_written_as_their_declaration_says(key: OffsetKey, value: OffsetValue | None) -> None:
    assert GroupsFormat().to_bytes(CoordinatorRecord(key, value)) == group_records.offset_bytes(key, value)


@given(
    offset_keys,
    any_offsets,
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=2),
    st.integers(0, 3),
    st.integers(0, 12),
)
def test_offsets_are_read_as_their_declaration_says_broken_ones_too(
    key: OffsetKey, value: OffsetValue, changes: list[tuple[int, int]], less: int, cut: int
) -> None:
    """Offsets have a short way; what it does not take must go the long one."""
    key_bytes, value_bytes = (bytearray(each or b"") for each in group_records.offset_bytes(key, value))
    for position, byte in changes:
        changed = key_bytes if position < len(key_bytes) else value_bytes
        position -= 0 if changed is key_bytes else len(key_bytes)
        if position < len(changed):
            changed[position] = byte
    del key_bytes[len(key_bytes) - less :]
    del value_bytes[len(value_bytes) - max(cut - 9, 0) :]
    expected = group_records.read_offset(bytes(key_bytes), bytes(value_bytes))
    if expected == "unreadable":
        with pytest.raises(ValueError, match=r".+"):
            GroupsFormat().from_bytes(bytes(key_bytes), bytes(value_bytes))
    elif expected != "another":
        found = GroupsFormat().from_bytes(bytes(key_bytes), bytes(value_bytes))
        assert found == (None if expected == "unknown" else expected)


@pytest.mark.parametrize("name", ["x" * 0x8000, "\ud800"])
def test_a_name_that_no_record_can_hold_is_not_written(name: str) -> None:
    with pytest.raises((struct.error, UnicodeEncodeError)):
        GroupsFormat().to_bytes(CoordinatorRecord(OffsetKey(name, "t", 0), None))


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (OffsetValue(1), 4),
        (OffsetValue(1, 2, "m", 3, -1, UUID(int=5)), 4),
        (OffsetValue(1, expire_timestamp_ms=9), 1),
    ],
)
def test_offsets_are_written_in_the_version_that_kafka_writes(value: OffsetValue, version: int) -> None:
    key, data = GroupsFormat().to_bytes(CoordinatorRecord(OffsetKey("g", "t", 7), value))
    assert key == b"\0\1\0\1g\0\1t\0\0\0\7"
    assert data is not None
    assert data[:2] == version.to_bytes(2, "big")


def test_groups_are_written_in_the_version_that_kafka_writes() -> None:
    key, data = GroupsFormat().to_bytes(CoordinatorRecord(GroupKey("g"), GroupValue("", 0, None, None, 5)))
    assert key == b"\0\2\0\1g"
    assert (
        data
        == b"\0\3" + b"\0\0" + b"\0\0\0\0" + b"\xff\xff" + b"\xff\xff" + (5).to_bytes(8, "big") + b"\0\0\0\0"
    )


def test_records_of_other_kinds_of_groups_are_left_alone() -> None:
    key = encode_key(codec.ShareGroupMetadataKey(group_id="g"))
    value = encode_value(codec.ShareGroupMetadataValue(epoch=1, metadata_hash=0), 0)
    assert GroupsFormat().from_bytes(key, value) is None
    assert GroupsFormat().from_bytes(b"\x7f\xff?", b"?") is None


@pytest.mark.parametrize(
    ("key", "value"), [(None, b""), (b"\0", b""), (b"\0\2\0\5g", b"\0\3"), (b"\0\2\0\1g", b"\0\3")]
)
def test_a_record_that_cannot_be_read_is_a_value_error(key: bytes | None, value: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        GroupsFormat().from_bytes(key, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 97),
        ("test-group", 627841412),
        ("polygenelubricants", -(2**31)),
        ("größe", 98762257),
        ("😀", 1772899),
    ],
)
def test_java_hash(text: str, expected: int) -> None:
    assert java_hash(text) == expected


def test_the_hash_that_has_no_absolute_value_is_partition_0() -> None:
    assert partition_for("polygenelubricants", 50) == 0


def test_hash_map_order_is_by_slot_and_then_by_arrival() -> None:
    assert hash_map_order(["roundrobin", "range", "sticky", "cooperative-sticky"]) == [
        "sticky",
        "range",
        "roundrobin",
        "cooperative-sticky",
    ]


@pytest.mark.parametrize("topics", [[], ["a"], ["a", "größe", ""]])
@pytest.mark.parametrize("rest", [b"", b"more of a later version"])
def test_subscribed_topics(topics: list[str], rest: bytes) -> None:
    named = b"".join(len(name.encode()).to_bytes(2, "big") + name.encode() for name in topics)
    for version in (0, 1, 3, 99):
        data = version.to_bytes(2, "big") + len(topics).to_bytes(4, "big") + named + rest
        assert subscribed_topics(data) == topics


@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda tail: subscription("t") + tail))
def test_any_bytes_are_a_subscription_or_none(data: bytes) -> None:
    found = subscribed_topics(data)
    assert found is None or all(isinstance(name, str) for name in found)
