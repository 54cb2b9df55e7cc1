"""Heartbeat: a member tells its coordinator that it's still there.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 group instance id (KIP-345) · v4 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class Heartbeat(w.Api, key=12, versions="0-4", flexible="4+"):
    class Request(w.Struct):
        group_id: str = w.string()
        generation_id: int = w.int32()
        member_id: str = w.string()
        group_instance_id: str | None = w.string("3+", null="3+", default=None)

    class Response(w.Struct):
        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
