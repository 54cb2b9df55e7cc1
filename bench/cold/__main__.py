"""`python -m bench.cold`: what a consumer of old segments does to a producer beside it.

A topic is filled; then a producer sends single records, one at a time and so many a second, three times a
round: alone, beside a consumer that reads the old topic from the page cache, and beside one for which it was
dropped from there. Told are its p50 and p99, and how fast the consumers were. The exit code is 2 where the
cold consumer takes kwire's p99 beyond twice the one beside the warm consumer *and* 10 ms above it.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kwire_codecs.records import batch as record_batch

from bench.asking import latencies, make_topic, produce, steady_produces
from bench.beside import Figures, measure, options_parser
from bench.brokers import KINDS, Broker, BrokerError
from kwire.testing.client import connect

OLD, NEW = "old", "new"
PHASES = ("alone", "warm", "cold")
BATCH_BYTES = 100_000
SEGMENT_BYTES = 64 << 20


def main() -> int:
    parser = options_parser("bench.cold", __doc__)
    parser.add_argument("--megabytes", type=int, default=2_000, help="of the old topic")
    options = parser.parse_args()
    return measure("bench.cold", options, KINDS, _measured, before="warm", beside="cold")


def _measured(broker: Broker, directory: Path, options: argparse.Namespace) -> Figures:
    times: dict[str, list[float]] = {phase: [] for phase in PHASES}
    rates: dict[str, list[float]] = {phase: [] for phase in PHASES}
    with connect(broker.address) as sock:
        for name in (OLD, NEW):
            make_topic(sock, name, {"segment.bytes": str(SEGMENT_BYTES)})
        _fill(sock, options.megabytes)
        os.sync()
        steady_produces(sock, NEW, 1.0, options.rate)
        for number in range(options.rounds):
            for phase in PHASES[number % 3 :] + PHASES[: number % 3]:
                with _reader(broker.address, directory, phase) as read:
                    times[phase] += steady_produces(sock, NEW, options.seconds, options.rate)
                rates[phase] += [size / 1e6 / options.seconds for size in read]
    return {
        phase: {**latencies(times[phase]), "reader_mb_s": statistics.median(rates[phase] or [0.0])}
        for phase in PHASES
    }


def _fill(sock: socket.socket, megabytes: int) -> None:
    record = record_batch.Record(None, os.urandom(1024), int(time.time() * 1000))
    data = memoryview(record_batch.build([record] * (BATCH_BYTES // 1024)))
    for _ in range(megabytes * 1_000_000 // len(data)):
        produce(sock, OLD, data)


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
