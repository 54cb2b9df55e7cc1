"""DeleteTopics: remove topics.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 TOPIC_DELETION_DISABLED · v4 flexible · v5
error message; THROTTLING_QUOTA_EXCEEDED (KIP-599) · v6 topics, no topic names, topic id (KIP-516)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class DeleteTopics(w.Api, key=20, versions="0-6", flexible="4+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            name: str | None = w.string(null="0+", default=None)
            topic_id: UUID = w.uuid()

        topics: list[Topic] = w.array(Topic, "6+", default=[])
        topic_names: list[str] = w.array(w.string(), "0-5", default=[], ignorable=True)
        timeout_ms: int = w.int32()

    class Response(w.Struct):
        class Topic(w.Struct):
            name: str | None = w.string(null="6+")
            topic_id: UUID = w.uuid("6+", default=w.ZERO_UUID, ignorable=True)
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string("5+", null="5+", default=None, ignorable=True)

        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        responses: list[Topic] = w.array(Topic)
