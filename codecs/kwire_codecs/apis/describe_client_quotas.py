"""DescribeClientQuotas: list client quotas.

v1 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeClientQuotas(w.Api, key=48, versions="0-1", flexible="1+"):
    class Request(w.Struct):
        class Component(w.Struct):
            entity_type: str = w.string()
            match_type: int = w.int8()
            match: str | None = w.string(null="0+")

        components: list[Component] = w.array(Component)
        strict: bool = w.boolean()

    class Response(w.Struct):
        class Entry(w.Struct):
            class Entity(w.Struct):
                entity_type: str = w.string()
                entity_name: str | None = w.string(null="0+")

            class Value(w.Struct):
                key: str = w.string()
                value: float = w.float64()

            entity: list[Entity] = w.array(Entity)
            values: list[Value] = w.array(Value)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        entries: list[Entry] | None = w.array(Entry, null="0+")
