"""What decoding costs, by counting: lines of generated code and bytes of memory, against the input's size.

The inputs are the dearest there are: arrays of the smallest elements, some with a tagged field that
nobody knows.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from kwire_codecs.apis.alter_client_quotas import AlterClientQuotas
from kwire_codecs.apis.create_partitions import CreatePartitions
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.describe_producers import DescribeProducers
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.produce import Produce
from kwire_codecs.compile import decoder, encode_bytes
from kwire_codecs.errors import Malformed
from kwire_codecs.wire import ZERO_UUID, Struct

from tests.codecs import reference

UNKNOWN = {999: b""}


def create_partitions(count: int) -> Struct:
    topic = CreatePartitions.Request.Topic
    assignments = [topic.Assignment(broker_ids=[], unknown_tags=UNKNOWN) for _ in range(count)]
    return CreatePartitions.Request(
        topics=[topic(name="", count=0, assignments=assignments)], timeout_ms=0, validate_only=False
    )


def quotas(count: int) -> Struct:
    entry = AlterClientQuotas.Request.Entry
    return AlterClientQuotas.Request(
        entries=[entry(entity=[], ops=[], unknown_tags=UNKNOWN) for _ in range(count)], validate_only=False
    )


def metadata(count: int) -> Struct:
    topic = Metadata.Request.Topic
    return Metadata.Request(topics=[topic(name="", topic_id=ZERO_UUID) for _ in range(count)])


def producers(count: int) -> Struct:
    topic = DescribeProducers.Request.Topic
    return DescribeProducers.Request(topics=[topic(name="", partition_indexes=[]) for _ in range(count)])


def produce(count: int) -> Struct:
    topic = Produce.Request.Topic
    return Produce.Request(
        acks=1, timeout_ms=0, topic_data=[topic(name="", partition_data=[]) for _ in range(count)]
    )


def tags(count: int) -> Struct:
    return Heartbeat.Request(
        group_id="", generation_id=0, member_id="", unknown_tags={1 + tag: b"" for tag in range(count)}
    )


DEAR = [(create_partitions, 3), (quotas, 1), (metadata, 9), (producers, 0), (produce, 12), (tags, 4)]


@pytest.mark.parametrize(("make", "version"), DEAR, ids=[make.__name__ for make, _ in DEAR])
def test_time_grows_with_the_input_and_no_faster(make: Callable[[int], Struct], version: int) -> None:
    single, double = make(100), make(200)
    first, second = lines_a_byte(single, version), lines_a_byte(double, version)
    assert first <= 30
    assert second <= 1.1 * first


@pytest.mark.parametrize(("make", "version"), DEAR, ids=[make.__name__ for make, _ in DEAR])
def test_memory_stays_below_eighty_times_the_input(make: Callable[[int], Struct], version: int) -> None:
    message = make(1000)
    data, decode = encode_bytes(message, version), decoder(type(message), version)
    decode(data)
    tracemalloc.start()
    try:
        kept = decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept == message
    assert peak <= 80 * len(data)


def test_a_message_of_more_than_a_million_elements_is_refused_before_they_are_made() -> None:
    topics = b"\x80\x89\x7a" + b"\1\0" * 2_000_000  # two bytes each, and objects of forty times that
    decode = decoder(Metadata.Request, 9)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="topics: with 1999999 more there are over 1000000 elements"):
            decode(topics)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000


def test_numbers_and_texts_count_as_elements_too() -> None:
    numbers = b"\0\0\0\1\0\1t" + (1_000_000).to_bytes(4) + bytes(4_000_000)
    with pytest.raises(Malformed, match="partition_indexes: with 1000000 more there are over 1000000"):
        decoder(OffsetFetch.Request, 1)(b"\0\1g" + numbers)
    texts = (1_000_001).to_bytes(4) + bytes(2_000_002)
    with pytest.raises(Malformed, match="topic_names: with 1000001 more there are over 1000000"):
        decoder(DeleteTopics.Request, 1)(texts)


@pytest.mark.slow
def test_elements_are_counted_over_the_whole_message() -> None:
    # Two topics, each with an empty name and 600,000 times the same tagged field.
    topic = b"\1" + reference.uvarint(600_000) + b"\x63\0" * 600_000
    with pytest.raises(
        Malformed, match=r"topics\[1\]\.tagged fields: with 600000 more there are over 1000000"
    ):
        decoder(Metadata.Request, 9)(b"\3" + topic + topic + b"\0\0\0\0")


@pytest.mark.parametrize("count", [1000, 0x7FFFFFFF])
def test_a_count_that_lies_costs_nothing(count: int) -> None:
    data = b"\x00\x01" + bytes(4) + count.to_bytes(4) + bytes(100)
    decode = decoder(Produce.Request, 0)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000


def lines_a_byte(message: Struct, version: int) -> float:
    """How many lines of Python it takes to decode a message, for each of its bytes."""
    data, decode = encode_bytes(message, version), decoder(type(message), version)
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decode(data)
    finally:
        sys.settrace(before)
    return count / len(data)
