"""Every API in every version with the last byte of its body missing: Kafka closes the connection.

This is also the error of those that have no other, like ListGroups.
"""

from __future__ import annotations

from ..case import Case
from ..consumer_requests import describe_consumer_groups, joining
from ..requests import (
    alter_configs,
    api_versions,
    commit,
    create_partitions,
    create_topics,
    delete_records,
    delete_topics,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_topics,
    end_offset,
    fetch,
    find_coordinator,
    heartbeat,
    incremental_alter,
    init_producer_id,
    join,
    leave,
    list_groups,
    list_offsets,
    log_dirs,
    metadata,
    move_replicas,
    offset_delete,
    offset_fetch,
    produce,
    sync,
)
from ..transaction_requests import (
    add_offsets,
    add_partitions,
    commit_offsets,
    describe_producers,
    describe_transactions,
    end,
    list_transactions,
    write_marker,
)
from ..values import Fields

WHO: Fields = {"transactional_id": "x", "producer": 1, "epoch": 0}

REQUESTS: list[tuple[str, str, Fields]] = [
    ("AddOffsetsToTxn", "0-4", add_offsets("x", **WHO)),
    ("AddPartitionsToTxn", "0-5", add_partitions({"x": [0]}, **WHO)),
    ("AlterConfigs", "0-2", alter_configs("x", {})),
    ("ConsumerGroupDescribe", "0-1", describe_consumer_groups("x")),
    ("ConsumerGroupHeartbeat", "0-1", joining("x", "x", group="x")),
    ("CreatePartitions", "0-3", create_partitions("x", 2)),
    ("CreateTopics", "0-7", create_topics("x", 1)),
    ("DeleteGroups", "0-3", {"groups_names": ["x"]}),
    ("DeleteRecords", "0-2", delete_records(0, topic="x")),
    ("DeleteTopics", "0-6", delete_topics("x")),
    ("DescribeCluster", "0-2", describe_cluster()),
    ("DescribeConfigs", "0-4", describe_configs("x")),
    ("DescribeGroups", "0-6", describe_groups("x")),
    ("AlterReplicaLogDirs", "0-2", move_replicas(("x", "x", [0]))),
    ("DescribeLogDirs", "0-5", log_dirs(("x", [0]))),
    ("DescribeProducers", "0", describe_producers("x")),
    ("DescribeTopicPartitions", "0", describe_topics("x")),
    ("DescribeTransactions", "0", describe_transactions("x")),
    ("EndTxn", "0-5", end(**WHO)),
    ("Fetch", "0-18", fetch(topic="x")),
    ("FindCoordinator", "0-6", find_coordinator("x")),
    ("Heartbeat", "0-4", heartbeat("x", 1, "x")),
    ("IncrementalAlterConfigs", "0-1", incremental_alter("x")),
    ("InitProducerId", "0-5", init_producer_id(None)),
    ("JoinGroup", "0-9", join("x", "")),
    ("LeaveGroup", "0-5", leave("x", "x")),
    ("ListGroups", "3-5", list_groups()),
    ("ListOffsets", "0-11", list_offsets(-1, topic="x")),
    ("ListTransactions", "0-2", list_transactions()),
    ("Metadata", "0-13", metadata("x")),
    ("OffsetCommit", "0-10", commit("x", 1, topic="x")),
    ("OffsetDelete", "0", offset_delete("x", "x")),
    ("OffsetFetch", "0-10", offset_fetch("x", "x")),
    ("OffsetForLeaderEpoch", "0-4", end_offset(0, topic="x")),
    ("Produce", "0-13", produce(topic="x")),
    ("SyncGroup", "0-5", sync("x", 1, "x")),
    ("TxnOffsetCommit", "0-6", commit_offsets(group="x", topic="x", **WHO)),
    ("WriteTxnMarkers", "0-2", write_marker(topic="x", producer=1, epoch=0)),
]

CASES = [
    Case(api, versions, "last byte missing", "", fields, "CLOSED", cut=1)
    for api, versions, fields in REQUESTS
]
CASES.append(Case("ApiVersions", "3-5", "last byte missing", "", api_versions(), "CLOSED", cut=1))
