"""Many consumers: 16 franz-go consumers in one process, each reads all 1 KiB records of one partition from
its start; the clock stops when the last has all. MB/s is what all of them got together.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Turn

CONSUMERS = 16
SIZE = 1024
ROWS = (
    Row("fan-out/rate", f"{CONSUMERS} consumers of one partition, together", "MB/s", more_is_better=True),
    Row("fan-out/cpu", f"{CONSUMERS} consumers of one partition, broker CPU", "s/GB"),
)


def _run(megabytes: int, turn: Turn) -> Mapping[str, float]:
    records = megabytes * 10**6 // SIZE
    with turn.topic() as topic:
        turn.load("franz", "produce", topic=topic, records=records, size=SIZE)
        load = turn.load("franz", "consume", topic=topic, records=records, consumers=CONSUMERS)
    read = records * SIZE * CONSUMERS
    values = {"fan-out/rate": read / load["seconds"] / 1e6}
    if load.cpu_seconds is not None:
        values["fan-out/cpu"] = load.cpu_seconds * 1e9 / read
    return values


def steps(scale: Scale) -> Sequence[Step]:
    return [Step(f"{CONSUMERS} consumers", ROWS, partial(_run, scale.megabytes // 4))]


FIGURE = Figure("fan-out", steps)
