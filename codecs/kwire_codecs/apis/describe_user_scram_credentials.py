"""DescribeUserScramCredentials: list users' SCRAM credentials (not their secrets).

flexible from the start
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeUserScramCredentials(w.Api, key=50, versions="0", flexible="0+"):
    class Request(w.Struct):
        class User(w.Struct):
            name: str = w.string()

        users: list[User] | None = w.array(User, null="0+")

    class Response(w.Struct):
        class Result(w.Struct):
            class CredentialInfo(w.Struct):
                mechanism: int = w.int8()
                iterations: int = w.int32()

            user: str = w.string()
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)
            credential_infos: list[CredentialInfo] = w.array(CredentialInfo)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        results: list[Result] = w.array(Result)
