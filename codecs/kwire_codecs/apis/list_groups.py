"""ListGroups: the groups that this broker coordinates.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 flexible · v4 states filter, group state
(KIP-518) · v5 types filter, group type (KIP-848)
"""

from .. import wire as w
from ..errors import ErrorCode


class ListGroups(w.Api, key=16, versions="0-5", flexible="3+"):
    class Request(w.Struct):
        states_filter: list[str] = w.array(w.string(), "4+", default=[])
        types_filter: list[str] = w.array(w.string(), "5+", default=[])

    class Response(w.Struct):
        class Group(w.Struct):
            group_id: str = w.string()
            protocol_type: str = w.string()
            group_state: str = w.string("4+", default="", ignorable=True)
            group_type: str = w.string("5+", default="", ignorable=True)

        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        groups: list[Group] = w.array(Group)
