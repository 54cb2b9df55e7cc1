"""OffsetCommit: a group's member stores how far it has read.

v1 generation id or member epoch, member id, commit timestamp; kept in the group instead of ZooKeeper · v2
retention time, no commit timestamp (KIP-211) · v3 throttle time · v4 throttling moves to the client (KIP-219)
· v5 no retention time · v6 committed leader epoch (KIP-320) · v7 group instance id (KIP-345) · v8 flexible ·
v9 STALE_MEMBER_EPOCH, GROUP_ID_NOT_FOUND (KIP-848) · v10 no name, topic id (KIP-848)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class OffsetCommit(w.Api, key=8, versions="0-10", flexible="8+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                committed_offset: int = w.int64()
                committed_leader_epoch: int = w.int32("6+", default=-1, ignorable=True)
                commit_timestamp: int = w.int64("1", default=-1)
                committed_metadata: str | None = w.string(null="0+")

            name: str = w.string("0-9", default="", ignorable=True)
            topic_id: UUID = w.uuid("10+", default=w.ZERO_UUID, ignorable=True)
            partitions: list[Partition] = w.array(Partition)

        group_id: str = w.string()
        generation_id_or_member_epoch: int = w.int32("1+", default=-1, ignorable=True)
        member_id: str = w.string("1+", default="", ignorable=True)
        group_instance_id: str | None = w.string("7+", null="7+", default=None)
        retention_time_ms: int = w.int64("2-4", default=-1, ignorable=True)
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

            name: str = w.string("0-9", default="", ignorable=True)
            topic_id: UUID = w.uuid("10+", default=w.ZERO_UUID, ignorable=True)
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32("3+", default=0, ignorable=True)
        topics: list[Topic] = w.array(Topic)
