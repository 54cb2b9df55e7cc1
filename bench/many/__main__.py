"""`python -m bench.many`: a broker with very many partitions is stopped and started again.

Told are the seconds from its start to the first answer, its memory then and once every partition has been
written to, what that is a partition, and how long the first Produce, Fetch and DeleteRecords of a partition
take at the median and at worst. `--gigabytes` makes the logs large, by batches whose bodies are holes in the
files: a start after a clean stop reads none of it. `--kill` ends the broker by SIGKILL, so that each log is
looked at. With several numbers of partitions each has its run, and what a partition more costs is told from
each number to the next: of the start, of memory then and of memory used. (Not what one costs on the average:
some of a start's work is done beside what every start waits for.) The exit code is 2 where a start took
longer than `--limit`, or a partition more costs more than `--flat` times as much as from the first number
to the second; cost that grew with the square of 2,000, 5,000, 10,000 and 20,000 would be 4.3 times as much.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from bench.brokers import BrokerError
from bench.brokers.python import ROOT, Kwire
from kwire.testing.client import ask

TOPICS = 20
LOG_OVERHEAD = 12
STOP_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds, bytes, and the seconds of each first request by its kind."""

    partitions: int
    stop_s: float
    start_s: float
    filled: int
    started: int
    touched: int
    opened: int
    first: dict[str, list[float]]

    @property
    def costs(self) -> dict[str, float]:
        """What is to grow with the partitions, and no faster."""
        return {"start": self.start_s, "memory at the start": self.started, "memory used": self.touched}


def main() -> int:
    options = _options()
    sizes = sorted(options.partitions)
    try:
        runs = []
        for size in sizes:
            runs.append(_measure(options, size))
            _tell(options, runs[-1])
    except (BrokerError, TimeoutError) as failure:
        print(f"bench.many: {failure}", file=sys.stderr)
        return 1
    is_slow = any(run.start_s > options.limit for run in runs)
    is_flat = len(runs) < 3 or _tell_growth(runs) <= options.flat
    return 2 if is_slow or not is_flat else 0


