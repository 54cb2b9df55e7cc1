"""Produce: a client hands record batches to the leaders of their partitions.

v1 throttle time (quotas) · v2 magic 1 sets, log append time (KIP-32) · v3 transactional id; magic 2 only
(KIP-98) · v4 KAFKA_STORAGE_ERROR (KIP-112) · v5 log start offset (KIP-98) · v6 throttling moves to the client
(KIP-219) · v7 zstd (KIP-110) · v8 record errors, error message (KIP-467) · v9 flexible · v10 current leader,
node endpoints (KIP-951) · v11 TRANSACTION_ABORTABLE (KIP-890) · v12 partitions join the transaction by
themselves (KIP-890) · v13 no name, topic id (KIP-516)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class Produce(w.Api, key=0, versions="0-13", flexible="9+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                index: int = w.int32()
                records: memoryview | None = w.records(null="0+")

            name: str = w.string("0-12", default="", ignorable=True)
            topic_id: UUID = w.uuid("13+", default=w.ZERO_UUID, ignorable=True)
            partition_data: list[Partition] = w.array(Partition)

        transactional_id: str | None = w.string("3+", null="3+", default=None)
        acks: int = w.int16()
        timeout_ms: int = w.int32()
        topic_data: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                class RecordError(w.Struct):
                    batch_index: int = w.int32()
                    batch_index_error_message: str | None = w.string(null="0+", default=None)

                class CurrentLeader(w.Struct):
                    leader_id: int = w.int32(default=-1)
                    leader_epoch: int = w.int32(default=-1)

                index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                base_offset: int = w.int64()
                log_append_time_ms: int = w.int64("2+", default=-1, ignorable=True)
                log_start_offset: int = w.int64("5+", default=-1, ignorable=True)
                record_errors: list[RecordError] = w.array(RecordError, "8+", default=[], ignorable=True)
                error_message: str | None = w.string("8+", null="8+", default=None, ignorable=True)
                current_leader: CurrentLeader = w.struct(
                    CurrentLeader, "10+", default_factory=CurrentLeader, tag=0
                )

            name: str = w.string("0-12", default="", ignorable=True)
            topic_id: UUID = w.uuid("13+", default=w.ZERO_UUID, ignorable=True)
            partition_responses: list[Partition] = w.array(Partition)

        class NodeEndpoint(w.Struct):
            node_id: int = w.int32()
            host: str = w.string()
            port: int = w.int32()
            rack: str | None = w.string(null="0+", default=None)

        responses: list[Topic] = w.array(Topic)
        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        node_endpoints: list[NodeEndpoint] = w.array(NodeEndpoint, "10+", default=[], tag=0)
