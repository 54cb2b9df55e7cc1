"""Fetch: offsets, limits, sessions, epochs, and the formats of old versions."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import fetch, fetch_nothing, fetch_several

LATER = [("Fetch", 12, fetch_nothing(session_id="{session}", session_epoch=2, max_wait_ms=0))]

CASES = [
    Case("Fetch", "0-18", "from the start", "topic records(3)", fetch(0)),
    Case("Fetch", "0-18", "two batches", "topic records(3) records(2)", fetch(0)),
    Case("Fetch", "0-18", "second batch", "topic records(3) records(2)", fetch(3)),
    Case("Fetch", "0-18", "middle of a batch", "topic records(3) records(2)", fetch(1)),
    Case("Fetch", "0-18", "at the end", "topic records(3)", fetch(3, max_wait_ms=50)),
    Case("Fetch", "0-18", "empty topic", "topic", fetch(0, max_wait_ms=50)),
    Case("Fetch", "0-18", "min bytes not reached", "topic records(1)", fetch(0, max_wait_ms=50, min_bytes=100_000)),
    Case("Fetch", "0-18", "no wait", "topic", fetch(0, max_wait_ms=0)),
    Case("Fetch", "0-18", "gzip", "topic compressed(gzip)", fetch(0)),
    Case("Fetch", "4-18", "snappy", "topic compressed(snappy)", fetch(0)),
    Case("Fetch", "4-18", "zstd", "topic compressed(zstd)", fetch(0)),
    Case("Fetch", "0-3", "zstd", "topic compressed(zstd)", fetch(0), "UNSUPPORTED_COMPRESSION_TYPE"),
    Case("Fetch", "0-18", "after records were deleted", "topic records(3) records(2) trimmed(2)", fetch(2)),
    Case("Fetch", "0-18", "partition limit below one batch", "topic records(3) records(2)", fetch(0, partition_max_bytes=50)),
    Case("Fetch", "0-18", "partition limit within the second batch", "topic records(3) records(2)", fetch(0, partition_max_bytes=150)),
    Case("Fetch", "0-18", "partition limit of one byte", "topic records(3)", fetch(0, partition_max_bytes=1)),
    Case("Fetch", "3-18", "request limit of one byte", "topic records(3) records(2)", fetch(0, max_bytes=1)),
    Case("Fetch", "3-18", "request limit spans partitions", "topic(2) records(3) records(3,topic,1)", fetch_several(("{topic}", 0, 0), ("{topic}", 1, 0), max_bytes=1)),
    Case("Fetch", "0-18", "two topics", "topic other records(2) records(1,other)", fetch_several(("{topic}", 0, 0), ("{other}", 0, 0))),
    Case("Fetch", "0-18", "nothing asked for", "topic", fetch_nothing(max_wait_ms=0)),
    Case("Fetch", "4-18", "read committed", "topic records(3)", fetch(0, isolation_level=1)),
    Case("Fetch", "4-18", "keys and headers", "topic records(3)", fetch(0)),
    Case("Fetch", "0-3", "old message sets come back", "topic legacy(1) legacy(0)", fetch(0)),
    Case("Fetch", "0-3", "old compressed message sets come back", "topic legacy(1,gzip) legacy(0,gzip)", fetch(0)),
    Case("Fetch", "0-3", "down conversion from the middle of a batch", "topic records(3) records(2)", fetch(2)),
    Case("Fetch", "0-3", "down conversion of an idempotent batch", "topic producer sequence(0)", fetch(0)),
    Case("Fetch", "0-3", "down conversion with log append time", "topic(1,message.timestamp.type=LogAppendTime) records(2)", fetch(0)),
    # Refusals.
    Case("Fetch", "0-12", "unknown topic", "", fetch(topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Fetch", "13-18", "unknown topic id", "", fetch(topic="{missing}"), "UNKNOWN_TOPIC_ID"),
    Case("Fetch", "13-18", "deleted topic's id", "topic deleted", fetch(), "UNKNOWN_TOPIC_ID"),
    Case("Fetch", "0-18", "partition out of range", "topic", fetch(partition=5), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Fetch", "0-18", "offset beyond the end", "topic records(3)", fetch(4), "OFFSET_OUT_OF_RANGE"),
    Case("Fetch", "0-18", "offset before the start", "topic records(3) records(2) trimmed(4)", fetch(3), "OFFSET_OUT_OF_RANGE"),
    Case("Fetch", "0-18", "negative offset", "topic records(3)", fetch(-5), "OFFSET_OUT_OF_RANGE"),
    Case("Fetch", "0-12", "one good and one unknown", "topic records(1)", fetch_several(("{topic}", 0, 0), ("{missing}", 0, 0)), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Fetch", "9-18", "right leader epoch", "topic records(3)", fetch(leader_epoch=0)),
    Case("Fetch", "9-18", "leader epoch of the future", "topic records(3)", fetch(leader_epoch=3), "UNKNOWN_LEADER_EPOCH"),
    Case("Fetch", "12-18", "last fetched epoch agrees", "topic records(3)", fetch(2, last_fetched_epoch=0)),
    Case("Fetch", "12-18", "last fetched epoch diverges", "topic records(3)", fetch(9, last_fetched_epoch=0, max_wait_ms=0)),
    Case("Fetch", "12-18", "last fetched epoch unknown", "topic records(3)", fetch(2, last_fetched_epoch=4, max_wait_ms=0), "OFFSET_OUT_OF_RANGE"),
    # Sessions.
    Case("Fetch", "7-18", "session opened", "topic records(3)", fetch(0, session_epoch=0)),
    Case("Fetch", "7-18", "session opened on an empty topic", "topic", fetch(0, session_epoch=0, max_wait_ms=0)),
    Case("Fetch", "7-12", "session opened with an unknown topic", "topic", fetch_several(("{topic}", 0, 0), ("{missing}", 0, 0), session_epoch=0), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("Fetch", "7-12", "session continued", "topic records(3) session", fetch_nothing(session_id="{session}", session_epoch=1, max_wait_ms=0), then=LATER),
    Case("Fetch", "7-12", "session continued at a new offset", "topic records(3) records(2) session", fetch(3, session_id="{session}", session_epoch=1), then=LATER),
    Case("Fetch", "7-12", "session continued with nothing new", "topic session", fetch_nothing(session_id="{session}", session_epoch=1, max_wait_ms=50), then=LATER),
    Case("Fetch", "7-12", "session sees what is new", "topic session records(2)", fetch_nothing(session_id="{session}", session_epoch=1)),
    Case("Fetch", "7-12", "session forgets", "topic records(3) session", fetch_nothing(session_id="{session}", session_epoch=1, max_wait_ms=0, forgotten_topics_data=[{"topic": "{topic}", "topic_id": "{topic_id}", "partitions": [0]}]), then=LATER),
    Case("Fetch", "7-12", "session closed", "topic records(3) session", fetch(0, session_id="{session}", session_epoch=-1), then=LATER),
    Case("Fetch", "7-18", "no such session", "topic records(3)", fetch(session_id=77, session_epoch=1), "FETCH_SESSION_ID_NOT_FOUND"),
    Case("Fetch", "7-12", "session epoch skipped", "topic records(3) session", fetch(session_id="{session}", session_epoch=5), "INVALID_FETCH_SESSION_EPOCH"),
    Case("Fetch", "13-18", "session of names continued with ids", "topic records(3) session", fetch(session_id="{session}", session_epoch=1), "FETCH_SESSION_TOPIC_ID_ERROR"),
    Case("Fetch", "7-18", "no session wanted", "topic records(3)", fetch(0, session_id=0, session_epoch=-1)),
]
