"""CreatePartitions: add partitions to topics.

v1 throttling moves to the client (KIP-219) · v2 flexible · v3 THROTTLING_QUOTA_EXCEEDED (KIP-599)
"""

from .. import wire as w
from ..errors import ErrorCode


class CreatePartitions(w.Api, key=37, versions="0-3", flexible="2+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Assignment(w.Struct):
                broker_ids: list[int] = w.array(w.int32())

            name: str = w.string()
            count: int = w.int32()
            assignments: list[Assignment] | None = w.array(Assignment, null="0+")

        topics: list[Topic] = w.array(Topic)
        timeout_ms: int = w.int32()
        validate_only: bool = w.boolean()

    class Response(w.Struct):
        class Result(w.Struct):
            name: str = w.string()
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)

        throttle_time_ms: int = w.int32(default=0)
        results: list[Result] = w.array(Result)
