"""What a figure is: steps that load one broker and say numbers, and the rows those numbers belong to.

Rules: a step leaves the broker as it found it (topics that it made are deleted), because the next one is
measured on the same broker; brokers take turns step by step, so that what is compared is minutes apart at
most. A step that a broker fails is that broker's fault: its reason is kept, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .turn import Turn


@dataclass(frozen=True)
class Row:
    """A line of the table. `key` names it in the results and in targets; `more_is_better` for ratios."""

    key: str
    title: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True)
class Scale:
    """How much is moved. `megabytes`: the throughput runs that targets speak of, `side_megabytes`: others;
    `records`: over many partitions; `seconds`: a timed run, `beside_seconds`: one that is compared with
    another of the same broker; `warm_s`: before anything is counted; `timeout_s`: when a client is given up.
    """

    megabytes: int = 400
    side_megabytes: int = 160
    records: int = 500_000
    seconds: float = 4.0
    beside_seconds: float = 3.0
    warm_s: float = 1.0
    timeout_s: float = 120.0
    is_quick: bool = False


FULL = Scale()
QUICK = Scale(
    megabytes=100, side_megabytes=100, records=100_000, seconds=0.6, beside_seconds=0.6, warm_s=0.3,
    timeout_s=30.0, is_quick=True,
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing measured on one broker at a time; `run` gives values by the keys of `rows`."""

    title: str
    rows: Sequence[Row]
    run: Callable[[Turn], Mapping[str, float]]


@dataclass(frozen=True)
class Figure:
    """A family of steps under the name that `--only` takes."""

    name: str
    steps: Callable[[Scale], Sequence[Step]]
