"""`python -m bench.cold`: what a consumer of old segments does to a producer beside it.

A topic is filled; then a producer sends single records, one at a time and so many a second, three times a
round: alone, beside a consumer that reads the old topic from the page cache, and beside one for which it was
dropped from there. Told are its p50 and p99, and how fast the consumers were. The exit code is 2 where the
cold consumer takes kwire's p99 beyond twice the one beside the warm consumer *and* 10 ms above it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch

from bench.brokers import KINDS, Broker, BrokerError
from bench.machine import summary
from kwire.testing.client import ask, connect

OLD, NEW = "old", "new"
PHASES = ("alone", "warm", "cold")
BATCH_BYTES = 100_000
SEGMENT_BYTES = 64 << 20
ADDED_MS = 10.0


def main() -> int:
    options = _options()
    found: dict[str, Any] = {}
    for name in options.brokers.split(","):
        broker = KINDS[name]()
        with tempfile.TemporaryDirectory(prefix="kwire-cold-") as directory:
            try:
                broker.build()
                broker.start(Path(directory))
                found[name] = _measured(broker, Path(directory), options)
            except BrokerError as failure:
                print(f"bench.cold: {name}: {failure}", file=sys.stderr)
                return 1
            finally:
                broker.stop()
        for phase, figures in found[name].items():
            print(f"{name:8} {phase:6} " + "  ".join(f"{key} {value:,.2f}" for key, value in figures.items()))
    if options.json:
        kept = {"when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": summary(), **found}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    kwire = found.get("kwire")
    if kwire is None:
        return 0
    cold, warm = kwire["cold"]["p99_ms"], kwire["warm"]["p99_ms"]
    return 2 if cold > 2 * warm and cold > warm + ADDED_MS else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description=__doc__)
    parser.add_argument("--brokers", default="kwire,kafka", help="whom to measure")
    parser.add_argument("--megabytes", type=int, default=2_000, help="of the old topic")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each phase")
    parser.add_argument("--rate", type=int, default=500, help="records a second, at most")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    return parser.parse_args()


def _measured(broker: Broker, directory: Path, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    times: dict[str, list[float]] = {phase: [] for phase in PHASES}
    rates: dict[str, list[float]] = {phase: [] for phase in PHASES}
    with connect(broker.address) as sock:
        _make_topics(sock)
        _fill(sock, options.megabytes)
        _produce(sock, 1.0, options.rate)
        for number in range(options.rounds):
            for phase in PHASES[number % 3 :] + PHASES[: number % 3]:
                with _reader(broker.address, directory, phase) as read:
                    times[phase] += _produce(sock, options.seconds, options.rate)
                rates[phase] += [size / 1e6 / options.seconds for size in read]
    figures = {}
    for phase in PHASES:
        quantiles = statistics.quantiles(times[phase], n=100)
        figures[phase] = {
            "p50_ms": quantiles[49] * 1e3,
            "p99_ms": quantiles[98] * 1e3,
            "longest_ms": max(times[phase]) * 1e3,
            "produces": len(times[phase]),
            "reader_mb_s": statistics.median(rates[phase] or [0.0]),
        }
    return figures


def _make_topics(sock: socket.socket) -> None:
    asked = CreateTopics.Request.Topic
    settings = [asked.Config(name="segment.bytes", value=str(SEGMENT_BYTES))]
    topics = [
        asked(name=name, num_partitions=1, replication_factor=1, assignments=[], configs=settings)
        for name in (OLD, NEW)
    ]
    for topic in ask(sock, CreateTopics.Request(topics=topics, timeout_ms=60_000), 2).topics:
        if topic.error_code is not ErrorCode.NONE:
            raise BrokerError(f"{topic.name} could not be made: {topic.error_code.message}")


def _fill(sock: socket.socket, megabytes: int) -> None:
    record = record_batch.Record(None, os.urandom(1024), int(time.time() * 1000))
    data = memoryview(record_batch.build([record] * (BATCH_BYTES // 1024)))
    for _ in range(megabytes * 1_000_000 // len(data)):
        _send(sock, OLD, data)


def _send(sock: socket.socket, topic: str, data: memoryview) -> None:
    asked = Produce.Request.Topic
    partition = asked.Partition(index=0, records=data)
    topics = [asked(name=topic, partition_data=[partition])]
    answer = ask(sock, Produce.Request(acks=1, timeout_ms=30_000, topic_data=topics), 7)
    error_code = answer.responses[0].partition_responses[0].error_code
    if error_code is not ErrorCode.NONE:
        raise BrokerError(f"a produce to {topic} failed: {error_code.message}")


def _produce(sock: socket.socket, seconds: float, rate: int) -> list[float]:
    """The seconds that each of the records took that were sent, one at a time."""
    data = memoryview(record_batch.build([record_batch.Record(None, bytes(1024), int(time.time() * 1000))]))
    taken = []
    now = began = time.perf_counter()
    while now < began + seconds:
        _send(sock, NEW, data)
        done = time.perf_counter()
        taken.append(done - now)
        time.sleep(max(0.0, now + 1 / rate - done))
        now = time.perf_counter()
    return taken


@contextmanager
def _reader(address: str, directory: Path, phase: str) -> Iterator[list[int]]:
    """A consumer of the old topic runs meanwhile; the bytes that it read are in the list afterwards."""
    read: list[int] = []
    if phase == "alone":
        yield read
        return
    command = [sys.executable, "-m", "bench.cold.reader", address, OLD, str(directory)]
    if phase == "warm":
        command.append("--warm")
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        if child.stdout.readline() != "ready\n":
            raise BrokerError("the reader did not start")
        time.sleep(0.3)
        yield read
        answer, _ = child.communicate(timeout=60)
        if child.returncode:
            raise BrokerError(f"the reader failed with exit code {child.returncode}")
        read.append(int(answer))
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main())
