"""The records of `__consumer_offsets`: committed offsets, and groups of all four kinds.

The class of a record's key tells its type; a null value (a tombstone) removes what the key names.
"""

from uuid import UUID

from .. import wire as w
from .coordinator import CoordinatorRecord as CoordinatorRecord
from .coordinator import UnknownRecord as UnknownRecord
from .coordinator import decode_with
from .coordinator import encode_key as encode_key
from .coordinator import encode_value as encode_value


class TopicInfo(w.Struct):
    class TopicConfig(w.Struct):
        key: str = w.string()
        value: str = w.string()

    name: str = w.string()
    partitions: int = w.int32()
    replication_factor: int = w.int16()
    topic_configs: list[TopicConfig] = w.array(TopicConfig)


class LegacyOffsetCommitKey(w.Message, key=0, versions="0"):
    group: str = w.string()
    topic: str = w.string()
    partition: int = w.int32()


class LegacyOffsetCommitValue(w.Message, key=0, versions="0"):
    offset: int = w.int64()
    metadata: str = w.string()
    commit_timestamp: int = w.int64()


class OffsetCommitKey(w.Message, key=1, versions="0"):
    group: str = w.string()
    topic: str = w.string()
    partition: int = w.int32()


class OffsetCommitValue(w.Message, key=1, versions="0-4", flexible="4+"):
    offset: int = w.int64()
    leader_epoch: int = w.int32("3+", default=-1, ignorable=True)
    metadata: str = w.string()
    commit_timestamp: int = w.int64()
    expire_timestamp: int = w.int64("1", default=-1, ignorable=True)
    topic_id: UUID = w.uuid("4+", default=w.ZERO_UUID, tag=0, ignorable=True)


class GroupMetadataKey(w.Message, key=2, versions="0"):
    group: str = w.string()


class GroupMetadataValue(w.Message, key=2, versions="0-4", flexible="4+"):
    class Member(w.Struct):
        member_id: str = w.string()
        group_instance_id: str | None = w.string("3+", null="3+", default=None, ignorable=True)
        client_id: str = w.string()
        client_host: str = w.string()
        rebalance_timeout: int = w.int32("1+", default=-1, ignorable=True)
        session_timeout: int = w.int32()
        subscription: bytes = w.bytes_()
        assignment: bytes = w.bytes_()

    protocol_type: str = w.string()
    generation: int = w.int32()
    protocol: str | None = w.string(null="0+")
    leader: str | None = w.string(null="0+")
    current_state_timestamp: int = w.int64("2+", default=-1, ignorable=True)
    members: list[Member] = w.array(Member)


class ConsumerGroupMetadataKey(w.Message, key=3, versions="0"):
    group_id: str = w.string()


class ConsumerGroupMetadataValue(w.Message, key=3, versions="0", flexible="0+"):
    epoch: int = w.int32()
    metadata_hash: int = w.int64(default=0, tag=0)


class ConsumerGroupPartitionMetadataKey(w.Message, key=4, versions="0"):
    group_id: str = w.string()


class ConsumerGroupPartitionMetadataValue(w.Message, key=4, versions="0", flexible="0+"):
    class Topic(w.Struct):
        class PartitionMetadata(w.Struct):
            partition: int = w.int32()
            racks: list[str] = w.array(w.string())

        topic_id: UUID = w.uuid()
        topic_name: str = w.string()
        num_partitions: int = w.int32()
        partition_metadata: list[PartitionMetadata] = w.array(PartitionMetadata)

    topics: list[Topic] = w.array(Topic)


