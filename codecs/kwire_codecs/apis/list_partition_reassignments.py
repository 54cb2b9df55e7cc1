"""ListPartitionReassignments: the moves of partitions that are under way.

flexible from the start
"""

from .. import wire as w
from ..errors import ErrorCode


class ListPartitionReassignments(w.Api, key=46, versions="0", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            name: str = w.string()
            partition_indexes: list[int] = w.array(w.int32())

        timeout_ms: int = w.int32(default=60000)
        topics: list[Topic] | None = w.array(Topic, null="0+", default=None)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                replicas: list[int] = w.array(w.int32())
                adding_replicas: list[int] = w.array(w.int32())
                removing_replicas: list[int] = w.array(w.int32())

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        topics: list[Topic] = w.array(Topic)
