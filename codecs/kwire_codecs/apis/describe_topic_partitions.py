"""DescribeTopicPartitions: partitions of topics, a page at a time.

flexible from the start
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class DescribeTopicPartitions(w.Api, key=75, versions="0", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            name: str = w.string()

        class Cursor(w.Struct):
            topic_name: str = w.string()
            partition_index: int = w.int32()

        topics: list[Topic] = w.array(Topic)
        response_partition_limit: int = w.int32(default=2000)
        cursor: Cursor | None = w.struct(Cursor, null="0+", default=None)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                partition_index: int = w.int32()
                leader_id: int = w.int32()
                leader_epoch: int = w.int32(default=-1, ignorable=True)
                replica_nodes: list[int] = w.array(w.int32())
                isr_nodes: list[int] = w.array(w.int32())
                eligible_leader_replicas: list[int] | None = w.array(w.int32(), null="0+", default=None)
                last_known_elr: list[int] | None = w.array(w.int32(), null="0+", default=None)
                offline_replicas: list[int] = w.array(w.int32(), ignorable=True)

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            name: str | None = w.string(null="0+")
            topic_id: UUID = w.uuid(ignorable=True)
            is_internal: bool = w.boolean(default=False, ignorable=True)
            partitions: list[Partition] = w.array(Partition)
            topic_authorized_operations: int = w.int32(default=-2147483648)

        class NextCursor(w.Struct):
            topic_name: str = w.string()
            partition_index: int = w.int32()

        throttle_time_ms: int = w.int32(default=0, ignorable=True)
        topics: list[Topic] = w.array(Topic)
        next_cursor: NextCursor | None = w.struct(NextCursor, null="0+", default=None)
