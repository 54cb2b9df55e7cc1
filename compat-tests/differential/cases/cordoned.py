"""Directories that get no new partitions (cordoned.log.dirs, KIP-1066), of a broker that has three."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from typing import Any

from ..case import Case, Then
from ..requests import (
    BROKER,
    alter_configs,
    create_partitions,
    create_topics,
    delete_topics,
    describe_configs,
    elect,
    fetch,
    incremental_alter,
    log_dirs,
    metadata,
    move_replicas,
    offset_fetch,
    produce,
    reassign,
)
from ..values import Fields

T, NEW = "{topic}", "{other}"
HERE = "cordoned directories"
KEY = "cordoned.log.dirs"
ONE, TWO, THREE = "{first_dir}", "{second_dir}", "{third_dir}"
FLAGS: list[Then] = [("DescribeLogDirs", 5, log_dirs(("{missing}", [0])))]
TOLD: Then = ("DescribeConfigs", 4, describe_configs("1", KEY, kind=BROKER))
WHERE: list[Then] = [("DescribeLogDirs", 5, log_dirs((T, [0])))]
THERE: list[Then] = [("DescribeLogDirs", 5, log_dirs((NEW, range(4))))]
GROWN: list[Then] = [("DescribeLogDirs", 5, log_dirs((T, range(3))))]
STAYS: list[Then] = ["cordons(second)", *FLAGS, TOLD]  # what was refused changes nothing
ALL = "cordoned(first,second,third)"
NO_BROKER, NO_PLACE = "INVALID_REPLICATION_FACTOR", "INVALID_REPLICA_ASSIGNMENT"


def setting(value: str | None, **more: Any) -> Fields:
    return incremental_alter("1", set_to={KEY: value}, kind=BROKER, **more)


def legacy(value: str | None, **more: Any) -> Fields:
    return alter_configs("1", {KEY: value}, kind=BROKER, **more)


CASES = [
    # What it can be set to.
    Case("IncrementalAlterConfigs", "0-1", "cordoned: a directory", "uncordoned", setting(TWO), then=["cordons(second)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: two directories", "cordoned(second)", setting(f"{THREE},{ONE}"), then=["cordons(first,third)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: all, one by one", "uncordoned", setting(f"{ONE},{TWO},{THREE}"), then=["cordons(first,second,third)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: all", "uncordoned", setting("*"), then=["cordons(first,second,third)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: blanks around a path", "uncordoned", setting(f" {ONE} , {TWO} "), then=["cordons(first,second)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: blanks around the asterisk", "uncordoned", setting(" * "), then=["cordons(first,second,third)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: empty", "cordoned(second)", setting(""), then=["cordons", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a blank", "cordoned(second)", setting(" "), then=["cordons", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: null", "cordoned(second)", setting(None), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: as it is", "cordoned(second)", setting(TWO), then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "0-1", "cordoned: an unknown path", "cordoned(second)", setting("/nowhere"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a known path and an unknown one", "cordoned(second)", setting(f"{ONE},/nowhere"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a slash at its end", "cordoned(second)", setting(f"{ONE}/"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a dot at its end", "cordoned(second)", setting(f"{ONE}/."), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a relative path", "cordoned(second)", setting("logs"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: the asterisk and a path", "cordoned(second)", setting(f"*,{ONE}"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a path and the asterisk", "cordoned(second)", setting(f"{ONE},*"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: the asterisk twice", "cordoned(second)", setting("*,*"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a path twice", "cordoned(second)", setting(f"{ONE},{ONE}"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: an unknown path twice", "cordoned(second)", setting("/nowhere,/nowhere"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: nothing between two paths", "cordoned(second)", setting(f"{ONE},,{THREE}"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a comma at the end", "cordoned(second)", setting(f"{ONE},"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: a comma", "cordoned(second)", setting(","), "INVALID_REQUEST", then=STAYS, broker=HERE),
    # How it is changed.
    Case("IncrementalAlterConfigs", "1", "cordoned: removed", "cordoned(second)", incremental_alter("1", deleted=[KEY], kind=BROKER), then=["cordons", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: removed where it is not set", "uncordoned", incremental_alter("1", deleted=[KEY], kind=BROKER), then=["cordons", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: one more", "cordoned(second)", incremental_alter("1", appended={KEY: THREE}, kind=BROKER), then=["cordons(second,third)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: the first one more", "uncordoned", incremental_alter("1", appended={KEY: THREE}, kind=BROKER), then=["cordons(third)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: one more that is there", "cordoned(second)", incremental_alter("1", appended={KEY: TWO}, kind=BROKER), then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: an unknown one more", "cordoned(second)", incremental_alter("1", appended={KEY: "/nowhere"}, kind=BROKER), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: the asterisk more", "cordoned(second)", incremental_alter("1", appended={KEY: "*"}, kind=BROKER), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: one less", "cordoned(second,third)", incremental_alter("1", subtracted={KEY: TWO}, kind=BROKER), then=["cordons(third)", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: the last one less", "cordoned(second)", incremental_alter("1", subtracted={KEY: TWO}, kind=BROKER), then=["cordons", *FLAGS, TOLD], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: one less that is not there", "cordoned(second)", incremental_alter("1", subtracted={KEY: ONE}, kind=BROKER), then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: validate only", "cordoned(second)", setting(ONE, validate_only=True), then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: validate only an unknown path", "cordoned(second)", setting("/nowhere", validate_only=True), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: with a setting that is wrong", "cordoned(second)", incremental_alter("1", set_to={KEY: ONE, "log.cleaner.threads": "x"}, kind=BROKER), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: wrong, with a setting that is right", "cordoned(second)", incremental_alter("1", set_to={"log.cleaner.backoff.ms": "14000", KEY: "/nowhere"}, kind=BROKER), "INVALID_REQUEST",
         then=[*STAYS, ("DescribeConfigs", 4, describe_configs("1", "log.cleaner.backoff.ms", kind=BROKER))], broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: for all brokers", "cordoned(second)", incremental_alter("", set_to={KEY: ONE}, kind=BROKER), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: all, for all brokers", "cordoned(second)", incremental_alter("", set_to={KEY: "*"}, kind=BROKER), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("IncrementalAlterConfigs", "1", "cordoned: of a topic", "uncordoned topic cordoned(second)", incremental_alter(T, set_to={KEY: ONE}), "INVALID_CONFIG", then=STAYS, broker=HERE),
    Case("AlterConfigs", "0-2", "cordoned: a directory", "cordoned(second)", legacy(ONE), then=["cordons(first)", *FLAGS, TOLD], broker=HERE),
    Case("AlterConfigs", "2", "cordoned: all", "cordoned(second)", legacy("*"), then=["cordons(first,second,third)", *FLAGS, TOLD], broker=HERE),
    Case("AlterConfigs", "2", "cordoned: empty", "cordoned(second)", legacy(""), then=["cordons", *FLAGS, TOLD], broker=HERE),
    Case("AlterConfigs", "2", "cordoned: not named", "cordoned(second)", alter_configs("1", {}, kind=BROKER), then=["cordons", *FLAGS, TOLD], broker=HERE),
    Case("AlterConfigs", "2", "cordoned: null", "cordoned(second)", legacy(None), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("AlterConfigs", "2", "cordoned: an unknown path", "cordoned(second)", legacy(f"{ONE},/nowhere"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("AlterConfigs", "2", "cordoned: the asterisk and a path", "cordoned(second)", legacy(f"*,{ONE}"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("AlterConfigs", "2", "cordoned: a path twice", "cordoned(second)", legacy(f"{ONE},{ONE}"), "INVALID_REQUEST", then=STAYS, broker=HERE),
    Case("AlterConfigs", "2", "cordoned: validate only", "cordoned(second)", legacy(ONE, validate_only=True), then=STAYS, broker=HERE),
    Case("AlterConfigs", "2", "cordoned: for all brokers", "cordoned(second)", alter_configs("", {KEY: ONE}, kind=BROKER), "INVALID_REQUEST", then=STAYS, broker=HERE),
    # What is told of it.
    Case("DescribeConfigs", "1-4", "cordoned: none", "uncordoned", describe_configs("1", KEY, kind=BROKER, synonyms=True), broker=HERE),
    Case("DescribeConfigs", "1-4", "cordoned: one", "cordoned(second)", describe_configs("1", KEY, kind=BROKER, synonyms=True), broker=HERE),
    Case("DescribeConfigs", "3-4", "cordoned: its documentation", "uncordoned", describe_configs("1", KEY, kind=BROKER, documentation=True), broker=HERE),
    Case("DescribeLogDirs", "1-5", "cordoned: none", "uncordoned", log_dirs(("{missing}", [0])), broker=HERE),
    Case("DescribeLogDirs", "1-5", "cordoned: one", "cordoned(second)", log_dirs(("{missing}", [0])), broker=HERE),
    Case("DescribeLogDirs", "5", "cordoned: one, in which a log lies", "uncordoned topic records(3) directories moved(second_dir) cordoned(second)", log_dirs((T, [0])), broker=HERE),
    # New partitions.
    Case("CreateTopics", "7", "cordoned: two of three", "cordoned(first,third)", create_topics(NEW, 4), then=["led(other,0)", "led(other,1)", "led(other,2)", "led(other,3)", *THERE], broker=HERE),
    Case("CreateTopics", "7", "cordoned: two of three, with an assignment", "cordoned(first,second)", create_topics(NEW, -1, replication=-1, assignments=[(0, [1]), (1, [1])]), then=["led(other,0)", "led(other,1)", *THERE], broker=HERE),
    Case("CreateTopics", "2-7", "cordoned: all", ALL, create_topics(T, 1), NO_BROKER, then=[("Metadata", 12, metadata(T, auto_create=False))], broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, two replicas", ALL, create_topics(T, 1, replication=2), NO_BROKER, broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, no replica", ALL, create_topics(T, 1, replication=0), NO_BROKER, broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, the usual number of replicas", ALL, create_topics(T, -1, replication=-1), NO_BROKER, broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, no partition", ALL, create_topics(T, 0), "INVALID_PARTITIONS", broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, validate only", ALL, create_topics(T, 1, validate_only=True), NO_BROKER, broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, with an assignment", ALL, create_topics(T, -1, replication=-1, assignments=[(0, [1])]), NO_PLACE, broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, with an assignment to an unknown broker", ALL, create_topics(T, -1, replication=-1, assignments=[(0, [77])]), NO_PLACE, broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, a bad setting", ALL, create_topics(T, 1, configs={"retention.ms": "x"}), "INVALID_CONFIG", broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, a topic that is there", f"uncordoned topic {ALL}", create_topics(T, 1), "TOPIC_ALREADY_EXISTS", broker=HERE),
    Case("CreateTopics", "7", "cordoned: all, and then no more", f"{ALL} cordoned(first,second)", create_topics(NEW, 1), then=["led(other,0)", *THERE], broker=HERE),
    Case("CreatePartitions", "3", "cordoned: two of three", "uncordoned topic records(3) directories moved(first_dir) cordoned(first,second)", create_partitions(T, 3), then=["led(topic,1)", "led(topic,2)", *GROWN], broker=HERE),
    Case("CreatePartitions", "0-3", "cordoned: all", f"uncordoned topic {ALL}", create_partitions(T, 3), NO_BROKER, then=[("Metadata", 12, metadata(T, auto_create=False))], broker=HERE),
    Case("CreatePartitions", "3", "cordoned: all, validate only", f"uncordoned topic {ALL}", create_partitions(T, 3, validate_only=True), NO_BROKER, broker=HERE),
    Case("CreatePartitions", "3", "cordoned: all, with an assignment", f"uncordoned topic {ALL}", create_partitions(T, 2, [[1]]), NO_PLACE, broker=HERE),
    Case("CreatePartitions", "3", "cordoned: all, to fewer", f"uncordoned topic(2) {ALL}", create_partitions(T, 1), "INVALID_PARTITIONS", broker=HERE),
    Case("AlterPartitionReassignments", "0-1", "cordoned: all, to where it is", f"uncordoned topic {ALL}", reassign((T, 0, [1])), NO_PLACE, broker=HERE),
    Case("AlterPartitionReassignments", "1", "cordoned: two of three, to where it is", "uncordoned topic cordoned(first,second)", reassign((T, 0, [1])), broker=HERE),
    Case("AlterPartitionReassignments", "1", "cordoned: all, to an unknown broker", f"uncordoned topic {ALL}", reassign((T, 0, [77])), NO_PLACE, broker=HERE),
    Case("AlterPartitionReassignments", "1", "cordoned: all, called off", f"uncordoned topic {ALL}", reassign((T, 0, None)), "NO_REASSIGNMENT_IN_PROGRESS", broker=HERE),
    Case("Metadata", "12", "cordoned: all, a topic to be created on the way", ALL, metadata(T), "UNKNOWN_TOPIC_OR_PARTITION", broker=HERE),
    # Moves.
    Case("AlterReplicaLogDirs", "1-2", "cordoned: to it", "uncordoned topic records(3) directories moved(first_dir) cordoned(second)", move_replicas((TWO, T, [0])), NO_PLACE, then=WHERE, broker=HERE),
    Case("AlterReplicaLogDirs", "2", "cordoned: to another", "uncordoned topic records(3) directories moved(first_dir) cordoned(second)", move_replicas((THREE, T, [0])), then=["arrives(third_dir)", *WHERE], broker=HERE),
    Case("AlterReplicaLogDirs", "2", "cordoned: away from it", "uncordoned topic records(3) directories moved(second_dir) cordoned(second)", move_replicas((ONE, T, [0])), then=["arrives(first_dir)", *WHERE], broker=HERE),
    Case("AlterReplicaLogDirs", "2", "cordoned: to where it is", "uncordoned topic records(3) directories moved(second_dir) cordoned(second)", move_replicas((TWO, T, [0])), NO_PLACE, then=WHERE, broker=HERE),
    Case("AlterReplicaLogDirs", "2", "cordoned: one of two goes to it", "uncordoned topic(2) records(3) records(3,topic,1) directories moved(first_dir,topic,0) moved(first_dir,topic,1) cordoned(second)", move_replicas((TWO, T, [0]), (THREE, T, [1])), NO_PLACE,
         then=["arrives(third_dir,topic,1)", ("DescribeLogDirs", 5, log_dirs((T, [0, 1])))], broker=HERE),
    Case("AlterReplicaLogDirs", "2", "cordoned: what is not there to it", "cordoned(second)", move_replicas((TWO, T, [0])), NO_PLACE, then=["cordoned(second,third)", "topic", "records(3)", *WHERE], broker=HERE),
    Case("AlterReplicaLogDirs", "2", "cordoned: a partition out of range to it", "uncordoned topic cordoned(second)", move_replicas((TWO, T, [7])), NO_PLACE, broker=HERE),
    Case("AlterReplicaLogDirs", "2", "cordoned: a name that is too long to it", "cordoned(second)", move_replicas((TWO, "n" * 214, [0])), "INVALID_TOPIC_EXCEPTION", broker=HERE),
    Case("AlterReplicaLogDirs", "2", "cordoned: meant for it before", "directories uncordoned", move_replicas((TWO, T, [0])), "UNKNOWN_TOPIC_OR_PARTITION", then=["cordoned(second,third)", "topic", "records(3)", *WHERE], broker=HERE),
    # What lies there is served.
    Case("Produce", "9", "cordoned: all", f"uncordoned topic records(3) {ALL}", produce(), then=[("Fetch", 12, fetch(0))], broker=HERE),
    Case("OffsetFetch", "7", "cordoned: all", f"uncordoned topic committed(5) {ALL}", offset_fetch("{group}"), broker=HERE),
    Case("ElectLeaders", "2", "cordoned: all", f"uncordoned topic {ALL}", elect((T, [0])), "ELECTION_NOT_NEEDED", broker=HERE),
    Case("DeleteTopics", "5", "cordoned: all", f"uncordoned topic {ALL}", delete_topics(T), broker=HERE),
]
