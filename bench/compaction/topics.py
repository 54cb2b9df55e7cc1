"""Topics of which half is dead, and how far a broker has cleaned them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

from kwire_codecs.records import batch
from kwire_codecs.records.batch import Record

BATCH_BYTES = 16_384
SEGMENT_BYTES = 32 << 20
BACKOFF = {"log.cleaner.backoff.ms": "100", "log.cleaner.dedupe.buffer.size": str(256 << 20)}
"""The broker's: it looks often for what is dirty, and has room for all keys at once."""
LAG = "min.compaction.lag.ms"
"""Of the topic: nothing is cleaned until it is altered to 0."""
TOPIC_CONFIGS = {
    "cleanup.policy": "compact",
    "segment.bytes": str(SEGMENT_BYTES),
    "min.cleanable.dirty.ratio": "0.01",
    LAG: "9000000000000000000",
}


def batches(record_bytes: int, topic_bytes: int) -> Iterator[tuple[bytearray, int]]:
    """The batches of a topic, and how many records are in each: half as many keys as records, in random
    order.
    """
    rng = random.Random(record_bytes)
    value = rng.randbytes(record_bytes - 16)
    count = topic_bytes // record_bytes
    each = max(1, BATCH_BYTES // record_bytes)
    now_ms = int(time.time() * 1000)
    for _ in range(0, count, each):
        records = [Record(b"key-%012d" % rng.randrange(count // 2), value, now_ms) for _ in range(each)]
        yield batch.build(records), each


class Progress:
    """Of cleaning a topic's partition 0 in a broker's directory, once all of it is written."""

    def __init__(self, directory: Path, topic: str) -> None:
        log = next(directory.glob(f"**/{topic}-0"))
        self._topic = topic
        self._checkpoint = log.parent / "cleaner-offset-checkpoint"
        self.sealed = int(sorted(log.glob("*.log"))[-1].name.partition(".")[0])
        """The offset below which all segments are sealed."""

    @property
    def is_done(self) -> bool:
        """Whether all sealed segments are clean, by `cleaner-offset-checkpoint`."""
        try:
            lines = self._checkpoint.read_text().splitlines()
        except FileNotFoundError:
            return False
        start = f"{self._topic} 0 "
        return any(line.startswith(start) and int(line.split()[2]) >= self.sealed for line in lines[2:])
