"""CreateDelegationToken: make a delegation token.

v1 throttling moves to the client (KIP-219) · v2 flexible · v3 owner principal type, owner principal name,
token requester principal type, token requester principal name (KIP-373)
"""

from .. import wire as w
from ..errors import ErrorCode


class CreateDelegationToken(w.Api, key=38, versions="0-3", flexible="2+"):
    class Request(w.Struct):
        class Renewer(w.Struct):
            principal_type: str = w.string()
            principal_name: str = w.string()

        owner_principal_type: str | None = w.string("3+", null="3+", default="")
        owner_principal_name: str | None = w.string("3+", null="3+", default="")
        renewers: list[Renewer] = w.array(Renewer)
        max_lifetime_ms: int = w.int64()

    class Response(w.Struct):
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        principal_type: str = w.string()
        principal_name: str = w.string()
        token_requester_principal_type: str = w.string("3+", default="")
        token_requester_principal_name: str = w.string("3+", default="")
        issue_timestamp_ms: int = w.int64()
        expiry_timestamp_ms: int = w.int64()
        max_timestamp_ms: int = w.int64()
        token_id: str = w.string()
        hmac: bytes = w.bytes_()
        throttle_time_ms: int = w.int32(default=0)
