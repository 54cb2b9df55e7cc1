"""DeleteRecords: drop the oldest records of partitions.

v1 throttling moves to the client (KIP-219) · v2 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class DeleteRecords(w.Api, key=21, versions="0-2", flexible="2+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                offset: int = w.int64()

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        topics: list[Topic] = w.array(Topic)
        timeout_ms: int = w.int32()

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                low_watermark: int = w.int64()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32(default=0)
        topics: list[Topic] = w.array(Topic)
