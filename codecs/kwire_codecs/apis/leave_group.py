"""LeaveGroup: one or more members go.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 no member id, members (KIP-345) · v4
flexible · v5 reason (KIP-800)
"""

from .. import wire as w
from ..errors import ErrorCode


class LeaveGroup(w.Api, key=13, versions="0-5", flexible="4+"):
    class Request(w.Struct):
        class Member(w.Struct):
            member_id: str = w.string()
            group_instance_id: str | None = w.string(null="0+", default=None)
            reason: str | None = w.string("5+", null="5+", default=None, ignorable=True)

        group_id: str = w.string()
        member_id: str = w.string("0-2", default="")
        members: list[Member] = w.array(Member, "3+", default=[])

    class Response(w.Struct):
        class Member(w.Struct):
            member_id: str = w.string()
            group_instance_id: str | None = w.string(null="0+")
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        members: list[Member] = w.array(Member, "3+", default=[])