class ConsumerGroupMemberMetadataKey(w.Message, key=5, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class ConsumerGroupMemberMetadataValue(w.Message, key=5, versions="0", flexible="0+"):
    class ClassicMemberMetadata(w.Struct):
        class SupportedProtocol(w.Struct):
            name: str = w.string()
            metadata: bytes = w.bytes_()

        session_timeout_ms: int = w.int32()
        supported_protocols: list[SupportedProtocol] = w.array(SupportedProtocol)

    instance_id: str | None = w.string(null="0+")
    rack_id: str | None = w.string(null="0+")
    client_id: str = w.string()
    client_host: str = w.string()
    subscribed_topic_names: list[str] = w.array(w.string())
    subscribed_topic_regex: str | None = w.string(null="0+")
    rebalance_timeout_ms: int = w.int32(default=-1)
    server_assignor: str | None = w.string(null="0+")
    classic_member_metadata: ClassicMemberMetadata | None = w.struct(
        ClassicMemberMetadata, null="0+", default_factory=ClassicMemberMetadata, tag=0
    )


class ConsumerGroupTargetAssignmentMetadataKey(w.Message, key=6, versions="0"):
    group_id: str = w.string()


class ConsumerGroupTargetAssignmentMetadataValue(w.Message, key=6, versions="0", flexible="0+"):
    assignment_epoch: int = w.int32()
    assignment_timestamp: int = w.int64(default=0, tag=0, ignorable=True)


class ConsumerGroupTargetAssignmentMemberKey(w.Message, key=7, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class ConsumerGroupTargetAssignmentMemberValue(w.Message, key=7, versions="0", flexible="0+"):
    class TopicPartitions(w.Struct):
        topic_id: UUID = w.uuid()
        partitions: list[int] = w.array(w.int32())

    topic_partitions: list[TopicPartitions] = w.array(TopicPartitions)


class ConsumerGroupCurrentMemberAssignmentKey(w.Message, key=8, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class ConsumerGroupCurrentMemberAssignmentValue(w.Message, key=8, versions="0", flexible="0+"):
    class TopicPartitions(w.Struct):
        topic_id: UUID = w.uuid()
        partitions: list[int] = w.array(w.int32())
        assignment_epochs: list[int] | None = w.array(w.int32(), null="0+", default=[], tag=0)

    member_epoch: int = w.int32()
    previous_member_epoch: int = w.int32()
    state: int = w.int8()
    assigned_partitions: list[TopicPartitions] = w.array(TopicPartitions)
    partitions_pending_revocation: list[TopicPartitions] = w.array(TopicPartitions)


class ShareGroupMemberMetadataKey(w.Message, key=10, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class ShareGroupMemberMetadataValue(w.Message, key=10, versions="0", flexible="0+"):
    rack_id: str | None = w.string(null="0+")
    client_id: str = w.string()
    client_host: str = w.string()
    subscribed_topic_names: list[str] = w.array(w.string())


class ShareGroupMetadataKey(w.Message, key=11, versions="0"):
    group_id: str = w.string()


class ShareGroupMetadataValue(w.Message, key=11, versions="0", flexible="0+"):
    epoch: int = w.int32()
    metadata_hash: int = w.int64()


class ShareGroupTargetAssignmentMetadataKey(w.Message, key=12, versions="0"):
    group_id: str = w.string()


class ShareGroupTargetAssignmentMetadataValue(w.Message, key=12, versions="0", flexible="0+"):
    assignment_epoch: int = w.int32()
    assignment_timestamp: int = w.int64(default=0, tag=0, ignorable=True)


class ShareGroupTargetAssignmentMemberKey(w.Message, key=13, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class ShareGroupTargetAssignmentMemberValue(w.Message, key=13, versions="0", flexible="0+"):
    class TopicPartitions(w.Struct):
        topic_id: UUID = w.uuid()
        partitions: list[int] = w.array(w.int32())

    topic_partitions: list[TopicPartitions] = w.array(TopicPartitions)


class ShareGroupCurrentMemberAssignmentKey(w.Message, key=14, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class ShareGroupCurrentMemberAssignmentValue(w.Message, key=14, versions="0", flexible="0+"):
    class TopicPartitions(w.Struct):
        topic_id: UUID = w.uuid()
        partitions: list[int] = w.array(w.int32())

    member_epoch: int = w.int32()
    previous_member_epoch: int = w.int32()
    state: int = w.int8()
    assigned_partitions: list[TopicPartitions] = w.array(TopicPartitions)


class ShareGroupStatePartitionMetadataKey(w.Message, key=15, versions="0"):
    group_id: str = w.string()


class ShareGroupStatePartitionMetadataValue(w.Message, key=15, versions="0", flexible="0+"):
    class TopicPartitionsInfo(w.Struct):
        topic_id: UUID = w.uuid()
        topic_name: str = w.string()
        partitions: list[int] = w.array(w.int32())

    class DeletingTopic(w.Struct):
        topic_id: UUID = w.uuid()
        topic_name: str = w.string()

    initializing_topics: list[TopicPartitionsInfo] = w.array(TopicPartitionsInfo)
    initialized_topics: list[TopicPartitionsInfo] = w.array(TopicPartitionsInfo)
    deleting_topics: list[DeletingTopic] = w.array(DeletingTopic)


class ConsumerGroupRegularExpressionKey(w.Message, key=16, versions="0"):
    group_id: str = w.string()
    regular_expression: str = w.string()


class ConsumerGroupRegularExpressionValue(w.Message, key=16, versions="0", flexible="0+"):
    topics: list[str] = w.array(w.string())
    version: int = w.int64()
    timestamp: int = w.int64()


class StreamsGroupMetadataKey(w.Message, key=17, versions="0"):
    group_id: str = w.string()


class StreamsGroupMetadataValue(w.Message, key=17, versions="0", flexible="0+"):
    class LastAssignmentConfig(w.Struct):
        key: str = w.string()
        value: str = w.string()

    epoch: int = w.int32()
    metadata_hash: int = w.int64()
    validated_topology_epoch: int = w.int32(default=-1, tag=0)
    last_assignment_configs: list[LastAssignmentConfig] | None = w.array(
        LastAssignmentConfig, null="0+", default=[], tag=1
    )
    stored_description_topology_epoch: int = w.int32(default=-1, tag=2)
    failed_description_topology_epoch: int = w.int32(default=-1, tag=3)


class StreamsGroupMemberMetadataKey(w.Message, key=19, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class StreamsGroupMemberMetadataValue(w.Message, key=19, versions="0", flexible="0+"):
    class UserEndpoint(w.Struct):
        host: str = w.string()
        port: int = w.uint16()

    class ClientTag(w.Struct):
        key: str = w.string()
        value: str = w.string()

    instance_id: str | None = w.string(null="0+")
    rack_id: str | None = w.string(null="0+")
    client_id: str = w.string()
    client_host: str = w.string()
    rebalance_timeout_ms: int = w.int32(default=-1)
    topology_epoch: int = w.int32()
    process_id: str = w.string()
    user_endpoint: UserEndpoint | None = w.struct(UserEndpoint, null="0+", default=None)
    client_tags: list[ClientTag] = w.array(ClientTag)


class StreamsGroupTargetAssignmentMetadataKey(w.Message, key=20, versions="0"):
    group_id: str = w.string()


class StreamsGroupTargetAssignmentMetadataValue(w.Message, key=20, versions="0", flexible="0+"):
    assignment_epoch: int = w.int32()
    assignment_timestamp: int = w.int64(default=0, tag=0, ignorable=True)


class StreamsGroupTargetAssignmentMemberKey(w.Message, key=21, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class StreamsGroupTargetAssignmentMemberValue(w.Message, key=21, versions="0", flexible="0+"):
    class TaskIds(w.Struct):
        subtopology_id: str = w.string()
        partitions: list[int] = w.array(w.int32())

    active_tasks: list[TaskIds] = w.array(TaskIds)
    standby_tasks: list[TaskIds] = w.array(TaskIds)
    warmup_tasks: list[TaskIds] = w.array(TaskIds)


class StreamsGroupCurrentMemberAssignmentKey(w.Message, key=22, versions="0"):
    group_id: str = w.string()
    member_id: str = w.string()


class StreamsGroupCurrentMemberAssignmentValue(w.Message, key=22, versions="0", flexible="0+"):
    class TaskIds(w.Struct):
        subtopology_id: str = w.string()
        partitions: list[int] = w.array(w.int32())
        assignment_epochs: list[int] | None = w.array(w.int32(), null="0+", default=[], tag=0)

    member_epoch: int = w.int32()
    previous_member_epoch: int = w.int32()
    state: int = w.int8()
    active_tasks: list[TaskIds] = w.array(TaskIds)
    standby_tasks: list[TaskIds] = w.array(TaskIds)
    warmup_tasks: list[TaskIds] = w.array(TaskIds)
    active_tasks_pending_revocation: list[TaskIds] = w.array(TaskIds)
    standby_tasks_pending_revocation: list[TaskIds] = w.array(TaskIds)
    warmup_tasks_pending_revocation: list[TaskIds] = w.array(TaskIds)


class StreamsGroupTopologyKey(w.Message, key=23, versions="0"):
    group_id: str = w.string()


class StreamsGroupTopologyValue(w.Message, key=23, versions="0", flexible="0+"):
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


RECORD_TYPES: dict[int, tuple[type[w.Message], type[w.Message]]] = {
    0: (LegacyOffsetCommitKey, LegacyOffsetCommitValue),
    1: (OffsetCommitKey, OffsetCommitValue),
    2: (GroupMetadataKey, GroupMetadataValue),
    3: (ConsumerGroupMetadataKey, ConsumerGroupMetadataValue),
    4: (ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue),
    5: (ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue),
    6: (ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue),
    7: (ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue),
    8: (ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue),
    10: (ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue),
    11: (ShareGroupMetadataKey, ShareGroupMetadataValue),
    12: (ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue),
    13: (ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue),
    14: (ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue),
    15: (ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue),
    16: (ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue),
    17: (StreamsGroupMetadataKey, StreamsGroupMetadataValue),
    19: (StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue),
    20: (StreamsGroupTargetAssignmentMetadataKey, StreamsGroupTargetAssignmentMetadataValue),
    21: (StreamsGroupTargetAssignmentMemberKey, StreamsGroupTargetAssignmentMemberValue),
    22: (StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue),
    23: (StreamsGroupTopologyKey, StreamsGroupTopologyValue),
}


def decode_record(key: w.Buffer, value: w.Buffer | None) -> CoordinatorRecord | UnknownRecord:
    """Read a record of `__consumer_offsets`. One of a type or version that isn't known comes back as it is.

    Raises Malformed if a known one can't be read.
    """
    return decode_with(RECORD_TYPES, key, value)
