"""DescribeLogDirs: what lies in a broker's log directories, and how large it is.

v1 throttling moves to the client (KIP-219) · v2 flexible · v3 error code (KIP-784) · v4 total bytes, usable
bytes (KIP-827) · v5 is cordoned (KIP-1066)
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeLogDirs(w.Api, key=35, versions="0-5", flexible="2+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            topic: str = w.string()
            partitions: list[int] = w.array(w.int32())

        topics: list[Topic] | None = w.array(Topic, null="0+")

    class Response(w.Struct):
        class Result(w.Struct):
            class Topic(w.Struct):
                class Partition(w.Struct):
                    partition_index: int = w.int32()
                    partition_size: int = w.int64()
                    offset_lag: int = w.int64()
                    is_future_key: bool = w.boolean()

                name: str = w.string()
                partitions: list[Partition] = w.array(Partition)

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            log_dir: str = w.string()
            topics: list[Topic] = w.array(Topic)
            total_bytes: int = w.int64("4+", default=-1, ignorable=True)
            usable_bytes: int = w.int64("4+", default=-1, ignorable=True)
            is_cordoned: bool = w.boolean("5+", default=False, ignorable=True)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code("3+", default=ErrorCode.NONE, ignorable=True)
        results: list[Result] = w.array(Result)
