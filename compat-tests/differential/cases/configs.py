"""DescribeConfigs, AlterConfigs and IncrementalAlterConfigs."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import BROKER, BROKER_LOGGER, alter_configs, describe_configs, incremental_alter

NOW = [("DescribeConfigs", 4, describe_configs("{topic}", "retention.ms", "cleanup.policy", "max.message.bytes"))]
TWICE_INCREMENTAL = {"resources": incremental_alter("{topic}", set_to={"retention.ms": "1"})["resources"] * 2, "validate_only": False}

CASES = [
    Case("DescribeConfigs", "0-4", "one key", "topic", describe_configs("{topic}", "retention.ms")),
    Case("DescribeConfigs", "0-4", "two keys", "topic", describe_configs("{topic}", "cleanup.policy", "retention.ms")),
    Case("DescribeConfigs", "0-4", "key that was set", "topic(1,retention.ms=1000)", describe_configs("{topic}", "retention.ms")),
    Case("DescribeConfigs", "1-4", "synonyms", "topic", describe_configs("{topic}", "segment.bytes", synonyms=True)),
    Case("DescribeConfigs", "1-4", "synonyms of a key that was set", "topic(1,segment.bytes=2000000)", describe_configs("{topic}", "segment.bytes", synonyms=True)),
    Case("DescribeConfigs", "1-4", "synonyms of time keys", "topic", describe_configs("{topic}", "retention.ms", synonyms=True)),
    Case("DescribeConfigs", "1-4", "all keys of a topic", "topic", describe_configs("{topic}")),
    Case("DescribeConfigs", "1-4", "all keys of a topic with synonyms", "topic", describe_configs("{topic}", synonyms=True)),
    Case("DescribeConfigs", "3-4", "documentation", "topic", describe_configs("{topic}", "retention.ms", documentation=True)),
    Case("DescribeConfigs", "0-4", "unknown key", "topic", describe_configs("{topic}", "no.such.key")),
    Case("DescribeConfigs", "1-4", "empty list of keys", "topic", {"resources": [{"resource_type": 2, "resource_name": "{topic}", "configuration_keys": []}]}),
    Case("DescribeConfigs", "0-4", "one key of the broker", "", describe_configs("1", "num.partitions", kind=BROKER)),
    Case("DescribeConfigs", "1-4", "keys of the broker with synonyms", "", describe_configs("1", "log.segment.bytes", "message.max.bytes", kind=BROKER, synonyms=True)),
    Case("DescribeConfigs", "1-4", "read-only key of the broker", "", describe_configs("1", "node.id", kind=BROKER)),
    Case("DescribeConfigs", "1-4", "all keys of the broker", "", describe_configs("1", kind=BROKER)),
    Case("DescribeConfigs", "0-4", "defaults of all brokers", "", describe_configs("", kind=BROKER)),
    Case("DescribeConfigs", "0-4", "two resources", "topic other", {"resources": [describe_configs(name, "retention.ms")["resources"][0] for name in ("{topic}", "{other}")]}),
    Case("DescribeConfigs", "0-4", "no resource", "", {"resources": []}),
    Case("DescribeConfigs", "0-4", "unknown topic", "", describe_configs("{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DescribeConfigs", "0-4", "name with a slash", "", describe_configs("a/b"), "INVALID_TOPIC_EXCEPTION"),
    Case("DescribeConfigs", "0-4", "empty topic name", "", describe_configs(""), "INVALID_TOPIC_EXCEPTION"),
    Case("DescribeConfigs", "0-4", "another broker", "", describe_configs("77", kind=BROKER), "INVALID_REQUEST"),
    Case("DescribeConfigs", "0-4", "broker that is no number", "", describe_configs("me", kind=BROKER), "INVALID_REQUEST"),
    Case("DescribeConfigs", "0-4", "no such kind", "topic", describe_configs("{topic}", kind=99), "INVALID_REQUEST"),
    Case("DescribeConfigs", "0-4", "loggers of another broker", "", describe_configs("77", kind=BROKER_LOGGER), "INVALID_REQUEST"),
    #
    Case("AlterConfigs", "0-2", "set a key", "topic", alter_configs("{topic}", {"retention.ms": "5000"})),
    Case("AlterConfigs", "0-2", "keys not named go back", "topic(1,cleanup.policy=compact)", alter_configs("{topic}", {"retention.ms": "5000"})),
    Case("AlterConfigs", "0-2", "no key", "topic(1,retention.ms=1)", alter_configs("{topic}", {})),
    Case("AlterConfigs", "0-2", "validate only", "topic", alter_configs("{topic}", {"retention.ms": "5000"}, validate_only=True), then=NOW),
    Case("AlterConfigs", "0-2", "unknown topic", "", alter_configs("{missing}", {"retention.ms": "5000"}), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("AlterConfigs", "0-2", "unknown key", "topic", alter_configs("{topic}", {"no.such.key": "1"}), "INVALID_CONFIG"),
    Case("AlterConfigs", "0-2", "value that is no number", "topic", alter_configs("{topic}", {"retention.ms": "soon"}), "INVALID_CONFIG", then=NOW),
    Case("AlterConfigs", "0-2", "value out of range", "topic", alter_configs("{topic}", {"max.message.bytes": "-2"}), "INVALID_CONFIG"),
    Case("AlterConfigs", "0-2", "null value", "topic", alter_configs("{topic}", {"retention.ms": None}), "INVALID_REQUEST"),
    Case("AlterConfigs", "0-2", "validate only of a bad value", "topic", alter_configs("{topic}", {"retention.ms": "x"}, validate_only=True), "INVALID_CONFIG"),
    # The same topic twice: Kafka 4.4.0 never answers that.
    Case("AlterConfigs", "0-2", "name with a slash", "", alter_configs("a/b", {"retention.ms": "1"}), "INVALID_TOPIC_EXCEPTION"),
    Case("AlterConfigs", "0-2", "empty topic name", "", alter_configs("", {"retention.ms": "1"}), "INVALID_REQUEST"),
    Case("AlterConfigs", "0-2", "broker that is no number", "", alter_configs("me", {"log.cleaner.threads": "1"}, kind=BROKER), "INVALID_REQUEST"),
    Case("AlterConfigs", "0-2", "another broker", "", alter_configs("77", {"log.cleaner.threads": "1"}, kind=BROKER), "INVALID_REQUEST"),
    Case("AlterConfigs", "0-2", "read-only key of the broker", "", alter_configs("1", {"node.id": "1"}, kind=BROKER), "INVALID_REQUEST"),
    Case("AlterConfigs", "0-2", "no such kind", "", alter_configs("{topic}", {"retention.ms": "1"}, kind=99), "INVALID_REQUEST"),
    Case("AlterConfigs", "0-2", "loggers", "", alter_configs("1", {"kafka": "INFO"}, kind=BROKER_LOGGER), "INVALID_REQUEST"),
    #
    Case("IncrementalAlterConfigs", "0-1", "set a key", "topic", incremental_alter("{topic}", set_to={"retention.ms": "5000"})),
    Case("IncrementalAlterConfigs", "0-1", "delete a key", "topic(1,retention.ms=1)", incremental_alter("{topic}", deleted=["retention.ms"])),
    Case("IncrementalAlterConfigs", "0-1", "delete a key that is not set", "topic", incremental_alter("{topic}", deleted=["retention.ms"])),
    Case("IncrementalAlterConfigs", "0-1", "append to a list", "topic(1,cleanup.policy=compact)", incremental_alter("{topic}", appended={"cleanup.policy": "delete"})),
    Case("IncrementalAlterConfigs", "0-1", "append what is there", "topic(1,cleanup.policy=compact)", incremental_alter("{topic}", appended={"cleanup.policy": "compact"})),
    Case("IncrementalAlterConfigs", "0-1", "subtract from a list", "topic configured(cleanup.policy=compact)", incremental_alter("{topic}", subtracted={"cleanup.policy": "delete"})),
    Case("IncrementalAlterConfigs", "0-1", "validate only", "topic", incremental_alter("{topic}", set_to={"retention.ms": "5000"}, validate_only=True), then=NOW),
    Case("IncrementalAlterConfigs", "0-1", "no key", "topic", incremental_alter("{topic}")),
    Case("IncrementalAlterConfigs", "0-1", "unknown topic", "", incremental_alter("{missing}", set_to={"retention.ms": "1"}), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("IncrementalAlterConfigs", "0-1", "unknown key", "topic", incremental_alter("{topic}", set_to={"no.such.key": "1"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "value that is no number", "topic", incremental_alter("{topic}", set_to={"retention.ms": "soon"}), "INVALID_CONFIG", then=NOW),
    Case("IncrementalAlterConfigs", "0-1", "one good and one bad key", "topic", incremental_alter("{topic}", set_to={"retention.ms": "9", "max.message.bytes": "-2"}), "INVALID_CONFIG", then=NOW),
    Case("IncrementalAlterConfigs", "0-1", "null value", "topic", incremental_alter("{topic}", set_to={"retention.ms": None}), "INVALID_REQUEST"),
    Case("IncrementalAlterConfigs", "0-1", "append to what is no list", "topic", incremental_alter("{topic}", appended={"retention.ms": "1"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "no such operation", "topic", incremental_alter("{topic}", set_to={"retention.ms": "1"}, operation=9), "UNKNOWN_SERVER_ERROR"),
    Case("IncrementalAlterConfigs", "0-1", "one key twice", "topic", incremental_alter("{topic}", set_to={"retention.ms": "1"}, deleted=["retention.ms"]), "INVALID_REQUEST"),
    Case("IncrementalAlterConfigs", "0-1", "same topic twice", "topic", TWICE_INCREMENTAL, "INVALID_REQUEST"),
    Case("IncrementalAlterConfigs", "0-1", "name with a slash", "", incremental_alter("a/b", set_to={"retention.ms": "1"}), "INVALID_TOPIC_EXCEPTION"),
    Case("IncrementalAlterConfigs", "0-1", "broker that is no number", "", incremental_alter("me", set_to={"log.cleaner.threads": "1"}, kind=BROKER), "INVALID_REQUEST"),
    Case("IncrementalAlterConfigs", "0-1", "another broker", "", incremental_alter("77", set_to={"log.cleaner.threads": "1"}, kind=BROKER), "INVALID_REQUEST"),
    Case("IncrementalAlterConfigs", "0-1", "read-only key of the broker", "", incremental_alter("1", set_to={"node.id": "1"}, kind=BROKER), "INVALID_REQUEST"),
    Case("IncrementalAlterConfigs", "0-1", "no such kind", "", incremental_alter("{topic}", set_to={"retention.ms": "1"}, kind=99), "INVALID_REQUEST"),
]
