"""What a broker answers that has lost one of its directories; asked in this order, of one broker.

FAILING: the disk of one of two fails while it runs. OFFLINE: it has found one of three offline at its start,
after which the epochs of leaders are not compared; where it puts new logs is its own affair.
"""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..case import Case
from ..requests import (
    commit,
    create_partitions,
    create_topics,
    delete_records,
    delete_topics,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_topics,
    elect,
    end_offset,
    fetch,
    find_coordinator,
    heartbeat,
    incremental_alter,
    init_producer_id,
    join,
    list_offsets,
    list_reassignments,
    log_dirs,
    metadata,
    move_replicas,
    offset_fetch,
    produce,
    reassign,
)
from ..transaction_requests import add_partitions, describe_producers, describe_transactions

L, L2, K = "{lost}", "{lost_too}", "{kept}"
LG, KG = "{lost_group}", "{kept_group}"
LT, KT = "{lost_transaction}", "{kept_transaction}"
FAILED = "KAFKA_STORAGE_ERROR"
KEPT: dict[str, Any] = {"transactional_id": KT, "producer": "{producer}", "epoch": "{epoch}"}
SIX_NEW = "other(6) records(1,other,0) records(1,other,1) records(1,other,2) records(1,other,3) records(1,other,4) records(1,other,5)"


def _questions(given: str, refusal: str, moves: Sequence[Case], new: Case, last: Case) -> list[Case]:
    """`given` is waited for first, and `refusal` is what comes of asking a log that is lost; the rest is what is
    asked in one scene only, in its place.
    """
    return [
        Case("Metadata", "12", "of all three", given, metadata(L, L2, K, auto_create=False), "LEADER_NOT_AVAILABLE"),
        Case("DescribeTopicPartitions", "0", "of what is lost", "", describe_topics(L)),
        Case("DescribeTopicPartitions", "0", "of what is kept", "", describe_topics(K)),
        Case("DescribeLogDirs", "4", "of all three", "", log_dirs((L, [0]), (L2, [0]), (K, [0])), FAILED),
        Case("DescribeLogDirs", "1", "of all three, in an old version", "", log_dirs((L, [0]), (L2, [0]), (K, [0])), FAILED),
        Case("DescribeCluster", "1", "the broker", "", describe_cluster()),
        Case("Produce", "9", "to what is lost", "", produce(topic=L), refusal),
        Case("Produce", "9", "to what is lost, and was not written to since", "", produce(topic=L2), refusal),
        Case("Produce", "9", "to what is kept", "", produce(topic=K)),
        Case("Fetch", "12", "of what is lost", "", fetch(topic=L), refusal),
        Case("Fetch", "12", "of what is kept", "", fetch(topic=K)),
        Case("ListOffsets", "7", "latest of what is lost", "", list_offsets(-1, topic=L), refusal),
        Case("ListOffsets", "7", "earliest of what is lost", "", list_offsets(-2, topic=L), refusal),
        Case("ListOffsets", "7", "by time of what is lost", "", list_offsets(5, topic=L), refusal),
        Case("ListOffsets", "7", "latest of what is kept", "", list_offsets(-1, topic=K)),
        Case("OffsetForLeaderEpoch", "4", "of what is lost", "", end_offset(0, topic=L), refusal),
        Case("DeleteRecords", "2", "of what is lost", "", delete_records(1, topic=L), refusal),
        Case("DescribeProducers", "0", "of what is lost", "", describe_producers(L), refusal),
        *moves,
        Case("AlterReplicaLogDirs", "2", "what is kept to the lost directory", "", move_replicas(("{lost_path}", K, [0])), FAILED),
        Case("AlterReplicaLogDirs", "2", "what is kept to where it is", "", move_replicas(("{kept_path}", K, [0]))),
        Case("AlterReplicaLogDirs", "2", "what is not there to the lost directory", "", move_replicas(("{lost_path}", "{missing}", [0])), FAILED),
        # Coordinators.
        Case("FindCoordinator", "4", "of groups", "", find_coordinator(LG, KG), "COORDINATOR_NOT_AVAILABLE"),
        Case("FindCoordinator", "4", "of transactional ids", "", find_coordinator(LT, KT, kind=1), "COORDINATOR_NOT_AVAILABLE"),
        Case("OffsetFetch", "7", "of a group that is lost", "", offset_fetch(LG, L), "NOT_COORDINATOR"),
        Case("OffsetFetch", "7", "of a group that is kept", "", offset_fetch(KG)),
        Case("OffsetCommit", "8", "of a group that is lost", "", commit(LG, 7, topic=K), "NOT_COORDINATOR"),
        Case("OffsetCommit", "8", "for a topic that is lost", "", commit(KG, 7, topic=L)),
        Case("OffsetCommit", "8", "of a group that is kept", "", commit(KG, 7, topic=K)),
        Case("JoinGroup", "7", "to a group that is lost", "", join(LG, ""), "NOT_COORDINATOR"),
        Case("Heartbeat", "4", "in a group that is lost", "", heartbeat(LG, 1, "x"), "NOT_COORDINATOR"),
        Case("DescribeGroups", "5", "lost and kept", "", describe_groups(LG, KG), "NOT_COORDINATOR"),
        Case("DeleteGroups", "2", "lost", "", {"groups_names": [LG]}, "NOT_COORDINATOR"),
        Case("InitProducerId", "4", "for an id that is lost", "", init_producer_id(LT), "NOT_COORDINATOR"),
        Case("DescribeTransactions", "0", "lost", "", describe_transactions(LT), "NOT_COORDINATOR"),
        Case("InitProducerId", "4", "for an id that is kept", "", init_producer_id(KT)),
        Case("AddPartitionsToTxn", "3", "of what is lost", "identity(kept_transaction)", add_partitions({L: [0], K: [0]}, **KEPT)),
        Case("AddPartitionsToTxn", "3", "of what is kept", "", add_partitions({K: [0]}, **KEPT)),
        # The cluster.
        Case("ElectLeaders", "2", "for what is lost", "", elect((L, [0])), "PREFERRED_LEADER_NOT_AVAILABLE"),
        Case("ElectLeaders", "2", "any leader for what is lost", "", elect((L, [0]), kind=1), "ELIGIBLE_LEADERS_NOT_AVAILABLE"),
        Case("AlterPartitionReassignments", "0", "of what is lost", "", reassign((L, 0, [1]))),
        Case("ListPartitionReassignments", "0", "of what is lost", "", list_reassignments((L, [0]))),
        Case("DescribeConfigs", "4", "of what is lost", "", describe_configs(L, "retention.ms")),
        Case("IncrementalAlterConfigs", "1", "of what is lost", "", incremental_alter(L, set_to={"retention.ms": "3600000"})),
        Case("CreatePartitions", "3", "of what is lost", "", create_partitions(L, 2)),
        Case("Produce", "9", "to the new partition of what is lost", "led(lost,1)", produce(topic=L, partition=1)),
        Case("CreateTopics", "7", "six partitions", "", create_topics("{third}", 6)),
        new,
        Case("DeleteTopics", "5", "what is lost", "", delete_topics(L2)),
        Case("Metadata", "12", "of what was deleted", "undone(lost_too)", metadata(L2, auto_create=False), "UNKNOWN_TOPIC_OR_PARTITION"),
        Case("CreateTopics", "7", "what was deleted", "", create_topics(L2, 1)),
        Case("Produce", "9", "to what was created again", "led(lost_too,0)", produce(topic=L2)),
        Case("Metadata", "12", "at the end", "", metadata(L, L2, K, auto_create=False), "LEADER_NOT_AVAILABLE"),
        last,
    ]


