"""ShareGroupDescribe: state and members of share groups.

flexible from the start · v1 the first stable version
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class ShareGroupDescribe(w.Api, key=77, versions="1", flexible="0+"):
    class Request(w.Struct):
        group_ids: list[str] = w.array(w.string())
        include_authorized_operations: bool = w.boolean()

    class Response(w.Struct):
        class Group(w.Struct):
            class Member(w.Struct):
                class Assignment(w.Struct):
                    class TopicPartitions(w.Struct):
                        topic_id: UUID = w.uuid()
                        topic_name: str = w.string()
                        partitions: list[int] = w.array(w.int32())

                    topic_partitions: list[TopicPartitions] = w.array(TopicPartitions)

                member_id: str = w.string()
                rack_id: str | None = w.string(null="0+", default=None)
                member_epoch: int = w.int32()
                client_id: str = w.string()
                client_host: str = w.string()
                subscribed_topic_names: list[str] = w.array(w.string())
                assignment: Assignment = w.struct(Assignment)

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)
            group_id: str = w.string()
            group_state: str = w.string()
            group_epoch: int = w.int32()
            assignment_epoch: int = w.int32()
            assignor_name: str = w.string()
            members: list[Member] = w.array(Member)
            authorized_operations: int = w.int32(default=-2147483648)

        throttle_time_ms: int = w.int32(default=0)
        groups: list[Group] = w.array(Group)
