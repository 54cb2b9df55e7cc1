"""Fetch: a consumer (or a follower) asks for the records from given offsets on, and may wait for them.

v1 throttle time · v2 magic 1 sets (KIP-32) · v3 max bytes (KIP-74) · v4 isolation level, last stable offset,
aborted transactions (KIP-98) · v5 log start offset (KIP-107) · v6 KAFKA_STORAGE_ERROR (KIP-112) · v7 session
id, session epoch, forgotten topics data, error code: sessions (KIP-227) · v8 throttling moves to the client
(KIP-219) · v9 current leader epoch (KIP-320) · v10 zstd (KIP-110) · v11 rack id, preferred read replica
(KIP-392) · v12 cluster id, last fetched epoch, diverging epoch, more (KIP-595), flexible · v13 no topic,
topic id (KIP-516) · v14 OFFSET_MOVED_TO_TIERED_STORAGE (KIP-405) · v15 no replica id, replica state (KIP-903)
· v16 node endpoints (KIP-951) · v17 replica directory id (KIP-853) · v18 high watermark (KIP-1166)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class Fetch(w.Api, key=1, versions="0-18", flexible="12+"):
    class Request(w.Struct):
        class ReplicaState(w.Struct):
            replica_id: int = w.int32(default=-1)
            replica_epoch: int = w.int64(default=-1)

        class Topic(w.Struct):
            class Partition(w.Struct):
                partition: int = w.int32()
                current_leader_epoch: int = w.int32("9+", default=-1, ignorable=True)
                fetch_offset: int = w.int64()
                last_fetched_epoch: int = w.int32("12+", default=-1)
                log_start_offset: int = w.int64("5+", default=-1, ignorable=True)
                partition_max_bytes: int = w.int32()
                replica_directory_id: UUID = w.uuid("17+", default=w.ZERO_UUID, tag=0, ignorable=True)
                high_watermark: int = w.int64("18+", default=9223372036854775807, tag=1, ignorable=True)

            topic: str = w.string("0-12", default="", ignorable=True)
            topic_id: UUID = w.uuid("13+", default=w.ZERO_UUID, ignorable=True)
            partitions: list[Partition] = w.array(Partition)

        class ForgottenTopic(w.Struct):
            topic: str = w.string("7-12", default="", ignorable=True)
            topic_id: UUID = w.uuid("13+", default=w.ZERO_UUID, ignorable=True)
            partitions: list[int] = w.array(w.int32())

        cluster_id: str | None = w.string("12+", null="12+", default=None, tag=0, ignorable=True)
        replica_id: int = w.int32("0-14", default=-1)
        replica_state: ReplicaState = w.struct(ReplicaState, "15+", default_factory=ReplicaState, tag=1)
        max_wait_ms: int = w.int32()
        min_bytes: int = w.int32()
        max_bytes: int = w.int32("3+", default=0x7FFFFFFF, ignorable=True)
        isolation_level: int = w.int8("4+", default=0, ignorable=True)
        session_id: int = w.int32("7+", default=0, ignorable=True)
        session_epoch: int = w.int32("7+", default=-1, ignorable=True)
        topics: list[Topic] = w.array(Topic)
        forgotten_topics_data: list[ForgottenTopic] = w.array(ForgottenTopic, "7+", default=[])
        rack_id: str = w.string("11+", default="", ignorable=True)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                class DivergingEpoch(w.Struct):
                    epoch: int = w.int32(default=-1)
                    end_offset: int = w.int64(default=-1)

                class CurrentLeader(w.Struct):
                    leader_id: int = w.int32(default=-1)
                    leader_epoch: int = w.int32(default=-1)

                class SnapshotId(w.Struct):
                    end_offset: int = w.int64(default=-1)
                    epoch: int = w.int32(default=-1)

                class AbortedTransaction(w.Struct):
                    producer_id: int = w.int64()
                    first_offset: int = w.int64()

                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                high_watermark: int = w.int64()
                last_stable_offset: int = w.int64("4+", default=-1, ignorable=True)
                log_start_offset: int = w.int64("5+", default=-1, ignorable=True)
                diverging_epoch: DivergingEpoch = w.struct(
                    DivergingEpoch, "12+", default_factory=DivergingEpoch, tag=0
                )
                current_leader: CurrentLeader = w.struct(
                    CurrentLeader, "12+", default_factory=CurrentLeader, tag=1
                )
                snapshot_id: SnapshotId = w.struct(SnapshotId, "12+", default_factory=SnapshotId, tag=2)
                aborted_transactions: list[AbortedTransaction] | None = w.array(
                    AbortedTransaction, "4+", null="4+", default=[], ignorable=True
                )
                preferred_read_replica: int = w.int32("11+", default=-1)
                records: w.Records | None = w.records(null="0+")

            topic: str = w.string("0-12", default="", ignorable=True)
            topic_id: UUID = w.uuid("13+", default=w.ZERO_UUID, ignorable=True)
            partitions: list[Partition] = w.array(Partition)

        class NodeEndpoint(w.Struct):
            node_id: int = w.int32()
            host: str = w.string()
            port: int = w.int32()
            rack: str | None = w.string(null="0+", default=None)

        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        error_code: ErrorCode = w.error_code("7+", default=ErrorCode.NONE, ignorable=True)
        session_id: int = w.int32("7+", default=0)
        responses: list[Topic] = w.array(Topic)
        node_endpoints: list[NodeEndpoint] = w.array(NodeEndpoint, "16+", default=[], tag=0)
