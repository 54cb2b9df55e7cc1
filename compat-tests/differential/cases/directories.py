"""AlterReplicaLogDirs, and DescribeLogDirs of a broker with several directories."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..batches import Batch
from ..case import Case, Then
from ..requests import end_offset, fetch, list_offsets, log_dirs, move_replicas, produce
from ..transaction_requests import end

T = "{topic}"
THREE = "three directories"
SLOW = "slow moves"
LIES = "topic records(3) lies"
WHERE: list[Then] = [("DescribeLogDirs", 4, log_dirs((T, [0])))]
BARELY: list[Then] = [("DescribeLogDirs", 1, log_dirs((T, [0])))]  # kwire in memory knows no disk's size
WHERE_BOTH: list[Then] = [("DescribeLogDirs", 4, log_dirs((T, [0, 1])))]
ARRIVES: list[Then] = ["arrives(there)", *WHERE]
ENDS: list[Then] = [("ListOffsets", 7, list_offsets(-2)), ("ListOffsets", 7, list_offsets(-1))]
HELD = "topic bulky bulky bulky lies throttled"  # more than is copied at once
MOVING = f"{HELD} moves is_moving"
AT_ZERO = Batch(producer_id="{producer}", producer_epoch="{epoch}", base_sequence=0)
AT_THREE = Batch(producer_id="{producer}", producer_epoch="{epoch}", base_sequence=3)
AT_NINE = Batch(producer_id="{producer}", producer_epoch="{epoch}", base_sequence=9)
NAME_213, NAME_214 = "n" * 213, "n" * 214

CASES = [
    Case("AlterReplicaLogDirs", "0-2", "to where it is", LIES, move_replicas(("{here}", T, [0])), then=WHERE, broker=THREE),
    Case("AlterReplicaLogDirs", "0-2", "to another directory", LIES, move_replicas(("{there}", T, [0])), then=ARRIVES, broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "and back again", f"{LIES} moved", move_replicas(("{here}", T, [0])), then=["arrives(here)", *WHERE], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "empty partition", "topic lies", move_replicas(("{there}", T, [0])), then=[*ARRIVES, *ENDS], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "its records come along", "topic records(3) records(2) late lies", move_replicas(("{there}", T, [0])),
         then=[*ARRIVES, *ENDS, ("Fetch", 12, fetch(0)), ("OffsetForLeaderEpoch", 4, end_offset(0)), ("ListOffsets", 7, list_offsets(-3))], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "its log start comes along", "topic records(3) records(2) trimmed(2) lies", move_replicas(("{there}", T, [0])), then=["arrives(there)", *ENDS], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "a producer goes on", "topic producer sequence(0) lies", move_replicas(("{there}", T, [0])), then=["arrives(there)", ("Produce", 9, produce(AT_THREE)), *ENDS], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "a producer says something twice", "topic producer sequence(0) lies", move_replicas(("{there}", T, [0])), then=["arrives(there)", ("Produce", 9, produce(AT_ZERO)), *ENDS], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "a producer left something out", "topic producer sequence(0) lies", move_replicas(("{there}", T, [0])), then=["arrives(there)", ("Produce", 9, produce(AT_NINE)), *ENDS], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "several directories", "topic(2) records(3) records(2,topic,1) directories moved(first_dir,topic,0) moved(first_dir,topic,1)", move_replicas(("{second_dir}", T, [0]), ("{third_dir}", T, [1])),
         then=["arrives(second_dir,topic,0)", "arrives(third_dir,topic,1)", *WHERE_BOTH], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "same partition twice", LIES, move_replicas(("{there}", T, [0, 0])), then=ARRIVES, broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "same partition to two directories", LIES, move_replicas(("{there}", T, [0]), ("{elsewhere}", T, [0])), then=["arrives(elsewhere)", *WHERE], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "same partition to two directories, the first unknown", LIES, move_replicas(("/nowhere", T, [0]), ("{here}", T, [0])), then=WHERE, broker=THREE),
    # Where a log is to be made.
    Case("AlterReplicaLogDirs", "0-2", "topic that is not there", "directories", move_replicas(("{third_dir}", T, [0])), "UNKNOWN_TOPIC_OR_PARTITION", then=["topic", "records(3)", *WHERE], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "topic that is not there, twice", "directories", move_replicas(("{third_dir}", T, [0]), ("{second_dir}", T, [0])), "UNKNOWN_TOPIC_OR_PARTITION", then=["topic", "records(3)", *WHERE], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "partition out of range", "topic directories", move_replicas(("{third_dir}", T, [1])), "UNKNOWN_TOPIC_OR_PARTITION", then=["grown", "records(3,topic,1)", ("DescribeLogDirs", 4, log_dirs((T, [1])))], broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "negative partition", "topic directories", move_replicas(("{third_dir}", T, [-1])), "UNKNOWN_TOPIC_OR_PARTITION", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "one partition is there, one is not", LIES, move_replicas(("{there}", T, [0, 5])), "UNKNOWN_TOPIC_OR_PARTITION", then=ARRIVES, broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "invalid name", "directories", move_replicas(("{third_dir}", "a/b", [0])), "UNKNOWN_TOPIC_OR_PARTITION", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "empty name", "directories", move_replicas(("{third_dir}", "", [0])), "UNKNOWN_TOPIC_OR_PARTITION", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "longest name", "directories", move_replicas(("{third_dir}", NAME_213, [0])), "UNKNOWN_TOPIC_OR_PARTITION", broker=THREE),
    Case("AlterReplicaLogDirs", "0-2", "name that is too long", "directories", move_replicas(("{third_dir}", NAME_214, [0])), "INVALID_TOPIC_EXCEPTION", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "longest name with a long index", "directories", move_replicas(("{third_dir}", NAME_213, [10])), "INVALID_TOPIC_EXCEPTION", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "name that is too long, of a topic that is there", "named(214) directories", move_replicas(("{third_dir}", "{named}", [0])), "INVALID_TOPIC_EXCEPTION", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "name that is too long for an unknown directory", "", move_replicas(("/nowhere", NAME_214, [0])), "INVALID_TOPIC_EXCEPTION", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "the metadata log", "directories", move_replicas(("{second_dir}", "__cluster_metadata", [0])), "UNKNOWN_TOPIC_OR_PARTITION", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "topic that was deleted", "topic records(3) directories deleted", move_replicas(("{third_dir}", T, [0])), "UNKNOWN_TOPIC_OR_PARTITION", broker=THREE),
    # Directories.
    Case("AlterReplicaLogDirs", "0-2", "unknown directory", LIES, move_replicas(("/nowhere/at/all", T, [0])), "LOG_DIR_NOT_FOUND", then=WHERE, broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "unknown directory for an unknown topic", "", move_replicas(("/nowhere/at/all", "{missing}", [0])), "LOG_DIR_NOT_FOUND", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "relative path", LIES, move_replicas(("logs", T, [0])), "LOG_DIR_NOT_FOUND", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "empty path", LIES, move_replicas(("", T, [0])), "LOG_DIR_NOT_FOUND", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "path with a slash at its end", LIES, move_replicas(("{there}/", T, [0])), "LOG_DIR_NOT_FOUND", then=WHERE, broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "path with a dot", LIES, move_replicas(("{there}/.", T, [0])), "LOG_DIR_NOT_FOUND", then=WHERE, broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "path within a directory", LIES, move_replicas(("{there}/x", T, [0])), "LOG_DIR_NOT_FOUND", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "path above a directory", LIES, move_replicas(("{there}/..", T, [0])), "LOG_DIR_NOT_FOUND", broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "path with a zero byte", LIES, move_replicas(("{there}\0", T, [0])), "LOG_DIR_NOT_FOUND", broker=THREE),
    Case("AlterReplicaLogDirs", "0-2", "nothing at all", "", move_replicas(), broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "no topic", "directories", {"dirs": [{"path": "{first_dir}", "topics": []}]}, broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "no partition", "topic directories", move_replicas(("{first_dir}", T, [])), broker=THREE),
    Case("AlterReplicaLogDirs", "1-2", "no topic for an unknown directory", "", {"dirs": [{"path": "/nowhere", "topics": []}]}, broker=THREE),
    # A broker with one directory.
    Case("AlterReplicaLogDirs", "1-2", "to the only directory", "topic records(3) lies", move_replicas(("{here}", T, [0])), then=BARELY),
    Case("AlterReplicaLogDirs", "1-2", "away from the only directory", "topic records(3)", move_replicas(("/nowhere", T, [0])), "LOG_DIR_NOT_FOUND", then=BARELY),
    # While a transaction is open.
    Case("AlterReplicaLogDirs", "1-2", "open transaction", "topic initialised added appended lies", move_replicas(("{there}", T, [0])), then=["arrives(there)", ("EndTxn", 4, end()), "completed", ("Fetch", 12, fetch(2, isolation_level=1)), *ENDS], broker=THREE),
    # Internal topics; afterwards it is somewhere else, where nobody looks for it.
    Case("AlterReplicaLogDirs", "1-2", "internal topic", "topic committed(5) lies(offsets)", move_replicas(("{there}", "{offsets}", [0])), then=["arrives(there,offsets)", ("DescribeLogDirs", 4, log_dirs(("{offsets}", [0])))], broker=THREE),
    #
    Case("DescribeLogDirs", "0-5", "one of three directories", LIES, log_dirs((T, [0])), broker=THREE),
    Case("DescribeLogDirs", "1-5", "after a move", f"{LIES} moved", log_dirs((T, [0])), broker=THREE),
    Case("DescribeLogDirs", "1-5", "partitions in three directories", "topic(3) records(3) records(3,topic,1) records(3,topic,2) directories moved(first_dir,topic,0) moved(second_dir,topic,1) moved(third_dir,topic,2)", log_dirs((T, [2, 0, 1])), broker=THREE),
    Case("DescribeLogDirs", "1-5", "unknown topic in three directories", "directories", log_dirs(("{missing}", [0])), broker=THREE),
    # While a replica moves, or rather waits to be allowed to.
    Case("AlterReplicaLogDirs", "1-2", "slow: begins", HELD, move_replicas(("{there}", T, [0])), then=["is_moving", *WHERE], broker=SLOW),
    Case("AlterReplicaLogDirs", "1-2", "slow: to where it goes", MOVING, move_replicas(("{there}", T, [0])), then=WHERE, broker=SLOW),
    Case("AlterReplicaLogDirs", "1-2", "slow: to where it is after all", MOVING, move_replicas(("{here}", T, [0])), then=["arrives(here)", *WHERE, *ENDS], broker=SLOW),
    Case("AlterReplicaLogDirs", "1-2", "slow: to a third directory", MOVING, move_replicas(("{elsewhere}", T, [0])), then=["is_moving(elsewhere)", *WHERE], broker=SLOW),
    Case("AlterReplicaLogDirs", "1-2", "slow: to an unknown directory", MOVING, move_replicas(("/nowhere", T, [0])), "LOG_DIR_NOT_FOUND", then=WHERE, broker=SLOW),
    Case("AlterReplicaLogDirs", "1-2", "slow: records come meanwhile", HELD, move_replicas(("{there}", T, [0])), then=["is_moving", "records(3)", *ENDS, *WHERE, "throttled(100000000)", "arrives(there)", *ENDS, *WHERE], broker=SLOW),
    Case("AlterReplicaLogDirs", "1-2", "slow: the topic is deleted meanwhile", HELD, move_replicas(("{there}", T, [0])), then=["is_moving", "deleted", "vanishes", *WHERE], broker=SLOW),
    Case("DescribeLogDirs", "1-5", "slow: on its way", MOVING, log_dirs((T, [0])), broker=SLOW),
]
