"""DescribeProducers: the idempotent and transactional producers that a partition remembers.

flexible from the start
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeProducers(w.Api, key=61, versions="0", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            name: str = w.string()
            partition_indexes: list[int] = w.array(w.int32())

        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                class ActiveProducer(w.Struct):
                    producer_id: int = w.int64()
                    producer_epoch: int = w.int32()
                    last_sequence: int = w.int32(default=-1)
                    last_timestamp: int = w.int64(default=-1)
                    coordinator_epoch: int = w.int32()
                    current_txn_start_offset: int = w.int64(default=-1)

                partition_index: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string(null="0+", default=None)
                active_producers: list[ActiveProducer] = w.array(ActiveProducer)

            name: str = w.string()
            partitions: list[Partition] = w.array(Partition)

        throttle_time_ms: int = w.int32(default=0)
        topics: list[Topic] = w.array(Topic)
