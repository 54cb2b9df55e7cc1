"""DeleteGroups: remove empty groups.

v1 throttling moves to the client (KIP-219) · v2 flexible · v3 error message
"""

from .. import wire as w
from ..errors import ErrorCode


class DeleteGroups(w.Api, key=42, versions="0-3", flexible="2+"):
    class Request(w.Struct):
        groups_names: list[str] = w.array(w.string())

    class Response(w.Struct):
        class Result(w.Struct):
            group_id: str = w.string()
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string("3+", null="3+", default=None, ignorable=True)

        throttle_time_ms: int = w.int32(default=0)
        results: list[Result] = w.array(Result)
