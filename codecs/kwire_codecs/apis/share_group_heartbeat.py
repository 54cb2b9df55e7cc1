"""ShareGroupHeartbeat: a share group's member: join, stay, get an assignment, leave.

flexible from the start · v1 the first stable version
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class ShareGroupHeartbeat(w.Api, key=76, versions="1", flexible="0+"):
    class Request(w.Struct):
        group_id: str = w.string()
        member_id: str = w.string()
        member_epoch: int = w.int32()
        rack_id: str | None = w.string(null="0+", default=None)
        subscribed_topic_names: list[str] | None = w.array(w.string(), null="0+", default=None)

    class Response(w.Struct):
        class Assignment(w.Struct):
            class TopicPartitions(w.Struct):
                topic_id: UUID = w.uuid()
                partitions: list[int] = w.array(w.int32())

            topic_partitions: list[TopicPartitions] = w.array(TopicPartitions)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        member_id: str | None = w.string(null="0+", default=None)
        member_epoch: int = w.int32()
        heartbeat_interval_ms: int = w.int32()
        assignment: Assignment | None = w.struct(Assignment, null="0+", default=None)
