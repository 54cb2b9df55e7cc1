"""UnregisterController: take a controller off the cluster's list.

flexible from the start
"""

from .. import wire as w
from ..errors import ErrorCode


class UnregisterController(w.Api, key=94, versions="0", flexible="0+"):
    class Request(w.Struct):
        controller_id: int = w.int32()

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
