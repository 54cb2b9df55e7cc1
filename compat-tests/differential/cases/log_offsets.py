"""ListOffsets, OffsetForLeaderEpoch and DeleteRecords: where things are in a log."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..batches import STAMP
from ..case import Case
from ..requests import delete_records, end_offset, list_offsets

STARTS = [("ListOffsets", 7, list_offsets(-2)), ("ListOffsets", 7, list_offsets(-1))]
THREE_BATCHES = "topic records(3) records(2) late"
TWICE = {"replica_id": -1, "topics": [list_offsets(-1)["topics"][0], list_offsets(-2)["topics"][0]], "timeout_ms": 5000}

CASES = [
    Case("ListOffsets", "0-11", "latest", THREE_BATCHES, list_offsets(-1)),
    Case("ListOffsets", "0-11", "earliest", THREE_BATCHES, list_offsets(-2)),
    Case("ListOffsets", "0-11", "latest of an empty topic", "topic", list_offsets(-1)),
    Case("ListOffsets", "0-11", "earliest of an empty topic", "topic", list_offsets(-2)),
    Case("ListOffsets", "0-11", "earliest after a deletion", "topic records(3) trimmed(2)", list_offsets(-2)),
    Case("ListOffsets", "0-11", "time before all", THREE_BATCHES, list_offsets(STAMP - 5)),
    Case("ListOffsets", "0-11", "time of a record", THREE_BATCHES, list_offsets(STAMP + 1)),
    Case("ListOffsets", "0-11", "time between batches", THREE_BATCHES, list_offsets(STAMP + 1000)),
    Case("ListOffsets", "0-11", "time after all", THREE_BATCHES, list_offsets(STAMP + 100_000)),
    Case("ListOffsets", "0-11", "time zero", THREE_BATCHES, list_offsets(0)),
    Case("ListOffsets", "0", "one offset only", THREE_BATCHES, list_offsets(-1, most=1)),
    Case("ListOffsets", "0", "latest after everything was deleted", "topic records(3) trimmed(3)", list_offsets(-1)),
    Case("ListOffsets", "0", "no offset at all", THREE_BATCHES, list_offsets(-1, most=0)),
    Case("ListOffsets", "1-11", "time in gzip", "topic compressed(gzip)", list_offsets(STAMP + 1)),
    Case("ListOffsets", "2-11", "latest read committed", THREE_BATCHES, list_offsets(-1, isolation_level=1)),
    Case("ListOffsets", "7-11", "maximum timestamp", THREE_BATCHES, list_offsets(-3)),
    Case("ListOffsets", "7-11", "maximum timestamp of an empty topic", "topic", list_offsets(-3)),
    Case("ListOffsets", "1-6", "maximum timestamp too early", THREE_BATCHES, list_offsets(-3), "UNSUPPORTED_VERSION"),
    Case("ListOffsets", "8-11", "earliest local", THREE_BATCHES, list_offsets(-4)),
    Case("ListOffsets", "1-7", "earliest local too early", THREE_BATCHES, list_offsets(-4), "UNSUPPORTED_VERSION"),
    Case("ListOffsets", "9-11", "latest tiered", THREE_BATCHES, list_offsets(-5)),
    Case("ListOffsets", "1-8", "latest tiered too early", THREE_BATCHES, list_offsets(-5), "UNSUPPORTED_VERSION"),
    Case("ListOffsets", "11", "earliest pending upload", THREE_BATCHES, list_offsets(-6)),
    Case("ListOffsets", "1-10", "earliest pending upload too early", THREE_BATCHES, list_offsets(-6), "UNSUPPORTED_VERSION"),
    Case("ListOffsets", "0", "maximum timestamp too early", THREE_BATCHES, list_offsets(-3), "UNSUPPORTED_VERSION"),
    Case("ListOffsets", "0-11", "no such special timestamp", THREE_BATCHES, list_offsets(-9), "UNSUPPORTED_VERSION"),
    Case("ListOffsets", "0-11", "unknown topic", "", list_offsets(-1, topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("ListOffsets", "1-11", "no such special timestamp of an unknown topic", "", list_offsets(-9, topic="{missing}"), "UNSUPPORTED_VERSION"),
    Case("ListOffsets", "0-11", "partition out of range", "topic", list_offsets(-1, partition=4), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("ListOffsets", "0", "same partition twice", "topic", TWICE),
    Case("ListOffsets", "1-11", "same partition twice", "topic", TWICE, "INVALID_REQUEST"),
    Case("ListOffsets", "4-11", "right leader epoch", THREE_BATCHES, list_offsets(-1, leader_epoch=0)),
    Case("ListOffsets", "4-11", "leader epoch of the future", THREE_BATCHES, list_offsets(-1, leader_epoch=8), "UNKNOWN_LEADER_EPOCH"),
    Case("ListOffsets", "4-11", "leader epoch of the future by time", THREE_BATCHES, list_offsets(STAMP, leader_epoch=8), "UNKNOWN_LEADER_EPOCH"),
    #
    Case("OffsetForLeaderEpoch", "0-4", "current epoch", "topic records(3)", end_offset(0)),
    Case("OffsetForLeaderEpoch", "0-4", "current epoch of an empty topic", "topic", end_offset(0)),
    Case("OffsetForLeaderEpoch", "0-4", "later epoch", "topic records(3)", end_offset(5)),
    Case("OffsetForLeaderEpoch", "0-4", "negative epoch", "topic records(3)", end_offset(-1)),
    Case("OffsetForLeaderEpoch", "2-4", "right leader epoch", "topic records(3)", end_offset(0, leader_epoch=0)),
    Case("OffsetForLeaderEpoch", "2-4", "leader epoch of the future", "topic records(3)", end_offset(0, leader_epoch=6), "UNKNOWN_LEADER_EPOCH"),
    Case("OffsetForLeaderEpoch", "0-4", "unknown topic", "", end_offset(0, topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("OffsetForLeaderEpoch", "0-4", "partition out of range", "topic", end_offset(0, partition=3), "UNKNOWN_TOPIC_OR_PARTITION"),
    #
    Case("DeleteRecords", "0-2", "middle of the log", "topic records(3) records(2)", delete_records(4), then=STARTS),
    Case("DeleteRecords", "0-2", "up to the high watermark", "topic records(3) records(2)", delete_records(-1), then=STARTS),
    Case("DeleteRecords", "0-2", "up to the end", "topic records(3)", delete_records(3), then=STARTS),
    Case("DeleteRecords", "0-2", "before what is deleted already", "topic records(3) records(2) trimmed(4)", delete_records(2), then=STARTS),
    Case("DeleteRecords", "0-2", "nothing", "topic records(3)", delete_records(0), then=STARTS),
    Case("DeleteRecords", "0-2", "beyond the end", "topic records(3)", delete_records(4), "OFFSET_OUT_OF_RANGE", then=STARTS),
    Case("DeleteRecords", "0-2", "negative offset", "topic records(3)", delete_records(-7), "OFFSET_OUT_OF_RANGE", then=STARTS),
    Case("DeleteRecords", "0-2", "compacted topic", "topic(1,cleanup.policy=compact)", delete_records(0), "POLICY_VIOLATION"),
    Case("DeleteRecords", "0-2", "unknown topic", "", delete_records(0, topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DeleteRecords", "0-2", "partition out of range", "topic", delete_records(0, partition=2), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("DeleteRecords", "0-2", "internal topic", "", delete_records(0, topic="__consumer_offsets"), "INVALID_TOPIC_EXCEPTION"),
]
