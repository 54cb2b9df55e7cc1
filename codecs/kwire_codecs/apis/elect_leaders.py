"""ElectLeaders: elect partition leaders, preferred ones or unclean.

v1 election type, error code (KIP-460) · v2 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class ElectLeaders(w.Api, key=43, versions="0-2", flexible="2+"):
    class Request(w.Struct):
        class TopicPartitions(w.Struct):
            topic: str = w.string()
            partitions: list[int] = w.array(w.int32())

        election_type: int = w.int8("1+", default=0)
        topic_partitions: list[TopicPartitions] | None = w.array(TopicPartitions, null="0+")
        timeout_ms: int = w.int32(default=60000)

    class Response(w.Struct):
        class ReplicaElectionResult(w.Struct):
            class PartitionResult(w.Struct):
                partition_id: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string(null="0+", default=None)

            topic: str = w.string()
            partition_result: list[PartitionResult] = w.array(PartitionResult)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code("1+", default=ErrorCode.NONE)
        replica_election_results: list[ReplicaElectionResult] = w.array(ReplicaElectionResult)
