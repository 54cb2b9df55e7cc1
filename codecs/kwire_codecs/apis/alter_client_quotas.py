"""AlterClientQuotas: set or remove client quotas.

v1 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class AlterClientQuotas(w.Api, key=49, versions="0-1", flexible="1+"):
    class Request(w.Struct):
        class Entry(w.Struct):
            class Entity(w.Struct):
                entity_type: str = w.string()
                entity_name: str | None = w.string(null="0+")

            class Op(w.Struct):
                key: str = w.string()
                value: float = w.float64()
                remove: bool = w.boolean()

            entity: list[Entity] = w.array(Entity)
            ops: list[Op] = w.array(Op)

        entries: list[Entry] = w.array(Entry)
        validate_only: bool = w.boolean()

    class Response(w.Struct):
        class Entry(w.Struct):
            class Entity(w.Struct):
                entity_type: str = w.string()
                entity_name: str | None = w.string(null="0+")

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)
            entity: list[Entity] = w.array(Entity)

        throttle_time_ms: int = w.int32(default=0)
        entries: list[Entry] = w.array(Entry)
