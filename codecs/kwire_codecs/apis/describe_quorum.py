"""DescribeQuorum: the state of the metadata quorum.

flexible from the start · v1 last fetch timestamp, last caught up timestamp (KIP-836) · v2 error message,
replica directory id, nodes (KIP-853)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class ReplicaState(w.Struct):
    replica_id: int = w.int32()
    replica_directory_id: UUID = w.uuid("2+", default=w.ZERO_UUID)
    log_end_offset: int = w.int64()
    last_fetch_timestamp: int = w.int64("1+", default=-1, ignorable=True)
    last_caught_up_timestamp: int = w.int64("1+", default=-1, ignorable=True)


class DescribeQuorum(w.Api, key=55, versions="0-2", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()

            topic_name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string("2+", null="2+", default=None, ignorable=True)
                leader_id: int = w.int32()
                leader_epoch: int = w.int32()
                high_watermark: int = w.int64()
                current_voters: list[ReplicaState] = w.array(ReplicaState)
                observers: list[ReplicaState] = w.array(ReplicaState)

            topic_name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        class Node(w.Struct):
            class Listener(w.Struct):
                name: str = w.string()
                host: str = w.string()
                port: int = w.uint16()

            node_id: int = w.int32()
            listeners: list[Listener] = w.array(Listener)

        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string("2+", null="2+", default=None, ignorable=True)
        topics: list[Topic] = w.array(Topic)
        nodes: list[Node] = w.array(Node, "2+", default=[])
