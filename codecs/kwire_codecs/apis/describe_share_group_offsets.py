"""DescribeShareGroupOffsets: where share groups stand in their partitions.

flexible from the start · v1 lag (KIP-1226)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class DescribeShareGroupOffsets(w.Api, key=90, versions="0-1", flexible="0+"):
    class Request(w.Struct):
        class Group(w.Struct):
            class Topic(w.Struct):
                topic_name: str = w.string()
                partitions: list[int] = w.array(w.int32())

            group_id: str = w.string()
            topics: list[Topic] | None = w.array(Topic, null="0+")

        groups: list[Group] = w.array(Group)

    class Response(w.Struct):
        class Group(w.Struct):
            class Topic(w.Struct):
                class Partition(w.Struct):
                    partition_index: int = w.int32()
                    start_offset: int = w.int64()
                    leader_epoch: int = w.int32()
                    lag: int = w.int64("1+", default=-1, ignorable=True)
                    error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                    error_message: str | None = w.string(null="0+", default=None)

                topic_name: str = w.string()
                topic_id: UUID = w.uuid()
                partitions: list[Partition] = w.array(Partition)

            group_id: str = w.string()
            topics: list[Topic] = w.array(Topic)
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)

        throttle_time_ms: int = w.int32(default=0)
        groups: list[Group] = w.array(Group)
