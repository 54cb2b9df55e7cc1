"""Metadata, DescribeTopicPartitions and DescribeLogDirs: what topics there are, and where."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import describe_topics, log_dirs, metadata, metadata_by_id
from ..values import Fields

CREATED = [("Metadata", 4, metadata("{missing}", auto_create=False))]
NONE: Fields = {"topics": []}

CASES = [
    Case("Metadata", "0-13", "one topic", "topic", metadata("{topic}")),
    Case("Metadata", "0-13", "three partitions", "topic(3)", metadata("{topic}")),
    Case("Metadata", "0-13", "two topics", "topic(2) other", metadata("{topic}", "{other}")),
    Case("Metadata", "0-13", "two topics in the other order", "topic(2) other", metadata("{other}", "{topic}")),
    Case("Metadata", "0-13", "one topic twice", "topic", metadata("{topic}", "{topic}")),
    Case("Metadata", "0-13", "all topics", "topic", metadata()),
    Case("Metadata", "1-13", "no topic", "topic", NONE),
    Case("Metadata", "0", "empty list means all", "topic", NONE),
    Case("Metadata", "0-13", "internal topic", "", metadata("__consumer_offsets")),
    Case("Metadata", "4-13", "unknown topic", "", metadata("{missing}", auto_create=False), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Metadata", "4-13", "one known and one unknown topic", "topic", metadata("{topic}", "{missing}", auto_create=False), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Metadata", "0-13", "topic is created on the way", "", metadata("{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Metadata", "0-13", "name with a slash", "", metadata("a/b"), "INVALID_TOPIC_EXCEPTION"),
    Case("Metadata", "0-13", "name of two dots", "", metadata(".."), "INVALID_TOPIC_EXCEPTION"),
    Case("Metadata", "0-13", "name of 250 characters", "", metadata("x" * 250), "INVALID_TOPIC_EXCEPTION"),
    Case("Metadata", "0-13", "empty name", "", metadata(""), "INVALID_TOPIC_EXCEPTION"),
    Case("Metadata", "4-13", "name with a slash and no creation", "", metadata("a/b", auto_create=False), "INVALID_TOPIC_EXCEPTION"),
    Case("Metadata", "8-13", "operations", "topic", metadata("{topic}", include_topic_authorized_operations=True, include_cluster_authorized_operations=True)),
    # Versions 10 and 11 have ids in the request and can't ask by them.
    Case("Metadata", "10-11", "by id", "topic(2)", metadata_by_id("{topic_id}"), "INVALID_REQUEST"),
    Case("Metadata", "10-11", "id and name", "topic", metadata_by_id("{topic_id}", name="{topic}"), "INVALID_REQUEST"),
    Case("Metadata", "12-13", "by id", "topic(2)", metadata_by_id("{topic_id}")),
    Case("Metadata", "12-13", "unknown id", "", metadata_by_id("{missing_id}"), "UNKNOWN_TOPIC_ID"),
    Case("Metadata", "12-13", "id of a deleted topic", "topic deleted", metadata_by_id("{topic_id}"), "UNKNOWN_TOPIC_ID"),
    Case("Metadata", "12-13", "id and name", "topic", metadata_by_id("{topic_id}", name="{topic}")),
    Case("Metadata", "12-13", "zero id and no name", "", metadata_by_id("{zero_id}"), "UNKNOWN_SERVER_ERROR"),
    Case("Metadata", "12-13", "one by id and one by name", "topic other", {"topics": [{"topic_id": "{topic_id}", "name": None}, {"name": "{other}"}]}),
    Case("Metadata", "12-13", "two by id", "topic other", metadata_by_id("{topic_id}", "{other_id}")),
    #
    Case("DescribeTopicPartitions", "0", "one topic", "topic(3)", describe_topics("{topic}")),
    Case("DescribeTopicPartitions", "0", "two topics come sorted", "topic(2) other", describe_topics("{topic}", "{other}")),
    Case("DescribeTopicPartitions", "0", "limit", "topic(3)", describe_topics("{topic}", limit=2)),
    Case("DescribeTopicPartitions", "0", "limit at the end of a topic", "topic(2) other(2)", describe_topics("{topic}", "{other}", limit=2)),
    Case("DescribeTopicPartitions", "0", "cursor", "topic(3)", describe_topics("{topic}", cursor=("{topic}", 2))),
    Case("DescribeTopicPartitions", "0", "cursor beyond the end", "topic(3)", describe_topics("{topic}", cursor=("{topic}", 9))),
    Case("DescribeTopicPartitions", "0", "cursor skips topics before it", "topic other", describe_topics("{topic}", "{other}", cursor=("{topic}", 0))),
    Case("DescribeTopicPartitions", "0", "cursor at a missing topic", "topic", describe_topics("{topic}", cursor=("{missing}", 0)), "INVALID_REQUEST"),
    Case("DescribeTopicPartitions", "0", "negative cursor", "topic", describe_topics("{topic}", cursor=("{topic}", -1)), "INVALID_REQUEST"),
    Case("DescribeTopicPartitions", "0", "limit of zero", "topic", describe_topics("{topic}", limit=0)),
    Case("DescribeTopicPartitions", "0", "internal topic", "", describe_topics("__consumer_offsets", limit=2)),
    Case("DescribeTopicPartitions", "0", "unknown topic", "topic", describe_topics("{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DescribeTopicPartitions", "0", "one known and one unknown topic", "topic", describe_topics("{topic}", "{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DescribeTopicPartitions", "0", "name with a slash", "", describe_topics("a/b"), "INVALID_TOPIC_EXCEPTION"),
    Case("DescribeTopicPartitions", "0", "empty name", "", describe_topics(""), "UNKNOWN_SERVER_ERROR"),
    #
    Case("DescribeLogDirs", "0-5", "one partition", "topic(2) records(3)", log_dirs(("{topic}", [0]))),
    Case("DescribeLogDirs", "0-5", "two partitions", "topic(2) records(3)", log_dirs(("{topic}", [0, 1]))),
    Case("DescribeLogDirs", "0-5", "unknown topic", "", log_dirs(("{missing}", [0]))),
    Case("DescribeLogDirs", "0-5", "partition out of range", "topic", log_dirs(("{topic}", [9]))),
    Case("DescribeLogDirs", "0-5", "no partition", "topic", log_dirs(("{topic}", []))),
    Case("DescribeLogDirs", "0-5", "all topics", "topic records(3)", log_dirs()),
    Case("DescribeLogDirs", "0-5", "empty list", "topic", {"topics": []}),
]
