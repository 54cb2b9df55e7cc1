"""ElectLeaders, AlterPartitionReassignments and ListPartitionReassignments on a cluster of one."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import elect, list_reassignments, reassign

FIRST = ("{topic}", (0,))
BOTH = {"topics": [{"name": "{topic}", "partitions": [{"partition_index": 0, "replicas": [1]}, {"partition_index": 1, "replicas": [9]}]}], "timeout_ms": 10_000}
NO_TOPICS = {"topics": [], "timeout_ms": 10_000}

CASES = [
    # When all are asked for, an election is needed where there is none: the others are left out.
    Case("ElectLeaders", "0-2", "all", "topic", elect()),
    Case("ElectLeaders", "1-2", "all, unclean", "topic", elect(kind=1)),
    Case("ElectLeaders", "0-2", "no topic", "topic", {**elect(), "topic_partitions": []}),
    Case("ElectLeaders", "0-2", "topic without partitions", "topic", elect(("{topic}", ()))),
    Case("ElectLeaders", "0-2", "not needed", "topic", elect(FIRST), "ELECTION_NOT_NEEDED"),
    Case("ElectLeaders", "1-2", "not needed, unclean", "topic", elect(FIRST, kind=1), "ELECTION_NOT_NEEDED"),
    Case("ElectLeaders", "0-2", "several partitions", "topic(3)", elect(("{topic}", (2, 0))), "ELECTION_NOT_NEEDED"),
    Case("ElectLeaders", "0-2", "unknown topic", "", elect(("{missing}", (0,))), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("ElectLeaders", "0-2", "unknown partition", "topic", elect(("{topic}", (7,))), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("ElectLeaders", "0-2", "negative partition", "topic", elect(("{topic}", (-1,))), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("ElectLeaders", "0-2", "same partition twice", "topic", elect(("{topic}", (0, 0))), "ELECTION_NOT_NEEDED"),
    Case("ElectLeaders", "0-2", "same topic twice", "topic", elect(FIRST, FIRST), "ELECTION_NOT_NEEDED"),
    Case("ElectLeaders", "0-2", "known and unknown", "topic", elect(FIRST, ("{missing}", (0,))), "ELECTION_NOT_NEEDED UNKNOWN_TOPIC_OR_PARTITION"),
    Case("ElectLeaders", "0-2", "empty name", "", elect(("", (0,))), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("ElectLeaders", "1-2", "no such election", "topic", elect(FIRST, kind=2), "INVALID_REQUEST"),
    Case("ElectLeaders", "1-2", "no such election of all", "", elect(kind=-1), "INVALID_REQUEST"),
    Case("ElectLeaders", "0-2", "no time at all", "topic", elect(FIRST, timeout_ms=-1), "REQUEST_TIMED_OUT"),
    #
    Case("AlterPartitionReassignments", "0-1", "no topic", "", NO_TOPICS),
    Case("AlterPartitionReassignments", "0-1", "where it is", "topic", reassign(("{topic}", 0, (1,)))),
    Case("AlterPartitionReassignments", "0-1", "nothing to cancel", "topic", reassign(("{topic}", 0, None)), "NO_REASSIGNMENT_IN_PROGRESS"),
    Case("AlterPartitionReassignments", "0-1", "nowhere", "topic", reassign(("{topic}", 0, ())), "INVALID_REPLICA_ASSIGNMENT"),
    Case("AlterPartitionReassignments", "0-1", "unknown broker", "topic", reassign(("{topic}", 0, (9,))), "INVALID_REPLICA_ASSIGNMENT"),
    Case("AlterPartitionReassignments", "0-1", "negative broker", "topic", reassign(("{topic}", 0, (1, -1))), "INVALID_REPLICA_ASSIGNMENT"),
    Case("AlterPartitionReassignments", "0-1", "twice on one broker", "topic", reassign(("{topic}", 0, (1, 1))), "INVALID_REPLICA_ASSIGNMENT"),
    Case("AlterPartitionReassignments", "0-1", "twice on an unknown one", "topic", reassign(("{topic}", 0, (9, 9))), "INVALID_REPLICA_ASSIGNMENT"),
    Case("AlterPartitionReassignments", "0-1", "unknown topic", "", reassign(("{missing}", 0, (1,))), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("AlterPartitionReassignments", "0-1", "cancel on an unknown topic", "", reassign(("{missing}", 0, None)), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("AlterPartitionReassignments", "0-1", "unknown partition", "topic", reassign(("{topic}", 5, (1,))), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("AlterPartitionReassignments", "0-1", "negative partition", "topic", reassign(("{topic}", -1, (1,))), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("AlterPartitionReassignments", "0-1", "one good and one bad", "topic(2)", BOTH, "INVALID_REPLICA_ASSIGNMENT"),
    Case("AlterPartitionReassignments", "0-1", "same topic twice", "topic", reassign(("{topic}", 0, (1,)), ("{topic}", 0, (1,)))),
    Case("AlterPartitionReassignments", "0-1", "no time at all", "topic", reassign(("{topic}", 0, (1,)), timeout_ms=-1), "REQUEST_TIMED_OUT"),
    Case("AlterPartitionReassignments", "1", "as many, as must be", "topic", reassign(("{topic}", 0, (1,)), factor_may_change=False)),
    Case("AlterPartitionReassignments", "1", "fewer than must be", "topic", reassign(("{topic}", 0, ()), factor_may_change=False), "INVALID_REPLICA_ASSIGNMENT"),
    Case("AlterPartitionReassignments", "1", "more than must be, twice the same", "topic", reassign(("{topic}", 0, (1, 1)), factor_may_change=False), "INVALID_REPLICA_ASSIGNMENT"),
    Case("AlterPartitionReassignments", "1", "more than must be, one unknown", "topic", reassign(("{topic}", 0, (1, 9)), factor_may_change=False), "INVALID_REPLICA_ASSIGNMENT"),
    #
    Case("ListPartitionReassignments", "0", "all", "topic", list_reassignments()),
    Case("ListPartitionReassignments", "0", "no topic", "", NO_TOPICS),
    Case("ListPartitionReassignments", "0", "one that does not move", "topic", list_reassignments(FIRST)),
    Case("ListPartitionReassignments", "0", "unknown topic", "", list_reassignments(("{missing}", (0,)))),
    Case("ListPartitionReassignments", "0", "unknown partition", "topic", list_reassignments(("{topic}", (7, -1)))),
    Case("ListPartitionReassignments", "0", "no time at all", "topic", list_reassignments(FIRST, timeout_ms=-1)),
]
