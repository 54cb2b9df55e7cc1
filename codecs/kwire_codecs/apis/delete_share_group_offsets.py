"""DeleteShareGroupOffsets: forget where a share group stands.

flexible from the start
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class DeleteShareGroupOffsets(w.Api, key=92, versions="0", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            topic_name: str = w.string()

        group_id: str = w.string()
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            topic_name: str = w.string()
            topic_id: UUID = w.uuid()
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        responses: list[Topic] = w.array(Topic)
