"""From a frame to an answer: header, decoder, handler, encoder, and what happens when one of them objects.

Rules (Kafka's SocketServer, RequestContext and KafkaApis): ApiVersions of an unknown version is answered in
version 0; any other unknown API or version, and any frame that does not parse, closes the connection with one
log line; a bug in a handler is logged once and answered with UNKNOWN_SERVER_ERROR where the API has a place
for it, a disk that fails under the metadata with KAFKA_STORAGE_ERROR.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kwire_codecs.compile import decoder_at
from kwire_codecs.errors import ErrorCode, Malformed
from kwire_codecs.framing import frame_response
from kwire_codecs.headers import read_request_header
from kwire_storage.engine import StorageError

from kwire.handlers import registry
from kwire.handlers.context import CloseConnection, Context
from kwire.handlers.failures import failed_response
from kwire.partitions.threads import decode_in_thread

if TYPE_CHECKING:
    from kwire_codecs.headers import RequestHeader

    from kwire.broker.cluster import Cluster
    from kwire.handlers.registry import Handler, Repeated
    from kwire.server.connection import Connection

logger = logging.getLogger("kwire.server")

_KEY_AND_VERSION = struct.Struct(">hh")
_CORRELATION_ID = struct.Struct(">i")

API_VERSIONS: Final = 18
PRODUCE: Final = 0
LARGE_REQUEST_BYTES: Final = 256 * 1024
LARGE_PRODUCE_BYTES: Final = 8 * 1024 * 1024
"""Above these, a request is decoded and its answer encoded in a thread: a question about tens of thousands of
partitions would hold every other client up. Most of a Produce is records, which nobody decodes.
"""
MOST_REMEMBERED: Final = 16
"""Times that a connection's last request is remembered: one that asks for this and that gains nothing."""
LOGGED_CHARACTERS: Final = 100


class _Close:
    """The answer that ends the connection."""


CLOSE: Final = _Close()


Answer: TypeAlias = "list[Any] | _Close | None"
"""The buffers of the whole answer, its length first; None for no answer; CLOSE ends the connection."""


class Later:
    """An answer that has to be awaited, once: `answer`. `given_up` instead, if nobody is going to."""

    __slots__ = ("_within", "answer")

    def __init__(self, answer: Coroutine[Any, Any, Answer], *within: Coroutine[Any, Any, Any]) -> None:
        self.answer = answer
        self._within = within

    def given_up(self) -> None:
        """Lets go of what has not begun."""
        for each in (self.answer, *self._within):
            each.close()


Way: TypeAlias = "tuple[Handler, Callable[[memoryview, int], tuple[Any, int]], int]"
"""For a version of an API: who answers, what decodes it, and above how many bytes in a thread."""


