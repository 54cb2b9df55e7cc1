"""JoinGroup: a member asks to be in the group's next generation.

v1 rebalance timeout (KIP-62) · v2 throttle time · v3 throttling moves to the client (KIP-219) · v4
MEMBER_ID_REQUIRED (KIP-394) · v5 group instance id (KIP-345) · v6 flexible · v7 protocol type (KIP-559) · v8
reason (KIP-800) · v9 skip assignment (KIP-814)
"""

from .. import wire as w
from ..errors import ErrorCode


class JoinGroup(w.Api, key=11, versions="0-9", flexible="6+"):
    class Request(w.Struct):
        class Protocol(w.Struct):
            name: str = w.string()
            metadata: bytes = w.bytes_()

        group_id: str = w.string()
        session_timeout_ms: int = w.int32()
        rebalance_timeout_ms: int = w.int32("1+", default=-1, ignorable=True)
        member_id: str = w.string()
        group_instance_id: str | None = w.string("5+", null="5+", default=None)
        protocol_type: str = w.string()
        protocols: list[Protocol] = w.array(Protocol)
        reason: str | None = w.string("8+", null="8+", default=None, ignorable=True)

    class Response(w.Struct):
        class Member(w.Struct):
            member_id: str = w.string()
            group_instance_id: str | None = w.string("5+", null="5+", default=None, ignorable=True)
            metadata: bytes = w.bytes_()

        throttle_time_ms: int = w.int32("2+", default=0, ignorable=True)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        generation_id: int = w.int32(default=-1)
        protocol_type: str | None = w.string("7+", null="7+", default=None, ignorable=True)
        protocol_name: str | None = w.string(null="7+")
        leader: str = w.string()
        skip_assignment: bool = w.boolean("9+", default=False)
        member_id: str = w.string()
        members: list[Member] = w.array(Member)
