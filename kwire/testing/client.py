"""Kafka's protocol for the testing tools: a blocking connection, one question at a time.

Rules: on kwire or any broker since Kafka 2.4; every wait is bounded by TIMEOUT_SECONDS.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from kwire_codecs.apis import api
from kwire_codecs.compile import decoder
from kwire_codecs.framing import frame_request
from kwire_codecs.headers import read_response_header
from kwire_codecs.wire import Struct

TIMEOUT_SECONDS = 30.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class AdminError(Exception):
    """The broker refused; the message has its reason."""


def connect(bootstrap_servers: str) -> socket.socket:
    """A connection to the first of the servers that can be reached. Raises AdminError and OSError."""
    addresses = [each.strip() for each in bootstrap_servers.split(",")]
    for number, address in enumerate(addresses, 1):
        host, _, port = address.rpartition(":")
        if not port.isdecimal():
            raise AdminError(f"{address!r} is no address; HOST:PORT is")
        try:
            return socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_SECONDS)
        except OSError:
            if number == len(addresses):
                raise
    raise AssertionError("split gives one element at least")


def ask(sock: socket.socket, request: Struct, version: int) -> Any:
    """The answer to a request in that version. Raises AdminError and OSError."""
    root = request.__root__
    assert root is not None
    assert root.key is not None
    parts, _ = frame_request(request, version, 1, "kwire-testing")
    sock.sendall(b"".join(parts))
    (size,) = struct.unpack(">i", _receive(sock, 4))
    if not 4 <= size <= MAX_ANSWER_BYTES:
        raise AdminError("what answers there is no Kafka broker")
    frame = memoryview(_receive(sock, size))
    declared = api(root.key)
    _, _, position = read_response_header(frame, declared.response_header_version(version))
    return decoder(declared.Response, version)(frame[position:])


def _receive(sock: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = sock.recv(size - len(received))
        if not part:
            raise AdminError("the broker closed the connection")
        received += part
    return bytes(received)
