"""Topics: franz-go creates 1,000 topics of one partition in one request; the clock stops when a Metadata
answer shows a leader for every one of them. The one-record produce of one connection (see roundtrips) is
measured right before, and right after with the 1,000 topics beside it, which nobody uses.

This comes last, and the topics stay until the broker is stopped: deleting them takes Kafka ten seconds. A
broker that was given by its address is rid of them.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Lacking, Turn

TOPICS = 1000
ROWS = (
    Row("topics", "1,000 topics created, leaders ready", "ms"),
    Row("beside/no-topics", "one-record produce, before 1,000 topics", "1/s", more_is_better=True),
    Row("beside/topics", "one-record produce, beside 1,000 topics", "1/s", more_is_better=True),
)


def _run(seconds: float, warm_s: float, turn: Turn) -> Mapping[str, float]:
    def rate() -> float:
        load = turn.load(
            "franz", "roundtrips", topic=topic, connections=1, seconds=seconds, size=100, warm=warm_s
        )
        return load["requests"] / load["seconds"]

    names = ",".join(f"bench-many-{os.getpid()}-{number}" for number in range(TOPICS))
    with turn.topic() as topic:
        before = rate()
        try:
            made = turn.load("franz", "topics", names=names, partitions=1)
        except Lacking as error:
            turn.reasons |= {"topics": str(error), "beside/topics": str(error)}
            return {"beside/no-topics": before}
        values = {"beside/no-topics": before, "topics": made["seconds"] * 1e3, "beside/topics": rate()}
    if turn.broker.child is None:  # one that goes on after the benchmark is left as it was
        turn.load("franz", "delete", names=names)
    return values


def steps(scale: Scale) -> Sequence[Step]:
    return [Step("1,000 topics", ROWS, partial(_run, scale.beside_seconds, scale.warm_s))]


FIGURE = Figure("topics", steps)
