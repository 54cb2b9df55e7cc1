"""Many partitions: franz-go produces 100-byte records round robin over 1, 100 or 1,000 partitions of one
topic (idempotent, acks=all, no linger, its default batch size and in-flight limit): the more partitions, the
smaller the batches. Broker CPU a batch: its CPU seconds over the whole client program, divided by the batches
that the client says it wrote.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Turn

PARTITIONS = (1, 100, 1000)
SIZE = 100


def _rows(partitions: int) -> tuple[Row, ...]:
    what = f"100 B records over {partitions:,} partition{'s' if partitions > 1 else ''}"
    return (
        Row(f"spread/{partitions}/rate", what, "records/s", more_is_better=True),
        Row(f"spread/{partitions}/cpu", f"{what}, broker CPU a batch", "us"),
    )


def _run(partitions: int, records: int, turn: Turn) -> Mapping[str, float]:
    with turn.topic(partitions) as topic:
        load = turn.load("franz", "spread", topic=topic, records=records, size=SIZE)
    values = {f"spread/{partitions}/rate": load["records"] / load["seconds"]}
    if load.cpu_seconds is not None and load["batches"]:
        values[f"spread/{partitions}/cpu"] = load.cpu_seconds / load["batches"] * 1e6
    return values


def steps(scale: Scale) -> Sequence[Step]:
    """In the quick scale: 100 partitions, and so few records that the first append to each weighs."""
    records = 100_000 if scale.is_quick else 1_000_000
    return [
        Step(f"100 B over {count} partitions", _rows(count), partial(_run, count, records))
        for count in ((100,) if scale.is_quick else PARTITIONS)
    ]


FIGURE = Figure("spread", steps)
