"""AlterShareGroupOffsets: set where a share group stands.

flexible from the start
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class AlterShareGroupOffsets(w.Api, key=91, versions="0", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                start_offset: int = w.int64()

            topic_name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        group_id: str = w.string()
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string(null="0+", default=None)

            topic_name: str = w.string()
            topic_id: UUID = w.uuid()
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        responses: list[Topic] = w.array(Topic)
