"""GetTelemetrySubscriptions: which metrics the broker would like a client to push.

flexible from the start
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class GetTelemetrySubscriptions(w.Api, key=71, versions="0", flexible="0+"):
    class Request(w.Struct):
        client_instance_id: UUID = w.uuid()

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        client_instance_id: UUID = w.uuid()
        subscription_id: int = w.int32()
        accepted_compression_types: list[int] = w.array(w.int8())
        push_interval_ms: int = w.int32()
        telemetry_max_bytes: int = w.int32()
        delta_temporality: bool = w.boolean()
        requested_metrics: list[str] = w.array(w.string())
