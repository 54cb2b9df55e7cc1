"""What is looked at: the count that grows, the request whose cost is told, and how it may grow."""

from __future__ import annotations

from dataclasses import dataclass

from bench.scale.growth import Shape

PARTITIONS = (10, 50, 200, 1000, 2000)
CONNECTIONS = (10, 100, 1000, 2500, 5000)
GROUPS = (1, 10, 100, 500, 1000)
BYTES = tuple(1024 * 4**power for power in range(9))
"""1 KiB to 64 MiB."""


@dataclass(frozen=True)
class Series:
    """`kind` is the load program's name for it. `per` is what the count counts."""

    kind: str
    title: str
    per: str
    counts: tuple[int, ...]
    shape: Shape


SERIES = (
    Series("produce-to-n-partitions", "produce to n partitions at once", "partitions", PARTITIONS, "linear"),
    Series("produce-one-of-n", "one record to one of n partitions", "partitions", PARTITIONS, "flat"),
    Series(
        "fetch-n-partitions", "fetch of n partitions, a batch in each", "partitions", PARTITIONS, "linear"
    ),
    Series("fetch-n-empty", "fetch of n partitions, nothing new", "partitions", PARTITIONS, "linear"),
    Series("fetch-session", "the same in a session", "partitions", PARTITIONS, "linear"),
    Series(
        "fetch-session-wake", "a waiting session of n, woken by a record", "partitions", PARTITIONS, "linear"
    ),
    Series(
        "metadata-n-partitions", "metadata of a topic of n partitions", "partitions", PARTITIONS, "linear"
    ),
    Series("commit-n-partitions", "offsets of n partitions committed", "partitions", PARTITIONS, "linear"),
    Series("metadata-all-topics", "metadata of all of n topics", "topics", PARTITIONS, "linear"),
    Series("metadata-one-topic", "metadata of one of n topics", "topics", PARTITIONS, "flat"),
    Series("produce-one-of-topics", "one record to one of n topics", "topics", PARTITIONS, "flat"),
    Series("create-beside-n-topics", "a topic created beside n others", "topics", PARTITIONS, "flat"),
    Series("idle-connections", "one record, n idle connections", "connections", CONNECTIONS, "flat"),
    Series("active-connections", "one record on each of n in turn", "connections", CONNECTIONS, "flat"),
    Series("waiting-consumers", "a record that n consumers wait for", "consumers", CONNECTIONS[:3], "linear"),
    Series("heartbeat-groups", "a heartbeat to one of n groups", "groups", GROUPS, "flat"),
    Series("commit-groups", "a commit to one of n groups", "groups", GROUPS, "flat"),
    Series("produce-batch", "a batch of n bytes appended", "bytes", BYTES, "linear"),
    Series("fetch-batch", "a batch of n bytes fetched", "bytes", BYTES, "linear"),
)
