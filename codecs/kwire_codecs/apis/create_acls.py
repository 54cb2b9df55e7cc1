"""CreateAcls: add access control entries.

v1 resource pattern type (KIP-290) · v2 flexible · v3 user resources (KIP-373)
"""

from .. import wire as w
from ..errors import ErrorCode


class CreateAcls(w.Api, key=30, versions="0-3", flexible="2+"):
    class Request(w.Struct):
        class Creation(w.Struct):
            resource_type: int = w.int8()
            resource_name: str = w.string()
            resource_pattern_type: int = w.int8("1+", default=3)
            principal: str = w.string()
            host: str = w.string()
            operation: int = w.int8()
            permission_type: int = w.int8()

        creations: list[Creation] = w.array(Creation)

    class Response(w.Struct):
        class Result(w.Struct):
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)

        throttle_time_ms: int = w.int32(default=0)
        results: list[Result] = w.array(Result)
