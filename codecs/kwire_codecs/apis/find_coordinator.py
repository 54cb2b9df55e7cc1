"""FindCoordinator: which broker coordinates a group or a transactional id.

v1 key type, throttle time, error message (KIP-98) · v2 throttling moves to the client (KIP-219) · v3 flexible
· v4 no key, coordinator keys, no error code, more (KIP-699) · v5 TRANSACTION_ABORTABLE (KIP-890) · v6 share
coordinators (KIP-932)
"""

from .. import wire as w
from ..errors import ErrorCode


class FindCoordinator(w.Api, key=10, versions="0-6", flexible="3+"):
    class Request(w.Struct):
        key: str = w.string("0-3", default="")
        key_type: int = w.int8("1+", default=0)
        coordinator_keys: list[str] = w.array(w.string(), "4+", default=[])

    class Response(w.Struct):
        class Coordinator(w.Struct):
            key: str = w.string()
            node_id: int = w.int32()
            host: str = w.string()
            port: int = w.int32()
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None, ignorable=True)

        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        error_code: ErrorCode = w.error_code("0-3", default=ErrorCode.NONE)
        error_message: str | None = w.string("1-3", null="1-3", default=None, ignorable=True)
        node_id: int = w.int32("0-3", default=0)
        host: str = w.string("0-3", default="")
        port: int = w.int32("0-3", default=0)
        coordinators: list[Coordinator] = w.array(Coordinator, "4+", default=[])
