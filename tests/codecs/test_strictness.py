"""What a decoder refuses, and what it says then; what an encoder refuses."""

from __future__ import annotations

import struct

import pytest
from kwire_codecs import wire as w
from kwire_codecs.apis import API_MODULES, api
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.produce import Produce
from kwire_codecs.compile import decoder, decoder_at, encode_bytes, encoder
from kwire_codecs.errors import ErrorCode, Malformed, NotEncodable

from tests.codecs.test_golden import CASES

HEARTBEAT = Heartbeat.Request(
    group_id="group", generation_id=3, member_id="member", group_instance_id="instance"
)


def produce(records: w.Buffer | None = b"batch", tags: dict[int, bytes] | None = None) -> Produce.Request:
    topic = Produce.Request.Topic
    return Produce.Request(
        acks=1,
        timeout_ms=1000,
        topic_data=[
            topic(
                name="name",
                partition_data=[
                    topic.Partition(index=0, records=None),
                    topic.Partition(
                        index=1, records=None if records is None else memoryview(records), unknown_tags=tags
                    ),
                ],
            )
        ],
    )


@pytest.mark.parametrize("version", [0, 3, 4])
def test_a_message_cut_at_any_byte_is_refused(version: int) -> None:
    message = Heartbeat.Request(group_id="group", generation_id=3, member_id="member")
    data = encode_bytes(message, version)
    for end in range(len(data)):
        with pytest.raises(Malformed) as caught:
            decoder(Heartbeat.Request, version)(data[:end])
        assert (caught.value.message, caught.value.version) == ("Heartbeat request", version)


def test_every_golden_message_cut_at_any_byte_is_refused() -> None:
    for _, name, cls, line in CASES:
        if line["variant"] == "full" and line["version"] in (0, 1, 4, 9, 12):
            data, decode = bytes.fromhex(line["bytes"]), decoder(cls, line["version"])
            for end in range(0, len(data), 1 if len(data) < 100 else 7):
                try:
                    decode(data[:end])
                except Malformed:
                    continue
                raise AssertionError((name, line["version"], end))


def test_bytes_too_many_are_refused_and_counted() -> None:
    with pytest.raises(Malformed, match="3 bytes too many at the end"):
        decoder(Heartbeat.Request, 4)(encode_bytes(HEARTBEAT, 4) + b"abc")


def test_a_decoder_at_a_position_says_where_the_message_ends() -> None:
    data = b"before" + encode_bytes(HEARTBEAT, 4) + b"after"
    message, end = decoder_at(Heartbeat.Request, 4)(data, 6)
    assert (message, data[end:]) == (HEARTBEAT, b"after")


