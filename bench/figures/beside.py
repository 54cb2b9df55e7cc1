"""In company: the one-record produce of one connection (see roundtrips) alone, and with 1,000 connections
beside it that asked ApiVersions once and then say nothing. (Topics beside it: see topics.)
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Turn

IDLE = 1000
ROWS = (
    Row("beside/alone", "one-record produce, alone", "1/s", more_is_better=True),
    Row("beside/idle", "one-record produce, beside 1,000 idle connections", "1/s", more_is_better=True),
)


def _run(seconds: float, warm_s: float, turn: Turn) -> Mapping[str, float]:
    def rate(idle: int) -> float:
        load = turn.load(
            "franz", "roundtrips",
            topic=topic, connections=1, seconds=seconds, size=100, warm=warm_s, idle=idle,
        )  # fmt: skip
        return load["requests"] / load["seconds"]

    with turn.topic() as topic:
        return {"beside/alone": rate(0), "beside/idle": rate(IDLE)}


def steps(scale: Scale) -> Sequence[Step]:
    return [
        Step(
            "one-record produce, 1,000 idle connections",
            ROWS,
            partial(_run, scale.beside_seconds, scale.warm_s),
        )
    ]


FIGURE = Figure("beside", steps)
