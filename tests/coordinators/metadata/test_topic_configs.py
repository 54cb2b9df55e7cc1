from __future__ import annotations

import pytest

from kwire.config import BrokerConfig
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.describe_configs import ShownConfig, created_topic_configs, describe
from kwire.coordinators.metadata.image import ClusterImage, ResourceType
from kwire.coordinators.metadata.topic_configs import topic_config
from kwire.coordinators.metadata.topics import NewTopic

from .images import after, cluster, with_topics

HOUR_MS = 3_600_000


def with_broker_config(image: ClusterImage, name: str, value: str, broker: str = "") -> ClusterImage:
    return after(image, [m.config_record(ResourceType.BROKER, broker, name, value)])


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, 168 * HOUR_MS),
        ({"log.retention.hours": "2"}, 2 * HOUR_MS),
        ({"log.retention.hours": "2", "log.retention.minutes": "3"}, 180_000),
        ({"log.retention.hours": "2", "log.retention.minutes": "3", "log.retention.ms": "4"}, 4),
        ({"log.retention.hours": "-1"}, -1),
        ({"log.retention.ms": "-7"}, -1),
    ],
)
def test_retention_follows_the_finest_unit_that_is_set(properties: dict[str, str], expected: int) -> None:
    assert topic_config(cluster(), BrokerConfig(properties), "t").retention_ms == expected


def test_topic_over_broker_over_all_brokers_over_file_over_default() -> None:
    config = BrokerConfig({"message.max.bytes": "1"})
    image = with_topics(cluster(), "t")
    steps = [topic_config(image, config, "t", 1).max_message_bytes]
    image = with_broker_config(image, "message.max.bytes", "2")
    steps.append(topic_config(image, config, "t", 1).max_message_bytes)
    image = with_broker_config(image, "message.max.bytes", "3", broker="1")
    steps.append(topic_config(image, config, "t", 1).max_message_bytes)
    image = after(image, [m.topic_config_record("t", "max.message.bytes", "4")])
    steps.append(topic_config(image, config, "t", 1).max_message_bytes)
    assert steps == [1, 2, 3, 4]
    assert topic_config(image, config, "u").max_message_bytes == 2


def test_a_config_is_computed_once_for_all_topics_without_their_own() -> None:
    image = with_topics(cluster(), "t", "u")
    config = BrokerConfig()
    assert topic_config(image, config, "t") is topic_config(image, config, "u")
    more = with_topics(image, "v")
    assert topic_config(more, config, "v") is topic_config(image, config, "t")
    changed = after(more, [m.topic_config_record("t", "retention.ms", "1")])
    assert topic_config(changed, config, "t").retention_ms == 1


def test_policies_and_timestamp_types_are_read() -> None:
    configs = {"cleanup.policy": "compact,delete", "message.timestamp.type": "LogAppendTime"}
    image = with_topics(cluster(), NewTopic("t", 1, 1, configs=configs))
    found = topic_config(image, BrokerConfig(), "t")
    assert found.compacts
    assert found.deletes
    assert found.log_append_time
    none = after(image, [m.topic_config_record("t", "cleanup.policy", "")])
    assert not topic_config(none, BrokerConfig(), "t").deletes


def test_a_stored_value_that_is_no_longer_allowed_counts_as_unset() -> None:
    image = after(with_topics(cluster(), "t"), [m.topic_config_record("t", "segment.bytes", "14")])
    assert topic_config(image, BrokerConfig(), "t").segment_bytes == 1 << 30
    image = with_broker_config(image, "log.segment.bytes", "nonsense")
    assert topic_config(image, BrokerConfig(), "t").segment_bytes == 1 << 30


def test_tests_may_have_tiny_segments() -> None:
    image = after(with_topics(cluster(), "t"), [m.topic_config_record("t", "internal.segment.bytes", "100")])
    assert topic_config(image, BrokerConfig(), "t").segment_bytes == 100


def shown(image: ClusterImage, config: BrokerConfig, resource_type: int, name: str) -> dict[str, ShownConfig]:
    found = describe(image, config, 1, resource_type, name)
    assert not isinstance(found, tuple), found
    return {one.name: one for one in found}


def test_a_topics_config_names_every_place_that_sets_it() -> None:
    image = with_topics(cluster(), NewTopic("t", 1, 1, configs={"max.message.bytes": " 5 "}))
    image = with_broker_config(
        with_broker_config(image, "message.max.bytes", "6"), "message.max.bytes", "7", "1"
    )
    entry = shown(image, BrokerConfig({"message.max.bytes": "8"}), ResourceType.TOPIC, "t")[
        "max.message.bytes"
    ]
    assert (entry.value, entry.source) == ("5", 1)
    assert [(found.name, found.value, found.number) for found in entry.synonyms] == [
        ("max.message.bytes", "5", 1),
        ("message.max.bytes", "7", 2),
        ("message.max.bytes", "6", 3),
        ("message.max.bytes", "8", 4),
        ("message.max.bytes", "1048588", 5),
    ]


def test_a_retention_in_hours_shows_its_value_but_no_synonym_as_in_kafka() -> None:
    image = with_topics(cluster(), "t")
    entry = shown(image, BrokerConfig({"log.retention.hours": "1"}), ResourceType.TOPIC, "t")["retention.ms"]
    assert (entry.value, entry.source, entry.synonyms) == ("3600000", 5, ())
    created = created_topic_configs(image, BrokerConfig({"log.retention.hours": "1"}), 1, {})
    assert [(one.value, one.source) for one in created if one.name == "retention.ms"] == [("3600000", 4)]


def test_passwords_and_unknown_settings_of_a_broker_are_never_shown() -> None:
    config = BrokerConfig({"ssl.key.password": "secret", "plugin.key": "secret"})
    image = with_broker_config(cluster(), "sasl.jaas.config", "secret", "1")
    entries = shown(image, config, ResourceType.BROKER, "1")
    for name in ("ssl.key.password", "plugin.key", "sasl.jaas.config"):
        assert entries[name].sensitive
        assert entries[name].value is None
        assert not any("secret" in found.value for found in entries[name].synonyms)


def test_a_broker_shows_its_own_identity_and_what_may_change() -> None:
    entries = shown(cluster(), BrokerConfig(), ResourceType.BROKER, "1")
    assert (entries["node.id"].value, entries["node.id"].source) == ("1", 4)
    assert entries["listeners"].value == "PLAINTEXT://host1:9092"
    assert entries["node.id"].read_only
    assert not entries["log.retention.ms"].read_only
    assert "unstable.api.versions.enable" not in entries


def test_the_default_broker_shows_only_what_was_set_for_all() -> None:
    assert shown(cluster(), BrokerConfig({"num.partitions": "2"}), ResourceType.BROKER, "") == {}
    image = with_broker_config(cluster(), "log.retention.ms", "5")
    [entry] = shown(image, BrokerConfig(), ResourceType.BROKER, "").values()
    assert (entry.value, entry.source) == ("5", 3)
