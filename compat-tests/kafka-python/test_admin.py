"""KafkaAdminClient of the current release: topics, partitions, configs, groups, offsets, records, cluster."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from compat.broker import Broker
from compat.waiting import until
from kafka import KafkaAdminClient, OffsetAndMetadata, OffsetSpec, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType, MemberToRemove, NewTopic
from kafka.errors import (
    GroupIdNotFoundError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    NoError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka_python_fixtures import MakeConsumer, MakeTopic, join, read, unique

Fill = Callable[..., list[bytes]]


@pytest.fixture
def group() -> str:
    return unique("group")


def topic_config(
    admin: KafkaAdminClient, topic: str, config_filter: str = "all"
) -> dict[str, dict[str, object]]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    described: dict[str, dict[str, dict[str, object]]] = admin.describe_configs(
        [resource], config_filter=config_filter
    )["topic"]
    return described[topic]


# topics


@pytest.mark.fast
def test_a_topic_is_created_listed_described_and_deleted(admin: KafkaAdminClient) -> None:
    name = unique("topic")
    created = admin.create_topics(
        {name: {"num_partitions": 3, "replication_factor": 1}}, wait_for_metadata=True
    )
    (topic,) = created["topics"]
    assert (topic["name"], topic["error_code"]) == (name, 0)
    assert (topic["num_partitions"], topic["replication_factor"]) == (3, 1)
    assert name in admin.list_topics()
    (described,) = admin.describe_topics([name])
    assert [
        p["partition_index"] for p in sorted(described["partitions"], key=lambda p: p["partition_index"])
    ] == [
        0,
        1,
        2,
    ]
    assert not described["is_internal"]
    (deleted,) = admin.delete_topics([name])["topics"]
    assert (deleted["name"], deleted["error_code"]) == (name, 0)
    until(lambda: name not in admin.list_topics(), "the topic is gone")


def test_creating_with_the_brokers_defaults(admin: KafkaAdminClient) -> None:
    name = unique("topic")
    (topic,) = admin.create_topics([name], wait_for_metadata=True)["topics"]
    assert topic["error_code"] == 0
    assert topic["num_partitions"] >= 1


@pytest.mark.fast
def test_a_created_topics_configs_are_answered(admin: KafkaAdminClient) -> None:
    name = unique("topic")
    options = {"num_partitions": 1, "replication_factor": 1, "configs": {"retention.ms": "12345"}}
    (topic,) = admin.create_topics({name: options}, wait_for_metadata=True)["topics"]
    assert topic["configs"]["retention.ms"]["value"] == "12345"
    assert topic["configs"]["retention.ms"]["config_source"] == "DYNAMIC_TOPIC_CONFIG"
    assert topic["configs"]["cleanup.policy"]["config_source"] == "DEFAULT_CONFIG"


def test_partitions_assigned_by_hand(admin: KafkaAdminClient) -> None:
    name = unique("topic")
    node = admin.describe_cluster()["brokers"][0]["broker_id"]
    admin.create_topics([NewTopic(name, replica_assignments={0: [node], 1: [node]})], wait_for_metadata=True)
    (described,) = admin.describe_topics([name])
    assert [p["replica_nodes"] for p in described["partitions"]] == [[node], [node]]


def test_validate_only_creates_nothing(admin: KafkaAdminClient) -> None:
    name = unique("topic")
    options = {name: {"num_partitions": 1, "replication_factor": 1}}
    assert admin.create_topics(options, validate_only=True)["topics"][0]["error_code"] == 0
    assert name not in admin.list_topics()


@pytest.mark.fast
@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("bad/name", {"num_partitions": 1, "replication_factor": 1}, InvalidTopicError),
        ("..", {"num_partitions": 1, "replication_factor": 1}, InvalidTopicError),
        ("n" * 250, {"num_partitions": 1, "replication_factor": 1}, InvalidTopicError),
        ("no-partitions", {"num_partitions": 0, "replication_factor": 1}, InvalidPartitionsError),
        ("too-many-copies", {"num_partitions": 1, "replication_factor": 9}, InvalidReplicationFactorError),
    ],
    ids=["slash", "dots", "250 characters", "no partitions", "too many copies"],
)
def test_a_bad_topic_is_refused(
    admin: KafkaAdminClient, name: str, options: dict[str, int], error: type[Exception]
) -> None:
    with pytest.raises(error):
        admin.create_topics({name: options})


def test_creating_a_topic_twice_is_refused(admin: KafkaAdminClient, topic: str) -> None:
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})


def test_deleting_an_unknown_topic_is_refused(admin: KafkaAdminClient) -> None:
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.delete_topics([unique("never-made")])


def test_a_topic_is_described_and_deleted_by_its_id(admin: KafkaAdminClient, topic: str) -> None:
    topic_id = admin.describe_topics([topic])[0]["topic_id"]
    topic_id = topic_id if isinstance(topic_id, uuid.UUID) else uuid.UUID(str(topic_id))
    assert admin.describe_topics([topic_id])[0]["name"] == topic
    admin.delete_topics([topic_id])
    until(lambda: topic not in admin.list_topics(), "the topic is gone")


def test_a_topic_made_again_has_a_new_id_and_is_empty(
    admin: KafkaAdminClient, make_topic: MakeTopic, fill: Fill, make_consumer: MakeConsumer
) -> None:
    topic = make_topic()
    fill(topic, 3)
    old = admin.describe_topics([topic])[0]["topic_id"]
    admin.delete_topics([topic])
    until(lambda: topic not in admin.list_topics(), "the topic is gone")
    make_topic(name=topic)
    assert admin.describe_topics([topic])[0]["topic_id"] != old
    partition = TopicPartition(topic, 0)
    assert make_consumer().end_offsets([partition]) == {partition: 0}


def test_internal_topics_are_marked(admin: KafkaAdminClient, topic: str, make_consumer: MakeConsumer) -> None:
    join(make_consumer(topic, group_id=unique("group")), partitions=1)
    (offsets,) = admin.describe_topics(["__consumer_offsets"])
    assert offsets["is_internal"]


# partitions


@pytest.mark.fast
def test_partitions_are_added(
    admin: KafkaAdminClient, topic: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    admin.create_partitions({topic: 3})
    until(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 3, "three partitions")
    admin.wait_for_topics([topic])
    fill(topic, 2, partition=2)
    assert {r.partition for r in read(make_consumer(topic), 2)} == {2}


def test_partitions_cannot_be_taken_away(admin: KafkaAdminClient, make_topic: MakeTopic) -> None:
    with pytest.raises(InvalidPartitionsError):
        admin.create_partitions({make_topic(partitions=3): 2})


def test_describe_topic_partitions_in_pages(admin: KafkaAdminClient, make_topic: MakeTopic) -> None:
    topic = make_topic(partitions=5)
    first = admin.describe_topic_partitions([topic], response_partition_limit=2)
    assert [p["partition_index"] for p in first["topics"][0]["partitions"]] == [0, 1]
    assert first["next_cursor"] == {"topic_name": topic, "partition_index": 2}
    second = admin.describe_topic_partitions([topic], cursor=first["next_cursor"])
    assert [p["partition_index"] for p in second["topics"][0]["partitions"]] == [2, 3, 4]
    assert second["next_cursor"] is None


# configs


@pytest.mark.fast
def test_topic_configs_are_described_with_source_and_type(
    admin: KafkaAdminClient, make_topic: MakeTopic
) -> None:
    configs = topic_config(admin, make_topic(configs={"segment.bytes": "1048576"}))
    assert configs["segment.bytes"]["value"] == "1048576"
    assert configs["segment.bytes"]["config_source"] == "DYNAMIC_TOPIC_CONFIG"
    assert configs["segment.bytes"]["config_type"] == "INT"
    assert configs["retention.bytes"]["value"] == "-1"
    assert configs["retention.bytes"]["config_source"] == "DEFAULT_CONFIG"
    assert configs["cleanup.policy"]["config_type"] == "LIST"
    assert not any(entry["is_sensitive"] or entry["read_only"] for entry in configs.values())


def test_synonyms_say_where_a_value_comes_from(admin: KafkaAdminClient, make_topic: MakeTopic) -> None:
    topic = make_topic(configs={"retention.ms": "777"})
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=["retention.ms"])
    described = admin.describe_configs([resource], include_synonyms=True, config_filter="all")["topic"][topic]
    assert list(described) == ["retention.ms"]
    first = described["retention.ms"]["synonyms"][0]
    assert (first["name"], first["value"], first["source"]) == ("retention.ms", "777", "DYNAMIC_TOPIC_CONFIG")


@pytest.mark.fast
@pytest.mark.parametrize("incremental", [True, False])
def test_topic_configs_are_altered_and_reset(
    admin: KafkaAdminClient, make_topic: MakeTopic, incremental: bool
) -> None:
    topic = make_topic(configs={"segment.bytes": "2097152"})

    def alter(configs: dict[str, object]) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs)
        assert admin.alter_configs([resource], incremental=incremental) == {"topic": {topic: "OK"}}

    def modified() -> dict[str, object]:
        return {name: entry["value"] for name, entry in topic_config(admin, topic, "modified").items()}

    alter({"retention.ms": "4242"})
    until(lambda: modified() == {"segment.bytes": "2097152", "retention.ms": "4242"}, "the change is seen")
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": None})
    assert admin.reset_configs([resource], incremental=incremental) == {"topic": {topic: "OK"}}
    until(lambda: modified() == {"segment.bytes": "2097152"}, "the reset is seen")


def test_lists_are_appended_to_and_subtracted_from(admin: KafkaAdminClient, topic: str) -> None:
    def change(operation: AlterConfigOp, value: str) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": (operation, value)})
        assert admin.alter_configs([resource]) == {"topic": {topic: "OK"}}

    def policy() -> set[str]:
        return set(str(topic_config(admin, topic)["cleanup.policy"]["value"]).split(","))

    change(AlterConfigOp.APPEND, "compact")
    until(lambda: policy() == {"delete", "compact"}, "compact is appended")
    change(AlterConfigOp.SUBTRACT, "delete")
    until(lambda: policy() == {"compact"}, "delete is subtracted")


def test_a_bad_config_value_is_refused(admin: KafkaAdminClient, topic: str) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "soon"})
    answer = admin.alter_configs([resource])["topic"][topic]
    assert "InvalidConfig" in answer


def test_validate_only_alters_nothing(admin: KafkaAdminClient, topic: str) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "999"})
    assert admin.alter_configs([resource], validate_only=True) == {"topic": {topic: "OK"}}
    assert topic_config(admin, topic)["retention.ms"]["value"] != "999"


@pytest.mark.fast
def test_broker_configs_are_described(admin: KafkaAdminClient) -> None:
    node = str(admin.describe_cluster()["brokers"][0]["broker_id"])
    described = admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, node)], config_filter="all")
    configs = described["broker"][node]
    for name in ("log.retention.hours", "num.partitions", "message.max.bytes", "auto.create.topics.enable"):
        assert configs[name]["value"] is not None
    assert configs["log.dirs"]["read_only"]
    assert not configs["message.max.bytes"]["read_only"]


def test_a_broker_config_is_altered_and_reset(admin: KafkaAdminClient) -> None:
    node = str(admin.describe_cluster()["brokers"][0]["broker_id"])

    def cleaner() -> tuple[object, object]:
        resource = ConfigResource(ConfigResourceType.BROKER, node, ["log.cleaner.delete.retention.ms"])
        entry = admin.describe_configs([resource], config_filter="all")["broker"][node]
        found = entry["log.cleaner.delete.retention.ms"]
        return found["value"], found["config_source"]

    before = cleaner()
    change = ConfigResource(ConfigResourceType.BROKER, node, {"log.cleaner.delete.retention.ms": "54321"})
    assert admin.alter_configs([change]) == {"broker": {node: "OK"}}
    until(lambda: cleaner() == ("54321", "DYNAMIC_BROKER_CONFIG"), "the change is seen")
    back = ConfigResource(ConfigResourceType.BROKER, node, {"log.cleaner.delete.retention.ms": None})
    admin.reset_configs([back])
    until(lambda: cleaner() == before, "the reset is seen")


def test_configs_of_an_unknown_topic_are_refused(admin: KafkaAdminClient) -> None:
    name = unique("never-made")
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], config_filter="all")
    assert described == {"topic": {name: {}}}


# groups


@pytest.mark.fast
def test_groups_are_listed_described_and_deleted(
    admin: KafkaAdminClient, make_topic: MakeTopic, group: str, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=2)
    options = {"group_id": group, "heartbeat_interval_ms": 200}
    first, second = (
        make_consumer(topic, client_id="one", **options),
        make_consumer(topic, client_id="two", **options),
    )
    join(first, second, partitions=2)
    (listed,) = [found for found in admin.list_groups() if found["group_id"] == group]
    assert listed["protocol_type"] == "consumer"
    described = admin.describe_groups([group])[group]
    assert (described["group_state"], described["protocol_type"]) == ("Stable", "consumer")
    assert described["protocol_data"] == "range"
    assert sorted(member["client_id"] for member in described["members"]) == ["one", "two"]
    for member in described["members"]:
        assert member["member_metadata"]["topics"] == [topic]
        (part,) = member["member_assignment"]["assigned_partitions"]
        assert part["topic"] == topic
        assert len(part["partitions"]) == 1
    assert admin.delete_groups([group]) == {group: "NonEmptyGroupError"}
    first.close()
    second.close()
    until(lambda: admin.describe_groups([group])[group]["group_state"] == "Empty", "the group is empty")
    assert admin.delete_groups([group]) == {group: "OK"}
    assert group not in [found["group_id"] for found in admin.list_groups()]


def test_groups_are_listed_by_state(
    admin: KafkaAdminClient, topic: str, group: str, make_consumer: MakeConsumer
) -> None:
    join(make_consumer(topic, group_id=group), partitions=1)

    def listed(state: str) -> list[str]:
        return [found["group_id"] for found in admin.list_groups(states_filter=[state])]

    assert group in listed("Stable")
    assert group not in listed("Empty")


def test_deleting_an_unknown_group_is_refused(admin: KafkaAdminClient) -> None:
    name = unique("never-made")
    assert admin.delete_groups([name]) == {name: "GroupIdNotFoundError"}


@pytest.mark.fast
def test_group_offsets_are_listed_altered_reset_and_deleted(
    admin: KafkaAdminClient, topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 10)
    partition = TopicPartition(topic, 0)
    consumer = make_consumer(topic, group_id=group, enable_auto_commit=False)
    read(consumer, 10)
    consumer.commit({partition: OffsetAndMetadata(5, "note", -1)})
    consumer.close()
    until(lambda: admin.describe_groups([group])[group]["group_state"] == "Empty", "the group is empty")
    listed = admin.list_group_offsets(group)[group][partition]
    assert (listed.offset, listed.metadata) == (5, "note")
    assert admin.alter_group_offsets(group, {partition: OffsetAndMetadata(7, "", -1)}) == {partition: NoError}
    assert admin.list_group_offsets({group: [partition]})[group][partition].offset == 7
    reset = admin.reset_group_offsets(group, {partition: OffsetSpec.EARLIEST})
    assert reset == {partition: {"error": NoError, "offset": 0}}
    assert admin.list_group_offsets(group)[group][partition].offset == 0
    assert admin.delete_group_offsets(group, [partition]) == {partition: NoError}
    assert admin.list_group_offsets(group)[group] == {}


def test_offsets_of_several_groups_in_one_request(
    admin: KafkaAdminClient, topic: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 3)
    groups = [unique("group") for _ in range(3)]
    partition = TopicPartition(topic, 0)
    for number, name in enumerate(groups):
        consumer = make_consumer(group_id=name, enable_auto_commit=False)
        consumer.assign([partition])
        consumer.commit({partition: OffsetAndMetadata(number, "", -1)})
    listed = admin.list_group_offsets(groups)
    assert [listed[name][partition].offset for name in groups] == [0, 1, 2]


def test_offsets_of_a_subscribed_topic_cannot_be_deleted(
    admin: KafkaAdminClient, topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 1)
    consumer = make_consumer(topic, group_id=group, enable_auto_commit=False)
    read(consumer, 1)
    consumer.commit()
    answer = admin.delete_group_offsets(group, [TopicPartition(topic, 0)])
    assert answer[TopicPartition(topic, 0)].__name__ == "GroupSubscribedToTopicError"


def test_deleting_offsets_of_an_unknown_group_is_refused(admin: KafkaAdminClient, topic: str) -> None:
    with pytest.raises(GroupIdNotFoundError):
        admin.delete_group_offsets(unique("never-made"), [TopicPartition(topic, 0)])


def test_a_static_member_is_known_by_its_name_and_can_be_removed(
    admin: KafkaAdminClient, topic: str, group: str, make_consumer: MakeConsumer
) -> None:
    options = {"group_id": group, "group_instance_id": "instance-1", "heartbeat_interval_ms": 200}
    consumer = make_consumer(topic, **options)
    join(consumer, partitions=1)
    (member,) = admin.describe_groups([group])[group]["members"]
    assert member["group_instance_id"] == "instance-1"
    removed = admin.remove_group_members(group, [MemberToRemove(group_instance_id="instance-1")])
    assert list(removed.values()) == [NoError]


# records and offsets


@pytest.mark.fast
def test_records_are_deleted_up_to_an_offset(
    admin: KafkaAdminClient, make_topic: MakeTopic, fill: Fill, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=2)
    fill(topic, 10, partition=0)
    fill(topic, 10, partition=1)
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    answer = admin.delete_records({zero: 4, one: -1}, timeout_ms=10_000)
    assert (answer[zero]["low_watermark"], answer[one]["low_watermark"]) == (4, 10)
    consumer = make_consumer()
    assert consumer.beginning_offsets([zero, one]) == {zero: 4, one: 10}
    consumer.assign([zero, one])
    assert [r.offset for r in read(consumer, 6)] == [4, 5, 6, 7, 8, 9]


def test_records_cannot_be_deleted_past_the_end(admin: KafkaAdminClient, topic: str, fill: Fill) -> None:
    fill(topic, 2)
    with pytest.raises(OffsetOutOfRangeError):
        admin.delete_records({TopicPartition(topic, 0): 1000}, timeout_ms=10_000)


@pytest.mark.fast
def test_partition_offsets_by_special_timestamps(
    admin: KafkaAdminClient, topic: str, producer: object, fill: Fill
) -> None:
    base = 1_700_000_000_000
    for i, shift in enumerate([0, 5000, 1000]):
        producer.send(topic, b"%d" % i, timestamp_ms=base + shift).get(timeout=20)  # type: ignore[attr-defined]
    partition = TopicPartition(topic, 0)

    def offset(spec: object) -> int:
        return int(admin.list_partition_offsets({partition: spec})[partition].offset)

    assert offset(OffsetSpec.EARLIEST) == 0
    assert offset(OffsetSpec.LATEST) == 3
    assert offset(OffsetSpec.MAX_TIMESTAMP) == 1


# the cluster


@pytest.mark.fast
def test_the_cluster_is_described(admin: KafkaAdminClient, broker: Broker) -> None:
    cluster = admin.describe_cluster()
    assert cluster["cluster_id"]
    assert cluster["controller_id"] in [node["broker_id"] for node in cluster["brokers"]]
    assert broker.port in [node["port"] for node in cluster["brokers"]]


def test_log_dirs_are_described(admin: KafkaAdminClient, make_topic: MakeTopic, fill: Fill) -> None:
    topic = make_topic(partitions=2)
    fill(topic, 5, partition=1)
    (answer,) = admin.describe_log_dirs({topic: [0, 1]})
    (directory,) = [found for found in answer["log_dirs"] if found["topics"]]
    assert directory["error_code"] == 0
    (found,) = directory["topics"]
    sizes = {p["partition_index"]: p["partition_size"] for p in found["partitions"]}
    assert sizes[0] == 0
    assert sizes[1] > 0


def test_api_versions_and_features(admin: KafkaAdminClient) -> None:
    # not admin.api_versions(): it fails where the broker has an API that the client lacks (Kafka 4.4: 93)
    (node, *_) = admin.describe_cluster()["brokers"]
    versions = admin.get_broker_version_data(node["broker_id"]).api_versions
    assert {0, 1, 2, 3, 18} <= set(versions)
    assert all(lowest <= highest for lowest, highest in versions.values())
    features = admin.describe_features()
    assert features["metadata.version"]["finalized"][1] >= 1
    assert features["metadata.version"]["finalized_epoch"] >= 0
