"""Produce: what is taken, what is refused, and what then stands in the log."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..batches import STAMP, Batch, Joined, MessageSet, Raw
from ..case import Case
from ..requests import fetch, produce
from ..values import Fields

STORED = [("Fetch", 12, fetch(max_wait_ms=0))]
KEYED = (b"k1", b"k2", b"k3")


def sequenced(base: int, epoch: int | str = "{epoch}", producer: int | str = "{producer}") -> Fields:
    return produce(Batch(producer_id=producer, producer_epoch=epoch, base_sequence=base))


def both(first: Fields, second: Fields) -> Fields:
    return {**first, "topic_data": first["topic_data"] + second["topic_data"]}


CASES = [
    # Old message sets, whatever the request's version implies, are stored as magic 2.
    Case("Produce", "0-2", "magic 0", "topic", produce(MessageSet(magic=0)), then=STORED),
    Case("Produce", "0-2", "magic 1", "topic", produce(MessageSet(magic=1)), then=STORED),
    Case("Produce", "0-2", "magic 0 gzip", "topic", produce(MessageSet(magic=0, codec="gzip")), then=STORED),
    Case("Produce", "0-2", "magic 1 gzip", "topic", produce(MessageSet(magic=1, codec="gzip")), then=STORED),
    Case("Produce", "0-2", "magic 1 gzip zero inner offsets", "topic", produce(MessageSet(magic=1, codec="gzip", inner_offsets="zero")), then=STORED),
    Case("Produce", "0-2", "magic 1 snappy", "topic", produce(MessageSet(magic=1, codec="snappy"))),
    Case("Produce", "0-2", "magic 1 keys", "topic", produce(MessageSet(magic=1, keys=KEYED)), then=STORED),
    Case("Produce", "0-2", "magic 2 in an old request", "topic", produce(Batch()), then=STORED),
    Case("Produce", "0-2", "two message sets", "topic", produce(Joined((MessageSet(), MessageSet()))), then=STORED),
    Case("Produce", "0-2", "magic 0 bad checksum", "topic", produce(MessageSet(magic=0, damage="crc")), "CORRUPT_MESSAGE"),
    Case("Produce", "0-2", "magic 1 bad checksum", "topic", produce(MessageSet(damage="crc")), "CORRUPT_MESSAGE"),
    Case("Produce", "0-2", "magic 1 cut short", "topic", produce(MessageSet(damage="truncated")), then=STORED),
    Case("Produce", "0-2", "magic 1 to a compacted topic without keys", "topic(1,cleanup.policy=compact)", produce(MessageSet()), "INVALID_RECORD"),
    Case("Produce", "3-13", "magic 1 in a new request", "topic", produce(MessageSet()), "INVALID_RECORD", then=STORED),
    # Batches.
    Case("Produce", "3-13", "a batch", "topic", produce(Batch()), then=STORED),
    Case("Produce", "0-13", "a second batch", "topic records(2)", produce(Batch()), then=STORED),
    Case("Produce", "3-13", "acks 1", "topic", produce(acks=1), then=STORED),
    Case("Produce", "0-13", "acks 0", "topic", produce(acks=0), "UNANSWERED", then=STORED),
    Case("Produce", "0-12", "acks 0 unknown topic", "", produce(topic="{missing}", acks=0), "CLOSED", then=[("ApiVersions", 0, {})]),
    Case("Produce", "3-13", "keys headers nulls", "topic", produce(Batch((b"v", None, b""), keys=(None, b"k", b""), headers=(("h", b"1"), ("n", None)))), then=STORED),
    Case("Produce", "3-13", "gzip", "topic", produce(Batch(codec="gzip")), then=STORED),
    Case("Produce", "3-13", "snappy", "topic", produce(Batch(codec="snappy")), then=STORED),
    Case("Produce", "3-13", "lz4", "topic", produce(Batch(codec="lz4")), then=STORED),
    Case("Produce", "7-13", "zstd", "topic", produce(Batch(codec="zstd")), then=STORED),
    Case("Produce", "3-6", "zstd too early", "topic", produce(Batch(codec="zstd")), "UNSUPPORTED_COMPRESSION_TYPE", then=STORED),
    Case("Produce", "3-13", "log append time", "topic(1,message.timestamp.type=LogAppendTime)", produce(Batch()), then=STORED),
    Case("Produce", "2", "log append time of magic 1", "topic(1,message.timestamp.type=LogAppendTime)", produce(MessageSet())),
    Case("Produce", "3-13", "log append time gzip", "topic(1,message.timestamp.type=LogAppendTime)", produce(Batch(codec="gzip")), then=STORED),
    Case("Produce", "3-13", "batch says log append time to a create time topic", "topic", produce(Batch(log_append_time=True)), then=STORED),
    Case("Produce", "3-13", "topic compresses", "topic(1,compression.type=gzip)", produce(Batch((b"a" * 200, b"b" * 200))), then=STORED),
    Case("Produce", "3-13", "topic wants no compression", "topic(1,compression.type=uncompressed)", produce(Batch(codec="gzip")), then=STORED),
    Case("Produce", "3-13", "compacted topic with keys", "topic(1,cleanup.policy=compact)", produce(Batch(keys=KEYED)), then=STORED),
    Case("Produce", "3-13", "any partition leader epoch", "topic", produce(Batch(leader_epoch=99)), then=STORED),
    Case("Produce", "3-13", "two topics", "topic other", both(produce(), produce(topic="{other}"))),
    Case("Produce", "3-13", "second partition", "topic(2)", produce(partition=1), then=[("ListOffsets", 7, {"replica_id": -1, "topics": [{"name": "{topic}", "partitions": [{"partition_index": 1, "timestamp": -1}]}]})]),
    Case("Produce", "3-13", "largest batch of the default", "topic", produce(Batch((b"x" * 1_048_508,)))),
    Case("Produce", "3-13", "just too large for the default", "topic", produce(Batch((b"x" * 1_048_600,))), "MESSAGE_TOO_LARGE"),
    Case("Produce", "3-13", "negative timestamp", "topic", produce(Batch(timestamp=-1)), then=STORED),
    Case("Produce", "3-13", "timestamp far below zero", "topic", produce(Batch(timestamp=-5000)), then=STORED),
    Case("Produce", "3-13", "timestamp beyond the default limit", "topic", produce(Batch(timestamp=4_102_444_800_000)), "INVALID_TIMESTAMP"),
    Case("Produce", "3-13", "no value and no key", "topic", produce(Batch((None,))), then=STORED),
    Case("Produce", "3-13", "empty value", "topic", produce(Batch((b"",))), then=STORED),
    Case("Produce", "3-13", "topic wants lz4 and gets it", "topic(1,compression.type=lz4)", produce(Batch(codec="lz4")), then=STORED),
    Case("Produce", "3-13", "topic wants gzip and gets snappy", "topic(1,compression.type=gzip)", produce(Batch(codec="snappy")), then=STORED),
    Case("Produce", "3-13", "compacted and deleted topic without keys", "topic(1,cleanup.policy=compact+delete)", produce(Batch()), "INVALID_RECORD"),
    Case("Produce", "3-13", "log append time of an idempotent batch", "topic(1,message.timestamp.type=LogAppendTime) producer", sequenced(0), then=STORED),
    Case("Produce", "3-13", "duplicate with log append time", "topic(1,message.timestamp.type=LogAppendTime) producer sequence(0)", sequenced(0)),
    # Refusals.
    Case("Produce", "0-12", "unknown topic", "", produce(topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "13", "unknown topic id", "", produce(topic="{missing}"), "UNKNOWN_TOPIC_ID"),
    Case("Produce", "13", "zero topic id", "", produce(topic="{zero}") | {"topic_data": [{"topic_id": "{zero_id}", "partition_data": [{"index": 0, "records": Batch()}]}]}, "UNKNOWN_TOPIC_ID"),
    Case("Produce", "0-13", "partition out of range", "topic", produce(partition=7), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "3-13", "partition minus one", "topic", produce(partition=-1), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "3-12", "one topic known and one not", "topic", both(produce(), produce(topic="{missing}")), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "0-12", "topic name with a slash", "", produce(topic="a/b"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "0-13", "acks 2", "topic", produce(acks=2), "INVALID_REQUIRED_ACKS"),
    Case("Produce", "0-12", "acks 2 to an unknown topic", "", produce(topic="{missing}", acks=2), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "0-12", "acks 2 to one topic known and one not", "topic", both(produce(acks=2), produce(topic="{missing}")), "INVALID_REQUIRED_ACKS UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "3-12", "negative length to an unknown topic", "", produce(Batch(damage="negative_length"), topic="{missing}"), "CORRUPT_MESSAGE"),
    Case("Produce", "3-12", "two batches to an unknown topic", "", produce(Joined((Batch(), Batch())), topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Produce", "3-13", "negative length beside a good batch", "topic other", both(produce(Batch(damage="negative_length")), produce(topic="{other}")), "CORRUPT_MESSAGE"),
    Case("Produce", "3-13", "unknown magic beside a good batch", "topic other", both(produce(Batch(damage="magic")), produce(topic="{other}")), "CORRUPT_MESSAGE"),
    Case("Produce", "3-13", "bad checksum beside a good batch", "topic other", both(produce(Batch(damage="crc")), produce(topic="{other}")), "CORRUPT_MESSAGE"),
    Case("Produce", "3-13", "transactional batch without transactional id", "topic", produce(Batch(transactional=True, producer_id=5, producer_epoch=0, base_sequence=0)), "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", then=STORED),
    Case("Produce", "3-13", "transactional batch beside a good one", "topic other", both(produce(Batch(transactional=True, producer_id=5, producer_epoch=0, base_sequence=0)), produce(topic="{other}")), "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"),
    Case("Produce", "3-13", "two batches with acks 2", "topic", produce(Joined((Batch(), Batch())), acks=2), "INVALID_RECORD"),
    Case("Produce", "0-12", "internal topic with acks 2", "", produce(topic="__consumer_offsets", acks=2), "INVALID_REQUIRED_ACKS"),
    Case("Produce", "3-13", "negative length", "topic", produce(Batch(damage="negative_length")), "CORRUPT_MESSAGE"),
    Case("Produce", "0-12", "internal topic", "", produce(topic="__consumer_offsets"), "INVALID_TOPIC_EXCEPTION"),
    Case("Produce", "0-13", "bad checksum", "topic", produce(Batch(damage="crc")), "CORRUPT_MESSAGE", then=STORED),
    Case("Produce", "3-13", "unknown magic", "topic", produce(Batch(damage="magic")), "CORRUPT_MESSAGE"),
    Case("Produce", "3-13", "too many records claimed", "topic", produce(Batch(damage="count")), "INVALID_RECORD"),
    Case("Produce", "3-13", "too many records claimed gzip", "topic", produce(Batch(damage="count", codec="gzip")), "INVALID_RECORD"),
    Case("Produce", "3-13", "length beyond the records", "topic", produce(Batch(damage="length")), "INVALID_RECORD"),
    Case("Produce", "3-13", "last offset delta wrong", "topic", produce(Batch(damage="last_offset_delta")), "INVALID_RECORD"),
    Case("Produce", "3-13", "offsets with gaps", "topic", produce(Batch(damage="offsets")), then=STORED),
    Case("Produce", "3-13", "batch cut short", "topic", produce(Batch(damage="truncated")), "INVALID_RECORD"),
    Case("Produce", "3-13", "trailing bytes", "topic", produce(Batch(damage="trailing")), then=STORED),
    Case("Produce", "3-13", "unknown codec", "topic", produce(Batch(damage="codec")), "UNKNOWN_SERVER_ERROR"),
    Case("Produce", "3-13", "two batches", "topic", produce(Joined((Batch(), Batch()))), "INVALID_RECORD", then=STORED),
    Case("Produce", "3-13", "empty batch", "topic", produce(Batch(values=())), "INVALID_RECORD"),
    Case("Produce", "0-2", "no bytes", "topic", produce(Raw(b""))),
    Case("Produce", "3-13", "no bytes", "topic", produce(Raw(b"")), "INVALID_RECORD"),
    # Null records: Kafka never answers that, in any version.
    Case("Produce", "3-13", "zeros", "topic", produce(Raw(b"\0" * 80)), "CORRUPT_MESSAGE"),
    Case("Produce", "3-13", "control batch", "topic", produce(Batch(control=True, keys=(b"\0\0\0\0",), values=(b"\0\0\0\0\0\0",))), "INVALID_RECORD"),
    Case("Produce", "0-13", "message too large", "topic(1,max.message.bytes=100)", produce(Batch((b"x" * 200,))), "MESSAGE_TOO_LARGE", then=STORED),
    Case("Produce", "3-13", "compacted topic without keys", "topic(1,cleanup.policy=compact)", produce(Batch()), "INVALID_RECORD", then=STORED),
    Case("Produce", "3-13", "compacted topic with one key missing", "topic(1,cleanup.policy=compact)", produce(Batch(keys=(b"k", None, b"k"))), "INVALID_RECORD"),
    Case("Produce", "3-13", "compacted topic without keys gzip", "topic(1,cleanup.policy=compact)", produce(Batch(codec="gzip")), "INVALID_RECORD"),
    Case("Produce", "3-13", "timestamp too late", "topic(1,message.timestamp.after.max.ms=1000)", produce(Batch(timestamp=4_102_444_800_000)), "INVALID_TIMESTAMP"),
    Case("Produce", "3-13", "timestamp too early", "topic(1,message.timestamp.before.max.ms=1000)", produce(Batch(timestamp=STAMP)), "INVALID_TIMESTAMP"),
    Case("Produce", "3-13", "min.insync.replicas beyond the replicas there are", "topic(1,min.insync.replicas=2)", produce(), then=STORED),
    # Idempotence.
    Case("Produce", "3-13", "first sequence", "topic producer", sequenced(0), then=STORED),
    Case("Produce", "3-13", "next sequence", "topic producer sequence(0)", sequenced(3), then=STORED),
    Case("Produce", "3-13", "same sequence again", "topic producer sequence(0)", sequenced(0), then=STORED),
    Case("Produce", "3-13", "old duplicate within five batches", "topic producer sequence(0) sequence(3) sequence(6) sequence(9) sequence(12)", sequenced(0)),
    Case("Produce", "3-13", "older than five batches", "topic producer sequence(0) sequence(3) sequence(6) sequence(9) sequence(12) sequence(15)", sequenced(0), "OUT_OF_ORDER_SEQUENCE_NUMBER"),
    Case("Produce", "3-13", "sequence with a gap", "topic producer sequence(0)", sequenced(6), "OUT_OF_ORDER_SEQUENCE_NUMBER", then=STORED),
    Case("Produce", "3-13", "unknown producer starts anywhere", "topic", sequenced(5, 0, 987_654_321)),
    Case("Produce", "3-13", "older epoch", "topic producer sequence(0,4)", sequenced(3, 3), "INVALID_PRODUCER_EPOCH"),
    Case("Produce", "3-13", "newer epoch from zero", "topic producer sequence(0)", sequenced(0, 5)),
    Case("Produce", "3-13", "newer epoch not from zero", "topic producer sequence(0)", sequenced(3, 5), "OUT_OF_ORDER_SEQUENCE_NUMBER"),
    Case("Produce", "3-13", "producer id without sequence", "topic producer", sequenced(-1), "INVALID_RECORD"),
    Case("Produce", "3-13", "idempotent gzip", "topic producer", produce(Batch(producer_id="{producer}", producer_epoch="{epoch}", base_sequence=0, codec="gzip")), then=STORED),
    Case("Produce", "3-13", "overlaps what was written", "topic producer sequence(0)", sequenced(1), "OUT_OF_ORDER_SEQUENCE_NUMBER"),
    Case("Produce", "3-13", "negative sequence", "topic producer", sequenced(-7), "INVALID_RECORD"),
    Case("Produce", "3-13", "negative epoch", "topic producer", sequenced(0, -3), "INVALID_PRODUCER_EPOCH"),
    Case("Produce", "3-13", "negative producer id", "topic", sequenced(0, 0, -5)),
    Case("Produce", "3-13", "sequence of another partition", "topic(2) producer sequence(0)", produce(Batch(producer_id="{producer}", producer_epoch="{epoch}", base_sequence=3), partition=1)),
    Case("Produce", "3-13", "two producers", "topic producer sequence(0) producer", sequenced(0), then=STORED),
    Case("Produce", "3-13", "sequence after records were deleted", "topic producer sequence(0) trimmed(3)", sequenced(3), then=STORED),
    Case("Produce", "3-13", "sequence wraps", "topic producer sequence(2147483646)", sequenced(1)),
]
