"""Transactions in logs: what producers may append, markers, and what readers of committed records see."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..batches import STAMP, Batch
from ..case import Case, Then
from ..requests import delete_records, fetch, fetch_several, list_offsets, produce
from ..transaction_requests import (
    describe_producers,
    describe_transactions,
    end,
    produce_in_transaction,
    several_markers,
    transactional,
    write_marker,
)
from ..values import Fields

P, E, T = "{producer}", "{epoch}", "{transaction}"
OLD: Fields = {"producer_id": "{old_producer}", "producer_epoch": "{old_epoch}"}
OLD_MARKER: Fields = {"producer": "{old_producer}", "epoch": "{old_epoch}"}
PRODUCERS: list[Then] = [("DescribeProducers", 0, describe_producers())]
STATE: list[Then] = [("DescribeTransactions", 0, describe_transactions()), *PRODUCERS]
COMMITTED: list[Then] = [("Fetch", 12, fetch(0, isolation_level=1, max_wait_ms=0))]
ENDS: list[Then] = [("ListOffsets", 7, list_offsets(-1, isolation_level=1)), ("ListOffsets", 7, list_offsets(-1))]
SEEN: list[Then] = [*COMMITTED, *ENDS]
# Two transactions side by side: the first is open from offset 0, the second from 2; then a record of nobody's.
AMONG = "initialised initialised(60000,second) implicit(2) implicit(3,0,second) implicit(2) records(1)"
INTERLEAVED = f"lasting {AMONG}"


def read(offset: int = 0, **more: object) -> Fields:
    return fetch(offset, **{"isolation_level": 1, "max_wait_ms": 0, **more})  # type: ignore[arg-type]


def several(*requests: Fields) -> Fields:
    """Produce requests in one, by their topics."""
    return {**requests[0], "topic_data": [each["topic_data"][0] for each in requests]}


def two_partitions(first: Fields, second: Fields) -> Fields:
    topic = first["topic_data"][0]
    partitions = topic["partition_data"] + second["topic_data"][0]["partition_data"]
    return {**first, "topic_data": [{**topic, "partition_data": partitions}]}


CASES = [
    Case("Produce", "3-13", "in a transaction", "lasting initialised added", produce_in_transaction(), then=[*STATE, *SEEN]),
    Case("Produce", "3-13", "second batch of a transaction", "lasting ongoing", produce_in_transaction(2), then=[*STATE, *SEEN]),
    Case("Produce", "3-13", "duplicate in a transaction", "lasting ongoing", produce_in_transaction(0), then=PRODUCERS),
    Case("Produce", "3-13", "acks 1 in a transaction", "lasting initialised added", produce_in_transaction(acks=1), then=PRODUCERS),
    Case("Produce", "3-13", "gap in a transaction", "lasting ongoing", produce_in_transaction(7), "OUT_OF_ORDER_SEQUENCE_NUMBER", then=PRODUCERS),
    Case("Produce", "3-10", "partition that was not added", "lasting initialised", produce_in_transaction(), "INVALID_TXN_STATE", then=[*STATE, *ENDS]),
    Case("Produce", "11", "partition that was not added", "lasting initialised", produce_in_transaction(), "TRANSACTION_ABORTABLE", then=[*STATE, *ENDS]),
    Case("Produce", "12-13", "partition that was not added", "lasting initialised", produce_in_transaction(), then=[*STATE, *ENDS]),
    Case("Produce", "3-10", "another partition than the one that was added", "lasting(2) initialised added(1)", produce_in_transaction(), "INVALID_TXN_STATE", then=STATE),
    Case("Produce", "11", "another partition than the one that was added", "lasting(2) initialised added(1)", produce_in_transaction(), "TRANSACTION_ABORTABLE", then=STATE),
    Case("Produce", "12-13", "another partition than the one that was added", "lasting(2) initialised added(1)", produce_in_transaction(), then=STATE),
    Case("Produce", "3-10", "one partition added and one not", "lasting(2) initialised added(0)", two_partitions(produce_in_transaction(), produce_in_transaction(partition=1)), "INVALID_TXN_STATE", then=STATE),
    Case("Produce", "11", "one partition added and one not", "lasting(2) initialised added(0)", two_partitions(produce_in_transaction(), produce_in_transaction(partition=1)), "TRANSACTION_ABORTABLE", then=STATE),
    Case("Produce", "12-13", "two partitions on the way", "lasting(2) initialised", two_partitions(produce_in_transaction(), produce_in_transaction(partition=1)), then=STATE),
    Case("Produce", "12-13", "two topics on the way", "topic other initialised", several(produce_in_transaction(), produce_in_transaction(topic="{other}")), then=STATE),
    Case("Produce", "3-10", "after a commit", "lasting ongoing commit", produce_in_transaction(2), "INVALID_TXN_STATE", then=STATE),
    Case("Produce", "11", "after a commit", "lasting ongoing commit", produce_in_transaction(2), "TRANSACTION_ABORTABLE", then=STATE),
    Case("Produce", "12-13", "after a commit", "lasting ongoing commit", produce_in_transaction(2), then=STATE),
    Case("Produce", "3-11", "added again after a commit", "lasting ongoing commit added", produce_in_transaction(2), then=[*STATE, *SEEN]),
    Case("Produce", "12-13", "new epoch", "lasting initialised implicit bumped", produce_in_transaction(0), then=[*STATE, *SEEN]),
    Case("Produce", "12-13", "new epoch not from zero", "lasting initialised implicit bumped", produce_in_transaction(2), "OUT_OF_ORDER_SEQUENCE_NUMBER", then=STATE),
    Case("Produce", "12-13", "epoch before an end that bumped it", "lasting initialised implicit bumped", produce_in_transaction(2, producer_epoch="{old_epoch}"), "INVALID_PRODUCER_EPOCH", then=STATE),
    Case("Produce", "3-11", "epoch before an end that bumped it", "lasting initialised added appended bumped", produce_in_transaction(2, producer_epoch="{old_epoch}"), "INVALID_PRODUCER_EPOCH", then=STATE),
    Case("Produce", "12-13", "first batch not from zero", "lasting initialised", produce_in_transaction(5), "OUT_OF_ORDER_SEQUENCE_NUMBER", then=STATE),
    Case("Produce", "3-11", "first batch not from zero", "lasting initialised added", produce_in_transaction(5), then=STATE),
    Case("Produce", "3-13", "fenced", "lasting ongoing fenced", produce_in_transaction(2, **OLD), "INVALID_PRODUCER_EPOCH", then=STATE),
    Case("Produce", "3-13", "fenced before its first batch", "lasting initialised added fenced", produce_in_transaction(0, **OLD), "INVALID_PRODUCER_EPOCH", then=STATE),
    Case("Produce", "3-13", "after a time-out", "lasting initialised(300) added appended timed_out", produce_in_transaction(2), "INVALID_PRODUCER_EPOCH", then=STATE),
    Case("Produce", "3-13", "epoch from the future", "lasting initialised added", produce_in_transaction(producer_epoch=7), "INVALID_PRODUCER_EPOCH", then=STATE),
    Case("Produce", "3-13", "unknown producer", "lasting initialised added", produce_in_transaction(producer_id=987_654), "INVALID_PRODUCER_ID_MAPPING", then=STATE),
    Case("Produce", "3-13", "unknown transactional id", "lasting initialised added", produce_in_transaction(transactional_id="{missing_transaction}"), "INVALID_PRODUCER_ID_MAPPING", then=STATE),
    Case("Produce", "3-13", "empty transactional id", "lasting initialised added", produce_in_transaction(transactional_id=""), "INVALID_REQUEST", then=STATE),
    Case("Produce", "3-13", "another one's transactional id", "lasting initialised added initialised(60000,second)", produce_in_transaction(transactional_id="{second_transaction}"), "INVALID_PRODUCER_ID_MAPPING", then=STATE),
    Case("Produce", "3-13", "another one's transactional id while open", "lasting ongoing initialised(60000,second)", produce_in_transaction(2, transactional_id="{second_transaction}"), then=STATE),
    Case("Produce", "3-13", "two producers in one request", "topic other initialised added added(0,,other) initialised(60000,second)", several(produce_in_transaction(), produce_in_transaction(topic="{other}", who="second")), "INVALID_PRODUCER_ID_MAPPING"),
    Case("Produce", "3-13", "not transactional within a transaction", "lasting ongoing", produce(transactional(2, transactional=False)), "INVALID_TXN_STATE", then=[*STATE, *SEEN]),
    Case("Produce", "3-13", "not transactional, with the transactional id", "lasting ongoing", produce(Batch(), transactional_id=T), then=SEEN),
    Case("Produce", "3-13", "idempotent with the producer's id before any transaction", "lasting initialised", produce(transactional(0, transactional=False)), then=STATE),
    Case("Produce", "3-13", "transactional without producer id", "lasting initialised added", produce_in_transaction(0, producer_id=-1, producer_epoch=-1), then=STATE),
    Case("Produce", "3-13", "transactional without sequence", "lasting initialised added", produce_in_transaction(-1), "INVALID_RECORD", then=STATE),
    Case("Produce", "3-12", "transactional to an unknown topic", "initialised", produce_in_transaction(topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "13", "transactional to an unknown topic id", "initialised", produce_in_transaction(topic="{missing}"), "UNKNOWN_TOPIC_ID"),
    Case("Produce", "3-13", "control batch in a transaction", "lasting ongoing", produce_in_transaction(2, values=1, control=True, keys=(b"\0\0\0\1",)), "INVALID_RECORD", then=PRODUCERS),
    Case("Produce", "3-13", "transactional and gzip", "lasting initialised added", produce_in_transaction(codec="gzip"), then=COMMITTED),
    Case("Produce", "3-13", "after a marker behind the coordinator's back", "lasting ongoing marked", produce_in_transaction(2), then=STATE),
    Case("Produce", "3-13", "acks 0 and fenced", "lasting ongoing fenced", produce_in_transaction(2, acks=0, **OLD), "CLOSED", then=ENDS),
    Case("Produce", "3-13", "new transaction by the one that fenced", "lasting ongoing fenced added", produce_in_transaction(0), then=[*STATE, *SEEN]),
    #
    Case("Fetch", "4-18", "committed records while a transaction is open", "lasting records(3) ongoing records(1)", read(), then=ENDS),
    Case("Fetch", "4-18", "all records while a transaction is open", "lasting records(3) ongoing records(1)", read(isolation_level=0)),
    Case("Fetch", "4-18", "at the start of an open transaction", "lasting records(3) ongoing", read(3)),
    Case("Fetch", "4-18", "within an open transaction", "lasting records(3) ongoing", read(4)),
    Case("Fetch", "4-18", "at the end of an open transaction", "lasting records(3) ongoing", read(5)),
    Case("Fetch", "4-18", "beyond the end of an open transaction", "lasting records(3) ongoing", read(6), "OFFSET_OUT_OF_RANGE"),
    Case("Fetch", "4-18", "committed transaction", "lasting ongoing commit", read(), then=ENDS),
    Case("Fetch", "4-18", "aborted transaction", "lasting ongoing aborted", read(), then=ENDS),
    Case("Fetch", "4-18", "aborted transaction by one who does not care", "lasting ongoing aborted", read(isolation_level=0)),
    Case("Fetch", "4-18", "transaction that timed out", "lasting initialised(300) added appended timed_out", read(), then=ENDS),
    Case("Fetch", "4-18", "transaction that was fenced", "lasting ongoing fenced", read(), then=ENDS),
    Case("Fetch", "4-18", "middle of an aborted transaction", "lasting records(1) ongoing appended aborted records(1)", read(2)),
    Case("Fetch", "4-18", "marker of an aborted transaction", "lasting ongoing aborted records(1)", read(2)),
    Case("Fetch", "4-18", "behind an aborted transaction", "lasting ongoing aborted records(1)", read(3)),
    Case("Fetch", "4-18", "epoch bumped at each end", "lasting initialised implicit bumped implicit bumped(abort) implicit bumped", read(), then=ENDS),
    Case("Fetch", "4-18", "aborted, committed, aborted, in segments of their own", "topic ongoing aborted added appended commit added appended aborted", read(), then=ENDS),
    Case("Fetch", "4-18", "aborted, committed, aborted", "lasting ongoing aborted added appended commit added appended aborted", read(), then=ENDS),
    Case("Fetch", "4-18", "two open transactions side by side", INTERLEAVED, read(), then=ENDS),
    Case("Fetch", "4-18", "second of two is committed", f"{INTERLEAVED} bumped(commit,second)", read(), then=ENDS),
    Case("Fetch", "4-18", "first of two is committed", f"{INTERLEAVED} bumped(commit)", read(), then=ENDS),
    Case("Fetch", "4-18", "first of two is aborted", f"{INTERLEAVED} bumped(abort)", read(), then=ENDS),
    Case("Fetch", "4-18", "both are aborted", f"{INTERLEAVED} bumped(abort,second) bumped(abort)", read(), then=ENDS),
    Case("Fetch", "4-18", "both are aborted, in segments of their own", f"topic {AMONG} bumped(abort,second) bumped(abort)", read(), then=ENDS),
    Case("Fetch", "4-18", "both are aborted, from the middle", f"{INTERLEAVED} bumped(abort,second) bumped(abort)", read(5)),
    Case("Fetch", "4-18", "one is committed and one aborted", f"{INTERLEAVED} bumped(commit,second) bumped(abort)", read(), then=ENDS),
    Case("Fetch", "4-18", "limit within an aborted transaction", "lasting ongoing appended aborted records(3)", read(partition_max_bytes=1)),
    Case("Fetch", "4-18", "limit before the second aborted transaction", "lasting ongoing aborted added appended aborted", read(partition_max_bytes=200)),
    Case("Fetch", "4-18", "bytes that may not be read do not count", "lasting ongoing", read(min_bytes=1, max_wait_ms=50)),
    Case("Fetch", "4-18", "waits until the transaction is committed", "lasting ongoing | commit", read(min_bytes=1, max_wait_ms=5000)),
    Case("Fetch", "4-18", "waits until the transaction is aborted", "lasting ongoing | aborted", read(min_bytes=1, max_wait_ms=5000)),
    Case("Fetch", "4-18", "two partitions, one of them open", "lasting(2) initialised implicit(2,0) implicit(2,1) records(1,topic,1) initialised(60000,second) implicit(1,0,second) bumped(abort)", fetch_several(("{topic}", 0, 0), ("{topic}", 1, 0), isolation_level=1, max_wait_ms=0)),
    Case("Fetch", "4-18", "records before an open transaction were deleted", "lasting records(3) ongoing trimmed(3)", read(3), then=ENDS),
    Case("Fetch", "4-18", "partition without records in the transaction", "lasting(2) records(1) initialised added(0+1) appended(2,1) commit", read(), then=ENDS),
    Case("Fetch", "7-18", "session over an open transaction", "lasting records(1) ongoing", read(session_epoch=0)),
    Case("Fetch", "12-18", "last fetched epoch within a transaction", "lasting records(3) ongoing", read(4, last_fetched_epoch=0)),
    #
    Case("ListOffsets", "2-11", "latest committed while a transaction is open", "topic records(3) ongoing", list_offsets(-1, isolation_level=1)),
    Case("ListOffsets", "1-11", "latest while a transaction is open", "topic records(3) ongoing", list_offsets(-1)),
    Case("ListOffsets", "2-11", "latest committed after a commit", "topic records(3) ongoing commit", list_offsets(-1, isolation_level=1)),
    Case("ListOffsets", "2-11", "latest committed after an abort", "topic records(3) ongoing aborted", list_offsets(-1, isolation_level=1)),
    Case("ListOffsets", "2-11", "latest committed with two transactions", f"{INTERLEAVED} bumped(commit)", list_offsets(-1, isolation_level=1)),
    Case("ListOffsets", "2-11", "earliest committed while a transaction is open", "topic ongoing", list_offsets(-2, isolation_level=1)),
    Case("ListOffsets", "2-11", "time of a record in an open transaction", "topic ongoing", list_offsets(STAMP, isolation_level=1)),
    Case("ListOffsets", "2-11", "time of a record before an open transaction", "topic records(3) ongoing", list_offsets(STAMP + 1, isolation_level=1)),
    Case("ListOffsets", "2-11", "time of a record in an aborted transaction", "topic ongoing aborted", list_offsets(STAMP, isolation_level=1)),
    Case("ListOffsets", "7-11", "maximum timestamp while a transaction is open", "topic records(3) initialised added appended(5)", list_offsets(-3, isolation_level=1)),
    Case("ListOffsets", "7-11", "maximum timestamp is a marker's", "topic records(3) ongoing commit", list_offsets(-3)),
    #
    Case("DeleteRecords", "1-2", "up to the end while a transaction is open", "lasting records(3) ongoing", delete_records(-1), then=[*SEEN, *PRODUCERS]),
    Case("DeleteRecords", "1-2", "within an open transaction", "lasting records(3) ongoing appended", delete_records(4), then=[*SEEN, *PRODUCERS, ("EndTxn", 4, end()), "completed", *SEEN]),
    #
    Case("WriteTxnMarkers", "0-2", "abort of an open transaction", "lasting ongoing", write_marker(commit=False), then=[*STATE, *SEEN]),
    Case("WriteTxnMarkers", "0-2", "commit of an open transaction", "lasting ongoing", write_marker(), then=[*STATE, *SEEN]),
    Case("WriteTxnMarkers", "0-2", "of no transaction", "lasting initialised", write_marker(commit=False), then=[*PRODUCERS, *SEEN]),
    Case("WriteTxnMarkers", "0-2", "of a producer that nobody knows", "topic", write_marker(commit=False, producer=987_654, epoch=3), then=ENDS),
    Case("WriteTxnMarkers", "0-2", "marker twice", "lasting ongoing marked", write_marker(commit=False), then=[*PRODUCERS, *SEEN]),
    Case("WriteTxnMarkers", "0-2", "newer epoch", "lasting ongoing", write_marker(commit=False, epoch=5), then=[*PRODUCERS, *SEEN]),
    Case("WriteTxnMarkers", "0-2", "older epoch", "lasting ongoing fenced added appended", write_marker(**OLD_MARKER), "INVALID_PRODUCER_EPOCH", then=PRODUCERS),
    Case("WriteTxnMarkers", "2", "version 2 with the producer's epoch", "lasting ongoing", write_marker(commit=False, transaction_version=2), "INVALID_PRODUCER_EPOCH", then=[*PRODUCERS, *SEEN]),
    Case("WriteTxnMarkers", "2", "version 2 with the next epoch", "lasting ongoing", write_marker(commit=False, epoch=1, transaction_version=2), then=[*PRODUCERS, *SEEN]),
    Case("WriteTxnMarkers", "2", "version 2 twice", "lasting initialised implicit bumped", write_marker(transaction_version=2), then=[*PRODUCERS, *SEEN]),
    Case("WriteTxnMarkers", "2", "version 1 with the producer's epoch", "lasting ongoing", write_marker(commit=False, transaction_version=1), then=PRODUCERS),
    Case("WriteTxnMarkers", "0-2", "coordinator of the future", "lasting ongoing", write_marker(commit=False, coordinator_epoch=5), then=[*PRODUCERS, *COMMITTED]),
    Case("WriteTxnMarkers", "1-2", "coordinator of the past", "lasting ongoing marked", several_markers(write_marker(commit=False, coordinator_epoch=5), write_marker(commit=False, coordinator_epoch=3)), "TRANSACTION_COORDINATOR_FENCED", then=PRODUCERS),
    Case("WriteTxnMarkers", "0-2", "two partitions", "topic(2) initialised added(0+1) appended(2,0) appended(1,1)", write_marker(0, 1), then=[("DescribeProducers", 0, describe_producers("{topic}", 0, 1))]),
    Case("WriteTxnMarkers", "0-2", "two producers", "lasting initialised initialised(60000,second) added added(0,second) appended appended(1,0,second)", several_markers(write_marker(), write_marker(who="second", commit=False)), then=[*PRODUCERS, *SEEN]),
    Case("WriteTxnMarkers", "0-2", "unknown topic", "lasting ongoing", write_marker(topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("WriteTxnMarkers", "0-2", "partition out of range", "lasting ongoing", write_marker(9), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("WriteTxnMarkers", "0-2", "one partition known and one not", "lasting ongoing", write_marker(0, 9), "UNKNOWN_TOPIC_OR_PARTITION", then=PRODUCERS),
    Case("WriteTxnMarkers", "0-2", "no marker", "topic", {"markers": []}),
    Case("WriteTxnMarkers", "0-2", "then the coordinator's own end", "lasting ongoing marked", write_marker(commit=False), then=[("EndTxn", 4, end(commit=False)), "completed", *STATE, *SEEN]),
    #
    Case("DescribeProducers", "0", "nobody", "topic records(3)", describe_producers()),
    Case("DescribeProducers", "0", "idempotent producer", "topic producer sequence(0)", describe_producers()),
    Case("DescribeProducers", "0", "open transaction", "topic records(3) ongoing appended", describe_producers()),
    Case("DescribeProducers", "0", "after a commit", "topic ongoing commit", describe_producers()),
    Case("DescribeProducers", "0", "after an end that bumped the epoch", "topic ongoing bumped", describe_producers()),
    Case("DescribeProducers", "0", "after a time-out", "topic initialised(300) added appended timed_out", describe_producers()),
    Case("DescribeProducers", "0", "two producers", INTERLEAVED, describe_producers()),
    Case("DescribeProducers", "0", "two partitions", "topic(2) initialised implicit(2,1)", describe_producers("{topic}", 0, 1)),
    Case("DescribeProducers", "0", "added and nothing written", "topic initialised added", describe_producers()),
    Case("DescribeProducers", "0", "pending offsets", "topic ready offsets_pending", describe_producers("{topic}")),
    Case("DescribeProducers", "0", "no topic", "topic", {"topics": []}),
    Case("DescribeProducers", "0", "unknown topic", "", describe_producers("{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DescribeProducers", "0", "partition out of range", "topic", describe_producers("{topic}", 7), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DescribeProducers", "0", "one partition known and one not", "topic producer sequence(0)", describe_producers("{topic}", 0, 7), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DescribeProducers", "0", "topic name with a slash", "", describe_producers("a/b"), "INVALID_TOPIC_EXCEPTION"),
]
