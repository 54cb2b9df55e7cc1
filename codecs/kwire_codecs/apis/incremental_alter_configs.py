"""IncrementalAlterConfigs: set, remove, append to or subtract from single settings.

v1 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class IncrementalAlterConfigs(w.Api, key=44, versions="0-1", flexible="1+"):
    class Request(w.Struct):
        class Resource(w.Struct):
            class Config(w.Struct):
                name: str = w.string()
                config_operation: int = w.int8()
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
