"""DescribeAcls: list access control entries.

v1 pattern type filter, pattern type (KIP-290) · v2 flexible · v3 user resources (KIP-373)
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeAcls(w.Api, key=29, versions="0-3", flexible="2+"):
    class Request(w.Struct):
        resource_type_filter: int = w.int8()
        resource_name_filter: str | None = w.string(null="0+")
        pattern_type_filter: int = w.int8("1+", default=3)
        principal_filter: str | None = w.string(null="0+")
        host_filter: str | None = w.string(null="0+")
        operation: int = w.int8()
        permission_type: int = w.int8()

    class Response(w.Struct):
        class Resource(w.Struct):
            class Acl(w.Struct):
                principal: str = w.string()
                host: str = w.string()
                operation: int = w.int8()
                permission_type: int = w.int8()

            resource_type: int = w.int8()
            resource_name: str = w.string()
            pattern_type: int = w.int8("1+", default=3)
            acls: list[Acl] = w.array(Acl)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        resources: list[Resource] = w.array(Resource)
