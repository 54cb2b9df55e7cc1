"""What stands before a request's and a response's body.

Request header v0: key, version, correlation id. v1 adds the client id, v2 (flexible) the tagged fields. The
client id is a nullable string with an int16 length in all of them: it is never compact, so that a broker can
read it before it knows whether the version is flexible. Response header v0: correlation id. v1 (flexible)
adds the tagged fields. Three exceptions: ControlledShutdown v0 has no client id; ApiVersions is always
answered with response header v0 (KIP-511); and who doesn't know a request's version can't know its header's,
so for unknown APIs and versions only the first eight bytes are read. The rules themselves are
`Api.request_header_version` and `response_header_version`.
"""

from __future__ import annotations

from struct import Struct as Layout
from struct import error as LayoutError
from typing import NamedTuple

from .apis import API_MODULES, api
from .errors import Malformed
from .runtime import Bad, put_tags, short_uvarint, unknown_tags
from .wire import Buffer

_FIRST = Layout(">hhi")
_CLIENT = Layout(">hhih")
_unpack_client = _CLIENT.unpack_from
_new_tuple = tuple.__new__
_INT32 = Layout(">i")
_INT16 = Layout(">h")


class RequestHeader(NamedTuple):
    """Who asks for what. `client_id` is None where it was null or the header has none."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None = None
    unknown_tags: dict[int, bytes] | None = None


MAX_HEADER_TAGS = 1000  # Kafka has defined none so far

# (key, version) -> version of the request header, filled as they come.
_request_headers: dict[tuple[int, int], int] = {}


def _request_header_version(key: int, version: int) -> int | None:
    if key in API_MODULES and version in api(key).versions:
        found = api(key).request_header_version(version)
        _request_headers[key, version] = found
        return found
    return None


def read_request_header(frame: Buffer) -> tuple[RequestHeader, int]:
    """Read the header at the start of a frame (without its size). Returns it and where the body starts.

    For an API or version that has no schema here only the first three fields are read: `client_id` is what a
    header of version 1 would hold there, if that can be read, and the position is of no use.

    Raises Malformed.
    """
    try:
        key, version, correlation_id, length = _unpack_client(frame)
    except LayoutError:
        return _short_header(frame)
    header_version = _request_headers.get((key, version)) or _request_header_version(key, version)
    if header_version is None:
        return _unknown_header(frame)
    if header_version == 0:
        return RequestHeader(key, version, correlation_id), 8
    position = 10 + length if length > 0 else 10
    if length < -1 or position > len(frame):
        raise Malformed(
            "request header", header_version, "client_id", f"{length} bytes where {len(frame) - 10} are"
        )
    try:
        client_id = None if length < 0 else str(frame[10:position], "utf-8")
        if header_version == 1:
            return RequestHeader(key, version, correlation_id, client_id), position
        if not frame[position]:
            fields = (key, version, correlation_id, client_id, None)
            return _new_tuple(RequestHeader, fields), position + 1
        count, position = short_uvarint(frame, position)
        if count == 0:
            return RequestHeader(key, version, correlation_id, client_id), position
        if count > MAX_HEADER_TAGS:
            raise Bad(f"{count} tagged fields in a header")
        tags, position = unknown_tags(frame, count, position, len(frame))
        return RequestHeader(key, version, correlation_id, client_id, tags), position
    except UnicodeDecodeError as failure:
        raise Malformed(
            "request header", header_version, "client_id", f"not UTF-8 ({failure.reason})"
        ) from None
    except IndexError:
        raise Malformed("request header", header_version, "tagged fields", "the header ends early") from None
    except Bad as failure:
        raise Malformed("request header", header_version, "tagged fields", str(failure)) from None


def _short_header(frame: Buffer) -> tuple[RequestHeader, int]:
    """A frame of less than ten bytes: enough for header v0 only."""
    if len(frame) < _FIRST.size:
        raise Malformed("request header", -1, "", f"{len(frame)} bytes are too few")
    key, version, correlation_id = _FIRST.unpack_from(frame)
    expected = _request_header_version(key, version)
    if expected:
        raise Malformed("request header", expected, "client_id", "the header ends early")
    return RequestHeader(key, version, correlation_id), _FIRST.size


def _unknown_header(frame: Buffer) -> tuple[RequestHeader, int]:
    """A header of an unknown API or version: the client id, if one can be made out, is for the log."""
    key, version, correlation_id, length = _CLIENT.unpack_from(frame)
    client_id = None
    if 0 <= length <= len(frame) - 10:
        client_id = str(frame[10 : 10 + length], "utf-8", "replace")
    return RequestHeader(key, version, correlation_id, client_id), _FIRST.size


def write_request_header(header: RequestHeader, out: bytearray) -> None:
    """Append the header that a request of that API and version has. For kwire's own clients and tests."""
    version = api(header.api_key).request_header_version(header.api_version)
    out += _FIRST.pack(header.api_key, header.api_version, header.correlation_id)
    if version >= 1:
        if header.client_id is None:
            out += b"\xff\xff"
        else:
            encoded = header.client_id.encode()
            out += _INT16.pack(len(encoded)) + encoded
    if version >= 2:
        put_tags(out, None, header.unknown_tags)


def write_response_header(out: bytearray, correlation_id: int, header_version: int) -> None:
    """Append a response header. Its tagged fields, in version 1, are none: Kafka has not defined any."""
    out += _INT32.pack(correlation_id)
    if header_version == 1:
        out.append(0)


def read_response_header(frame: Buffer, header_version: int) -> tuple[int, dict[int, bytes] | None, int]:
    """Read a response header: correlation id, tagged fields (None if there are none), where the body is."""
    try:
        (correlation_id,) = _INT32.unpack_from(frame)
        if header_version == 0:
            return correlation_id, None, 4
        count, position = short_uvarint(frame, 4)
        if count == 0:
            return correlation_id, None, position
        tags, position = unknown_tags(frame, count, position, len(frame))
        return correlation_id, tags, position
    except (LayoutError, IndexError):
        raise Malformed("response header", header_version, "", "the header ends early") from None
    except Bad as failure:
        raise Malformed("response header", header_version, "tagged fields", str(failure)) from None
