"""PushTelemetry: a client pushes its metrics.

flexible from the start
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class PushTelemetry(w.Api, key=72, versions="0", flexible="0+"):
    class Request(w.Struct):
        client_instance_id: UUID = w.uuid()
        subscription_id: int = w.int32()
        terminating: bool = w.boolean()
        compression_type: int = w.int8()
        metrics: bytes = w.bytes_()

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
