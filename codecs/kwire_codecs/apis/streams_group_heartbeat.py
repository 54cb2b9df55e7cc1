"""StreamsGroupHeartbeat: a Streams client: join, tell topology and tasks, get an assignment, leave.

flexible from the start · v1 no acceptable recovery lag legacy, acceptable recovery lag, topology description
required (KIP-1331), status 6: MISSING_CLIENT_TAGS
"""

from .. import wire as w
from ..errors import ErrorCode


class KeyValue(w.Struct):
    key: str = w.string()
    value: str = w.string()


class TopicInfo(w.Struct):
    name: str = w.string()
    partitions: int = w.int32()
    replication_factor: int = w.int16()
    topic_configs: list[KeyValue] = w.array(KeyValue)


class TopicPartition(w.Struct):
    topic: str = w.string()
    partitions: list[int] = w.array(w.int32())


class StreamsGroupHeartbeat(w.Api, key=88, versions="0-1", flexible="0+"):
    class Request(w.Struct):
        class Topology(w.Struct):
            class Subtopology(w.Struct):
                class CopartitionGroup(w.Struct):
                    source_topics: list[int] = w.array(w.int16())
                    source_topic_regex: list[int] = w.array(w.int16())
                    repartition_source_topics: list[int] = w.array(w.int16())

                subtopology_id: str = w.string()
                source_topics: list[str] = w.array(w.string())
                source_topic_regex: list[str] = w.array(w.string())
                state_changelog_topics: list[TopicInfo] = w.array(TopicInfo)
                repartition_sink_topics: list[str] = w.array(w.string())
                repartition_source_topics: list[TopicInfo] = w.array(TopicInfo)
                copartition_groups: list[CopartitionGroup] = w.array(CopartitionGroup)

            epoch: int = w.int32()
            subtopologies: list[Subtopology] = w.array(Subtopology)

        class TaskIds(w.Struct):
            subtopology_id: str = w.string()
            partitions: list[int] = w.array(w.int32())

        class UserEndpoint(w.Struct):
            host: str = w.string()
            port: int = w.uint16()

        class TaskOffset(w.Struct):
            subtopology_id: str = w.string()
            partition: int = w.int32()
            offset: int = w.int64()

        group_id: str = w.string()
        member_id: str = w.string()
        member_epoch: int = w.int32()
        endpoint_information_epoch: int = w.int32()
        instance_id: str | None = w.string(null="0+", default=None)
        rack_id: str | None = w.string(null="0+", default=None)
        rebalance_timeout_ms: int = w.int32(default=-1)
        topology: Topology | None = w.struct(Topology, null="0+", default=None)
        active_tasks: list[TaskIds] | None = w.array(TaskIds, null="0+", default=None)
        standby_tasks: list[TaskIds] | None = w.array(TaskIds, null="0+", default=None)
        warmup_tasks: list[TaskIds] | None = w.array(TaskIds, null="0+", default=None)
        process_id: str | None = w.string(null="0+", default=None)
        user_endpoint: UserEndpoint | None = w.struct(UserEndpoint, null="0+", default=None)
        client_tags: list[KeyValue] | None = w.array(KeyValue, null="0+", default=None)
        task_offsets: list[TaskOffset] | None = w.array(TaskOffset, null="0+", default=None)
        task_end_offsets: list[TaskOffset] | None = w.array(TaskOffset, null="0+", default=None)
        shutdown_application: bool = w.boolean(default=False)

    class Response(w.Struct):
        class Status(w.Struct):
            status_code: int = w.int8()
            status_detail: str = w.string()

        class TaskIds(w.Struct):
            subtopology_id: str = w.string()
            partitions: list[int] = w.array(w.int32())

        class EndpointPartitions(w.Struct):
            class UserEndpoint(w.Struct):
                host: str = w.string()
                port: int = w.uint16()

            user_endpoint: UserEndpoint = w.struct(UserEndpoint)
            active_partitions: list[TopicPartition] = w.array(TopicPartition)
            standby_partitions: list[TopicPartition] = w.array(TopicPartition)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        member_id: str = w.string()
        member_epoch: int = w.int32()
        heartbeat_interval_ms: int = w.int32()
        acceptable_recovery_lag_legacy: int = w.int32("0", default=0)
        task_offset_interval_ms: int = w.int32()
        acceptable_recovery_lag: int = w.int64("1+", default=-1, ignorable=True)
        status: list[Status] | None = w.array(Status, null="0+")
        active_tasks: list[TaskIds] | None = w.array(TaskIds, null="0+", default=None)
        standby_tasks: list[TaskIds] | None = w.array(TaskIds, null="0+", default=None)
        warmup_tasks: list[TaskIds] | None = w.array(TaskIds, null="0+", default=None)
        topology_description_required: bool = w.boolean("1+", default=False)
        endpoint_information_epoch: int = w.int32()
        partitions_by_user_endpoint: list[EndpointPartitions] | None = w.array(
            EndpointPartitions, null="0+", default=None
        )
