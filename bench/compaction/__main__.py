"""`python -m bench.compaction`: how fast kwire and Apache Kafka clean the same topic, half of which is dead.

Each broker gets the same batches: records of 1 KiB and of 100 bytes, with half as many keys as records in
random order. None may be cleaned at first (min.compaction.lag.ms); then that is altered, and the time runs
until cleaner-offset-checkpoint says that all sealed segments are clean. So what a user waits for is in it: a
look every 100 ms, kwire's start of its process, the syncs, Kafka's log lines. A JIT warms up: Kafka cleans a
topic of each size that does not count, before. The brokers are up at the same time, and clean in turn.

Told are MB and microseconds a record, and what share of Kafka's speed kwire's is (median of the rounds). The
exit code is 2 where that is below the goal: half of Kafka's for 1 KiB, a fifth for 100 bytes.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.apis.produce import Produce
from kwire_codecs.records import batch
from kwire_codecs.records.batch import Record

from bench.brokers.broker import Broker
from bench.brokers.kafka import Kafka
from bench.brokers.process import BrokerError
from bench.brokers.python import Kwire
from bench.machine import summary
from kwire.testing.client import ask, connect

BATCH_BYTES = 16_384
SEGMENT_BYTES = 32 << 20
GOALS = {1024: 0.5, 100: 0.2}
BACKOFF = {"log.cleaner.backoff.ms": "100", "log.cleaner.dedupe.buffer.size": str(256 << 20)}
TOPIC_CONFIGS = {
    "cleanup.policy": "compact",
    "segment.bytes": str(SEGMENT_BYTES),
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "9000000000000000000",
}
LONGEST_S = 300.0
TOPIC = 2
_ALTER_SET = 0


class CleaningKafka(Kafka):
    """Kafka that looks for what is dirty as often as kwire does."""

    def build(self) -> None:
        super().build()
        self._settings = {**self._settings, **BACKOFF}


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
    settings = [part for name, value in BACKOFF.items() for part in ("--set", f"{name}={value}")]
    brokers: list[Broker] = [Kwire(options=settings)]
    if not options.without_kafka:
        brokers.append(CleaningKafka())
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


def _batches(record_bytes: int, topic_bytes: int) -> Iterator[tuple[bytearray, int]]:
    """The batches of a topic, and how many records are in each."""
    rng = random.Random(record_bytes)
    value = rng.randbytes(record_bytes - 16)
    count = topic_bytes // record_bytes
    each = max(1, BATCH_BYTES // record_bytes)
    now_ms = int(time.time() * 1000)
    for _ in range(0, count, each):
        records = [Record(b"key-%012d" % rng.randrange(count // 2), value, now_ms) for _ in range(each)]
        yield batch.build(records), each


def _measured(broker: Broker, directory: Path, record_bytes: int, number: int, mb: int) -> Cleaned:
    topic = f"cleaned-{record_bytes}-{number + 100}"
    size = records = 0
    with connect(broker.address) as sock:
        _create(sock, topic)
        for data, count in _batches(record_bytes, mb << 20):
            _produce(sock, topic, data)
            size += len(data)
            records += count
        log = next((directory / broker.name).glob(f"**/{topic}-0"))
        last = sorted(log.glob("*.log"))[-1]
        sealed = int(last.name.partition(".")[0])
        checkpoint = log.parent / "cleaner-offset-checkpoint"
        began = time.perf_counter()
        _alter(sock, topic, "min.compaction.lag.ms", "0")
        while _clean_to(checkpoint, topic) < sealed:
            if time.perf_counter() - began > LONGEST_S:
                raise TimeoutError(f"{broker.name} has not cleaned {topic} in {LONGEST_S:.0f} s")
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        share = sealed / records
        return Cleaned(broker.name, record_bytes, seconds, sealed, int(size * share))


def _clean_to(checkpoint: Path, topic: str) -> int:
    try:
        lines = checkpoint.read_text().splitlines()
    except FileNotFoundError:
        return -1
    return next((int(line.split()[2]) for line in lines[2:] if line.startswith(f"{topic} 0 ")), -1)


def _create(sock: socket.socket, topic: str) -> None:
    asked = CreateTopics.Request.Topic
    configs = [asked.Config(name=name, value=value) for name, value in TOPIC_CONFIGS.items()]
    wanted = asked(name=topic, num_partitions=1, replication_factor=1, assignments=[], configs=configs)
    [made] = ask(sock, CreateTopics.Request(topics=[wanted], timeout_ms=60_000), 4).topics
    if made.error_code:
        raise BrokerError(f"{topic} could not be made: {made.error_code} {made.error_message}")


def _produce(sock: socket.socket, topic: str, data: bytearray) -> None:
    asked = Produce.Request.Topic
    partition = asked.Partition(index=0, records=memoryview(data))
    request = Produce.Request(
        acks=1, timeout_ms=30_000, topic_data=[asked(name=topic, partition_data=[partition])]
    )
    for _ in range(50):
        [answered] = ask(sock, request, 8).responses
        code = answered.partition_responses[0].error_code
        if not code:
            return
        time.sleep(0.1)  # the topic is new
    raise BrokerError(f"producing to {topic} failed: {code}")


def _alter(sock: socket.socket, topic: str, name: str, value: str) -> None:
    asked = IncrementalAlterConfigs.Request.Resource
    change = asked.Config(name=name, config_operation=_ALTER_SET, value=value)
    resource = asked(resource_type=TOPIC, resource_name=topic, configs=[change])
    [done] = ask(
        sock, IncrementalAlterConfigs.Request(resources=[resource], validate_only=False), 0
    ).responses
    if done.error_code:
        raise BrokerError(f"{topic} could not be altered: {done.error_code} {done.error_message}")


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
