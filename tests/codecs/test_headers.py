"""Request and response headers, with Kafka's exceptions."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import pytest
from kwire_codecs.errors import Malformed
from kwire_codecs.headers import (
    RequestHeader,
    read_request_header,
    read_response_header,
    write_request_header,
    write_response_header,
)

GOLDEN = Path(__file__).parents[1] / "vectors" / "golden" / "clients-4.4.0.jsonl.gz"
HEARTBEAT_V3 = struct.pack(">hhih", 12, 3, 7, 3) + b"abc"
HEARTBEAT_V4 = struct.pack(">hhih", 12, 4, 7, 3) + b"abc" + b"\0"


def test_a_header_ends_where_the_body_begins() -> None:
    assert read_request_header(HEARTBEAT_V3 + b"body") == (RequestHeader(12, 3, 7, "abc"), 13)
    assert read_request_header(HEARTBEAT_V4 + b"body") == (RequestHeader(12, 4, 7, "abc"), 14)


def test_the_client_id_may_be_null_or_empty_and_is_never_compact() -> None:
    assert read_request_header(struct.pack(">hhih", 12, 4, 7, -1) + b"\0")[0].client_id is None
    assert read_request_header(struct.pack(">hhih", 12, 4, 7, 0) + b"\0")[0].client_id == ""


def test_tagged_fields_of_a_header_are_kept() -> None:
    header, at = read_request_header(HEARTBEAT_V4[:-1] + b"\2\1\3xyz\5\0" + b"body")
    assert header.unknown_tags == {1: b"xyz", 5: b""}
    out = bytearray()
    write_request_header(header, out)
    assert (HEARTBEAT_V4[:-1] + b"\2\1\3xyz\5\0", at) == (bytes(out), len(out))


@pytest.mark.parametrize("frame", [HEARTBEAT_V3, HEARTBEAT_V4])
def test_a_header_cut_at_any_byte_is_refused(frame: bytes) -> None:
    for end in range(len(frame)):
        with pytest.raises(Malformed, match="request header"):
            read_request_header(frame[:end])


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        (struct.pack(">hhih", 12, 3, 7, -2), "client_id"),
        (struct.pack(">hhih", 12, 3, 7, 4) + b"abc", "client_id"),
        (struct.pack(">hhih", 12, 3, 7, 2) + b"\xff\xff", "client_id"),
        (HEARTBEAT_V4[:-1] + b"\1\1\x05abc", "tagged fields"),
        (HEARTBEAT_V4[:-1] + b"\xff\xff\xff\xff\xff\xff", "tagged fields"),
        (HEARTBEAT_V4[:-1] + b"\xff\xff\xff\xff\x07", "tagged fields"),
    ],
)
def test_a_refused_header_names_its_field(frame: bytes, path: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_request_header(frame)
    assert caught.value.path == path


@pytest.mark.parametrize(("key", "version"), [(12, 99), (12, -1), (999, 0), (-1, 0), (18, 99), (7, 0)])
def test_of_an_unknown_api_or_version_only_the_beginning_is_read(key: int, version: int) -> None:
    start = struct.pack(">hhi", key, version, 7)
    assert read_request_header(start + b"\0\3abc\xff\xff")[0] == RequestHeader(key, version, 7, "abc")
    assert read_request_header(start + b"\xff\xff")[0] == RequestHeader(key, version, 7, None)
    assert read_request_header(start + b"\0\x50abc")[0] == RequestHeader(key, version, 7, None)
    assert read_request_header(start)[0] == RequestHeader(key, version, 7, None)


def test_response_headers_are_read_as_they_are_written() -> None:
    for header_version, expected in ((0, b"\0\0\0\7"), (1, b"\0\0\0\7\0")):
        out = bytearray()
        write_response_header(out, 7, header_version)
        assert bytes(out) == expected
        assert read_response_header(out, header_version) == (7, None, len(out))
    assert read_response_header(b"\0\0\0\7\1\2\1x", 1) == (7, {2: b"x"}, 8)


@pytest.mark.parametrize(
    ("frame", "version"), [(b"", 0), (b"\0\0\0", 0), (b"\0\0\0\7", 1), (b"\0\0\0\7\1\2\2x", 1)]
)
def test_a_response_header_cut_short_is_refused(frame: bytes, version: int) -> None:
    with pytest.raises(Malformed, match="response header"):
        read_response_header(frame, version)


def test_headers_are_as_kafka_writes_them() -> None:
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as opened:
        lines = [json.loads(line) for line in opened if "HeaderData" in line]
    seen = set()
    for line in lines:
        if "values" not in line:
            continue
        data, version, values = bytes.fromhex(line["bytes"]), line["version"], line["values"]
        seen.add((line["name"], version))
        if line["name"] == "ResponseHeaderData":
            tags = {5000: bytes.fromhex(values["_unknown"])} if version else None
            assert read_response_header(data, version) == (values["correlationId"], tags, len(data))
            continue
        # Kafka filled in a key and version that no API has: put Heartbeat's with the same version of header.
        heartbeat = struct.pack(">hh", 12, 3 if version == 1 else 4) + data[4:]
        header, at = read_request_header(heartbeat)
        assert (header.correlation_id, header.client_id) == (values["correlationId"], values["clientId"])
        assert at == len(data)
        out = bytearray()
        write_request_header(header, out)
        assert out == heartbeat
    assert {("RequestHeaderData", 1), ("RequestHeaderData", 2), ("ResponseHeaderData", 1)} <= seen