FAILING = _questions(
    "refused(lost) unled(lost) unled(lost_too)",
    FAILED,
    [
        Case("AlterReplicaLogDirs", "2", "what is lost to the other directory", "", move_replicas(("{kept_path}", L, [0])), FAILED),
    ],
    Case("DescribeLogDirs", "4", "of the new ones", SIX_NEW, log_dirs(("{other}", range(6))), FAILED),
    Case("DescribeLogDirs", "4", "at the end", "", log_dirs((L, [0, 1]), (L2, [0]), (K, [0])), FAILED),
)
OFFLINE = _questions(
    "unled(lost) unled(lost_too) led(kept) known(kept_group) identity(kept_transaction)",
    "NOT_LEADER_OR_FOLLOWER",
    [
        Case("AlterReplicaLogDirs", "2", "what is lost to another directory", "", move_replicas(("{kept_path}", L, [0])), "REPLICA_NOT_AVAILABLE"),
        Case("AlterReplicaLogDirs", "2", "what is lost to where it is", "", move_replicas(("{lost_path}", L, [0])), FAILED),
        Case("AlterReplicaLogDirs", "2", "what is kept to another directory that works", "", move_replicas(("{spare_path}", K, [0])), FAILED),
        Case("AlterReplicaLogDirs", "2", "what is not there to a directory that works", "", move_replicas(("{spare_path}", "{missing}", [0])), "UNKNOWN_TOPIC_OR_PARTITION"),
        Case("AlterReplicaLogDirs", "2", "what is lost to an unknown directory", "", move_replicas(("/nowhere", L, [0])), "LOG_DIR_NOT_FOUND"),
    ],
    Case("DescribeLogDirs", "4", "while there are six new ones", SIX_NEW, log_dirs((K, [0])), FAILED),
    Case("DescribeLogDirs", "4", "at the end", "", log_dirs((K, [0])), FAILED),
)
