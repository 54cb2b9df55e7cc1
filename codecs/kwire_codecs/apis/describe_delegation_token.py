"""DescribeDelegationToken: list delegation tokens.

v1 throttling moves to the client (KIP-219) · v2 flexible · v3 token requester principal type, token requester
principal name (KIP-373)
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeDelegationToken(w.Api, key=41, versions="0-3", flexible="2+"):
    class Request(w.Struct):
        class Owner(w.Struct):
            principal_type: str = w.string()
            principal_name: str = w.string()

        owners: list[Owner] | None = w.array(Owner, null="0+")

    class Response(w.Struct):
        class Token(w.Struct):
            class Renewer(w.Struct):
                principal_type: str = w.string()
                principal_name: str = w.string()

            principal_type: str = w.string()
            principal_name: str = w.string()
            token_requester_principal_type: str = w.string("3+", default="")
            token_requester_principal_name: str = w.string("3+", default="")
            issue_timestamp: int = w.int64()
            expiry_timestamp: int = w.int64()
            max_timestamp: int = w.int64()
            token_id: str = w.string()
            hmac: bytes = w.bytes_()
            renewers: list[Renewer] = w.array(Renewer)

        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        tokens: list[Token] = w.array(Token)
        throttle_time_ms: int = w.int32(default=0)
