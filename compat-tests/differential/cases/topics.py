"""CreateTopics, DeleteTopics and CreatePartitions."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import create_partitions, create_topics, delete_topics, delete_topics_by_id, metadata
from ..values import Fields

THERE = [("Metadata", 4, metadata("{topic}", auto_create=False))]
PLACED = ((0, (1,)), (1, (1,)))


def one(name: str = "{topic}", partitions: int = 1, **more: object) -> Fields:
    return create_topics(name, partitions, **more)  # type: ignore[arg-type]


def value(key: str, text: str, expect: str) -> Case:
    """A topic with one config set; version 7 answers with what became of it."""
    name = f"{key} set to {text.replace(' ', 'blank')}" if text else f"{key} set to nothing"
    return Case("CreateTopics", "7", name, "", one(configs={key: text}), expect)


VALUES = [
    value("retention.ms", "-2", "INVALID_CONFIG"),
    value("retention.ms", " 5000 ", "OK"),
    value("retention.ms", "5.5", "INVALID_CONFIG"),
    value("retention.ms", "9223372036854775808", "INVALID_CONFIG"),
    value("retention.ms", "", "INVALID_CONFIG"),
    value("segment.bytes", "10", "INVALID_CONFIG"),
    value("segment.bytes", "1048576", "OK"),
    value("segment.ms", "0", "INVALID_CONFIG"),
    value("cleanup.policy", "compact,delete", "OK"),
    value("cleanup.policy", "compact, delete", "OK"),
    value("cleanup.policy", "", "OK"),
    value("cleanup.policy", "delete,delete", "OK"),
    value("cleanup.policy", "COMPACT", "INVALID_CONFIG"),
    value("compression.type", "lz4", "OK"),
    value("compression.type", "brotli", "INVALID_CONFIG"),
    value("min.insync.replicas", "0", "INVALID_CONFIG"),
    value("min.cleanable.dirty.ratio", "1.5", "INVALID_CONFIG"),
    value("min.cleanable.dirty.ratio", "0.25", "OK"),
    value("preallocate", "yes", "INVALID_CONFIG"),
    value("preallocate", "TRUE", "OK"),
    value("unclean.leader.election.enable", "true", "OK"),
    value("message.timestamp.type", "NoTime", "INVALID_CONFIG"),
    value("message.timestamp.type", "LogAppendTime", "OK"),
    value("max.message.bytes", "0", "OK"),
    value("max.message.bytes", "2147483648", "INVALID_CONFIG"),
    value("message.format.version", "2.0", "INVALID_CONFIG"),
    value("message.timestamp.difference.max.ms", "5", "INVALID_CONFIG"),
    value("message.downconversion.enable", "false", "INVALID_CONFIG"),
    value("follower.replication.throttled.replicas", "1:2,3:4", "OK"),
    value("follower.replication.throttled.replicas", "odd", "INVALID_CONFIG"),
    value("follower.replication.throttled.replicas", "*", "OK"),
    value("remote.storage.enable", "true", "INVALID_CONFIG"),
    value("compression.gzip.level", "3", "OK"),
    value("compression.gzip.level", "33", "INVALID_CONFIG"),
    value("local.retention.ms", "5", "OK"),
    value("retention.bytes", "-1", "OK"),
    value("retention.bytes", "-2", "OK"),
    value("index.interval.bytes", "-1", "INVALID_CONFIG"),
    value("max.compaction.lag.ms", "0", "INVALID_CONFIG"),
    value("flush.messages", "0", "INVALID_CONFIG"),
]

CASES = [
    *VALUES,
    # The answer comes before the broker has heard of it: whether it is there is seen by the steps of other cases.
    Case("CreateTopics", "0-7", "one topic", "", one()),
    Case("CreateTopics", "0-7", "three partitions", "", one(partitions=3)),
    Case("CreateTopics", "0-7", "two topics", "", create_topics("{topic}", 1, "{other}", 2)),
    Case("CreateTopics", "0-7", "no topic", "", create_topics()),
    Case("CreateTopics", "0-7", "with configs", "", one(configs={"retention.ms": "1000", "cleanup.policy": "compact"})),
    Case("CreateTopics", "0-7", "placed by hand", "", one(partitions=-1, replication=-1, assignments=PLACED)),
    Case("CreateTopics", "1-7", "validate only", "", one(validate_only=True), then=THERE),
    Case("CreateTopics", "0-7", "default partitions", "", one(partitions=-1)),
    Case("CreateTopics", "0-7", "default replication", "", one(replication=-1)),
    Case("CreateTopics", "1-7", "name of 249 characters", "", one("x" * 249, validate_only=True)),
    Case("CreateTopics", "0-7", "exists already", "topic", one(), "TOPIC_ALREADY_EXISTS"),
    Case("CreateTopics", "1-7", "exists already and validate only", "topic", one(validate_only=True), "TOPIC_ALREADY_EXISTS"),
    Case("CreateTopics", "0-7", "one exists and one is new", "topic", create_topics("{topic}", 1, "{other}", 1), "TOPIC_ALREADY_EXISTS"),
    Case("CreateTopics", "0-7", "same name twice", "", create_topics("{topic}", 1, "{topic}", 2), "INVALID_REQUEST"),
    Case("CreateTopics", "0-7", "same name twice and another", "", create_topics("{topic}", 1, "{topic}", 2, "{other}", 1), "INVALID_REQUEST"),
    Case("CreateTopics", "0-7", "name with a slash", "", one("a/b"), "INVALID_TOPIC_EXCEPTION"),
    Case("CreateTopics", "0-7", "name of one dot", "", one("."), "INVALID_TOPIC_EXCEPTION"),
    Case("CreateTopics", "0-7", "name of two dots", "", one(".."), "INVALID_TOPIC_EXCEPTION"),
    Case("CreateTopics", "0-7", "empty name", "", one(""), "INVALID_TOPIC_EXCEPTION"),
    Case("CreateTopics", "0-7", "name of 250 characters", "", one("x" * 250), "INVALID_TOPIC_EXCEPTION"),
    Case("CreateTopics", "0-7", "name that collides", "topic(1,,dotted)", one("{underscored}"), "INVALID_TOPIC_EXCEPTION"),
    Case("CreateTopics", "0-7", "internal name", "", one("__consumer_offsets"), "TOPIC_ALREADY_EXISTS"),
    Case("CreateTopics", "0-7", "no partitions", "", one(partitions=0), "INVALID_PARTITIONS"),
    Case("CreateTopics", "0-7", "negative partitions", "", one(partitions=-2), "INVALID_PARTITIONS"),
    Case("CreateTopics", "0-7", "no replicas", "", one(replication=0), "INVALID_REPLICATION_FACTOR"),
    Case("CreateTopics", "0-7", "more replicas than brokers", "", one(replication=2), "INVALID_REPLICATION_FACTOR"),
    Case("CreateTopics", "0-7", "placed and counted", "", one(partitions=2, assignments=PLACED), "INVALID_REQUEST"),
    Case("CreateTopics", "0-7", "placed on an unknown broker", "", one(partitions=-1, replication=-1, assignments=((0, (99,)),)), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreateTopics", "0-7", "placed with a gap", "", one(partitions=-1, replication=-1, assignments=((0, (1,)), (2, (1,)))), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreateTopics", "0-7", "placed not from zero", "", one(partitions=-1, replication=-1, assignments=((1, (1,)),)), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreateTopics", "0-7", "placed twice", "", one(partitions=-1, replication=-1, assignments=((0, (1,)), (0, (1,)))), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreateTopics", "0-7", "placed twice on one broker", "", one(partitions=-1, replication=-1, assignments=((0, (1, 1)),)), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreateTopics", "0-7", "placed nowhere", "", one(partitions=-1, replication=-1, assignments=((0, ()),)), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreateTopics", "0-7", "unknown config", "", one(configs={"no.such.config": "1"}), "INVALID_CONFIG"),
    Case("CreateTopics", "0-7", "config that is no number", "", one(configs={"retention.ms": "soon"}), "INVALID_CONFIG"),
    Case("CreateTopics", "0-7", "config out of range", "", one(configs={"max.message.bytes": "-1"}), "INVALID_CONFIG"),
    Case("CreateTopics", "0-7", "config of no choice", "", one(configs={"cleanup.policy": "burn"}), "INVALID_CONFIG"),
    Case("CreateTopics", "0-7", "null config", "", one(configs={"retention.ms": None}), "INVALID_CONFIG"),
    Case("CreateTopics", "0-7", "one good and one bad", "", create_topics("{topic}", 1, "a/b", 1), "INVALID_TOPIC_EXCEPTION"),
    Case("CreateTopics", "2-7", "no time at all", "", one(timeout_ms=-1), "REQUEST_TIMED_OUT"),
    Case("CreateTopics", "2-7", "no time at all for a bad name", "", one("a/b", timeout_ms=-1), "REQUEST_TIMED_OUT"),
    #
    Case("DeleteTopics", "1-6", "no time at all", "", delete_topics("{missing}", timeout_ms=-1), "REQUEST_TIMED_OUT"),
    Case("DeleteTopics", "0-6", "one topic", "topic", delete_topics("{topic}")),
    Case("DeleteTopics", "0-6", "two topics", "topic other", delete_topics("{topic}", "{other}")),
    Case("DeleteTopics", "0-6", "no topic", "", delete_topics()),
    Case("DeleteTopics", "0-6", "unknown topic", "", delete_topics("{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DeleteTopics", "0-6", "one known and one unknown topic", "topic", delete_topics("{topic}", "{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DeleteTopics", "0-6", "deleted already", "topic deleted", delete_topics("{topic}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DeleteTopics", "0-6", "same name twice", "topic", delete_topics("{topic}", "{topic}"), "INVALID_REQUEST"),
    Case("DeleteTopics", "0-6", "name with a slash", "", delete_topics("a/b"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DeleteTopics", "0-6", "empty name", "", delete_topics(""), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DeleteTopics", "6", "by id", "topic", delete_topics_by_id("{topic_id}")),
    Case("DeleteTopics", "6", "two by id", "topic other", delete_topics_by_id("{topic_id}", "{other_id}")),
    Case("DeleteTopics", "6", "unknown id", "", delete_topics_by_id("{missing_id}"), "UNKNOWN_TOPIC_ID"),
    Case("DeleteTopics", "6", "zero id and no name", "", delete_topics_by_id("{zero_id}"), "INVALID_REQUEST"),
    Case("DeleteTopics", "6", "id and name", "topic", delete_topics_by_id("{topic_id}", name="{topic}"), "INVALID_REQUEST"),
    Case("DeleteTopics", "6", "same id twice", "topic", delete_topics_by_id("{topic_id}", "{topic_id}"), "INVALID_REQUEST"),
    Case("DeleteTopics", "6", "by name and by id", "topic", {"topics": [{"name": "{topic}"}, {"name": None, "topic_id": "{topic_id}"}], "timeout_ms": 5000}, "INVALID_REQUEST"),
    #
    Case("CreatePartitions", "0-3", "one more", "topic", create_partitions("{topic}", 2)),
    Case("CreatePartitions", "0-3", "placed by hand", "topic", create_partitions("{topic}", 3, [(1,), (1,)])),
    Case("CreatePartitions", "0-3", "validate only", "topic", create_partitions("{topic}", 3, validate_only=True), then=THERE),
    Case("CreatePartitions", "0-3", "no time at all", "topic", {**create_partitions("{topic}", 3), "timeout_ms": -1}, "REQUEST_TIMED_OUT"),
    Case("CreatePartitions", "0-3", "no topic", "", {"topics": [], "timeout_ms": 5000, "validate_only": False}),
    Case("CreatePartitions", "0-3", "as many as there are", "topic(2)", create_partitions("{topic}", 2), "INVALID_PARTITIONS"),
    Case("CreatePartitions", "0-3", "fewer than there are", "topic(3)", create_partitions("{topic}", 2), "INVALID_PARTITIONS"),
    Case("CreatePartitions", "0-3", "negative", "topic", create_partitions("{topic}", -1), "INVALID_PARTITIONS"),
    Case("CreatePartitions", "0-3", "unknown topic", "", create_partitions("{missing}", 2), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("CreatePartitions", "0-3", "too few placed", "topic", create_partitions("{topic}", 3, [(1,)]), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreatePartitions", "0-3", "placed on an unknown broker", "topic", create_partitions("{topic}", 2, [(99,)]), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreatePartitions", "0-3", "placed twice on one broker", "topic", create_partitions("{topic}", 2, [(1, 1)]), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreatePartitions", "0-3", "placed nowhere", "topic", create_partitions("{topic}", 2, [()]), "INVALID_REPLICA_ASSIGNMENT"),
    Case("CreatePartitions", "0-3", "same topic twice", "topic", {"topics": create_partitions("{topic}", 2)["topics"] * 2, "timeout_ms": 5000, "validate_only": False}, "INVALID_REQUEST"),
    Case("CreatePartitions", "0-3", "name with a slash", "", create_partitions("a/b", 2), "UNKNOWN_TOPIC_OR_PARTITION"),
]
