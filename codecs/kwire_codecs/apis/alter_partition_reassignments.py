"""AlterPartitionReassignments: begin or cancel moving partitions to other brokers.

flexible from the start · v1 allow replication factor change (KIP-860)
"""

from .. import wire as w
from ..errors import ErrorCode


class AlterPartitionReassignments(w.Api, key=45, versions="0-1", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                replicas: list[int] | None = w.array(w.int32(), null="0+", default=None)

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        timeout_ms: int = w.int32(default=60000)
        allow_replication_factor_change: bool = w.boolean("1+", default=True)
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string(null="0+", default=None)

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32(default=0)
        allow_replication_factor_change: bool = w.boolean("1+", default=True, ignorable=True)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        responses: list[Topic] = w.array(Topic)
