"""OffsetFetch: how far a group has read.

v1 kept in the group instead of ZooKeeper · v2 error code; null for all · v3 throttle time · v4 throttling
moves to the client (KIP-219) · v5 committed leader epoch (KIP-320) · v6 flexible · v7 require stable
(KIP-447) · v8 no group id, no topics, groups, no error code (KIP-709) · v9 member id, member epoch (KIP-848)
· v10 no name, topic id (KIP-848)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class OffsetFetch(w.Api, key=9, versions="0-10", flexible="6+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            name: str = w.string()
            partition_indexes: list[int] = w.array(w.int32())

        class Group(w.Struct):
            class Topic(w.Struct):
                name: str = w.string("8-9", default="", ignorable=True)
                topic_id: UUID = w.uuid("10+", default=w.ZERO_UUID, ignorable=True)
                partition_indexes: list[int] = w.array(w.int32())

            group_id: str = w.string()
            member_id: str | None = w.string("9+", null="9+", default=None, ignorable=True)
            member_epoch: int = w.int32("9+", default=-1, ignorable=True)
            topics: list[Topic] | None = w.array(Topic, null="0+")

        group_id: str = w.string("0-7", default="")
        topics: list[Topic] | None = w.array(Topic, "0-7", null="2-7", default=[])
        groups: list[Group] = w.array(Group, "8+", default=[])
        require_stable: bool = w.boolean("7+", default=False)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                committed_offset: int = w.int64()
                committed_leader_epoch: int = w.int32("5-7", default=-1, ignorable=True)
                metadata: str | None = w.string(null="0+")
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        class Group(w.Struct):
            class Topic(w.Struct):
                class Partition(w.Struct):
                    partition_index: int = w.int32()
                    committed_offset: int = w.int64()
                    committed_leader_epoch: int = w.int32(default=-1, ignorable=True)
                    metadata: str | None = w.string(null="0+")
                    error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

                name: str = w.string("8-9", default="", ignorable=True)
                topic_id: UUID = w.uuid("10+", default=w.ZERO_UUID, ignorable=True)
                partitions: list[Partition] = w.array(Partition)

            group_id: str = w.string()
            topics: list[Topic] = w.array(Topic)
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

        throttle_time_ms: int = w.int32("3+", default=0, ignorable=True)
        topics: list[Topic] = w.array(Topic, "0-7", default=[])
        error_code: ErrorCode = w.error_code("2-7", default=ErrorCode.NONE, ignorable=True)
        groups: list[Group] = w.array(Group, "8+", default=[])
