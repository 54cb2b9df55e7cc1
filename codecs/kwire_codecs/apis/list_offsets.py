"""ListOffsets: which offset stands at the log's start, at its end, or at a point in time.

v1 no max num offsets, no old style offsets, timestamp, offset: one offset instead of a list (KIP-79) · v2
isolation level, throttle time (KIP-98) · v3 throttling moves to the client (KIP-219) · v4 current leader
epoch, leader epoch (KIP-320) · v5 OFFSET_NOT_AVAILABLE (KIP-207) · v6 flexible · v7 the timestamp -3: highest
timestamp (KIP-734) · v8 -4: earliest local (KIP-405) · v9 -5: latest tiered (KIP-1005) · v10 timeout
(KIP-1075) · v11 -6: earliest pending upload (KIP-1023)
"""

from .. import wire as w
from ..errors import ErrorCode


class ListOffsets(w.Api, key=2, versions="0-11", flexible="6+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                current_leader_epoch: int = w.int32("4+", default=-1, ignorable=True)
                timestamp: int = w.int64()
                max_num_offsets: int = w.int32("0", default=1)

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        replica_id: int = w.int32()
        isolation_level: int = w.int8("2+", default=0)
        topics: list[Topic] = w.array(Topic)
        timeout_ms: int = w.int32("10+", default=0, ignorable=True)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                old_style_offsets: list[int] = w.array(w.int64(), "0", default=[])
                timestamp: int = w.int64("1+", default=-1)
                offset: int = w.int64("1+", default=-1)
                leader_epoch: int = w.int32("4+", default=-1)

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32("2+", default=0, ignorable=True)
        topics: list[Topic] = w.array(Topic)
