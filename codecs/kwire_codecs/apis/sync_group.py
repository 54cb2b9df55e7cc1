"""SyncGroup: the leader hands in the assignment, and every member gets its part.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 group instance id (KIP-345) · v4 flexible
· v5 protocol type, protocol name (KIP-559)
"""

from .. import wire as w
from ..errors import ErrorCode


class SyncGroup(w.Api, key=14, versions="0-5", flexible="4+"):
    class Request(w.Struct):
        class Assignment(w.Struct):
            member_id: str = w.string()
            assignment: bytes = w.bytes_()

        group_id: str = w.string()
        generation_id: int = w.int32()
        member_id: str = w.string()
        group_instance_id: str | None = w.string("3+", null="3+", default=None)
        protocol_type: str | None = w.string("5+", null="5+", default=None, ignorable=True)
        protocol_name: str | None = w.string("5+", null="5+", default=None, ignorable=True)
        assignments: list[Assignment] = w.array(Assignment)

    class Response(w.Struct):
        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        protocol_type: str | None = w.string("5+", null="5+", default=None, ignorable=True)
        protocol_name: str | None = w.string("5+", null="5+", default=None, ignorable=True)
        assignment: bytes = w.bytes_()
