"""Requests with one byte changed: Kafka and kwire take or refuse the same ones, with the same errors.

Kwire's decoders are stricter in two ways, and those are passed over: text must be UTF-8, and a null has the
length -1. In all else the brokers must agree, but for what AGREED_TO_DIFFER lists.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random
from uuid import UUID

import pytest
from kwire_codecs.apis import API_MODULES, api
from kwire_codecs.compile import decoder
from kwire_codecs.errors import Malformed

from differential import codec, peers, requests
from differential.canonical import error_names
from differential.case import FLOORS, versions
from differential.cases.malformed import REQUESTS
from differential.client import Closed, Connection, Silent, frame, request_header
from differential.consumer_requests import beat
from differential.scene import Scene
from differential.values import Fields, resolve

STRICTER = ("not UTF-8", "is negative")
MUTANTS = 150
# Requests that a changed byte can't turn into one with lasting effects or long waits.
HARMLESS: dict[str, Fields] = {
    "ConsumerGroupHeartbeat": beat(1, "x", group="x"),
    "CreateTopics": requests.create_topics("/", 1),
    "JoinGroup": requests.join("x", "nobody"),
    "Metadata": requests.metadata("/"),
}
TIMED_OUT = "REQUEST_TIMED_OUT"
# (API, Kafka, kwire) and why.
AGREED_TO_DIFFER = {
    ("Metadata", "UNKNOWN_TOPIC_OR_PARTITION", "OK"): "kwire creates at once",
    ("CreatePartitions", TIMED_OUT, "UNKNOWN_TOPIC_OR_PARTITION"): "the time-out has nothing to wait for",
    ("CreateTopics", TIMED_OUT, "INVALID_TOPIC_EXCEPTION"): "the time-out has nothing to wait for",
    ("DeleteTopics", TIMED_OUT, "UNKNOWN_TOPIC_OR_PARTITION"): "the time-out has nothing to wait for",
}
# Kafka fails on an isolation level that does not exist; kwire takes it as 0.
KAFKA_FAILS = "UNKNOWN_SERVER_ERROR"


@pytest.fixture(scope="module")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.config.getoption("--recorded") or request.config.getoption("--record"):
        pytest.skip("needs Kafka and kwire alive")
    with peers.kafka("4.4.0") as bootstrap:
        yield bootstrap


@pytest.mark.parametrize(("name", "numbers", "fields"), REQUESTS, ids=[name for name, _, _ in REQUESTS])
def test_a_changed_byte_means_the_same_to_both(
    kafka: str, kwire: str, name: str, numbers: str, fields: Fields
) -> None:
    if not is_served(kwire, name):
        pytest.skip(f"kwire does not advertise {name} yet")
    for bootstrap in (kafka, kwire):
        with Scene(bootstrap, f"mutations {name}") as scene:
            scene.take("transactions ready")
    random = Random(name)
    served = [version for version in versions(numbers) if version >= FLOORS.get(name, 0)]
    body = HARMLESS.get(name, fields)
    truth, image = Peer(kafka), Peer(kwire)
    found = []
    for _ in range(MUTANTS):
        version = random.choice(served)
        plain = codec.encode_request(name, version, resolve(body, {"missing_id": UUID(int=77)}))
        position = random.randrange(len(plain))
        changed = bytes([random.choice([0, 1, 0x7F, 0x80, 0xFF, plain[position] ^ 1, random.randrange(256)])])
        mutant = plain[:position] + changed + plain[position + 1 :]
        if is_stricter_on(name, version, mutant):
            continue
        said = truth.outcome(name, version, mutant), image.outcome(name, version, mutant)
        if said[0] not in (said[1], KAFKA_FAILS) and (name, *said) not in AGREED_TO_DIFFER:
            found.append(f"v{version} {mutant.hex()}: Kafka {said[0]}, kwire {said[1]}")
    truth.close()
    image.close()
    assert not found, "\n".join(found)


def is_served(bootstrap: str, name: str) -> bool:
    """Whether the broker advertises an API."""
    with Connection(bootstrap) as connection:
        answer = connection.ask("ApiVersions", 0, {})
    return any(each["api_key"] == codec.key(name) for each in answer["api_keys"])


def is_stricter_on(name: str, version: int, body: bytes) -> bool:
    """Whether kwire refuses this body for a reason that it may have alone."""
    schema = next(each for each in map(api, API_MODULES) if each.name == name)
    try:
        decoder(schema.Request, version)(body)
    except Malformed as error:
        return any(reason in error.reason for reason in STRICTER)
    return False


class Peer:
    """A broker and one connection to it, opened again after each close."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._connection: Connection | None = None

    def outcome(self, name: str, version: int, body: bytes) -> str:
        """CLOSED, SILENT, OK or the names of the errors that came back."""
        connection = self._connection = self._connection or Connection(self._bootstrap)
        flexible = codec.flexible(name, version)
        connection.send_raw(frame(request_header(codec.key(name), version, 9, flexible) + body))
        try:
            answer = connection.receive_raw()
        except (Closed, Silent) as end:
            self.close()
            return type(end).__name__.upper()
        assert struct.unpack_from(">i", answer) == (9,)
        decoded = codec.decode_response(name, version, answer[5 if flexible else 4 :])
        return " ".join(sorted(error_names(decoded))) or "OK"

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
