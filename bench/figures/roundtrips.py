"""Round trips: idempotent produces of one 100-byte record, one in flight on each of 1 or 32 connections, by
franz-go with no linger, to one partition; the first second (0.3 s in the quick scale) warms up and isn't
counted. p50 and p99 are over all requests. Broker CPU a request: what the broker used in the counted seconds,
over the requests answered in them.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Turn

CONNECTIONS = (1, 32)


def _rows(connections: int) -> tuple[Row, ...]:
    key = f"roundtrips/{connections}"
    what = f"one-record produce, {connections} connection{'s' if connections > 1 else ''}"
    return (
        Row(f"{key}/rate", what, "1/s", more_is_better=True),
        Row(f"{key}/p50", f"{what}, p50", "ms"),
        Row(f"{key}/p99", f"{what}, p99", "ms"),
        Row(f"{key}/cpu", f"{what}, broker CPU a request", "us"),
    )


def _run(connections: int, seconds: float, warm_s: float, turn: Turn) -> Mapping[str, float]:
    key = f"roundtrips/{connections}"
    with turn.topic() as topic:
        load = turn.load(
            "franz", "roundtrips",
            topic=topic, connections=connections, seconds=seconds, size=100, warm=warm_s,
        )  # fmt: skip
    rate = load["requests"] / load["seconds"]
    values = {f"{key}/rate": rate, f"{key}/p50": load["p50_ms"], f"{key}/p99": load["p99_ms"]}
    if load.cpu_seconds is not None:
        values[f"{key}/cpu"] = load.cpu_seconds / load["requests"] * 1e6
    return values


def steps(scale: Scale) -> Sequence[Step]:
    return [
        Step(f"one-record produce, {n} connections", _rows(n), partial(_run, n, scale.seconds, scale.warm_s))
        for n in CONNECTIONS
    ]


FIGURE = Figure("roundtrips", steps)
