"""`python -m bench.compaction`: how fast kwire and Apache Kafka clean the same topic, half of which is dead.

Each broker gets the same batches: records of 1 KiB and of 100 bytes, with half as many keys as records in
random order. None may be cleaned at first (min.compaction.lag.ms); then that is altered, and the time runs
until cleaner-offset-checkpoint says that all sealed segments are clean. So what a user waits for is in it: a
look every 100 ms, kwire's start of its process, the syncs, Kafka's log lines. A JIT warms up: Kafka cleans a
topic of each size that does not count, before. The brokers are up at the same time, and clean in turn; what
was written before is on the device then (Kafka syncs a segment when it rolls, kwire a minute later).

Told are MB and microseconds a record, and what share of Kafka's speed kwire's is (median of the rounds). The
exit code is 2 where that is below the goal: half of Kafka's for 1 KiB, a fifth for 100 bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.asking import alter_topic, make_topic, produce
from bench.brokers.broker import Broker
from bench.brokers.process import BrokerError
from bench.compaction.brokers import BROKERS
from bench.compaction.topics import LAG, TOPIC_CONFIGS, Progress, batches
from bench.machine import summary
from kwire.testing.client import connect

GOALS = {1024: 0.5, 100: 0.2}
LONGEST_S = 300.0


@dataclass(frozen=True)
class Cleaned:
    """One topic of one broker."""

    broker: str
    record_bytes: int
    seconds: float
    records: int
    bytes: int

    @property
    def mb_per_s(self) -> float:
        return self.bytes / self.seconds / 1e6

    @property
    def us_per_record(self) -> float:
        return self.seconds / self.records * 1e6


def main() -> int:
    options = _options()
    names = ["kwire"] if options.without_kafka else list(BROKERS)
    brokers: list[Broker] = [BROKERS[name]() for name in names]
    found: list[Cleaned] = []
    with tempfile.TemporaryDirectory(prefix="kwire-compaction-") as directory:
        try:
            for broker in brokers:
                broker.build()
                home = Path(directory, broker.name)
                home.mkdir()
                broker.start(home)
                print(broker.version(), flush=True)
            for number in range(-options.warm, options.rounds):
                for record_bytes in GOALS:
                    for broker in brokers if number % 2 else brokers[::-1]:
                        cleaned = _measured(broker, Path(directory), record_bytes, number, options.mb)
                        if number >= 0:
                            found.append(cleaned)
                            print(_told(cleaned), flush=True)
        except (BrokerError, TimeoutError, OSError) as failure:
            print(f"bench.compaction: {failure}", file=sys.stderr)
            return 1
        finally:
            for broker in brokers:
                broker.stop()
    shares = {size: share for size in GOALS if (share := _share(found, size)) is not None}
    for size, share in shares.items():
        print(f"{size} bytes: {share:.2f} of Kafka's speed; the goal is {GOALS[size]}")
    if options.json:
        kept = {
            "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": summary(),
            "cleaned": [vars(each) for each in found],
            "shares": shares,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    return 2 if any(share < GOALS[size] for size, share in shares.items()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compaction", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", type=int, default=1, help="rounds before, which do not count")
    parser.add_argument("--mb", type=int, default=256, help="how large a topic is")
    parser.add_argument("--without-kafka", action="store_true", help="kwire's own figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    return parser.parse_args()


def _measured(broker: Broker, directory: Path, record_bytes: int, number: int, mb: int) -> Cleaned:
    topic = f"cleaned-{record_bytes}-{number + 100}"
    size = records = 0
    with connect(broker.address) as sock:
        make_topic(sock, topic, TOPIC_CONFIGS)
        for data, count in batches(record_bytes, mb << 20):
            produce(sock, topic, memoryview(data))
            size += len(data)
            records += count
        os.sync()  # what was written so far, by either broker, is not a part of what is measured
        progress = Progress(directory / broker.name, topic)
        began = time.perf_counter()
        alter_topic(sock, topic, LAG, "0")
        while not progress.is_done:
            if time.perf_counter() - began > LONGEST_S:
                raise TimeoutError(f"{broker.name} has not cleaned {topic} in {LONGEST_S:.0f} s")
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        share = progress.sealed / records
        return Cleaned(broker.name, record_bytes, seconds, progress.sealed, int(size * share))


def _told(cleaned: Cleaned) -> str:
    return (
        f"{cleaned.broker:6} {cleaned.record_bytes:5} B: {cleaned.mb_per_s:7.1f} MB/s, "
        f"{cleaned.us_per_record:6.2f} us a record, {cleaned.seconds:.2f} s"
    )


def _share(found: list[Cleaned], record_bytes: int) -> float | None:
    speeds = {
        name: statistics.median(speed)
        for name in ("kwire", "kafka")
        if (
            speed := [
                each.mb_per_s for each in found if (each.broker, each.record_bytes) == (name, record_bytes)
            ]
        )
    }
    return speeds["kwire"] / speeds["kafka"] if len(speeds) == 2 else None


if __name__ == "__main__":
    sys.exit(main())