def _measure(options: argparse.Namespace, partitions: int) -> Measured:
    """One run: fill, stop, start as often as is asked for, use."""
    broker = Kwire(tree=options.tree)
    with tempfile.TemporaryDirectory(prefix="kwire-many-", dir=options.directory) as directory:
        try:
            broker.build()
            broker.start(Path(directory))
            _fill(broker.address, partitions // TOPICS)
            filled = _memory(broker)
            stop_s = _end(broker, kill=options.kill)
            if options.gigabytes:
                _grow(Path(directory) / "data", options.gigabytes * 10**9 // partitions)
            start_s = _start(broker, Path(directory))
            for _ in range(options.starts - 1):
                _end(broker, kill=options.kill)
                start_s = min(start_s, _start(broker, Path(directory)))
            started = _memory(broker)
            first = _touch(broker.address, partitions // TOPICS)
            touched = _memory(broker)
        finally:
            broker.stop()
    return Measured(partitions, stop_s, start_s, filled, started, touched, first.pop("opened"), first)


def _start(broker: Kwire, directory: Path) -> float:
    began = time.perf_counter()
    broker.start(directory)
    return time.perf_counter() - began


def _tell(options: argparse.Namespace, run: Measured) -> None:
    count = run.partitions
    print(
        f"{count:,} partitions{f' of {options.gigabytes} GB' if options.gigabytes else ''}"
        f"{', after a kill' if options.kill else ''}: stop {run.stop_s:.1f} s, "
        f"start {run.start_s:.2f} s (limit {options.limit:.1f}); "
        f"memory {run.started / 1e6:.0f} MB at the start ({run.started / count / 1e3:.1f} KB a partition), "
        f"{run.touched / 1e6:.0f} MB with all of them used "
        f"({(run.touched - run.started) / run.opened / 1e3:.1f} KB each), "
        f"{run.filled / 1e6:.0f} MB when all had been made"
    )
    for what, times in run.first.items():
        print(f"first {what}: median {median(times) * 1e3:.2f} ms, longest {max(times) * 1e3:.1f} ms")


def _tell_growth(runs: Sequence[Measured]) -> float:
    """What a partition more costs, from each number of them to the next; gives how many times as much it
    is at most as in the first step.
    """
    worst = 0.0
    for what in runs[0].costs:
        steps = [
            max(more.costs[what] - less.costs[what], 0.0) / (more.partitions - less.partitions)
            for less, more in pairwise(runs)
        ]
        growth = max(steps) / steps[0] if steps[0] else float("inf")
        worst = max(worst, growth)
        unit, scale = ("us", 1e6) if what == "start" else ("KB", 1e-3)
        costs = ", ".join(
            f"{cost * scale:.1f} {unit} up to {run.partitions:,}"
            for run, cost in zip(runs[1:], steps, strict=True)
        )
        print(f"{what}, a partition more: {costs}; at most {growth:.2f} times the first")
    return worst


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.many", description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="kwire of this checkout instead of ours")
    parser.add_argument(
        "--partitions",
        type=int,
        nargs="+",
        default=[20_000],
        help=f"multiples of {TOPICS}; three or more are compared",
    )
    parser.add_argument("--starts", type=int, default=1, help="of how many starts the quickest counts")
    parser.add_argument("--flat", type=float, default=2.0, help="how many times as much one more may cost")
    parser.add_argument("--gigabytes", type=int, default=0, help="bytes of log, nearly all of them holes")
    parser.add_argument("--kill", action="store_true", help="end the broker by SIGKILL")
    parser.add_argument("--limit", type=float, default=3.0, help="how long the start may take, in seconds")
    parser.add_argument("--directory", type=Path, help="where the data goes, instead of the usual")
    return parser.parse_args()


def _connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=120)


def _memory(broker: Kwire) -> int:
    """The bytes of the broker that are in memory."""
    assert broker.child is not None
    pages = int(Path(f"/proc/{broker.child.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _end(broker: Kwire, *, kill: bool) -> float:
    """Ends the broker; a clean stop syncs each log that was written to, however long that takes."""
    assert broker.child is not None
    began = time.perf_counter()
    if kill:
        os.kill(broker.child.pid, signal.SIGKILL)
    broker.child.stop(STOP_SECONDS)
    took_s = time.perf_counter() - began
    broker.stop()
    return took_s


def _records() -> memoryview:
    return memoryview(batch.build([Record(None, b"x" * 100, timestamp=int(time.time() * 1000))]))


def _fill(address: str, partitions: int) -> None:
    """The topics, and a record in every partition."""
    topic = Produce.Request.Topic
    with _connected(address) as sock:
        for number in range(TOPICS):
            name = f"many-{number}"
            wanted = CreateTopics.Request.Topic(
                name=name, num_partitions=partitions, replication_factor=1, assignments=[], configs=[]
            )
            ask(sock, CreateTopics.Request(topics=[wanted], timeout_ms=60_000), 2)
            data = [topic.Partition(index=index, records=_records()) for index in range(partitions)]
            request = Produce.Request(
                acks=-1, timeout_ms=60_000, topic_data=[topic(name=name, partition_data=data)]
            )
            [answer] = ask(sock, request, 9).responses
            if any(each.error_code is not ErrorCode.NONE for each in answer.partition_responses):
                raise BrokerError(f"{name} was not written")


def _grow(data: Path, size: int) -> None:
    """Makes the only batch of each log so large, a header with a hole behind it."""
    for log in data.glob("many-*/*.log"):
        with log.open("r+b") as file:
            file.seek(8)
            file.write(struct.pack(">i", size - LOG_OVERHEAD))
            file.truncate(size)


def _touch(address: str, partitions: int) -> dict[str, Any]:
    """The first produce, fetch and deletion of some partitions, and a produce to all the others."""
    found: dict[str, Any] = {"produce": [], "fetch": [], "delete": [], "opened": 0}
    with _connected(address) as sock:
        for number in range(TOPICS):
            name = f"many-{number}"
            for index in range(partitions):
                found["produce"].append(_timed(sock, _produce(name, index), 9))
                if index % 50 == 0:
                    found["fetch"].append(_timed(sock, _fetch(name, index), 11))
                    found["delete"].append(_timed(sock, _delete(name, index), 2))
                found["opened"] += 1
    return found


def _timed(sock: socket.socket, request: Any, version: int) -> float:
    began = time.perf_counter()
    ask(sock, request, version)
    return time.perf_counter() - began


def _produce(name: str, index: int) -> Produce.Request:
    topic = Produce.Request.Topic
    asked = topic.Partition(index=index, records=_records())
    return Produce.Request(acks=-1, timeout_ms=1000, topic_data=[topic(name=name, partition_data=[asked])])


def _fetch(name: str, index: int) -> Fetch.Request:
    topic = Fetch.Request.Topic
    asked = topic.Partition(
        partition=index,
        fetch_offset=1,
        partition_max_bytes=1 << 20,
        current_leader_epoch=-1,
        log_start_offset=-1,
    )
    return Fetch.Request(
        max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, topics=[topic(topic=name, partitions=[asked])],
        replica_id=-1, isolation_level=0, session_id=0, session_epoch=-1, forgotten_topics_data=[],
        rack_id="",
    )  # fmt: skip


def _delete(name: str, index: int) -> DeleteRecords.Request:
    topic = DeleteRecords.Request.Topic
    asked = topic.Partition(partition_index=index, offset=1)
    return DeleteRecords.Request(timeout_ms=1000, topics=[topic(name=name, partitions=[asked])])


if __name__ == "__main__":
    sys.exit(main())
