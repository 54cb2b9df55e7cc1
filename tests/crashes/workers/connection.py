"""A connection of a small client: blocking, one request at a time, any version of any API.

Rules: whoever asks is told `Disconnected` when the broker has gone, does not know whether the request was
carried out, and asks again on a new connection, which is made by itself.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from kwire_codecs.apis import api
from kwire_codecs.compile import decoder
from kwire_codecs.framing import frame_request
from kwire_codecs.headers import read_response_header
from kwire_codecs.wire import Struct

ANSWER_SECONDS = 180.0
RECONNECT_SECONDS = 0.03


class Disconnected(Exception):
    """The broker has gone, with or without having carried out what was asked."""


class Connection:
    """`client_id` is what the broker is told."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._address = host, int(port)
        self._client_id = client_id
        self._socket: socket.socket | None = None
        self._correlation_id = 0

    def ask(self, request: Struct, version: int) -> Any:
        """The answer. Raises Disconnected."""
        root = request.__root__
        assert root is not None
        assert root.key is not None
        self._correlation_id += 1
        parts, _ = frame_request(request, version, self._correlation_id, self._client_id)
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, ANSWER_SECONDS)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(b"".join(parts))
            frame = memoryview(self._receive(int.from_bytes(self._receive(4))))
        except TimeoutError:
            raise AssertionError(f"no answer to {api(root.key).name} in {ANSWER_SECONDS:.0f} s") from None
        except OSError as error:
            self.close()
            time.sleep(RECONNECT_SECONDS)
            raise Disconnected from error
        declared = api(root.key)
        correlation_id, _, position = read_response_header(frame, declared.response_header_version(version))
        assert correlation_id == self._correlation_id
        return decoder(declared.Response, version)(frame[position:])

    def ask_until_answered(self, request: Struct, version: int) -> Any:
        """The answer to a request that may be carried out twice."""
        while True:
            try:
                return self.ask(request, version)
            except Disconnected:
                continue

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _receive(self, size: int) -> bytes:
        assert self._socket is not None
        received = bytearray()
        while len(received) < size:
            part = self._socket.recv(size - len(received))
            if not part:
                raise ConnectionResetError
            received += part
        return bytes(received)
