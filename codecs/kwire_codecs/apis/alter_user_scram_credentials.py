"""AlterUserScramCredentials: set or remove users' SCRAM credentials.

flexible from the start
"""

from .. import wire as w
from ..errors import ErrorCode


class AlterUserScramCredentials(w.Api, key=51, versions="0", flexible="0+"):
    class Request(w.Struct):
        class Deletion(w.Struct):
            name: str = w.string()
            mechanism: int = w.int8()

        class Upsertion(w.Struct):
            name: str = w.string()
            mechanism: int = w.int8()
            iterations: int = w.int32()
            salt: bytes = w.bytes_()
            salted_password: bytes = w.bytes_()

        deletions: list[Deletion] = w.array(Deletion)
        upsertions: list[Upsertion] = w.array(Upsertion)

    class Response(w.Struct):
        class Result(w.Struct):
            user: str = w.string()
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)

        throttle_time_ms: int = w.int32(default=0)
        results: list[Result] = w.array(Result)
