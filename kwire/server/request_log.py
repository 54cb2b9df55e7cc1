"""The last requests, decoded, for a person who wonders what a client sent.

Rules: bounded in number and in characters a request, so that a huge request costs little to show. Each is
rendered when it arrives, because what a decoder gives may point into a buffer that the next frame overwrites.
A server without a log answers with `Requests` alone, and pays nothing.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from kwire_codecs.compile import decoder_at
from kwire_codecs.errors import ErrorCode, Malformed
from kwire_codecs.headers import read_request_header
from kwire_codecs.wire import Chunks, Encoded, Struct

from kwire.handlers import registry
from kwire.server.requests import PRODUCE, Requests, shown

if TYPE_CHECKING:
    from kwire.broker.cluster import Cluster
    from kwire.server.connection import Connection

MAX_CHARACTERS: Final = 500
MAX_ELEMENTS: Final = 5
MAX_DECODED_BYTES: Final = 64 * 1024
"""A longer request is not decoded for its text, unless it is a Produce: most of that is records."""


class RequestLog:
    """A ring of the last `keep` requests."""

    def __init__(self, keep: int) -> None:
        self._entries: deque[tuple[float, str]] = deque(maxlen=keep)

    def add(self, seconds: float, text: str) -> None:
        """Notes one that came at `seconds` since 1970."""
        self._entries.append((seconds, text))

    def entries(self) -> list[tuple[float, str]]:
        """Seconds since 1970 and text, oldest first."""
        return list(self._entries)


class LoggedRequests(Requests):
    """Requests that are noted before they are answered."""

    def __init__(self, cluster: Cluster, log: RequestLog) -> None:
        super().__init__(cluster)
        self._log = log

    def begin(self, connection: Connection, frame: memoryview) -> Any:
        """As `Requests.begin`."""
        # Not the cluster's clock, of whole milliseconds: who asks compares with the machine's.
        self._log.add(time.time(), f"{connection.peer_address} {request_text(frame)}")
        return super().begin(connection, frame)


def request_text(frame: memoryview) -> str:
    """A request frame in at most about MAX_CHARACTERS: API, version, client id, and what was not left at its
    default.
    """
    try:
        header, position = read_request_header(frame)
        served = registry.SERVED.get(header.api_key)
        if served is None or not served.low <= header.api_version <= served.high:
            return f"{shown(header.client_id)} API key {header.api_key} v{header.api_version}, not served"
        api = registry.handler(header.api_key).api
        who = f"{shown(header.client_id)} {api.__name__} v{header.api_version}"
        if len(frame) > MAX_DECODED_BYTES and header.api_key != PRODUCE:
            return f"{who}: {len(frame)} bytes"
        try:
            request, _ = decoder_at(api.Request, header.api_version)(frame, position)
        except Malformed as error:
            return f"{who}: {error}"
        return f"{who}: {_Text(header.api_version).of(request)}"
    except Malformed as error:
        return str(error)


class _Text:
    """One rendering of a request; stops where it is long enough."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._parts: list[str] = []
        self._room = MAX_CHARACTERS

    def of(self, request: Struct) -> str:
        try:
            self._fields(request)
        except _LongEnoughError:
            self._parts.append("...")
        return "".join(self._parts)

    def _put(self, text: str) -> None:
        self._parts.append(text[: self._room])
        self._room -= len(text)
        if self._room < 0:
            raise _LongEnoughError

    def _fields(self, struct: Struct) -> None:
        between = ""
        for field in struct.__fields__:
            value = getattr(struct, field.name)
            if self._version not in field.versions or (not field.required and value == field.default):
                continue
            self._put(f"{between}{field.name}=")
            self._value(value)
            between = " "

    def _value(self, value: object) -> None:
        if isinstance(value, Struct):
            self._put("{")
            self._fields(value)
            self._put("}")
        elif isinstance(value, list):
            self._put("[")
            for number, element in enumerate(value):
                if number:
                    self._put(", ")
                if number == MAX_ELEMENTS:
                    self._put(f"{len(value) - number} more")
                    break
                self._value(element)
            self._put("]")
        elif isinstance(value, str) and not isinstance(value, ErrorCode):
            self._put(shown(value))
        elif isinstance(value, (bytes, bytearray, memoryview)):
            self._put(f"<{len(value)} bytes>")
        elif isinstance(value, Encoded):
            self._put(f"[<{len(value)} elements>]")
        elif isinstance(value, Chunks):
            self._put(f"<{value.size} bytes>")
        else:
            self._put(str(value))


class _LongEnoughError(Exception):
    pass
