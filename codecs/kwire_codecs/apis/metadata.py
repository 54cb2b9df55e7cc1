"""Metadata: which brokers there are, and which topics with which partitions and leaders.

v1 rack, controller id, is internal; null for all topics · v2 cluster id (KIP-78) · v3 throttle time · v4
allow auto topic creation (KIP-204) · v5 offline replicas (KIP-112) · v6 throttling moves to the client
(KIP-219) · v7 leader epoch (KIP-320) · v8 include cluster authorized operations, include topic authorized
operations, topic authorized operations, cluster authorized operations (KIP-430) · v9 flexible · v10 topic id
(KIP-516) · v11 no include cluster authorized operations, no cluster authorized operations (KIP-700) · v12
topics may be asked for by id (KIP-516) · v13 error code (KIP-1102)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class Metadata(w.Api, key=3, versions="0-13", flexible="9+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            topic_id: UUID = w.uuid("10+", default=w.ZERO_UUID, ignorable=True)
            name: str | None = w.string(null="10+")

        topics: list[Topic] | None = w.array(Topic, null="1+")
        allow_auto_topic_creation: bool = w.boolean("4+", default=True)
        include_cluster_authorized_operations: bool = w.boolean("8-10", default=False)
        include_topic_authorized_operations: bool = w.boolean("8+", default=False)

    class Response(w.Struct):
        class Broker(w.Struct):
            node_id: int = w.int32()
            host: str = w.string()
            port: int = w.int32()
            rack: str | None = w.string("1+", null="1+", default=None, ignorable=True)

        class Topic(w.Struct):
            class Partition(w.Struct):
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                partition_index: int = w.int32()
                leader_id: int = w.int32()
                leader_epoch: int = w.int32("7+", default=-1, ignorable=True)
                replica_nodes: list[int] = w.array(w.int32())
                isr_nodes: list[int] = w.array(w.int32())
                offline_replicas: list[int] = w.array(w.int32(), "5+", default=[], ignorable=True)

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            name: str | None = w.string(null="12+")
            topic_id: UUID = w.uuid("10+", default=w.ZERO_UUID, ignorable=True)
            is_internal: bool = w.boolean("1+", default=False, ignorable=True)
            partitions: list[Partition] | w.Encoded = w.array(Partition, reusable=True)
            topic_authorized_operations: int = w.int32("8+", default=-2147483648)

        throttle_time_ms: int = w.int32("3+", default=0, ignorable=True)
        brokers: list[Broker] = w.array(Broker)
        cluster_id: str | None = w.string("2+", null="2+", default=None, ignorable=True)
        controller_id: int = w.int32("1+", default=-1, ignorable=True)
        topics: list[Topic] | w.Encoded = w.array(Topic, reusable=True)
        cluster_authorized_operations: int = w.int32("8-10", default=-2147483648)
        error_code: ErrorCode = w.error_code("13+", default=ErrorCode.NONE, ignorable=True)
