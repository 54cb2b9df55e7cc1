"""`python -m bench.cleaning`: what the cleaner does to a producer of another topic.

Each round fills a compacted topic, half of which is dead. Then a producer sends single records to another
topic, one at a time and so many a second, in turns: alone, and while the broker cleans the first one (until
it is clean, or for so many seconds). Told are its p50 and p99, and how long a cleaning took. The exit code
is 2 where kwire's cleaner takes the p99 beyond twice that of the producer alone *and* 10 ms above it.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import time
from pathlib import Path

from bench.asking import alter_topic, latencies, make_topic, produce, steady_produces
from bench.beside import Figures, measure, options_parser
from bench.brokers import Broker, BrokerError
from bench.compaction.brokers import BROKERS
from bench.compaction.topics import LAG, TOPIC_CONFIGS, Progress, batches
from kwire.testing.client import connect

PRODUCED = "produced"
PHASES = ("alone", "cleaning")
LOOK_SECONDS = 0.1
LEAST_PRODUCES = 100
"""Of a phase: a p99 of fewer says nothing."""
_LOOK_AGAIN_SECONDS = 0.05


def main() -> int:
    parser = options_parser("bench.cleaning", __doc__)
    parser.add_argument("--megabytes", type=int, default=512, help="of a topic that is cleaned")
    parser.add_argument("--record-bytes", type=int, default=1024, help="of its records")
    options = parser.parse_args()
    return measure("bench.cleaning", options, BROKERS, _measured, before="alone", beside="cleaning")


def _measured(broker: Broker, directory: Path, options: argparse.Namespace) -> Figures:
    times: dict[str, list[float]] = {phase: [] for phase in PHASES}
    spans: list[float] = []
    with connect(broker.address) as sock:
        make_topic(sock, PRODUCED, {})
        steady_produces(sock, PRODUCED, 1.0, options.rate)
        for number in range(options.rounds):
            topic = f"cleaned-{number}"
            make_topic(sock, topic, TOPIC_CONFIGS)
            for data, _ in batches(options.record_bytes, options.megabytes << 20):
                produce(sock, topic, memoryview(data))
            os.sync()  # so that the disk has nothing to do in the first phase that the second doesn't see
            progress = Progress(directory, topic)
            for phase in PHASES if number % 2 == 0 else PHASES[::-1]:
                if phase == "alone":
                    times[phase] += steady_produces(sock, PRODUCED, options.seconds, options.rate)
                else:
                    taken, span = _beside_a_cleaning(sock, topic, progress, options)
                    times[phase] += taken
                    spans.append(span)
    if len(times["cleaning"]) < LEAST_PRODUCES:
        raise BrokerError(f"only {len(times['cleaning'])} produces met a cleaning: try more --megabytes")
    return {
        "alone": latencies(times["alone"]),
        "cleaning": {**latencies(times["cleaning"]), "cleaning_s": statistics.median(spans)},
    }


def _beside_a_cleaning(
    sock: socket.socket, topic: str, progress: Progress, options: argparse.Namespace
) -> tuple[list[float], float]:
    """The seconds that produces took while the topic was cleaned, and how long the cleaning took. It is over
    when this returns, so that nothing of it meets the next phase.
    """
    taken: list[float] = []
    began = time.perf_counter()
    alter_topic(sock, topic, LAG, "0")
    while not progress.is_done and time.perf_counter() - began < options.seconds:
        taken += steady_produces(sock, PRODUCED, LOOK_SECONDS, options.rate)
    while not progress.is_done:
        if time.perf_counter() - began > 300:
            raise TimeoutError(f"{topic} is not clean after 300 s")
        time.sleep(_LOOK_AGAIN_SECONDS)
    return taken, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