@pytest.mark.parametrize(
    ("data", "path", "reason"),
    [
        (b"\xff\xff", "group_id", "null is not allowed here"),
        (b"\xff\xfe", "group_id", "the length -2 is negative"),
        (b"\x7f\xffabc", "group_id", "the length 32767 is more than the 3 bytes left"),
        (b"\x00\x02\xc3\x28", "group_id", "not UTF-8 (invalid continuation byte)"),
        (b"\x00\x02\xed\xa0", "group_id", "not UTF-8"),
        (b"\x00\x01g\x00\x00", "generation_id", "the message ends early"),
        (b"\x00\x01g\x00\x00\x00\x07\x00", "member_id", "the message ends early"),
    ],
)
def test_a_refusal_names_the_field_and_the_reason(data: bytes, path: str, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        decoder(Heartbeat.Request, 0)(data)
    assert caught.value.path == path
    assert caught.value.reason.startswith(reason)
    assert str(caught.value).startswith(f"Heartbeat request v0, {path}: {reason}")


def test_a_refusal_names_the_elements_of_the_arrays_it_was_in() -> None:
    data = bytearray(encode_bytes(produce(), 3))
    at = data.index(b"batch") - 4
    data[at : at + 4] = struct.pack(">i", 6)
    with pytest.raises(Malformed) as caught:
        decoder(Produce.Request, 3)(data)
    assert caught.value.path == "topic_data[0].partition_data[1].records"


@pytest.mark.parametrize("count", [-2, 2, 0x7FFFFFFF, -0x80000000])
def test_an_array_that_cannot_fit_is_refused_before_it_is_begun(count: int) -> None:
    data = (
        b"\x00\x01" + struct.pack(">ii", 1000, count) + bytes(7)
    )  # a topic takes at least 6 bytes, two take 12
    with pytest.raises(Malformed) as caught:
        decoder(Produce.Request, 0)(data)
    assert caught.value.path == "topic_data"


def test_an_array_of_plain_values_that_cannot_fit_is_refused() -> None:
    data = encode_bytes(Fetch.Request(max_wait_ms=0, min_bytes=0, topics=[]), 7)
    forgotten = data[:-4] + struct.pack(">i", 1) + b"\x00\x01t" + struct.pack(">i", 3) + bytes(8)
    with pytest.raises(
        Malformed, match=r"forgotten_topics_data\[0\]\.partitions: 3 elements do not fit the 8 bytes"
    ):
        decoder(Fetch.Request, 7)(forgotten)


def test_a_compact_string_is_no_longer_than_32767_bytes() -> None:
    longest = Heartbeat.Request(group_id="x" * 32767, generation_id=0, member_id="")
    assert decoder(Heartbeat.Request, 4)(encode_bytes(longest, 4)) == longest
    data = b"\x81\x80\x02" + bytes(32768) + b"\0\0\0\0\1\0\0"
    with pytest.raises(Malformed, match="too long for a string"):
        decoder(Heartbeat.Request, 4)(data)


@pytest.mark.parametrize(
    "varint", [b"\xff\xff\xff\xff\x08", b"\xff\xff\xff\xff\xff\x01", b"\x80\x80\x80\x80\x80"]
)
def test_an_unsigned_varint_has_31_bits_in_five_bytes(varint: bytes) -> None:
    with pytest.raises(Malformed, match="the unsigned varint"):
        decoder(Heartbeat.Request, 4)(varint + bytes(20))


def test_null_arrives_only_where_it_may_be_sent() -> None:
    assert decoder(Metadata.Request, 1)(b"\xff\xff\xff\xff").topics is None
    with pytest.raises(Malformed, match="topics: null is not allowed here"):
        decoder(Metadata.Request, 0)(b"\xff\xff\xff\xff")


def test_records_are_a_view_on_the_message_and_bytes_are_not() -> None:
    data = bytearray(encode_bytes(produce(), 9))
    records = decoder(Produce.Request, 9)(data).topic_data[0].partition_data[1].records
    assert isinstance(records, memoryview)
    assert records.obj is data
    assert bytes(records) == b"batch"


def test_unknown_tagged_fields_are_kept_and_written_back() -> None:
    message = produce(tags={77: b"kept", 3: b""})
    data = encode_bytes(message, 9)
    assert decoder(Produce.Request, 9)(data) == message
    assert encode_bytes(decoder(Produce.Request, 9)(data), 9) == data


def test_tagged_fields_may_come_in_any_order_and_twice_as_in_kafka() -> None:
    tagged = decoder(ApiVersions.Response, 3)
    start = b"\0\0\1\0\0\0\0"  # error code, an empty array, throttle time
    epoch = b"\1\x08" + struct.pack(">q", 7)
    ready = b"\3\1\1"
    assert tagged(start + b"\2" + ready + epoch).finalized_features_epoch == 7
    twice = tagged(start + b"\2" + epoch + b"\1\x08" + struct.pack(">q", 8))
    assert twice.finalized_features_epoch == 8


def test_a_tagged_field_that_ends_off_its_size_is_refused() -> None:
    start = b"\0\0\1\0\0\0\0"
    with pytest.raises(Malformed, match="finalized_features_epoch: the tagged field ends"):
        decoder(ApiVersions.Response, 3)(start + b"\1\1\x09" + struct.pack(">q", 7) + b"\0")


def test_a_tagged_field_larger_than_the_message_is_refused() -> None:
    data = encode_bytes(HEARTBEAT, 4)[:-1]
    with pytest.raises(Malformed, match="tagged fields: the length 5 is more than the 2 bytes left"):
        decoder(Heartbeat.Request, 4)(data + b"\1\x63\5ab")


def test_an_unheard_of_error_code_is_kept() -> None:
    response = decoder(Heartbeat.Response, 0)(struct.pack(">h", 9999))
    assert int(response.error_code) == 9999
    assert encode_bytes(response, 0) == struct.pack(">h", 9999)


def test_decoders_take_bytes_bytearrays_and_views() -> None:
    data = encode_bytes(HEARTBEAT, 4)
    for buffer in (data, bytearray(data), memoryview(data), memoryview(b"xx" + data)[2:]):
        assert decoder(Heartbeat.Request, 4)(buffer) == HEARTBEAT


def test_records_are_spliced_into_the_output_by_reference() -> None:
    batch, slice_of_a_file = bytearray(b"batch"), object()
    partition = Fetch.Response.Topic.Partition
    response = Fetch.Response(
        responses=[
            Fetch.Response.Topic(
                topic="t",
                partitions=[
                    partition(partition_index=0, high_watermark=9, records=batch),
                    partition(
                        partition_index=1, high_watermark=9, records=w.Chunks(100, [slice_of_a_file, b"tail"])
                    ),
                    partition(partition_index=2, high_watermark=9, records=b""),
                ],
            )
        ]
    )
    parts = encoder(Fetch.Response, 4)(response)
    assert parts[1] is batch
    assert parts[3] is slice_of_a_file
    assert len(parts) == 6
    assert bytes(parts[0])[-4:] == struct.pack(">i", 5)
    assert bytes(parts[2])[-4:] == struct.pack(">i", 100)


@pytest.mark.parametrize(
    ("message", "version", "complaint"),
    [
        (HEARTBEAT, 2, "group_instance_id: 'instance' in a field that exists only in 3+"),
        (
            Heartbeat.Request(group_id="g" * 32768, generation_id=0, member_id=""),
            4,
            "group_id: 32768 bytes are too many",
        ),
        (Heartbeat.Request(group_id="g" * 32768, generation_id=0, member_id=""), 0, "group_id"),
        (Heartbeat.Request(group_id="\ud800", generation_id=0, member_id=""), 0, "group_id"),
        (Heartbeat.Request(group_id="g", generation_id=2**31, member_id=""), 0, "generation_id"),
        (Heartbeat.Request(group_id=None, generation_id=0, member_id=""), 0, "group_id"),  # type: ignore[arg-type]
        (
            Heartbeat.Request(group_id="g", generation_id=0, member_id="", unknown_tags={1: b""}),
            3,
            "tagged fields",
        ),
        (Metadata.Request(topics=None), 0, "topics"),
    ],
)
def test_what_a_version_cannot_carry_is_not_sent(message: w.Struct, version: int, complaint: str) -> None:
    with pytest.raises(NotEncodable) as caught:
        encode_bytes(message, version)
    assert complaint in str(caught.value)


def test_an_ignorable_field_is_dropped_where_a_version_lacks_it() -> None:
    response = Heartbeat.Response(throttle_time_ms=100)
    assert encode_bytes(response, 0) == b"\0\0"


def test_a_version_that_does_not_exist_has_no_codec() -> None:
    for version in (-1, 5):
        with pytest.raises(ValueError, match="Heartbeat request has the versions 0-4"):
            decoder(Heartbeat.Request, version)
        with pytest.raises(ValueError, match="Heartbeat request has the versions 0-4"):
            encoder(Heartbeat.Request, version)


def test_a_part_of_a_message_has_no_codec_of_its_own() -> None:
    with pytest.raises(ValueError, match="a part of a message"):
        decoder(Produce.Request.Topic, 3)


def test_default_structs_are_shared_and_refuse_to_change() -> None:
    partition = Fetch.Response.Topic.Partition(partition_index=0, high_watermark=0, records=None)
    with pytest.raises(AttributeError, match="build a new CurrentLeader"):
        partition.current_leader.leader_id = 3
    assert partition.current_leader == Fetch.Response.Topic.Partition.CurrentLeader()


def test_each_object_gets_a_list_of_its_own() -> None:
    topic = CreateTopics.Response.Topic
    first, second = topic(name="a"), topic(name="b")
    assert first.configs is not second.configs


def test_apis_know_which_header_goes_with_which_version() -> None:
    assert [Heartbeat.request_header_version(version) for version in range(5)] == [1, 1, 1, 1, 2]
    assert [Heartbeat.response_header_version(version) for version in range(5)] == [0, 0, 0, 0, 1]
    assert {ApiVersions.response_header_version(version) for version in range(6)} == {0}


def test_every_api_is_found_by_its_key() -> None:
    for key in API_MODULES:
        assert api(key).key == key
    with pytest.raises(KeyError):
        api(7)


def test_error_codes_know_what_clients_may_do() -> None:
    assert ErrorCode.NOT_COORDINATOR.retriable
    assert not ErrorCode.INVALID_REQUEST.retriable
    assert ErrorCode(-1) is ErrorCode.UNKNOWN_SERVER_ERROR
    assert all(code.message for code in ErrorCode)
    assert {code.value for code in ErrorCode} == set(range(-1, 137))
