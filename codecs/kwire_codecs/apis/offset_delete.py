"""OffsetDelete: forget offsets that a group committed."""

from .. import wire as w
from ..errors import ErrorCode


class OffsetDelete(w.Api, key=47, versions="0"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        group_id: str = w.string()
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        throttle_time_ms: int = w.int32(default=0, ignorable=True)
        topics: list[Topic] = w.array(Topic)
