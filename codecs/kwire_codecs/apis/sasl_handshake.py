"""SaslHandshake: a client names the SASL mechanism that it will use.

v1 the exchange travels in SaslAuthenticate (KIP-152)
"""

from .. import wire as w
from ..errors import ErrorCode


class SaslHandshake(w.Api, key=17, versions="0-1"):
    class Request(w.Struct):
        mechanism: str = w.string()

    class Response(w.Struct):
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        mechanisms: list[str] = w.array(w.string())
