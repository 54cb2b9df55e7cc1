"""ExpireDelegationToken: let a delegation token expire.

v1 throttling moves to the client (KIP-219) · v2 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class ExpireDelegationToken(w.Api, key=40, versions="0-2", flexible="2+"):
    class Request(w.Struct):
        hmac: bytes = w.bytes_()
        expiry_time_period_ms: int = w.int64()

    class Response(w.Struct):
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        expiry_timestamp_ms: int = w.int64()
        throttle_time_ms: int = w.int32(default=0)
