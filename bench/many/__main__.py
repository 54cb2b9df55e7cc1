"""`python -m bench.many`: a broker with very many partitions is stopped and started again.

Told are the seconds from its start to the first answer, its memory then and once every partition has been
written to, what that is a partition, and how long the first Produce, Fetch and DeleteRecords of a partition
take at the median and at worst. `--gigabytes` makes the logs large, by batches whose bodies are holes in the
files: a start after a clean stop reads none of it. `--kill` ends the broker by SIGKILL, so that each log is
looked at. The exit code is 2 where the start took longer than `--limit`.
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


def main() -> int:
    options = _options()
    broker = Kwire(tree=options.tree)
    with tempfile.TemporaryDirectory(prefix="kwire-many-", dir=options.directory) as directory:
        try:
            broker.build()
            broker.start(Path(directory))
            _fill(broker.address, options.partitions // TOPICS)
            filled = _memory(broker)
            _end(broker, kill=options.kill)
            if options.gigabytes:
                _grow(Path(directory) / "data", options.gigabytes * 10**9 // options.partitions)
            began = time.perf_counter()
            broker.start(Path(directory))
            started_s = time.perf_counter() - began
            started = _memory(broker)
            first = _touch(broker.address, options.partitions // TOPICS)
            touched = _memory(broker)
        except (BrokerError, TimeoutError) as failure:
            print(f"bench.many: {failure}", file=sys.stderr)
            return 1
        finally:
            broker.stop()
    count = options.partitions
    print(
        f"{count:,} partitions{f' of {options.gigabytes} GB' if options.gigabytes else ''}"
        f"{', after a kill' if options.kill else ''}: start {started_s:.2f} s (limit {options.limit:.1f}); "
        f"memory {started / 1e6:.0f} MB at the start ({started / count / 1e3:.1f} KB a partition), "
        f"{touched / 1e6:.0f} MB with all of them used "
        f"({(touched - started) / first['opened'] / 1e3:.1f} KB each), "
        f"{filled / 1e6:.0f} MB when all had been made"
    )
    for what in ("produce", "fetch", "delete"):
        times = first[what]
        print(f"first {what}: median {median(times) * 1e3:.2f} ms, longest {max(times) * 1e3:.1f} ms")
    return 2 if started_s > options.limit else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.many", description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="kwire of this checkout instead of ours")
    parser.add_argument("--partitions", type=int, default=20_000, help=f"a multiple of {TOPICS}")
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


def _end(broker: Kwire, *, kill: bool) -> None:
    assert broker.child is not None
    if kill:
        os.kill(broker.child.pid, signal.SIGKILL)
    broker.stop()


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
