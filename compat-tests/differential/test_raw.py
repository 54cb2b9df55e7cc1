"""What is below the level of requests: frames, headers, order, and what closes a connection.

Every test runs against a real Kafka first, which is what makes it true, and against kwire.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from differential import codec, peers, requests
from differential.batches import Batch
from differential.canonical import error_names
from differential.client import Closed, Connection, frame, request_header
from differential.values import Fields, resolve

KAFKA = "4.4.0"
METADATA, API_VERSIONS = 3, 18
NO_TOPICS: Fields = {"topics": []}


@pytest.fixture(scope="module")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    with peers.kafka(KAFKA) as bootstrap:
        yield bootstrap


@pytest.fixture(params=["kafka", "kwire"])
def broker(request: pytest.FixtureRequest) -> str:
    """The HOST:PORT of each broker in turn."""
    unwanted = "--recorded" if request.param == "kafka" else "--record"
    if request.config.getoption(unwanted):
        pytest.skip(f"not with {unwanted}")
    bootstrap: str = request.getfixturevalue(request.param)
    return bootstrap


@pytest.fixture
def connection(broker: str) -> Iterator[Connection]:
    with Connection(broker) as connection:
        yield connection


def metadata_request(correlation_id: int, version: int = 1) -> bytes:
    header = request_header(METADATA, version, correlation_id, codec.flexible("Metadata", version))
    return frame(header + codec.encode_request("Metadata", version, NO_TOPICS))


def correlation_id_of(answer: bytes) -> int:
    number: int = struct.unpack_from(">i", answer)[0]
    return number


def assert_serves(broker: str) -> None:
    with Connection(broker) as another:
        assert not error_names(another.ask("ApiVersions", 3, requests.api_versions()))


@pytest.mark.parametrize("api_key", [4, 5, 6, 7, 52, 58, 82, 999, -1, 32767])
def test_an_unknown_api_closes_the_connection(connection: Connection, broker: str, api_key: int) -> None:
    connection.send_raw(frame(request_header(api_key, 0, 1, flexible=False)))
    with pytest.raises(Closed):
        connection.receive_raw()
    assert_serves(broker)


@pytest.mark.parametrize(
    ("api_key", "version"), [(0, 14), (0, -1), (1, 99), (3, 14), (3, -5), (12, 5), (32, 5)]
)
def test_an_unknown_version_closes_the_connection(
    connection: Connection, broker: str, api_key: int, version: int
) -> None:
    connection.send_raw(frame(request_header(api_key, version, 1, flexible=True) + b"\0" * 40))
    with pytest.raises(Closed):
        connection.receive_raw()
    assert_serves(broker)


@pytest.mark.parametrize("version", [6, 99, 32767])
@pytest.mark.parametrize("body", [b"", b"\0", b"\xff" * 30])
def test_an_unknown_version_of_api_versions_is_answered_in_version_0(
    connection: Connection, version: int, body: bytes
) -> None:
    connection.send_raw(frame(request_header(API_VERSIONS, version, 7, flexible=True) + body))
    answer = connection.receive_raw()
    assert correlation_id_of(answer) == 7
    assert codec.decode_response("ApiVersions", 0, answer[4:]) == {
        "error_code": 35,
        "api_keys": [{"api_key": API_VERSIONS, "min_version": 0, "max_version": 5}],
    }
    connection.send_raw(metadata_request(8))
    assert correlation_id_of(connection.receive_raw()) == 8


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
        b"\xff" * 64,
        struct.pack(">i", -1),
        struct.pack(">i", 0x7FFFFFFF),
        frame(b""),
        frame(b"\0\3"),
        frame(b"\0\3\0\1\0\0\0\1"),
        frame(b"\0\3\0\1\0\0\0\1\x7f\xff"),
    ],
    ids=[
        "http", "tls", "ones", "negative", "two-gigabytes", "empty", "two-bytes", "no-client-id",
        "long-client-id",
    ],
)  # fmt: skip
def test_what_is_no_request_closes_the_connection(connection: Connection, broker: str, data: bytes) -> None:
    connection.send_raw(data)
    with pytest.raises(Closed):
        connection.receive_raw()
    assert_serves(broker)


def test_half_a_frame_bothers_nobody(connection: Connection, broker: str) -> None:
    connection.send_raw(metadata_request(1)[:-3])
    assert_serves(broker)
    connection.close()
    assert_serves(broker)


def test_a_request_may_come_a_byte_at_a_time(connection: Connection) -> None:
    for byte in metadata_request(5):
        connection.send_raw(bytes([byte]))
    assert correlation_id_of(connection.receive_raw()) == 5


def test_pipelined_requests_are_answered_in_order(connection: Connection) -> None:
    connection.send_raw(b"".join(metadata_request(number, number % 9) for number in range(1, 41)))
    assert [correlation_id_of(connection.receive_raw()) for _ in range(40)] == list(range(1, 41))


@pytest.mark.parametrize("correlation_id", [0, -1, 2**31 - 1, -(2**31)])
def test_any_correlation_id_comes_back(connection: Connection, correlation_id: int) -> None:
    connection.send_raw(metadata_request(correlation_id) * 2)
    assert [correlation_id_of(connection.receive_raw()) for _ in range(2)] == [correlation_id] * 2


def test_a_waiting_fetch_holds_up_what_comes_behind_it(broker: str, connection: Connection) -> None:
    name, _ = make_topic(broker)
    fetch = requests.fetch(0, topic=name, max_wait_ms=300)
    connection.send("Fetch", 4, resolve(fetch, {"missing_id": None}))
    connection.send("ApiVersions", 0, {})
    assert connection.receive()["responses"][0]["partitions"][0]["records"] == b""
    assert connection.receive()["error_code"] == 0


def test_acks_0_is_never_answered(broker: str, connection: Connection) -> None:
    name, topic_id = make_topic(broker)
    fields = resolve(requests.produce(Batch(), topic=name, acks=0), {"missing_id": topic_id})
    for _ in range(3):
        connection.send("Produce", 9, fields, answered=False)
    connection.send("ApiVersions", 0, {})
    assert connection.receive()["error_code"] == 0
    latest = connection.ask("ListOffsets", 1, requests.list_offsets(-1, topic=name))
    assert latest["topics"][0]["partitions"][0]["offset"] == 9


def test_a_null_client_id_is_taken(connection: Connection) -> None:
    body = codec.encode_request("Metadata", 1, NO_TOPICS)
    connection.send_raw(frame(struct.pack(">hhih", METADATA, 1, 3, -1) + body))
    assert correlation_id_of(connection.receive_raw()) == 3


def test_unknown_tags_in_header_and_body_are_taken(connection: Connection) -> None:
    tag = b"\x01" + b"\x63" + b"\x02" + b"hi"  # one tag: number 99, two bytes
    header = request_header(METADATA, 9, 4, flexible=False) + tag
    body = codec.encode_request("Metadata", 9, NO_TOPICS)
    assert body.endswith(b"\0")
    connection.send_raw(frame(header + body[:-1] + tag))
    answer = connection.receive_raw()
    assert correlation_id_of(answer) == 4
    codec.decode_response("Metadata", 9, answer[5:])


def test_bytes_behind_a_request_are_passed_over(connection: Connection) -> None:
    connection.send_raw(frame(metadata_request(6)[4:] + b"more"))
    assert correlation_id_of(connection.receive_raw()) == 6


def test_a_broker_says_nothing_unasked(connection: Connection) -> None:
    connection.ask("ApiVersions", 0, {})
    assert connection.is_quiet(0.2)


def make_topic(broker: str) -> tuple[str, object]:
    name = f"raw-{uuid4()}"
    with Connection(broker) as connection:
        created = connection.ask("CreateTopics", 7, requests.create_topics(name, 1))
        assert not error_names(created), created
        until(
            lambda: not error_names(connection.ask("ListOffsets", 1, requests.list_offsets(-1, topic=name)))
        )
    return name, created["topics"][0]["topic_id"]


def until(is_so: Callable[[], bool]) -> None:
    for _ in range(2000):
        if is_so():
            return
    raise AssertionError("it did not become so")
