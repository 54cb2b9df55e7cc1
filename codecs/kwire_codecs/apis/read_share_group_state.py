"""ReadShareGroupState: the broker reads a share partition's state from the share coordinator.

flexible from the start
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class ReadShareGroupState(w.Api, key=84, versions="0", flexible="0+"):
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
                class StateBatch(w.Struct):
                    first_offset: int = w.int64()
                    last_offset: int = w.int64()
                    delivery_state: int = w.int8()
                    delivery_count: int = w.int16()

                partition: int = w.int32()
                error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
                error_message: str | None = w.string(null="0+", default=None)
                state_epoch: int = w.int32()
                start_offset: int = w.int64()
                state_batches: list[StateBatch] = w.array(StateBatch)

            topic_id: UUID = w.uuid()
            partitions: list[Partition] = w.array(Partition)

        results: list[Result] = w.array(Result)
