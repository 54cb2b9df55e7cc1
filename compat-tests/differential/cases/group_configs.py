"""Configs of groups: the GROUP resource of the config APIs."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case, Then
from ..consumer_requests import GROUP, joining
from ..requests import alter_configs, describe_configs, incremental_alter

G = "{group}"
SESSION, BEAT, INTERVAL = "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms", "consumer.assignment.interval.ms"
NOW: list[Then] = ["settled", ("DescribeConfigs", 4, describe_configs(G, SESSION, BEAT, INTERVAL, kind=GROUP))]


def altered(**more: object) -> dict[str, object]:
    return incremental_alter(G, kind=GROUP, **more)  # type: ignore[arg-type]


CASES = [
    Case("IncrementalAlterConfigs", "0-1", "session time-out of a group", "", altered(set_to={SESSION: "50000"}), then=NOW),
    Case("IncrementalAlterConfigs", "0-1", "two configs of a group", "", altered(set_to={SESSION: "50000", BEAT: "6000"}), then=NOW),
    Case("IncrementalAlterConfigs", "0-1", "config of a group taken back", "group_set(consumer.session.timeout.ms=50000)", altered(deleted=[SESSION]), then=["settled"]),
    Case("IncrementalAlterConfigs", "0-1", "config of a group that was not set taken back", "", altered(deleted=[SESSION])),
    Case("IncrementalAlterConfigs", "0-1", "validate a config of a group only", "", altered(set_to={SESSION: "50000"}, validate_only=True), then=NOW),
    Case("IncrementalAlterConfigs", "0-1", "group session too short", "", altered(set_to={SESSION: "44999"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "group session too long", "", altered(set_to={SESSION: "60001"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "group heartbeat too often", "", altered(set_to={BEAT: "4999"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "group heartbeat too seldom", "", altered(set_to={BEAT: "15001"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "assignment interval of a group", "", altered(set_to={INTERVAL: "15000"}), then=NOW),
    Case("IncrementalAlterConfigs", "0-1", "assignment interval of a group too long", "", altered(set_to={INTERVAL: "15001"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "group config that is no number", "", altered(set_to={SESSION: "long"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "no such group config", "", altered(set_to={"no.such.key": "1"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "config of a share group", "", altered(set_to={"share.session.timeout.ms": "50000"})),
    Case("IncrementalAlterConfigs", "0-1", "append to a group config", "", altered(appended={SESSION: "1"}), "INVALID_CONFIG"),
    Case("IncrementalAlterConfigs", "0-1", "null group config", "", altered(set_to={SESSION: None}), "INVALID_REQUEST"),
    Case("IncrementalAlterConfigs", "0-1", "config of a group without a name", "", incremental_alter("", set_to={SESSION: "50000"}, kind=GROUP), "INVALID_REQUEST"),
    Case("AlterConfigs", "0-2", "config of a group", "", alter_configs(G, {SESSION: "50000"}, kind=GROUP), then=NOW),
    Case("AlterConfigs", "0-2", "configs of a group not named go back", "group_set(consumer.session.timeout.ms=50000)", alter_configs(G, {BEAT: "6000"}, kind=GROUP)),
    Case("AlterConfigs", "0-2", "bad config of a group", "", alter_configs(G, {SESSION: "1"}, kind=GROUP), "INVALID_CONFIG"),
    Case("DescribeConfigs", "1-4", "group that has none", "", describe_configs(G, SESSION, BEAT, INTERVAL, kind=GROUP)),
    Case("DescribeConfigs", "1-4", "group that has one", "group_set(consumer.session.timeout.ms=50000)", describe_configs(G, SESSION, BEAT, INTERVAL, kind=GROUP)),
    Case("DescribeConfigs", "1-4", "group and synonyms", "group_set(consumer.session.timeout.ms=50000)", describe_configs(G, SESSION, BEAT, kind=GROUP, synonyms=True)),
    Case("DescribeConfigs", "4", "all configs of a group", "", describe_configs(G, kind=GROUP)),
    Case("DescribeConfigs", "1-4", "no such config of a group", "", describe_configs(G, "no.such.key", kind=GROUP)),
    Case("DescribeConfigs", "1-4", "group without a name", "", describe_configs("", kind=GROUP), "INVALID_REQUEST"),
    Case("ConsumerGroupHeartbeat", "0-1", "group with a heartbeat interval of its own", "topic ready group_set(consumer.heartbeat.interval.ms=7000)", joining("{transaction}")),
]
