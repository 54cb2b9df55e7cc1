"""Three nodes: who leads, who follows, who is down, and what each of them says.

Nodes 1, 2 and 3 are in racks a, b and c. Cases with the same `given` follow each other: they share a stage.
"""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..cluster_case import ClusterCase, ClusterTrial
from ..consumer_requests import describe_consumer_groups, joining
from ..requests import (
    commit,
    create_partitions,
    create_topics,
    delete_records,
    describe_cluster,
    describe_groups,
    describe_topics,
    elect,
    end_offset,
    fetch,
    fetch_several,
    find_coordinator,
    heartbeat,
    init_producer_id,
    join,
    leave,
    list_offsets,
    list_reassignments,
    log_dirs,
    metadata,
    offset_delete,
    offset_fetch,
    produce,
    reassign,
    sync,
)  # fmt: skip
from ..transaction_requests import (
    add_offsets,
    add_partitions,
    commit_offsets,
    describe_producers,
    describe_transactions,
    end,
    init,
    list_transactions,
    produce_in_transaction,
    write_marker,
)  # fmt: skip

# Nodes 1, 2 and 3 lead partitions 0, 1 and 2; the next follows. Partition 3 is as 0.
FOUR = "placed(1+2;2+3;3+1;1+2) written(3,0) written(4,1) written(2,3) coordinated"
# Node 3 is down: it led 0, followed in 1, has nothing of 2, and is alone in 3.
DOWN = "placed(3+1;1+3;2+1;3+1) written(3,0) written(2,1) moving(3,3) reassigned coordinated down(3)"
BACK = "placed(3+1;1+3) written(3,0) down(3) written(2,0) back(3)"
MIN_ISR = "placed(1+3;1+2,min.insync.replicas=2) down(3)"
UNCLEAN = "placed(2+3) written(3,0) down(3) written(2,0) down(2) back(3)"
CRASHED = "placed(3+1;1+3;1+2) written(3,0) crashed(3)"
HELD = "placed(1+3,min.insync.replicas=2) written(2,0) down(3)"
LOSING = "placed(2+3,unclean.leader.election.enable=true) written(3,0) down(3) written(2,0) down(2) back(3)"
MOVING = "placed(1+2;2+1) written(3,0) down(3) moving(0,3+2)"

# A transaction on partitions that nodes 1, 2 and 3 lead, and each follows another.
TXN = "placed(1+2;2+3;3+1) coordinated transacting"
OPEN = f"{TXN} transacted(0+1+2)"
# The same, and node 3 coordinates all.
OPEN_OF_3 = f"coordinated_on(3) {OPEN}"

NOT_LEADER, NO_TOPIC = "NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION"
META: tuple[Any, ...] = (1, "Metadata", 12, metadata("{topic}", auto_create=False))


def group_cases() -> list[ClusterCase]:
    """Each group API at a node that is not the coordinator."""
    rows = [
        ("JoinGroup", "0-9", join("{group}", "")), ("SyncGroup", "0-5", sync("{group}", 1, "m")),
        ("Heartbeat", "0-4", heartbeat("{group}", 1, "m")), ("LeaveGroup", "0-5", leave("{group}", "m")),
        ("OffsetCommit", "2-10", commit("{group}", 3)), ("OffsetFetch", "1-10", offset_fetch("{group}", "{topic}")),
        ("DescribeGroups", "0-6", describe_groups("{group}")), ("DeleteGroups", "0-3", {"groups_names": ["{group}"]}),
        ("OffsetDelete", "0", offset_delete("{group}")),
    ]
    return [ClusterCase(api, spoken, "wrong coordinator", FOUR, fields, "NOT_COORDINATOR", node="elsewhere") for api, spoken, fields in rows]


def transaction_cases() -> list[ClusterCase]:
    """Each API of transactions and of consumer groups at a node that is not the coordinator."""
    rows = [
        ("InitProducerId", "0-5", init(), "bystander"), ("AddPartitionsToTxn", "0-3", add_partitions(), "bystander"),
        ("AddPartitionsToTxn", "4-5", add_partitions(), "bystander"), ("AddOffsetsToTxn", "0-4", add_offsets(), "bystander"),
        ("EndTxn", "0-5", end(), "bystander"), ("DescribeTransactions", "0", describe_transactions(), "bystander"),
        ("TxnOffsetCommit", "0-4", commit_offsets(), "elsewhere"),
        ("ConsumerGroupHeartbeat", "0-1", joining("a-member"), "elsewhere"),
        ("ConsumerGroupDescribe", "0-1", describe_consumer_groups(), "elsewhere"),
    ]
    return [ClusterCase(api, spoken, "wrong coordinator" + (" for brokers" if spoken == "4-5" else ""), TXN, fields, "NOT_COORDINATOR", node=node) for api, spoken, fields, node in rows]


