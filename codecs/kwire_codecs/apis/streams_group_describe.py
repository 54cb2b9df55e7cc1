"""StreamsGroupDescribe: state, members and topology of Streams groups.

flexible from the start · v1 include topology description, name, node type, more (KIP-1331)
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


class TaskOffset(w.Struct):
    subtopology_id: str = w.string()
    partition: int = w.int32()
    offset: int = w.int64()


class TaskIds(w.Struct):
    subtopology_id: str = w.string()
    partitions: list[int] = w.array(w.int32())


class Assignment(w.Struct):
    active_tasks: list[TaskIds] = w.array(TaskIds)
    standby_tasks: list[TaskIds] = w.array(TaskIds)
    warmup_tasks: list[TaskIds] = w.array(TaskIds)


class TopologyDescriptionNode(w.Struct):
    name: str = w.string("1+", default="")
    node_type: int = w.int8("1+", default=0)
    source_topics: list[str] = w.array(w.string(), "1+", default=[])
    sink_topic: str | None = w.string("1+", null="1+", default=None)
    stores: list[str] = w.array(w.string(), "1+", default=[])
    successors: list[str] = w.array(w.string(), "1+", default=[])


class StreamsGroupDescribe(w.Api, key=89, versions="0-1", flexible="0+"):
    class Request(w.Struct):
        group_ids: list[str] = w.array(w.string())
        include_authorized_operations: bool = w.boolean()
        include_topology_description: bool = w.boolean("1+", default=False)

    class Response(w.Struct):
        class Group(w.Struct):
            class Topology(w.Struct):
                class Subtopology(w.Struct):
                    subtopology_id: str = w.string()
                    source_topics: list[str] = w.array(w.string())
                    repartition_sink_topics: list[str] = w.array(w.string())
                    state_changelog_topics: list[TopicInfo] = w.array(TopicInfo)
                    repartition_source_topics: list[TopicInfo] = w.array(TopicInfo)

                epoch: int = w.int32()
                subtopologies: list[Subtopology] | None = w.array(Subtopology, null="0+", default=None)

            class Member(w.Struct):
                class UserEndpoint(w.Struct):
                    host: str = w.string()
                    port: int = w.uint16()

                member_id: str = w.string()
                member_epoch: int = w.int32()
                instance_id: str | None = w.string(null="0+", default=None)
                rack_id: str | None = w.string(null="0+", default=None)
                client_id: str = w.string()
                client_host: str = w.string()
                topology_epoch: int = w.int32()
                process_id: str = w.string()
                user_endpoint: UserEndpoint | None = w.struct(UserEndpoint, null="0+", default=None)
                client_tags: list[KeyValue] = w.array(KeyValue)
                task_offsets: list[TaskOffset] = w.array(TaskOffset)
                task_end_offsets: list[TaskOffset] = w.array(TaskOffset)
                assignment: Assignment = w.struct(Assignment)
                target_assignment: Assignment = w.struct(Assignment)
                is_classic: bool = w.boolean()

            class TopologyDescription(w.Struct):
                class Subtopology(w.Struct):
                    subtopology_id: str = w.string()
                    nodes: list[TopologyDescriptionNode] = w.array(TopologyDescriptionNode)

                class GlobalStore(w.Struct):
                    source: TopologyDescriptionNode = w.struct(TopologyDescriptionNode)
                    processor: TopologyDescriptionNode = w.struct(TopologyDescriptionNode)

                subtopologies: list[Subtopology] = w.array(Subtopology)
                global_stores: list[GlobalStore] = w.array(GlobalStore)

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)
            group_id: str = w.string()
            group_state: str = w.string()
            group_epoch: int = w.int32()
            assignment_epoch: int = w.int32()
            topology: Topology | None = w.struct(Topology, null="0+", default=None)
            members: list[Member] = w.array(Member)
            authorized_operations: int = w.int32(default=-2147483648)
            topology_description: TopologyDescription | None = w.struct(
                TopologyDescription, "1+", null="1+", default=None
            )
            topology_description_status: int = w.int8("1+", default=0)
            assignor_name: str | None = w.string("1+", null="1+", default=None, ignorable=True)

        throttle_time_ms: int = w.int32(default=0)
        groups: list[Group] = w.array(Group)
