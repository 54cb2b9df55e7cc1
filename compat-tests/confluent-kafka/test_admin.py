"""AdminClient: topics, partitions, configs, groups, offsets, records, the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client import committed, read, share, unique
from compat.waiting import until
from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

Fill = Callable[..., list[bytes]]
MakeTopic = Callable[..., str]
MakeConsumer = Callable[..., Consumer]


def code(future: Any) -> int:
    """The error that a future ends with."""
    with pytest.raises(KafkaException) as caught:
        future.result(20)
    return int(caught.value.args[0].code())


def described(admin: AdminClient, kind: ResourceType, name: str) -> dict[str, ConfigEntry]:
    resource = ConfigResource(kind, name)
    configs: dict[str, ConfigEntry] = admin.describe_configs([resource])[resource].result(20)
    return configs


@pytest.mark.fast
def test_a_topic_is_created_described_and_deleted(admin: AdminClient) -> None:
    name = unique("topic")
    admin.create_topics([NewTopic(name, 3, 1, config={"retention.ms": "1234"})])[name].result(20)
    until(lambda: name in admin.list_topics(timeout=10).topics, "the topic is listed")
    found = admin.describe_topics(TopicCollection([name]))[name].result(20)
    assert (found.name, found.is_internal) == (name, False)
    assert [p.id for p in found.partitions] == [0, 1, 2]
    assert all(len(p.replicas) == len(p.isr) == 1 and p.leader is not None for p in found.partitions)
    admin.delete_topics([name])[name].result(20)
    until(lambda: name not in admin.list_topics(timeout=10).topics, "the topic is gone")


def test_topics_are_refused(admin: AdminClient, topic: str) -> None:
    def answer(new: NewTopic) -> int:
        return code(admin.create_topics([new])[new.topic])

    assert answer(NewTopic(topic, 1, 1)) == KafkaError.TOPIC_ALREADY_EXISTS
    assert answer(NewTopic("bad/name", 1, 1)) == KafkaError.TOPIC_EXCEPTION
    assert answer(NewTopic(unique("topic"), 1, 9)) == KafkaError.INVALID_REPLICATION_FACTOR
    assert answer(NewTopic(unique("topic"), 1, 1, config={"retention.ms": "x"})) == KafkaError.INVALID_CONFIG
    missing = unique("never-made")
    assert code(admin.delete_topics([missing])[missing]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_validate_only_creates_nothing(admin: AdminClient) -> None:
    name = unique("topic")
    admin.create_topics([NewTopic(name, 1, 1)], validate_only=True)[name].result(20)
    assert name not in admin.list_topics(timeout=10).topics


@pytest.mark.fast
def test_partitions_are_added(admin: AdminClient, topic: str) -> None:
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(20)
    until(lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3, "three partitions")
    assert code(admin.create_partitions([NewPartitions(topic, 2)])[topic]) == KafkaError.INVALID_PARTITIONS


@pytest.mark.fast
def test_configs_are_described_altered_and_altered_in_part(admin: AdminClient, make_topic: MakeTopic) -> None:
    topic = make_topic(config={"compression.type": "gzip"})
    configs = described(admin, ResourceType.TOPIC, topic)
    assert configs["compression.type"].value == "gzip"
    assert configs["compression.type"].source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    assert configs["retention.ms"].is_default
    whole = ConfigResource(ResourceType.TOPIC, topic, set_config={"retention.ms": "5000"})
    admin.alter_configs([whole])[whole].result(20)
    until(lambda: described(admin, ResourceType.TOPIC, topic)["retention.ms"].value == "5000", "the change")
    assert described(admin, ResourceType.TOPIC, topic)["compression.type"].value == "producer"

    def change(name: str, value: str | None, operation: AlterConfigOpType) -> None:
        entry = ConfigEntry(name, value, incremental_operation=operation)
        part = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        admin.incremental_alter_configs([part])[part].result(20)

    change("cleanup.policy", "compact", AlterConfigOpType.APPEND)
    change("retention.ms", None, AlterConfigOpType.DELETE)
    change("segment.bytes", "1048576", AlterConfigOpType.SET)

    def now() -> dict[str, str]:
        found = described(admin, ResourceType.TOPIC, topic)
        return {name: found[name].value for name in ("cleanup.policy", "retention.ms", "segment.bytes")}

    expected = {"cleanup.policy": "delete,compact", "retention.ms": "604800000", "segment.bytes": "1048576"}
    until(lambda: now() == expected, "the three changes")


def test_broker_configs_are_described(admin: AdminClient) -> None:
    node = next(iter(admin.list_topics(timeout=10).brokers))
    configs = described(admin, ResourceType.BROKER, str(node))
    assert {"log.retention.hours", "num.partitions", "message.max.bytes"} <= set(configs)
    assert configs["message.max.bytes"].value == "1048588"


@pytest.mark.fast
def test_groups_are_listed_described_and_deleted(
    admin: AdminClient, make_topic: MakeTopic, group: str, make_consumer: MakeConsumer
) -> None:
    topic = make_topic(partitions=2)
    options = {"group.id": group, "client.id": "me"}
    members = [make_consumer(topic, **options) for _ in range(2)]
    share(*members, partitions=2)
    listed = admin.list_consumer_groups().result(20).valid
    assert group in [found.group_id for found in listed]
    stable = admin.list_consumer_groups(states={ConsumerGroupState.STABLE}).result(20).valid
    assert group in [found.group_id for found in stable]
    found = admin.describe_consumer_groups([group])[group].result(20)
    assert (found.state, found.partition_assignor) == (ConsumerGroupState.STABLE, "range")
    assert [member.client_id for member in found.members] == ["me", "me"]
    held = [p.partition for member in found.members for p in member.assignment.topic_partitions]
    assert sorted(held) == [0, 1]
    assert code(admin.delete_consumer_groups([group])[group]) == KafkaError.NON_EMPTY_GROUP
    for member in members:
        member.close()
    empty = ConsumerGroupState.EMPTY
    until(lambda: admin.describe_consumer_groups([group])[group].result(20).state == empty, "nobody left")
    admin.delete_consumer_groups([group])[group].result(20)
    assert code(admin.delete_consumer_groups([group])[group]) == KafkaError.GROUP_ID_NOT_FOUND


def test_groups_are_listed_by_type(admin: AdminClient, topic: str, make_consumer: MakeConsumer) -> None:
    name = unique("group")
    share(make_consumer(topic, group_id=name), partitions=1)
    classic = admin.list_consumer_groups(types={ConsumerGroupType.CLASSIC}).result(20).valid
    assert name in [found.group_id for found in classic]


@pytest.mark.fast
def test_group_offsets_are_listed_and_altered(
    admin: AdminClient, topic: str, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 5)
    consumer = make_consumer(topic, group_id=group)
    read(consumer, 5)
    consumer.commit(asynchronous=False)
    consumer.close()

    def listed() -> list[int]:
        asked = ConsumerGroupTopicPartitions(group)
        return [
            p.offset for p in admin.list_consumer_group_offsets([asked])[group].result(20).topic_partitions
        ]

    assert listed() == [5]
    change = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 2)])
    admin.alter_consumer_group_offsets([change])[group].result(20)
    assert listed() == [2]
    assert committed(make_consumer(group_id=group), topic) == 2


@pytest.mark.fast
def test_records_are_deleted(admin: AdminClient, topic: str, fill: Fill, make_consumer: MakeConsumer) -> None:
    fill(topic, 10)
    asked = TopicPartition(topic, 0, 4)
    assert admin.delete_records([asked])[asked].result(20).low_watermark == 4
    assert make_consumer().get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (4, 10)
    beyond = TopicPartition(topic, 0, 1000)
    assert code(admin.delete_records([beyond])[beyond]) == KafkaError.OFFSET_OUT_OF_RANGE


@pytest.mark.fast
@pytest.mark.parametrize("isolation", [IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED])
def test_offsets_are_listed(
    admin: AdminClient, topic: str, make_producer: Callable[..., Producer], isolation: IsolationLevel
) -> None:
    producer, base = make_producer(), 1_700_000_000_000
    for shift in (0, 5000, 1000):
        producer.produce(topic, b"v", timestamp=base + shift)
    assert producer.flush(20) == 0

    def offset(spec: OffsetSpec) -> int:
        partition = TopicPartition(topic, 0)
        answer = admin.list_offsets({partition: spec}, isolation_level=isolation)
        return int(answer[partition].result(20).offset)

    assert offset(OffsetSpec.earliest()) == 0
    assert offset(OffsetSpec.latest()) == 3
    assert offset(OffsetSpec.max_timestamp()) == 1
    assert offset(OffsetSpec.for_timestamp(base + 500)) == 1


@pytest.mark.fast
def test_the_cluster_is_described(admin: AdminClient) -> None:
    found = admin.describe_cluster().result(20)
    assert found.cluster_id
    assert found.controller.id in [node.id for node in found.nodes]