def seen(up: Sequence[int] = (1, 2, 3)) -> tuple[Any, ...]:
    """What a transaction has come to at its leaders, which are nodes 1, 2 and 3."""
    return tuple(
        one
        for node in up
        for one in (
            (node, "Fetch", 12, fetch(0, partition=node - 1, isolation_level=1, max_wait_ms=0)),
            (node, "ListOffsets", 7, list_offsets(-1, partition=node - 1, isolation_level=1)),
            (node, "DescribeProducers", 0, describe_producers("{topic}", node - 1)),
        )
    )


CASES = [
    *transaction_cases(),
    ClusterCase("ListTransactions", "0-2", "at another coordinator", TXN, list_transactions(), node="bystander"),
    ClusterCase("FindCoordinator", "1-6", "transactional id", TXN, find_coordinator("{transaction}", kind=1), node=2),
    ClusterCase("Produce", "3-13", "in a transaction at a follower", OPEN, produce_in_transaction(1), NOT_LEADER, node=2),
    ClusterCase("WriteTxnMarkers", "1-2", "at a follower", OPEN, write_marker(), NOT_LEADER, node=2),
    ClusterCase("Fetch", "11-18", "an open transaction, at a follower", OPEN, fetch(isolation_level=1, max_wait_ms=0), node=2),
    ClusterCase("DescribeTransactions", "0", "an open transaction on three nodes", OPEN, describe_transactions(), node="transactor"),
    ClusterCase("EndTxn", "4-5", "commit on three nodes", OPEN, end(), node="transactor", alone=True, then=("carried_out", *seen(), (2, "Fetch", 12, fetch(isolation_level=1, max_wait_ms=0)))),
    ClusterCase("EndTxn", "4-5", "abort on three nodes", OPEN, end(commit=False), node="transactor", alone=True, then=("carried_out", *seen(), (2, "Fetch", 12, fetch(isolation_level=1, max_wait_ms=0)))),
    ClusterCase("EndTxn", "5", "at the coordinator after a crash", f"{OPEN_OF_3} transactor_crashed", end(commit=False), node="transactor", alone=True, then=("carried_out", ("transactor", "DescribeTransactions", 0, describe_transactions()))),
    ClusterCase("EndTxn", "4-5", "a partition's leader has changed", "placed(1+2) coordinated transacting transacted(0) moving(0,3+2) reassigned", end(), node="transactor", alone=True, then=("carried_out", META, (3, "Fetch", 12, fetch(isolation_level=1, max_wait_ms=0)), (3, "DescribeProducers", 0, describe_producers()))),
    ClusterCase("EndTxn", "4-5", "offsets at another coordinator", f"{TXN} offsets_transacted", end(), node="transactor", alone=True, then=("carried_out", ("coordinator", "OffsetFetch", 7, offset_fetch("{group}", "{topic}")))),
    ClusterCase("InitProducerId", "4-5", "fences at a new coordinator", f"{OPEN_OF_3} transactor_down", init(), "CONCURRENT_TRANSACTIONS", node="transactor", alone=True, then=("carried_out", ("transactor", "DescribeTransactions", 0, describe_transactions()))),
    ClusterCase("Metadata", "0-13", "all up", FOUR, metadata("{topic}", auto_create=False)),
    ClusterCase("Metadata", "0-13", "all up, asked elsewhere", FOUR, metadata("{topic}", auto_create=False), node=3),
    ClusterCase("DescribeTopicPartitions", "0", "all up", FOUR, describe_topics("{topic}"), node=2),
    ClusterCase("DescribeCluster", "0-2", "all up", FOUR, describe_cluster(), node=2),
    ClusterCase("DescribeLogDirs", "1-5", "a follower's", FOUR, log_dirs(("{topic}", (0, 1, 2, 3))), node=2),
    ClusterCase("FindCoordinator", "0-6", "all up", FOUR, find_coordinator("{group}"), node=2),
    ClusterCase("FindCoordinator", "4-6", "two groups", FOUR, find_coordinator("{group}", "{other_group}"), node=3),
    ClusterCase("InitProducerId", "0-5", "at each node", FOUR, init_producer_id(None), node=3),
    *group_cases(),
    #
    ClusterCase("Produce", "3-13", "at a follower", FOUR, produce(), NOT_LEADER, node=2),
    ClusterCase("Produce", "3-13", "at a node without a replica", FOUR, produce(), NOT_LEADER, node=3),
    ClusterCase("Produce", "3-13", "at a follower, acks 1", FOUR, produce(acks=1), NOT_LEADER, node=2),
    ClusterCase("Fetch", "4-10", "an old consumer at a follower", FOUR, fetch(), NOT_LEADER, node=2),
    ClusterCase("Fetch", "11-18", "at a follower", FOUR, fetch(), node=2),
    ClusterCase("Fetch", "11-18", "at a follower from offset 1", FOUR, fetch(1), node=2),
    ClusterCase("Fetch", "11-18", "at a follower's end", FOUR, fetch(3, max_wait_ms=0), node=2),
    ClusterCase("Fetch", "11-18", "beyond a follower's end", FOUR, fetch(99), "OFFSET_OUT_OF_RANGE", node=2),
    ClusterCase("Fetch", "11-18", "before a follower's start", FOUR, fetch(-5), "OFFSET_OUT_OF_RANGE", node=2),
    ClusterCase("Fetch", "4-18", "at a node without a replica", FOUR, fetch(), NOT_LEADER, node=3),
    ClusterCase("Fetch", "11-18", "at a follower in the leader's epoch", FOUR, fetch(leader_epoch=0), node=2),
    ClusterCase("Fetch", "9-18", "at a follower in an epoch to come", FOUR, fetch(leader_epoch=7), "UNKNOWN_LEADER_EPOCH", node=2),
    ClusterCase("Fetch", "9-18", "at the leader in an epoch to come", FOUR, fetch(leader_epoch=7), "UNKNOWN_LEADER_EPOCH"),
    ClusterCase("Fetch", "12-18", "at a follower with a last epoch", FOUR, fetch(2, last_fetched_epoch=0), node=2),
    ClusterCase("Fetch", "12-18", "at a follower with a diverging epoch", FOUR, fetch(9, last_fetched_epoch=0), node=2),
    ClusterCase("Fetch", "11-18", "leader and followers in one", FOUR, fetch_several(("{topic}", 0, 0), ("{topic}", 1, 0), ("{topic}", 3, 0)), node=2),
    ClusterCase("Fetch", "11-18", "read committed at a follower", FOUR, fetch(isolation_level=1), node=2),
    ClusterCase("Fetch", "4-18", "rack of a follower", FOUR, fetch(rack_id="b")),
    ClusterCase("Fetch", "11-18", "rack of a follower, at the end", FOUR, fetch(3, rack_id="b", max_wait_ms=0)),
    ClusterCase("Fetch", "11-18", "rack of a follower, two of its partitions", FOUR, fetch_several(("{topic}", 0, 0), ("{topic}", 3, 0), rack_id="b")),
    ClusterCase("Fetch", "11-18", "rack of a follower, beyond the end", FOUR, fetch(99, rack_id="b"), "OFFSET_OUT_OF_RANGE"),
    ClusterCase("Fetch", "11-18", "rack of the leader", FOUR, fetch(rack_id="a")),
    ClusterCase("Fetch", "11-18", "rack of nobody", FOUR, fetch(rack_id="z")),
    ClusterCase("Fetch", "11-18", "rack of the follower asked", FOUR, fetch(rack_id="b"), node=2),
    ClusterCase("Fetch", "11-18", "rack of the leader, at a follower", FOUR, fetch(rack_id="a"), node=2),
    ClusterCase("Fetch", "11-18", "rack of a follower, in a session", FOUR, fetch(rack_id="b", session_epoch=0)),
    ClusterCase("Fetch", "4-10", "an old debugger at a follower", FOUR, fetch(replica_id=-2), NOT_LEADER, node=2),
    ClusterCase("Fetch", "11-18", "as a debugger at a follower", FOUR, fetch(replica_id=-2, replica_state={"replica_id": -2}), node=2),
    ClusterCase("ListOffsets", "1-11", "at a follower", FOUR, list_offsets(-1), NOT_LEADER, node=2),
    ClusterCase("ListOffsets", "1-11", "as a debugger at a follower", FOUR, list_offsets(-1, replica_id=-2), node=2),
    ClusterCase("ListOffsets", "4-11", "at a follower in an epoch to come", FOUR, list_offsets(-1, leader_epoch=7), "UNKNOWN_LEADER_EPOCH", node=2),
    ClusterCase("OffsetForLeaderEpoch", "2-4", "at a follower", FOUR, end_offset(0), NOT_LEADER, node=2),
    ClusterCase("OffsetForLeaderEpoch", "2-4", "at the leader", FOUR, end_offset(0)),
    ClusterCase("DeleteRecords", "0-2", "at a follower", FOUR, delete_records(1), NOT_LEADER, node=2),
    ClusterCase("ElectLeaders", "0-2", "preferred ones lead", FOUR, elect(("{topic}", (0, 1, 2))), "ELECTION_NOT_NEEDED", node=2),
    ClusterCase("ListPartitionReassignments", "0", "nothing moves", FOUR, list_reassignments(("{topic}", (0, 1))), node=3),
    ClusterCase("AlterPartitionReassignments", "1", "more replicas than may be", FOUR, reassign(("{topic}", 3, (1, 2, 3)), factor_may_change=False), "INVALID_REPLICATION_FACTOR"),
    ClusterCase("AlterPartitionReassignments", "1", "fewer replicas than may be", FOUR, reassign(("{topic}", 3, (1,)), factor_may_change=False), "INVALID_REPLICATION_FACTOR"),
    ClusterCase("CreateTopics", "2-7", "more replicas than nodes", FOUR, create_topics("{other}", 1, replication=4), "INVALID_REPLICATION_FACTOR"),
    ClusterCase("CreateTopics", "2-7", "uneven assignments", FOUR, create_topics("{other}", -1, replication=-1, assignments=((0, (1, 2)), (1, (3,)))), "INVALID_REPLICA_ASSIGNMENT"),
    ClusterCase("CreatePartitions", "0-3", "assignment of another size", FOUR, create_partitions("{topic}", 5, [(1,)]), "INVALID_REPLICA_ASSIGNMENT"),
    #
    ClusterCase("Metadata", "0", "one down", DOWN, metadata("{topic}", auto_create=False), "LEADER_NOT_AVAILABLE REPLICA_NOT_AVAILABLE"),
    ClusterCase("Metadata", "1-13", "one down", DOWN, metadata("{topic}", auto_create=False), "LEADER_NOT_AVAILABLE"),
    ClusterCase("DescribeTopicPartitions", "0", "one down", DOWN, describe_topics("{topic}"), node=2),
    ClusterCase("DescribeCluster", "0-2", "one down", DOWN, describe_cluster(), node=2),
    ClusterCase("DescribeCluster", "2", "one down, fenced ones too", DOWN, describe_cluster(fenced=True), node=2),
    ClusterCase("Produce", "3-13", "nobody leads", DOWN, produce(partition=3), NOT_LEADER, node=1),
    ClusterCase("Fetch", "4-18", "nobody leads", DOWN, fetch(partition=3), NOT_LEADER, node=2),
    ClusterCase("ListOffsets", "1-11", "nobody leads", DOWN, list_offsets(-1, partition=3), NOT_LEADER),
    ClusterCase("Fetch", "9-18", "in the epoch of the leader before", DOWN, fetch(leader_epoch=0), "FENCED_LEADER_EPOCH"),
    ClusterCase("Fetch", "9-18", "in the epoch of the leader before, elsewhere", DOWN, fetch(leader_epoch=0), NOT_LEADER, node=2),
    ClusterCase("Fetch", "9-18", "in the new epoch", DOWN, fetch(leader_epoch=1)),
    ClusterCase("ListOffsets", "4-11", "in the epoch of the leader before", DOWN, list_offsets(-1, leader_epoch=0), "FENCED_LEADER_EPOCH"),
    ClusterCase("ListOffsets", "1-11", "at the new leader", DOWN, list_offsets(-1)),
    ClusterCase("OffsetForLeaderEpoch", "2-4", "in the epoch of the leader before", DOWN, end_offset(0, leader_epoch=0), "FENCED_LEADER_EPOCH"),
    ClusterCase("OffsetForLeaderEpoch", "2-4", "where the first epoch ended", DOWN, end_offset(0)),
    ClusterCase("Fetch", "11-18", "rack of one that is down", DOWN, fetch(partition=1, rack_id="c")),
    ClusterCase("ElectLeaders", "0-2", "preferred one down", DOWN, elect(("{topic}", (0, 1))), "ELECTION_NOT_NEEDED PREFERRED_LEADER_NOT_AVAILABLE"),
    ClusterCase("ElectLeaders", "1-2", "unclean, nobody alive", DOWN, elect(("{topic}", (0, 3)), kind=1), "ELECTION_NOT_NEEDED ELIGIBLE_LEADERS_NOT_AVAILABLE"),
    ClusterCase("CreateTopics", "2-7", "placed on one that is down", DOWN, create_topics("{other}", -1, replication=-1, assignments=((0, (3,)),), validate_only=True), "INVALID_REPLICA_ASSIGNMENT"),
    ClusterCase("CreateTopics", "2-7", "placed on one that is down and another", DOWN, create_topics("{other}", -1, replication=-1, assignments=((0, (3, 1)),), validate_only=True)),
    ClusterCase("CreateTopics", "2-7", "as many replicas as nodes", DOWN, create_topics("{other}", 1, replication=3, validate_only=True)),
    ClusterCase("FindCoordinator", "0-6", "one down", DOWN, find_coordinator("{group}"), node=2),
    ClusterCase("AlterPartitionReassignments", "0-1", "nothing to cancel", DOWN, reassign(("{topic}", 0, None)), "NO_REASSIGNMENT_IN_PROGRESS"),
    #
    ClusterCase("Produce", "3-13", "enough in sync", MIN_ISR, produce(partition=1)),
    ClusterCase("Produce", "3-13", "too few in sync", MIN_ISR, produce(), "NOT_ENOUGH_REPLICAS"),
    ClusterCase("Produce", "3-13", "too few in sync, acks 1", MIN_ISR, produce(acks=1)),
    #
    ClusterCase("Metadata", "0-13", "one back", BACK, metadata("{topic}", auto_create=False)),
    ClusterCase("Fetch", "11-18", "at one that is back", BACK, fetch(), node=3),
    ClusterCase("Fetch", "9-18", "at one that is back in its own epoch", BACK, fetch(leader_epoch=0), "FENCED_LEADER_EPOCH", node=3),
    ClusterCase("OffsetForLeaderEpoch", "2-4", "two epochs", BACK, end_offset(0)),
    ClusterCase("ElectLeaders", "0-2", "preferred leader returns", BACK, elect(("{topic}", (0, 1))), "ELECTION_NOT_NEEDED", alone=True, then=("settle", META)),
    ClusterCase("ElectLeaders", "0-2", "all preferred leaders return", BACK, elect(), alone=True, then=("settle", META)),
    ClusterCase("ElectLeaders", "1-2", "unclean where somebody leads", BACK, elect(("{topic}", (0,)), kind=1), "ELECTION_NOT_NEEDED", then=(META,)),
    #
    ClusterCase("Metadata", "0-13", "out of sync", UNCLEAN, metadata("{topic}", auto_create=False), "LEADER_NOT_AVAILABLE"),
    ClusterCase("DescribeTopicPartitions", "0", "out of sync", UNCLEAN, describe_topics("{topic}")),
    ClusterCase("Fetch", "4-10", "an old consumer of one out of sync", UNCLEAN, fetch(), NOT_LEADER, node=3),
    ClusterCase("Fetch", "11-18", "out of sync", UNCLEAN, fetch(), node=3),
    ClusterCase("ElectLeaders", "0-2", "preferred one out of sync", UNCLEAN, elect(("{topic}", (0,))), "PREFERRED_LEADER_NOT_AVAILABLE"),
    ClusterCase("ElectLeaders", "1-2", "unclean", UNCLEAN, elect(("{topic}", (0,)), kind=1), alone=True, then=("settle", META, (3, "ListOffsets", 7, list_offsets(-1)), (3, "Fetch", 12, fetch()), "back(2)", META, (2, "Fetch", 12, fetch()), (3, "OffsetForLeaderEpoch", 4, end_offset(1)))),
    #
    ClusterCase("Metadata", "1-13", "one crashed", CRASHED, metadata("{topic}", auto_create=False)),
    ClusterCase("DescribeCluster", "2", "one crashed", CRASHED, describe_cluster(fenced=True)),
    ClusterCase("Fetch", "12-18", "in the epoch before the crash", CRASHED, fetch(leader_epoch=0), "FENCED_LEADER_EPOCH"),
    ClusterCase("Fetch", "4-18", "after the crash", CRASHED, fetch(leader_epoch=1)),
    ClusterCase("Produce", "9", "what too few have is not shown", HELD, produce(acks=1), alone=True, then=((1, "Fetch", 12, fetch(2, max_wait_ms=0)), (1, "ListOffsets", 7, list_offsets(-1)), "back(3)", (1, "ListOffsets", 7, list_offsets(-1)), (3, "Fetch", 12, fetch(2)))),
    ClusterCase("Metadata", "1-13", "a leader that lost records", LOSING, metadata("{topic}", auto_create=False)),
    ClusterCase("ListOffsets", "1-11", "at a leader that lost records", LOSING, list_offsets(-1), node=3),
    ClusterCase("OffsetForLeaderEpoch", "2-4", "at a leader that lost records", LOSING, end_offset(1), node=3),
    ClusterCase("Fetch", "12-18", "of records that are lost", LOSING, fetch(5, last_fetched_epoch=1), node=3),
    #
    ClusterCase("ListPartitionReassignments", "0", "one moves", MOVING, list_reassignments(("{topic}", (0, 1)))),
    ClusterCase("ListPartitionReassignments", "0", "one moves, asked for all", MOVING, list_reassignments(), node=2),
    ClusterCase("Metadata", "0", "one moves", MOVING, metadata("{topic}", auto_create=False), "REPLICA_NOT_AVAILABLE"),
    ClusterCase("Metadata", "1-13", "one moves", MOVING, metadata("{topic}", auto_create=False)),
    ClusterCase("DescribeTopicPartitions", "0", "one moves", MOVING, describe_topics("{topic}")),
    ClusterCase("AlterPartitionReassignments", "1", "other factor than before the move", MOVING, reassign(("{topic}", 0, (1, 2, 3)), factor_may_change=False), "INVALID_REPLICATION_FACTOR"),
    ClusterCase("AlterPartitionReassignments", "0-1", "cancel", MOVING, reassign(("{topic}", 0, None)), alone=True, then=("settle", META, (1, "ListPartitionReassignments", 0, list_reassignments(("{topic}", (0, 1)))))),
    # To a target without the node that is down, Kafka never comes: it goes on waiting for that node.
    ClusterCase("AlterPartitionReassignments", "0-1", "another target", MOVING, reassign(("{topic}", 0, (3, 1))), alone=True, then=("settle", META, (1, "ListPartitionReassignments", 0, list_reassignments(("{topic}", (0,)))), "back(3) reassigned", META)),
    ClusterCase("AlterPartitionReassignments", "0", "completes when the node is back", MOVING, reassign(("{topic}", 1, (2, 1))), alone=True, then=("back(3) reassigned", META, (3, "Fetch", 12, fetch()))),
    #
    ClusterCase("AlterPartitionReassignments", "0-1", "leader and follower go", "placed(1+2) written(3,0)", reassign(("{topic}", 0, (3,))), alone=True, then=("reassigned", META, (3, "Fetch", 12, fetch()), (1, "Fetch", 12, fetch()))),
    ClusterCase("AlterPartitionReassignments", "0-1", "one more", "placed(1+2)", reassign(("{topic}", 0, (1, 2, 3))), alone=True, then=("reassigned", META)),
    ClusterCase("AlterPartitionReassignments", "0-1", "another order", "placed(1+2)", reassign(("{topic}", 0, (2, 1))), alone=True, then=("reassigned", META)),
    ClusterCase("AlterPartitionReassignments", "0-1", "a follower goes", "placed(1+2+3)", reassign(("{topic}", 0, (1, 3))), alone=True, then=("reassigned", META)),
    ClusterCase("AlterPartitionReassignments", "0-1", "a follower goes while one is down", "placed(1+2+3) down(3)", reassign(("{topic}", 0, (1, 3))), alone=True, then=("settle", META)),
    ClusterCase("AlterPartitionReassignments", "0-1", "a follower is replaced while one is down", "placed(1+3) down(3)", reassign(("{topic}", 0, (1, 2))), alone=True, then=("reassigned", META)),
]

TRIALS: list[ClusterTrial] = [trial for case in CASES for trial in case.trials() if isinstance(trial, ClusterTrial)]
