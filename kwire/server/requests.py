"""From a frame to an answer: header, decoder, handler, encoder, and what happens when one of them objects.

Rules (Kafka's SocketServer, RequestContext and KafkaApis): ApiVersions of an unknown version is answered in version 0;
any other unknown API or version, and any frame that does not parse, closes the connection with one log line; a bug in a
handler is logged once and answered with UNKNOWN_SERVER_ERROR where the API has a place for it.
"""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Any, Final

from kwire_codecs import compile as codec
from kwire_codecs.errors import ErrorCode, Malformed
from kwire_codecs.headers import read_request_header

from kwire.handlers import registry
from kwire.handlers.context import CloseConnection, Context
from kwire.handlers.failures import failed_response

if TYPE_CHECKING:
    from kwire.broker.cluster import Cluster
    from kwire.server.connection import Connection

logger = logging.getLogger("kwire.server")

API_VERSIONS: Final = 18
PRODUCE: Final = 0
_LENGTH_AND_ID = struct.Struct(">ii")


class _Close:
    """The answer that ends the connection."""


CLOSE: Final = _Close()


class Requests:
    """Answers frames for one cluster. Holds no state of a request; one serves all connections."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def connection_closed(self, connection: Connection) -> None:
        """Called once when a connection has ended, whatever the way."""

    async def answer(self, connection: Connection, frame: memoryview) -> list[Any] | _Close | None:
        """The buffers of the whole answer, its length first; None for no answer; CLOSE ends the connection."""
        try:
            header, body_position = read_request_header(frame)
        except Malformed as error:
            logger.info("connection %s closed: %s", connection.describe(), error)
            return CLOSE
        key, version = header.api_key, header.api_version
        served = registry.SERVED.get(key)
        if served is None or not served.low <= version <= served.high:
            if key == API_VERSIONS:
                return self._unsupported_api_versions(header.correlation_id)
            self._log_unknown(connection, key, version, header.client_id)
            return CLOSE
        handler = registry.handler(key)
        api = handler.api
        try:
            request = codec.decoder(api.Request, version)(frame[body_position:])
        except Malformed as error:
            logger.info(
                "connection %s closed: client %r sent a request that does not parse: %s",
                connection.describe(),
                header.client_id,
                error,
            )
            return CLOSE
        context = Context(self.cluster, connection.node, connection, version, header.client_id)
        try:
            response = await handler.handle(context, request)
            if response is None:
                return None
            buffers = codec.encoder(api.Response, version)(response)
        except CloseConnection as refusal:
            logger.info("connection %s closed: %s", connection.describe(), refusal)
            return CLOSE
        except Exception:
            logger.exception(
                "%s v%d from %s, client id %r, failed%s",
                api.__name__,
                version,
                connection.describe(),
                header.client_id,
                topics_of(request),
            )
            response = failed_response(api, request, ErrorCode.UNKNOWN_SERVER_ERROR)
            if response is None or (key == PRODUCE and request.acks == 0):
                return CLOSE
            buffers = codec.encoder(api.Response, version)(response)
        return framed(header.correlation_id, api.response_header_version(version), buffers)

    def _unsupported_api_versions(self, correlation_id: int) -> list[Any]:
        """KIP-511: the body of version 0, error 35 and exactly one entry, key 18 with our range."""
        api = registry.handler(API_VERSIONS).api
        served = registry.SERVED[API_VERSIONS]
        response = api.Response(
            error_code=ErrorCode.UNSUPPORTED_VERSION,
            api_keys=[api.Response.ApiKey(api_key=API_VERSIONS, min_version=served.low, max_version=served.high)],
        )
        return framed(correlation_id, 0, codec.encoder(api.Response, 0)(response))

    def _log_unknown(self, connection: Connection, key: int, version: int, client_id: str | None) -> None:
        served = registry.SERVED.get(key)
        offered = f"{served.low} to {served.high}" if served else "none"
        logger.warning(
            "connection %s closed: client %r asked for API key %d version %d; versions served: %s",
            connection.describe(),
            client_id,
            key,
            version,
            offered,
        )


def framed(correlation_id: int, header_version: int, buffers: list[Any]) -> list[Any]:
    """Puts the length and the response header (version 0 or 1) before a body's buffers."""
    header_size = 4 + header_version
    size = header_size
    for buffer in buffers:
        size += buffer.size if hasattr(buffer, "size") else len(buffer)
    head = _LENGTH_AND_ID.pack(size, correlation_id)
    if header_version:
        head += b"\0"
    first = buffers[0] if buffers else b""
    if isinstance(first, bytearray):
        return [head + first, *buffers[1:]]
    return [head, *buffers]


def topics_of(request: Any) -> str:
    """The topics that a request names, for a log line."""
    names = [str(getattr(topic, "name", None) or getattr(topic, "topic_id", topic))
             for topic in getattr(request, "topics", None) or ()]
    return f" for topics {', '.join(names[:5])}" if names else ""