class Requests:
    """Answers frames for one cluster; one serves all connections.

    Of a connection it remembers its last produce (`handlers/repeated_produce.py`) until it is closed.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._ways: dict[tuple[int, int], Way] = {}
        self._repeated: dict[Connection, Repeated] = {}

    def connection_closed(self, connection: Connection) -> None:
        """Called once when a connection has ended, whatever the way."""
        self._repeated.pop(connection, None)

    def begin(self, connection: Connection, frame: memoryview) -> Answer | Later:
        """The answer to a frame, or what has to be awaited for it."""
        repeated = self._repeated.get(connection)
        if repeated is not None:
            try:
                known = repeated.answer(frame)
            except Exception as error:
                return self._failed_again(connection, frame, error)
            if known is not None:
                return known
        asked: tuple[int, int] = _KEY_AND_VERSION.unpack_from(frame)
        way = self._ways.get(asked) or self._way(*asked)
        if way is None:
            return self._unserved(connection, asked, frame)
        try:
            header, body_position = read_request_header(frame)
        except Malformed as error:
            logger.info("connection %s closed: %s", connection.describe(), error)
            return CLOSE
        handler, decode, large_bytes = way
        version = header.api_version
        if len(frame) > large_bytes:
            return Later(self._large(connection, handler, header, frame, body_position))
        try:
            # Bytes behind the request are passed over, as in Kafka: librdkafka leaves some behind its
            # question for all topics (Metadata 9 and later).
            request, end = decode(frame, body_position)
        except Malformed as error:
            return self._unreadable(connection, header, error)
        context = Context(self.cluster, connection.node, connection, version, header.client_id)
        try:
            response: Any = (handler.at_once or handler.handle)(context, request)
            if type(response) is CoroutineType:
                finish = self._finish(connection, handler, header, request, context, response)
                return Later(finish, response)
            if response is None:
                return None
            if handler.remember is not None and (repeated is None or repeated.number < MOST_REMEMBERED):
                new = handler.remember(context, request, frame, end)
                if new is not None:
                    new.number += repeated.number if repeated is not None else 0
                    self._repeated[connection] = new
            return frame_response(response, version, header.correlation_id)[0]
        except Exception as error:
            return self._failed(connection, handler, header, request, error)

    def _failed_again(self, connection: Connection, frame: memoryview, error: Exception) -> Answer:
        """As `_failed`, of a request that was not read since it is like the one before."""
        header, position = read_request_header(frame)
        handler = registry.handler(header.api_key)
        request, _ = decoder_at(handler.api.Request, header.api_version)(frame, position)
        return self._failed(connection, handler, header, request, error)

    def _way(self, key: int, version: int) -> Way | None:
        """How a version of an API is dealt with, if it is served."""
        served = registry.SERVED.get(key)
        if served is None or not served.low <= version <= served.high:
            return None
        handler = registry.handler(key)
        large_bytes = LARGE_PRODUCE_BYTES if key == PRODUCE else LARGE_REQUEST_BYTES
        way = self._ways[key, version] = (handler, decoder_at(handler.api.Request, version), large_bytes)
        return way

    def _unserved(self, connection: Connection, asked: tuple[int, int], frame: memoryview) -> Answer:
        key, version = asked
        if key == API_VERSIONS:
            return self._unsupported_api_versions(frame)
        self._log_unknown(connection, key, version, frame)
        return CLOSE

    async def _large(
        self,
        connection: Connection,
        handler: Handler,
        header: RequestHeader,
        frame: memoryview,
        position: int,
    ) -> Answer:
        decode = decoder_at(handler.api.Request, header.api_version)
        try:
            request, _ = await decode_in_thread(decode, frame, position)
        except Malformed as error:
            return self._unreadable(connection, header, error)
        context = Context(self.cluster, connection.node, connection, header.api_version, header.client_id)
        context.answer_is_large = True
        handling = handler.handle(context, request)
        return await self._finish(connection, handler, header, request, context, handling)

    async def _finish(
        self,
        connection: Connection,
        handler: Handler,
        header: RequestHeader,
        request: Any,
        context: Context,
        handling: Coroutine[Any, Any, Any],
    ) -> Answer:
        try:
            response = await handling
            if response is None:
                return None
            if context.answer_is_large:
                version, correlation_id = header.api_version, header.correlation_id
                return (await decode_in_thread(frame_response, response, version, correlation_id))[0]
            return frame_response(response, header.api_version, header.correlation_id)[0]
        except Exception as error:
            return self._failed(connection, handler, header, request, error)

    def _unreadable(self, connection: Connection, header: RequestHeader, error: Malformed) -> Answer:
        logger.info(
            "connection %s closed: client %s sent a request that does not parse: %s",
            connection.describe(),
            shown(header.client_id),
            error,
        )
        return CLOSE

    def _failed(
        self, connection: Connection, handler: Handler, header: RequestHeader, request: Any, error: Exception
    ) -> Answer:
        """What is answered when a handler or an encoder raises: called where it is caught."""
        api, version = handler.api, header.api_version
        if isinstance(error, CloseConnection):
            logger.info("connection %s closed: %s", connection.describe(), error)
            return CLOSE
        if isinstance(error, StorageError):
            # The metadata's disk: what concerns one partition has been told by then.
            logger.error(
                "%s v%d from %s, client id %s, failed: %s",
                api.__name__,
                version,
                connection.describe(),
                shown(header.client_id),
                error,
            )
            code = ErrorCode.KAFKA_STORAGE_ERROR
        else:
            logger.exception(
                "%s v%d from %s, client id %s, failed%s",
                api.__name__,
                version,
                connection.describe(),
                shown(header.client_id),
                topics_of(request),
            )
            code = ErrorCode.UNKNOWN_SERVER_ERROR
        response = failed_response(api, version, request, code)
        if response is None or (header.api_key == PRODUCE and request.acks == 0):
            return CLOSE
        return frame_response(response, version, header.correlation_id)[0]

    def _unsupported_api_versions(self, frame: memoryview) -> list[Any]:
        """KIP-511: the body of version 0, error 35 and exactly one entry, key 18 with our range."""
        api = registry.handler(API_VERSIONS).api
        served = registry.SERVED[API_VERSIONS]
        response = api.Response(
            error_code=ErrorCode.UNSUPPORTED_VERSION,
            api_keys=[
                api.Response.ApiKey(api_key=API_VERSIONS, min_version=served.low, max_version=served.high)
            ],
        )
        (correlation_id,) = _CORRELATION_ID.unpack_from(frame, 4)
        return frame_response(response, 0, correlation_id)[0]

    def _log_unknown(self, connection: Connection, key: int, version: int, frame: memoryview) -> None:
        served = registry.SERVED.get(key)
        offered = f"{served.low} to {served.high}" if served else "none"
        try:
            client_id = read_request_header(frame)[0].client_id
        except Malformed:
            client_id = None
        logger.warning(
            "connection %s closed: client %s asked for API key %d version %d; versions served: %s",
            connection.describe(),
            shown(client_id),
            key,
            version,
            offered,
        )


def shown(text: object) -> str:
    """What a client wrote, for a log line: quoted, so that it cannot make lines of its own, and cut."""
    quoted = repr(text)
    return quoted if len(quoted) <= LOGGED_CHARACTERS else f"{quoted[:LOGGED_CHARACTERS]}..."


def topics_of(request: Any) -> str:
    """The topics that a request names, for a log line."""
    topics = getattr(request, "topics", None) or getattr(request, "topic_data", None) or ()
    names = [
        shown(
            getattr(topic, "name", None) or getattr(topic, "topic", None) or getattr(topic, "topic_id", topic)
        )
        for topic in topics[:5]
    ]
    return f" for topics {', '.join(names)}" if names else ""
