"""ShareAcknowledge: a share consumer says what became of records it acquired.

flexible from the start · v1 the first stable version · v2 is renew ack, acquisition lock timeout (KIP-1222)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class ShareAcknowledge(w.Api, key=79, versions="1-2", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                class AcknowledgementBatch(w.Struct):
                    first_offset: int = w.int64()
                    last_offset: int = w.int64()
                    acknowledge_types: list[int] = w.array(w.int8())

                partition_index: int = w.int32()
                acknowledgement_batches: list[AcknowledgementBatch] = w.array(AcknowledgementBatch)

            topic_id: UUID = w.uuid()
            partitions: list[Partition] = w.array(Partition)

        group_id: str | None = w.string(null="0+", default=None)
        member_id: str | None = w.string(null="0+")
        share_session_epoch: int = w.int32()
        is_renew_ack: bool = w.boolean("2+", default=False)
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                class CurrentLeader(w.Struct):
                    leader_id: int = w.int32()
                    leader_epoch: int = w.int32()

                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string(null="0+", default=None)
                current_leader: CurrentLeader = w.struct(CurrentLeader)

            topic_id: UUID = w.uuid()
            partitions: list[Partition] = w.array(Partition)

        class NodeEndpoint(w.Struct):
            node_id: int = w.int32()
            host: str = w.string()
            port: int = w.int32()
            rack: str | None = w.string(null="0+", default=None)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        acquisition_lock_timeout_ms: int = w.int32("2+", default=0, ignorable=True)
        responses: list[Topic] = w.array(Topic)
        node_endpoints: list[NodeEndpoint] = w.array(NodeEndpoint)
