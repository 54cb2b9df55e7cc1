"""AlterConfigs: replace all settings of a resource.

v1 throttling moves to the client (KIP-219) · v2 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class AlterConfigs(w.Api, key=33, versions="0-2", flexible="2+"):
    class Request(w.Struct):
        class Resource(w.Struct):
            class Config(w.Struct):
                name: str = w.string()
                value: str | None = w.string(null="0+")

            resource_type: int = w.int8()
            resource_name: str = w.string()
            configs: list[Config] = w.array(Config)

        resources: list[Resource] = w.array(Resource)
        validate_only: bool = w.boolean()

    class Response(w.Struct):
        class Resource(w.Struct):
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)
            resource_type: int = w.int8()
            resource_name: str = w.string()

        throttle_time_ms: int = w.int32(default=0)
        responses: list[Resource] = w.array(Resource)
