"""Making a topic with bare requests, for clients that have no admin of their own."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

from compat.broker import Broker, BrokerError, receive_exactly
from compat.waiting import until


def create_topic(
    broker: Broker, name: str, partitions: int = 1, configs: Mapping[str, str] | None = None
) -> None:
    """CreateTopics v2 with one copy, then Metadata v1 until each partition has a leader."""
    settings = b"".join(_string(key) + _string(value) for key, value in (configs or {}).items())
    topic = _string(name) + struct.pack(">ihii", partitions, 1, 0, len(configs or {})) + settings
    with socket.create_connection((broker.host, broker.port), timeout=30) as connection:
        answer = _ask(connection, 19, 2, struct.pack(">i", 1) + topic + struct.pack(">i?", 20_000, False))
        # throttle time, count, name, error
        (error,) = struct.unpack_from(">h", answer, 8 + 2 + len(name.encode()))
        if error:
            raise BrokerError(f"CreateTopics of {name} was answered with error {error}")
        asked = struct.pack(">i", 1) + _string(name)
        until(
            lambda: _leaders(_ask(connection, 3, 1, asked)) == partitions,
            f"{partitions} partitions of {name} have leaders",
        )


def _leaders(answer: bytes) -> int:
    """How many partitions of the one topic in a Metadata v1 answer have a leader."""
    (count,) = struct.unpack_from(">i", answer)
    at = 4
    for _ in range(count):
        at += 4
        at = _after_string(answer, at) + 4
        at = _after_string(answer, at)
    at += 4 + 4 + 2  # controller, topic count, error
    at = _after_string(answer, at) + 1
    (count,) = struct.unpack_from(">i", answer, at)
    at += 4
    leaders = 0
    for _ in range(count):
        error, _partition, leader, replicas = struct.unpack_from(">hiii", answer, at)
        at += 14 + 4 * replicas
        (in_sync,) = struct.unpack_from(">i", answer, at)
        at += 4 + 4 * in_sync
        leaders += error == 0 and leader >= 0
    return leaders


def _ask(connection: socket.socket, key: int, version: int, body: bytes) -> bytes:
    request = struct.pack(">hhi", key, version, 1) + _string("compat") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", receive_exactly(connection, 4))
    return receive_exactly(connection, size)[4:]


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _after_string(answer: bytes, at: int) -> int:
    (size,) = struct.unpack_from(">h", answer, at)
    return at + 2 + max(size, 0)
