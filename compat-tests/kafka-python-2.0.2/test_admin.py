"""KafkaAdminClient of 2.0.2."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from compat.waiting import until
from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import (
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    NoError,
    NonEmptyGroupError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka_python_fixtures import MakeConsumer, MakeTopic, join, read, unique

Fill = Callable[..., list[bytes]]


@pytest.mark.fast
def test_a_topic_is_created_listed_described_and_deleted(admin: KafkaAdminClient) -> None:
    name = unique("topic")
    answer = admin.create_topics([NewTopic(name, 3, 1, topic_configs={"retention.ms": "1234"})])
    assert answer.topic_errors == [(name, 0, None)]
    until(lambda: name in admin.list_topics(), "the topic is listed")
    (described,) = admin.describe_topics([name])
    assert sorted(p["partition"] for p in described["partitions"]) == [0, 1, 2]
    assert admin.delete_topics([name]).topic_error_codes == [(name, 0)]
    until(lambda: name not in admin.list_topics(), "the topic is gone")


def test_validate_only_creates_nothing(admin: KafkaAdminClient) -> None:
    name = unique("topic")
    admin.create_topics([NewTopic(name, 1, 1)], validate_only=True)
    assert name not in admin.list_topics()


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (NewTopic("bad/name", 1, 1), InvalidTopicError),
        (NewTopic("n" * 250, 1, 1), InvalidTopicError),
        (NewTopic("no-partitions", 0, 1), InvalidPartitionsError),
        (NewTopic("too-many-copies", 1, 9), InvalidReplicationFactorError),
    ],
    ids=["slash", "250 characters", "no partitions", "too many copies"],
)
def test_a_bad_topic_is_refused(admin: KafkaAdminClient, new: NewTopic, error: type[Exception]) -> None:
    with pytest.raises(error):
        admin.create_topics([new])


def test_creating_a_topic_twice_is_refused(admin: KafkaAdminClient, topic: str) -> None:
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([NewTopic(topic, 1, 1)])


def test_deleting_an_unknown_topic_is_refused(admin: KafkaAdminClient) -> None:
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.delete_topics([unique("never-made")])


@pytest.mark.fast
def test_partitions_are_added(admin: KafkaAdminClient, topic: str) -> None:
    assert admin.create_partitions({topic: NewPartitions(3)}).topic_errors == [(topic, 0, None)]
    until(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 3, "three partitions")


@pytest.mark.fast
def test_configs_are_described_and_altered(admin: KafkaAdminClient, make_topic: MakeTopic) -> None:
    topic = make_topic(configs={"segment.bytes": "1048576"})

    def configs() -> dict[str, str]:
        (answer,) = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((error, _, _, _, entries),) = answer.resources
        assert error == 0
        return {entry[0]: entry[1] for entry in entries}

    assert configs()["segment.bytes"] == "1048576"
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "4242"})])
    # AlterConfigs replaces all: what is not named goes back to its default
    until(lambda: configs()["retention.ms"] == "4242", "the change is seen")
    assert configs()["segment.bytes"] == "1073741824"


def test_broker_configs_are_described(admin: KafkaAdminClient) -> None:
    node = str(admin.describe_cluster()["brokers"][0]["node_id"])
    (answer,) = admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, node)])
    names = {entry[0] for entry in answer.resources[0][4]}
    assert {"log.retention.hours", "num.partitions", "message.max.bytes"} <= names


@pytest.mark.fast
def test_groups_are_listed_described_and_deleted(
    admin: KafkaAdminClient, make_topic: MakeTopic, make_consumer: MakeConsumer
) -> None:
    topic, group = make_topic(partitions=2), unique("group")
    options = {"group_id": group, "heartbeat_interval_ms": 200}
    first, second = (
        make_consumer(topic, client_id="one", **options),
        make_consumer(topic, client_id="two", **options),
    )
    join(first, second, partitions=2)
    assert (group, "consumer") in admin.list_consumer_groups()
    (described,) = admin.describe_consumer_groups([group])
    assert (described.state, described.protocol) == ("Stable", "range")
    assert sorted(member.client_id for member in described.members) == ["one", "two"]
    assert admin.delete_consumer_groups([group]) == [(group, NonEmptyGroupError)]
    first.close()
    second.close()
    until(lambda: admin.describe_consumer_groups([group])[0].state == "Empty", "the group is empty")
    assert admin.delete_consumer_groups([group]) == [(group, NoError)]


@pytest.mark.fast
def test_group_offsets_are_listed(
    admin: KafkaAdminClient, topic: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    fill(topic, 5)
    group, partition = unique("group"), TopicPartition(topic, 0)
    consumer = make_consumer(topic, group_id=group, enable_auto_commit=False)
    read(consumer, 5)
    consumer.commit({partition: OffsetAndMetadata(3, "note")})
    assert admin.list_consumer_group_offsets(group) == {partition: OffsetAndMetadata(3, "note")}
    assert admin.list_consumer_group_offsets(group, partitions=[partition]) == {
        partition: OffsetAndMetadata(3, "note")
    }


@pytest.mark.fast
def test_the_cluster_is_described(admin: KafkaAdminClient) -> None:
    cluster = admin.describe_cluster()
    assert cluster["cluster_id"]
    assert cluster["controller_id"] in [broker["node_id"] for broker in cluster["brokers"]]
