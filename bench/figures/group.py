"""Group join: a fresh consumer group of 1 or 10 franz-go members on a topic that has records in each of as
many partitions, from the creation of the first client to the first record in every member's hands. Median of
five such groups a round. Members beat every 100 ms (franz-go's default is 3 s): when one comes too late for
the first generation, the others hear of it then, and the beat isn't what is measured.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

from .figure import Figure, Row, Scale, Step
from .turn import Lacking, Turn

MEMBERS = (1, 10)
GROUPS = 5
HEARTBEAT_MS = 100
ENOUGH_MS = 1000.0  # a broker that takes longer is not asked again


def _run(members: int, turn: Turn) -> Mapping[str, float]:
    if reason := turn.broker.lacks.get(f"group/{members}"):
        raise Lacking(reason)
    took: list[float] = []
    with turn.topic(members) as topic:
        turn.load("franz", "spread", topic=topic, records=100 * members, size=100)
        while len(took) < GROUPS and (not took or took[-1] < ENOUGH_MS):
            load = turn.load("franz", "group", topic=topic, members=members, heartbeat_ms=HEARTBEAT_MS)
            took.append(load["milliseconds"])
    return {f"group/{members}": median(took)}


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
