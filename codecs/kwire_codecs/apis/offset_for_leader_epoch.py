"""OffsetForLeaderEpoch: where a leader epoch ends in the log.

v1 leader epoch · v2 current leader epoch, throttle time (KIP-320) · v3 replica id · v4 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class OffsetForLeaderEpoch(w.Api, key=23, versions="0-4", flexible="4+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition: int = w.int32()
                current_leader_epoch: int = w.int32("2+", default=-1, ignorable=True)
                leader_epoch: int = w.int32()

            topic: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        replica_id: int = w.int32("3+", default=-2, ignorable=True)
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                partition: int = w.int32()
                leader_epoch: int = w.int32("1+", default=-1, ignorable=True)
                end_offset: int = w.int64(default=-1)

            topic: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32("2+", default=0, ignorable=True)
        topics: list[Topic] = w.array(Topic)
