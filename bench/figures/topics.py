"""Topics: franz-go creates 1,000 topics of one partition in one request; the clock stops when a Metadata
answer shows a leader for every one of them.
"""

import os
from collections.abc import Mapping, Sequence

from .figure import Figure, Row, Scale, Step
from .turn import Turn

TOPICS = 1000
ROWS = (Row("topics", "1,000 topics created, leaders ready", "ms"),)


def names() -> str:
    return ",".join(f"bench-many-{os.getpid()}-{number}" for number in range(TOPICS))


def _run(turn: Turn) -> Mapping[str, float]:
    load = turn.load("franz", "topics", names=names(), partitions=1)
    turn.load("franz", "delete", names=names())
    return {"topics": load["seconds"] * 1e3}


def steps(scale: Scale) -> Sequence[Step]:
    return [Step("1,000 topics", ROWS, _run)]


FIGURE = Figure("topics", steps)
