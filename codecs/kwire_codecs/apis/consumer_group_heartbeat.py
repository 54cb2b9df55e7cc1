"""ConsumerGroupHeartbeat: the one request of a KIP-848 consumer: join, stay, get an assignment, leave.

flexible from the start · v1 subscribed topic regex (KIP-848); the client makes its member id (KIP-1082)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class ConsumerGroupHeartbeat(w.Api, key=68, versions="0-1", flexible="0+"):
    class Request(w.Struct):
        class TopicPartitions(w.Struct):
            topic_id: UUID = w.uuid()
            partitions: list[int] = w.array(w.int32())

        group_id: str = w.string()
        member_id: str = w.string()
        member_epoch: int = w.int32()
        instance_id: str | None = w.string(null="0+", default=None)
        rack_id: str | None = w.string(null="0+", default=None)
        rebalance_timeout_ms: int = w.int32(default=-1)
        subscribed_topic_names: list[str] | None = w.array(w.string(), null="0+", default=None)
        subscribed_topic_regex: str | None = w.string("1+", null="1+", default=None)
        server_assignor: str | None = w.string(null="0+", default=None)
        topic_partitions: list[TopicPartitions] | None = w.array(TopicPartitions, null="0+", default=None)

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
