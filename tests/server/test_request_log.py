"""The request log: what a person reads of a request, within bounds, whatever a client sends."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.framing import frame_request
from kwire_codecs.wire import Struct

from kwire.server.request_log import MAX_CHARACTERS, RequestLog, request_text
from tests.broker_client import produce_request


def text(request: Struct, version: int, client_id: str | None = "me") -> str:
    frame = b"".join(bytes(part) for part in frame_request(request, version, 1, client_id)[0])
    return request_text(memoryview(frame)[4:])


def topics(*names: str) -> Metadata.Request:
    return Metadata.Request(topics=[Metadata.Request.Topic(name=name) for name in names])


def test_a_request_is_its_client_its_api_and_what_it_asks_for() -> None:
    assert text(topics("a", "b"), 4) == "'me' Metadata v4: topics=[{name='a'}, {name='b'}]"


def test_records_are_a_number_of_bytes() -> None:
    assert "records=<5 bytes>" in text(produce_request("t", b"\0" * 5), 9)


def test_long_lists_are_cut_to_their_first_elements() -> None:
    assert text(topics(*"abcdefgh"), 4).endswith("{name='e'}, 3 more]")


def test_long_requests_are_cut() -> None:
    long = CreateTopics.Request.Topic(
        name="t",
        num_partitions=1,
        replication_factor=1,
        assignments=[],
        configs=[CreateTopics.Request.Topic.Config(name="n" * 90, value="v" * 300)] * 5,
    )
    said = text(CreateTopics.Request(topics=[long] * 3), 4)
    assert said.endswith("...")
    assert len(said) < MAX_CHARACTERS + 200


def test_a_client_cannot_make_lines_of_its_own() -> None:
    assert "\n" not in text(topics("a\nb"), 4, "me\nyou")


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (struct.pack(">hhih", 999, 3, 1, -1), "None API key 999 v3, not served"),
        (struct.pack(">hhih", 3, 99, 1, -1), "None API key 3 v99, not served"),
        (struct.pack(">hhih", 3, 4, 1, -1), "None Metadata v4: Metadata request v4"),
        (struct.pack(">hhih", 3, 4, 1, 77), "request header"),
        (struct.pack(">hhih", 3, 4, 1, -1) + b"\0" * 70_000, "None Metadata v4: 70010 bytes"),
    ],
)
def test_what_is_not_served_or_does_not_parse_is_said(frame: bytes, said: str) -> None:
    assert request_text(memoryview(frame)).startswith(said)


@given(st.integers(0, 100), st.integers(-1, 20), st.binary(max_size=60))
def test_any_bytes_give_one_short_line(key: int, version: int, rest: bytes) -> None:
    said = request_text(memoryview(struct.pack(">hhih", key, version, 1, -1) + rest))
    assert "\n" not in said
    assert len(said) < MAX_CHARACTERS + 300


def test_the_ring_keeps_the_newest() -> None:
    log = RequestLog(2)
    for word in ("a", "b", "c"):
        log.add(0, word)
    assert [said for _, said in log.entries()] == ["b", "c"]
