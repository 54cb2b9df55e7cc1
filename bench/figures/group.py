"""Group join: a fresh consumer group of 1 or 10 franz-go members on a topic that has records in every
partition, from the first member's start to the first record in every member's hands.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Turn

MEMBERS = (1, 10)


def _run(members: int, turn: Turn) -> Mapping[str, float]:
    with turn.topic(members) as topic:
        turn.load("franz", "spread", topic=topic, records=100 * members, size=100)
        load = turn.load("franz", "group", topic=topic, members=members)
    return {f"group/{members}": load["milliseconds"]}


def steps(scale: Scale) -> Sequence[Step]:
    return [
        Step(
            f"group of {members}",
            [Row(f"group/{members}", f"fresh group of {members}, first record in every hand", "ms")],
            partial(_run, members),
        )
        for members in MEMBERS
    ]


FIGURE = Figure("group", steps)
