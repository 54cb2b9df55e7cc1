"""A raw, blocking client: whole requests out, whole decoded answers in, and nothing clever between.

It never retries, never looks at an error code and never decides a version: the cases do. `Closed` says that
the broker closed the connection instead of answering; a broker that neither answers nor closes is `Silent`.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from types import TracebackType
from typing import Self

from . import codec
from .values import Fields

CLIENT_ID = "differential"
TIMEOUT_S = 15.0


class Closed(Exception):
    """The broker closed the connection where an answer was due."""


class Silent(Exception):
    """The broker neither answered nor closed the connection in TIMEOUT_S seconds."""


class Connection:
    """One TCP connection to `HOST:PORT`; correlation ids count up from 1. Close it, or use it in a `with`."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self.host, self.port = host.strip("[]"), int(port)
        self._socket = socket.create_connection((self.host, self.port), timeout=TIMEOUT_S)
        self._correlation_id = 0
        self._waiting: list[tuple[str, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, api: str, version: int, fields: Fields) -> Fields:
        """Send one request and decode its answer."""
        self.send(api, version, fields)
        return self.receive()

    def send(self, api: str, version: int, fields: Fields, *, answered: bool = True, cut: int = 0) -> None:
        """Send one request; its answer is left for `receive`, in order.

        `answered=False`: none will come. `cut` leaves bytes off the end of the body, in a frame of the right
        length.
        """
        body = codec.encode_request(api, version, fields)
        body = body[: len(body) - cut]
        self._correlation_id += 1
        header = request_header(codec.key(api), version, self._correlation_id, codec.flexible(api, version))
        if answered:
            self._waiting.append((api, version, self._correlation_id))
        self.send_raw(frame(header + body))

    def receive(self) -> Fields:
        """The answer to the oldest request that has none yet."""
        api, version, correlation_id = self._waiting.pop(0)
        answer = self.receive_raw()
        assert len(answer) >= 4, f"a frame of {len(answer)} bytes has no room for a correlation id"
        assert struct.unpack_from(">i", answer) == (correlation_id,), "answers out of order"
        body = answer[4:]
        if codec.flexible(api, version) and api != "ApiVersions":
            assert body[:1] == b"\0", "a tagged field in a response header"
            body = body[1:]
        return codec.decode_response(api, version, body)

    def send_raw(self, data: bytes) -> None:
        # What the broker made of it shows when its answer is read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def receive_raw(self) -> bytes:
        """One frame without its length prefix."""
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def is_quiet(self, seconds: float) -> bool:
        """Whether nothing comes, not even a close, for so long."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(TIMEOUT_S)
        return False

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._socket.recv(size - len(data))
            except TimeoutError:
                raise Silent(f"no answer within {TIMEOUT_S:.0f} s") from None
            except ConnectionResetError:
                raise Closed from None
            if not part:
                raise Closed
            data += part
        return bytes(data)


def request_header(api_key: int, version: int, correlation_id: int, flexible: bool) -> bytes:
    """Request header v1, or v2 where the request is flexible."""
    client_id = CLIENT_ID.encode()
    header = struct.pack(">hhih", api_key, version, correlation_id, len(client_id)) + client_id
    return header + b"\0" if flexible else header


def frame(payload: bytes) -> bytes:
    """`payload` behind its length."""
    return struct.pack(">i", len(payload)) + payload
