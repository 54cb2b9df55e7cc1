"""DescribeGroups: state and members of classic groups.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 include authorized operations, authorized
operations (KIP-430) · v4 group instance id (KIP-345) · v5 flexible · v6 error message; GROUP_ID_NOT_FOUND
(KIP-1043)
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeGroups(w.Api, key=15, versions="0-6", flexible="5+"):
    class Request(w.Struct):
        groups: list[str] = w.array(w.string())
        include_authorized_operations: bool = w.boolean("3+", default=False)

    class Response(w.Struct):
        class Group(w.Struct):
            class Member(w.Struct):
                member_id: str = w.string()
                group_instance_id: str | None = w.string("4+", null="4+", default=None, ignorable=True)
                client_id: str = w.string()
                client_host: str = w.string()
                member_metadata: bytes = w.bytes_()
                member_assignment: bytes = w.bytes_()

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string("6+", null="6+", default=None)
            group_id: str = w.string()
            group_state: str = w.string()
            protocol_type: str = w.string()
            protocol_data: str = w.string()
            members: list[Member] = w.array(Member)
            authorized_operations: int = w.int32("3+", default=-2147483648)

        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        groups: list[Group] = w.array(Group)
