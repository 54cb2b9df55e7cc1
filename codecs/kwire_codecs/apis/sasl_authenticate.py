"""SaslAuthenticate: one step of a SASL exchange.

v1 session lifetime (KIP-368) · v2 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class SaslAuthenticate(w.Api, key=36, versions="0-2", flexible="2+"):
    class Request(w.Struct):
        auth_bytes: bytes = w.bytes_()

    class Response(w.Struct):
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        auth_bytes: bytes = w.bytes_()
        session_lifetime_ms: int = w.int64("1+", default=0, ignorable=True)
