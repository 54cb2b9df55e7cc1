"""ReadShareGroupStateSummary: a share partition's state without its batches.

flexible from the start · v1 delivery complete count (KIP-1226)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class ReadShareGroupStateSummary(w.Api, key=87, versions="0-1", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition: int = w.int32()
                leader_epoch: int = w.int32()

            topic_id: UUID = w.uuid()
            partitions: list[Partition] = w.array(Partition)

        group_id: str = w.string()
        topics: list[Topic] = w.array(Topic)

    class Response(w.Struct):
        class Result(w.Struct):
            class Partition(w.Struct):
                partition: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string(null="0+", default=None)
                state_epoch: int = w.int32()
                leader_epoch: int = w.int32()
                start_offset: int = w.int64()
                delivery_complete_count: int = w.int32("1+", default=-1, ignorable=True)

            topic_id: UUID = w.uuid()
            partitions: list[Partition] = w.array(Partition)

        results: list[Result] = w.array(Result)
