"""End to end: franz-go produces 1,000 records a second, evenly, and consumes them in the same process; the
latency of a record runs from its produce call to its arrival at the consumer. No linger, one partition.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Turn

RATE = 1000
ROWS = (
    Row("end-to-end/p50", "end to end at 1,000/s, p50", "ms"),
    Row("end-to-end/p99", "end to end at 1,000/s, p99", "ms"),
)


def _run(seconds: float, warm_s: float, turn: Turn) -> Mapping[str, float]:
    with turn.topic() as topic:
        load = turn.load("franz", "end-to-end", topic=topic, rate=RATE, seconds=seconds, warm=warm_s)
    return {"end-to-end/p50": load["p50_ms"], "end-to-end/p99": load["p99_ms"]}


def steps(scale: Scale) -> Sequence[Step]:
    return [Step("end to end at 1,000/s", ROWS, partial(_run, scale.seconds, scale.warm_s))]


FIGURE = Figure("end-to-end", steps)
