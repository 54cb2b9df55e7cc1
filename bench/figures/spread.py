"""Many partitions: franz-go produces 100-byte records round robin over 1, 100 or 1,000 partitions of one
topic (idempotent, acks=all, no linger; its defaults else: batches of 1 MB, 10,000 records buffered): the more
partitions, the smaller the batches. Before the clock starts each partition has had a record
(`--touch`); what the first records to partitions that nobody has written to cost, a file or two each, is a
row of its own: a fifth as many records to the fresh topic, first. Broker CPU a batch: what the broker used in
the timed part, over the batches that the client wrote in it.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Lacking, Turn

PARTITIONS = (1, 100, 1000)
SIZE = 100
FRESH_S = 40.0


def _rows(partitions: int) -> tuple[Row, ...]:
    what = f"100 B records over {partitions:,} partition{'s' if partitions > 1 else ''}"
    return (
        Row(f"spread/{partitions}/rate", what, "records/s", more_is_better=True),
        Row(f"spread/{partitions}/cpu", f"{what}, broker CPU a batch", "us"),
        Row(f"spread/{partitions}/batch", f"{what}, records a batch", "records", more_is_better=True),
        Row(f"spread/{partitions}/fresh", f"{what}, all fresh", "records/s", more_is_better=True),
    )


def _run(partitions: int, records: int, turn: Turn) -> Mapping[str, float]:
    with turn.topic(partitions) as topic:
        values = _fresh(partitions, records // 5, topic, turn)
        load = turn.load("franz", "spread", topic=topic, records=records, size=SIZE, touch=True)
    values |= {
        f"spread/{partitions}/rate": load["records"] / load["seconds"],
        f"spread/{partitions}/batch": load["records"] / max(load["batches"], 1),
    }
    if load.cpu_seconds is not None:
        values[f"spread/{partitions}/cpu"] = load.cpu_seconds / max(load["batches"], 1) * 1e6
    return values


def _fresh(partitions: int, records: int, topic: str, turn: Turn) -> dict[str, float]:
    """Nothing where that takes too long, which it may: what is measured next is worth having by itself."""
    key = f"spread/{partitions}/fresh"
    try:
        load = turn.load("franz", "spread", FRESH_S, topic=topic, records=records, size=SIZE)
    except Lacking as error:
        turn.reasons[key] = str(error)
        return {}
    return {key: load["records"] / load["seconds"]}


def steps(scale: Scale) -> Sequence[Step]:
    """In the quick scale: 100 partitions, and fewer records."""
    return [
        Step(f"100 B over {count} partitions", _rows(count), partial(_run, count, scale.records))
        for count in ((100,) if scale.is_quick else PARTITIONS)
    ]


FIGURE = Figure("spread", steps)
