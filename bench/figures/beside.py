"""In company: the one-record produce of one connection (see roundtrips) alone, with 1,000 connections beside
it that asked ApiVersions and then say nothing, and with 1,000 topics beside it that nobody uses.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .topics import names
from .turn import Lacking, Turn

IDLE = 1000
ROWS = (
    Row("beside/alone", "one-record produce, alone", "1/s", more_is_better=True),
    Row("beside/idle", "one-record produce beside 1,000 idle connections", "1/s", more_is_better=True),
    Row("beside/topics", "one-record produce beside 1,000 topics", "1/s", more_is_better=True),
)


def _run(seconds: float, warm_s: float, turn: Turn) -> Mapping[str, float]:
    def rate(**more: object) -> float:
        load = turn.load(
            "franz", "roundtrips", topic=topic, connections=1, seconds=seconds, size=100, warm=warm_s, **more
        )
        return load["requests"] / load["seconds"]

    with turn.topic() as topic:
        values = {"beside/alone": rate(), "beside/idle": rate(idle=IDLE)}
        try:
            if reason := turn.broker.lacks.get("topics"):
                raise Lacking(reason)
            turn.load("franz", "topics", names=names(), partitions=1)
        except Lacking as error:
            turn.reasons["beside/topics"] = str(error)
            return values
        values["beside/topics"] = rate()
        turn.load("franz", "delete", names=names())
    return values


def steps(scale: Scale) -> Sequence[Step]:
    return [Step("one-record produce in company", ROWS, partial(_run, scale.seconds, scale.warm_s))]


FIGURE = Figure("beside", steps)
