"""What the smaller benchmarks ask of a broker, by kwire's own codecs: topics, records one request at a time.

Rules: a refusal is a BrokerError that names the topic. A topic that has just been made may not be led yet
(Kafka answers CreateTopics before its partitions are up), so that a produce waits for that, in bounded time.
"""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Mapping, Sequence

from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch

from bench.brokers.process import BrokerError
from kwire.testing.client import ask

NOT_THERE_YET = (
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.LEADER_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
)
PATIENCE_SECONDS = 10.0
MOST_TIMES = 2.0
MOST_ADDED_MS = 10.0
_TOPIC = 2
_ALTER_SET = 0


def make_topic(sock: socket.socket, name: str, configs: Mapping[str, str]) -> None:
    """A topic of one partition."""
    asked = CreateTopics.Request.Topic
    settings = [asked.Config(name=key, value=value) for key, value in configs.items()]
    wanted = asked(name=name, num_partitions=1, replication_factor=1, assignments=[], configs=settings)
    [made] = ask(sock, CreateTopics.Request(topics=[wanted], timeout_ms=60_000), 4).topics
    if made.error_code is not ErrorCode.NONE:
        raise BrokerError(f"{name} could not be made: {made.error_code.message} {made.error_message or ''}")


def alter_topic(sock: socket.socket, topic: str, name: str, value: str) -> None:
    """Sets one of the topic's settings."""
    asked = IncrementalAlterConfigs.Request.Resource
    change = asked.Config(name=name, config_operation=_ALTER_SET, value=value)
    resource = asked(resource_type=_TOPIC, resource_name=topic, configs=[change])
    request = IncrementalAlterConfigs.Request(resources=[resource], validate_only=False)
    [done] = ask(sock, request, 0).responses
    if done.error_code is not ErrorCode.NONE:
        raise BrokerError(f"{topic} could not be altered: {done.error_code.message} {done.error_message}")


def produce(sock: socket.socket, topic: str, data: memoryview) -> None:
    """Appends one batch to the topic's partition 0."""
    asked = Produce.Request.Topic
    topics = [asked(name=topic, partition_data=[asked.Partition(index=0, records=data)])]
    request = Produce.Request(acks=1, timeout_ms=30_000, topic_data=topics)
    began = time.monotonic()
    while True:
        [answered] = ask(sock, request, 7).responses
        error_code = answered.partition_responses[0].error_code
        if error_code is ErrorCode.NONE:
            return
        if error_code not in NOT_THERE_YET or time.monotonic() - began > PATIENCE_SECONDS:
            raise BrokerError(f"a produce to {topic} failed: {error_code.message}")
        time.sleep(0.05)


def steady_produces(sock: socket.socket, topic: str, seconds: float, rate: int) -> list[float]:
    """Sends records of 1 KiB one at a time, at most so many a second; the seconds that each of them took."""
    data = memoryview(record_batch.build([record_batch.Record(b"key", bytes(1024), int(time.time() * 1000))]))
    taken = []
    now = began = time.perf_counter()
    while now < began + seconds:
        produce(sock, topic, data)
        done = time.perf_counter()
        taken.append(done - now)
        time.sleep(max(0.0, now + 1 / rate - done))
        now = time.perf_counter()
    return taken


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """Their quantiles in milliseconds, and how many they are."""
    quantiles = statistics.quantiles(seconds, n=100)
    return {
        "p50_ms": quantiles[49] * 1e3,
        "p99_ms": quantiles[98] * 1e3,
        "longest_ms": max(seconds) * 1e3,
        "produces": len(seconds),
    }


def is_still_low(before: Mapping[str, float], beside: Mapping[str, float]) -> bool:
    """Whether the p99 beside something is within twice the one before, or within 10 ms of it."""
    least, found = before["p99_ms"], beside["p99_ms"]
    return found <= MOST_TIMES * least or found <= least + MOST_ADDED_MS
