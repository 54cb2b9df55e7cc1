"""TxnOffsetCommit: offsets that become visible when their transaction commits.

v1 throttling moves to the client (KIP-219) · v2 committed leader epoch (KIP-320) · v3 generation id or member
epoch, member id, group instance id (KIP-447), flexible · v4 TRANSACTION_ABORTABLE (KIP-890) · v5 TV2: the
group joins the transaction by itself (KIP-890) · v6 no name, topic id (KIP-1319)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class TxnOffsetCommit(w.Api, key=28, versions="0-6", flexible="3+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                committed_offset: int = w.int64()
                committed_leader_epoch: int = w.int32("2+", default=-1, ignorable=True)
                committed_metadata: str | None = w.string(null="0+")

            name: str = w.string("0-5", default="", ignorable=True)
            topic_id: UUID = w.uuid("6+", default=w.ZERO_UUID, ignorable=True)
            partitions: list[Partition] = w.array(Partition)

        transactional_id: str = w.string()
        group_id: str = w.string()
        producer_id: int = w.int64()
        producer_epoch: int = w.int16()
        generation_id_or_member_epoch: int = w.int32("3+", default=-1)
        member_id: str = w.string("3+", default="")
        group_instance_id: str | None = w.string("3+", null="3+", default=None)
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

            name: str = w.string("0-5", default="", ignorable=True)
            topic_id: UUID = w.uuid("6+", default=w.ZERO_UUID, ignorable=True)
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32(default=0)
        topics: list[Topic] = w.array(Topic)
