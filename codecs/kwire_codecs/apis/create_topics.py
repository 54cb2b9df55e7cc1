"""CreateTopics: make topics.

v1 validate only, error message · v2 throttle time · v3 throttling moves to the client (KIP-219) · v4 -1 for
the brokers' defaults (KIP-464) · v5 topic config error code, num partitions, replication factor, configs
(KIP-525), flexible · v6 THROTTLING_QUOTA_EXCEEDED (KIP-599) · v7 topic id (KIP-516)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class CreateTopics(w.Api, key=19, versions="0-7", flexible="5+"):
    class Request(w.Struct):
        class Topic(w.Struct):
            class Assignment(w.Struct):
                partition_index: int = w.int32()
                broker_ids: list[int] = w.array(w.int32())

            class Config(w.Struct):
                name: str = w.string()
                value: str | None = w.string(null="0+")

            name: str = w.string()
            num_partitions: int = w.int32()
            replication_factor: int = w.int16()
            assignments: list[Assignment] = w.array(Assignment)
            configs: list[Config] = w.array(Config)

        topics: list[Topic] = w.array(Topic)
        timeout_ms: int = w.int32(default=60000)
        validate_only: bool = w.boolean("1+", default=False)

    class Response(w.Struct):
        class Topic(w.Struct):
            class Config(w.Struct):
                name: str = w.string()
                value: str | None = w.string(null="0+")
                read_only: bool = w.boolean()
                config_source: int = w.int8(default=-1, ignorable=True)
                is_sensitive: bool = w.boolean()

            name: str = w.string()
            topic_id: UUID = w.uuid("7+", default=w.ZERO_UUID, ignorable=True)
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string("1+", null="1+", default=None, ignorable=True)
            topic_config_error_code: ErrorCode = w.error_code(
                "5+", default=ErrorCode.NONE, tag=0, ignorable=True
            )
            num_partitions: int = w.int32("5+", default=-1, ignorable=True)
            replication_factor: int = w.int16("5+", default=-1, ignorable=True)
            configs: list[Config] | None = w.array(Config, "5+", null="5+", default=[], ignorable=True)

        throttle_time_ms: int = w.int32("2+", default=0, ignorable=True)
        topics: list[Topic] = w.array(Topic)
