"""Memory: the resident bytes of the broker's process (RSS of /proc/PID/smaps_rollup) two seconds after its
start (0.6 in the quick scale), with nothing asked of it but ApiVersions, and again after franz-go has
produced 500 MB of 1 KiB records to one partition. PSS, which shares out what processes map together, stands
beside it.

This comes first on every fresh broker, chosen or not: it warms the broker up for the other figures.
"""

import time
from collections.abc import Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Lacking, Turn

MEGABYTES = 500


def _rows(when: str, title: str) -> tuple[Row, Row]:
    return (
        Row(f"memory/{when}", f"memory {title}", "MB"),
        Row(f"memory/{when}/pss", f"memory {title}, PSS", "MB"),
    )


def _values(turn: Turn, when: str) -> dict[str, float]:
    memory = turn.broker.memory()
    if memory is None:
        raise Lacking("not our process")
    return {f"memory/{when}": memory.rss / 1e6, f"memory/{when}/pss": memory.pss / 1e6}


def _idle(settle_s: float, turn: Turn) -> dict[str, float]:
    time.sleep(settle_s)
    return _values(turn, "idle")


def _loaded(turn: Turn) -> dict[str, float]:
    with turn.topic() as topic:
        turn.load("franz", "produce", topic=topic, records=MEGABYTES * 10**6 // 1024, size=1024)
        return _values(turn, "loaded")


def steps(scale: Scale) -> Sequence[Step]:
    return (
        Step("memory idle", _rows("idle", "idle"), partial(_idle, 2 * scale.warm_s)),
        Step("memory after 500 MB", _rows("loaded", "after 500 MB written"), _loaded),
    )


FIGURE = Figure("memory", steps)
