"""ListConfigResources: the resources of which settings are kept (once: client metrics only).

flexible from the start · v1 resource types, resource type (KIP-1142)
"""

from .. import wire as w
from ..errors import ErrorCode


class ListConfigResources(w.Api, key=74, versions="0-1", flexible="0+"):
    class Request(w.Struct):
        resource_types: list[int] = w.array(w.int8(), "1+", default=[])

    class Response(w.Struct):
        class ConfigResource(w.Struct):
            resource_name: str = w.string()
            resource_type: int = w.int8("1+", default=16, ignorable=True)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        config_resources: list[ConfigResource] = w.array(ConfigResource)
