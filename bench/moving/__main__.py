"""`python -m bench.moving`: what a producer notices while its partition moves between two log directories.

A producer sends single records to a partition that holds some megabytes, one at a time and so many a second,
in turns: while it lies still, and while it goes to the other directory and back, over and over
(AlterReplicaLogDirs; DescribeLogDirs tells when it has arrived). Told are the p50, the p99 and the longest
of its produces (the longest holds the swap, for which appends wait), how many moves there were, and how long
one took. The exit code is 2 where kwire's moves take the p99 beyond twice that of a partition that lies still
*and* 10 ms above it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from pathlib import Path

from kwire_codecs.apis.alter_replica_log_dirs import AlterReplicaLogDirs
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.errors import ErrorCode

from bench.asking import latencies, make_topic, produce, steady_produces
from bench.beside import Figures, measure, options_parser
from bench.brokers import Broker, BrokerError
from bench.compaction.topics import batches
from bench.moving.brokers import BROKERS
from kwire.testing.client import ask, connect

TOPIC = "moved"
PHASES = ("still", "moving")
RECORD_BYTES = 1024
LOOK_SECONDS = 0.01
PATIENCE_SECONDS = 120.0


def main() -> int:
    parser = options_parser("bench.moving", __doc__)
    parser.add_argument("--megabytes", type=int, default=64, help="of the partition")
    options = parser.parse_args()
    return measure("bench.moving", options, BROKERS, _measured, before="still", beside="moving")


def _measured(broker: Broker, directory: Path, options: argparse.Namespace) -> Figures:
    times: dict[str, list[float]] = {phase: [] for phase in PHASES}
    mover = Mover(broker.address)
    with connect(broker.address) as sock:
        make_topic(sock, TOPIC, {})
        for data, _ in batches(RECORD_BYTES, options.megabytes << 20):
            produce(sock, TOPIC, memoryview(data))
        os.sync()  # so that the disk has nothing to do in the first phase that the second doesn't see
        mover.move()
        steady_produces(sock, TOPIC, 1.0, options.rate)
        mover.spans.clear()
        for number in range(options.rounds):
            for phase in PHASES if number % 2 == 0 else PHASES[::-1]:
                if phase == "still":
                    times[phase] += steady_produces(sock, TOPIC, options.seconds, options.rate)
                    continue
                with mover:
                    times[phase] += steady_produces(sock, TOPIC, options.seconds, options.rate)
    return {
        "still": latencies(times["still"]),
        "moving": {
            **latencies(times["moving"]),
            "moves": len(mover.spans),
            "move_s": statistics.median(mover.spans),
        },
    }


class Mover:
    """Moves the partition from one directory to the other; `with` it, over and over."""

    def __init__(self, address: str) -> None:
        self._sock = connect(address)
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self.spans: list[float] = []
        """The seconds that each move has taken."""

    def __enter__(self) -> None:
        self._is_over.clear()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        assert self._thread is not None
        self._is_over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _go_on(self) -> None:
        try:
            while not self._is_over.is_set():
                self.move()
        except Exception as failure:
            self._failure = failure

    def move(self) -> None:
        """To the other directory; returns once it is there. Raises BrokerError and TimeoutError."""
        here, paths = self._places()
        [there] = [path for path in paths if path not in here]
        asked = AlterReplicaLogDirs.Request.Dir
        wanted = asked(path=there, topics=[asked.Topic(name=TOPIC, partitions=[0])])
        began = time.perf_counter()
        answer = ask(self._sock, AlterReplicaLogDirs.Request(dirs=[wanted]), 2)
        error_code = answer.results[0].partitions[0].error_code
        if error_code is not ErrorCode.NONE:
            raise BrokerError(f"{TOPIC} could not be moved: {error_code.message}")
        while self._places()[0] != [there]:
            if time.perf_counter() - began > PATIENCE_SECONDS:
                raise TimeoutError(f"{TOPIC} has not moved in {PATIENCE_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)
        self.spans.append(time.perf_counter() - began)

    def _places(self) -> tuple[list[str], list[str]]:
        """The directories that have the partition or its copy, and all."""
        asked = DescribeLogDirs.Request.Topic
        request = DescribeLogDirs.Request(topics=[asked(topic=TOPIC, partitions=[0])])
        results = ask(self._sock, request, 4).results
        return [each.log_dir for each in results if each.topics], [each.log_dir for each in results]


if __name__ == "__main__":
    sys.exit(main())
