"""AlterReplicaLogDirs: move replicas between a broker's log directories.

v1 throttling moves to the client (KIP-219) · v2 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class AlterReplicaLogDirs(w.Api, key=34, versions="0-2", flexible="2+"):
    class Request(w.Struct):
        class Dir(w.Struct):
            class Topic(w.Struct):
                name: str = w.string()
                partitions: list[int] = w.array(w.int32())

            path: str = w.string()
            topics: list[Topic] = w.array(Topic)

        dirs: list[Dir] = w.array(Dir)

    class Response(w.Struct):
        class Result(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

            topic_name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32(default=0)
        results: list[Result] = w.array(Result)
