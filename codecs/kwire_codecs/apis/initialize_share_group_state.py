"""InitializeShareGroupState: the group coordinator begins a share partition's state at the share coordinator.

flexible from the start
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class InitializeShareGroupState(w.Api, key=83, versions="0", flexible="0+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Partition(w.Struct):
                partition: int = w.int32()
                state_epoch: int = w.int32()
                start_offset: int = w.int64()

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

            topic_id: UUID = w.uuid()
            partitions: list[Partition] = w.array(Partition)

        results: list[Result] = w.array(Result)
