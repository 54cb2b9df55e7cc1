"""ShareFetch: a share consumer acquires records, and may acknowledge earlier ones with it.

flexible from the start · v1 the first stable version · v2 share acquire mode, is renew ack (KIP-1206,
KIP-1222)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class ShareFetch(w.Api, key=78, versions="1-2", flexible="0+"):
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

        class ForgottenTopic(w.Struct):
            topic_id: UUID = w.uuid()
            partitions: list[int] = w.array(w.int32())

        group_id: str | None = w.string(null="0+", default=None)
        member_id: str | None = w.string(null="0+")
        share_session_epoch: int = w.int32()
        max_wait_ms: int = w.int32()
        min_bytes: int = w.int32()
        max_bytes: int = w.int32(default=0x7FFFFFFF)
        max_records: int = w.int32()
        batch_size: int = w.int32()
        share_acquire_mode: int = w.int8("2+", default=0, ignorable=True)
        is_renew_ack: bool = w.boolean("2+", default=False)
        topics: list[Topic] = w.array(Topic)
        forgotten_topics_data: list[ForgottenTopic] = w.array(ForgottenTopic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                class CurrentLeader(w.Struct):
                    leader_id: int = w.int32()
                    leader_epoch: int = w.int32()

                class AcquiredRange(w.Struct):
                    first_offset: int = w.int64()
                    last_offset: int = w.int64()
                    delivery_count: int = w.int16()

                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string(null="0+", default=None)
                acknowledge_error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                acknowledge_error_message: str | None = w.string(null="0+", default=None)
                current_leader: CurrentLeader = w.struct(CurrentLeader)
                records: w.Records | None = w.records()
                acquired_records: list[AcquiredRange] = w.array(AcquiredRange)

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
        acquisition_lock_timeout_ms: int = w.int32()
        responses: list[Topic] = w.array(Topic)
        node_endpoints: list[NodeEndpoint] = w.array(NodeEndpoint)
