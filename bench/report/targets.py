"""The targets that kwire is held to, as data, and whether a run held them.

Rules: each target has what it must reach and what it aims at, both as conditions on rows of the same run.
Ratios are medians over rounds (statistics.ratio), absolutes are medians. A condition says True, False, or
None where the run didn't measure what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .results import KAFKA, KWIRE, Results

KFAKE = "kfake-disk"
DURABLE = (KAFKA, KFAKE)


class Condition(Protocol):
    """`holds` judges a run; `says` is the condition in words."""

    def holds(self, results: Results) -> bool | None: ...

    def says(self) -> str: ...


@dataclass(frozen=True)
class AtMost:
    row: str
    limit: float
    unit: str

    def holds(self, results: Results) -> bool | None:
        found = results.middle(self.row, KWIRE)
        return None if found is None else found.median <= self.limit

    def says(self) -> str:
        return f"at most {self.limit:g} {self.unit}"


@dataclass(frozen=True)
class AtLeast:
    row: str
    limit: float
    unit: str

    def holds(self, results: Results) -> bool | None:
        found = results.middle(self.row, KWIRE)
        return None if found is None else found.median >= self.limit

    def says(self) -> str:
        return f"at least {self.limit:,.10g} {self.unit}"


@dataclass(frozen=True)
class Times:
    """At least `factor` times what `base` shows, of a row where more is better."""

    row: str
    factor: float
    base: str = KAFKA

    def holds(self, results: Results) -> bool | None:
        found = results.ratio(self.row, KWIRE, self.base)
        return None if found is None else found >= self.factor

    def says(self) -> str:
        return f"at least {self.factor:g}x {self.base}"


@dataclass(frozen=True)
class NoWorseThan:
    """At most `factor` times what `base` shows, of a row where less is better."""

    row: str
    factor: float
    base: str

    def holds(self, results: Results) -> bool | None:
        found = results.ratio(self.row, KWIRE, self.base)
        return None if found is None else found <= self.factor

    def says(self) -> str:
        return f"at most {self.factor:g}x {self.base}"


@dataclass(frozen=True)
class TimesBest:
    """At least `factor` times the best of the others that keep data on disk, where more is better."""

    row: str
    factor: float

    def holds(self, results: Results) -> bool | None:
        others = [results.ratio(self.row, KWIRE, name) for name in DURABLE]
        found = [one for one in others if one is not None]
        return min(found) >= self.factor if found else None

    def says(self) -> str:
        return f"at least {self.factor:g}x the best on disk"


@dataclass(frozen=True)
class OfRow:
    """At least `share` of kwire's own figure in another row."""

    row: str
    other: str
    share: float

    def holds(self, results: Results) -> bool | None:
        mine, other = results.middle(self.row, KWIRE), results.middle(self.other, KWIRE)
        return None if mine is None or other is None else mine.median >= self.share * other.median

    def says(self) -> str:
        return f"at least {self.share:.0%} of without"


@dataclass(frozen=True)
class All:
    conditions: Sequence[Condition]

    def holds(self, results: Results) -> bool | None:
        found = [one.holds(results) for one in self.conditions]
        return False if False in found else None if None in found else True

    def says(self) -> str:
        return ", ".join(one.says() for one in self.conditions)


@dataclass(frozen=True)
class Either:
    conditions: Sequence[Condition]

    def holds(self, results: Results) -> bool | None:
        found = [one.holds(results) for one in self.conditions]
        return True if True in found else None if None in found else False

    def says(self) -> str:
        return " or ".join(one.says() for one in self.conditions)


@dataclass(frozen=True)
class Target:
    title: str
    must: Condition
    aim: Condition


_P1K = "produce/franz/1024/none"
_C1K = "consume/franz/1024/none"
_P1K_LZ4 = "produce/franz/1024/lz4"
_C1K_LZ4 = "consume/franz/1024/lz4"
_P1K_RD = "produce/rdkafka/1024/none"
_C1K_RD = "consume/rdkafka/1024/none"
_CPU = "cpu/franz/1024/none"

TARGETS: Sequence[Target] = (
    Target("start to first answer", AtMost("start", 250, "ms"), AtMost("start", 150, "ms")),
    Target("memory idle", AtMost("memory/idle", 45, "MB"), AtMost("memory/idle", 35, "MB")),
    Target(
        "memory after 500 MB written", AtMost("memory/loaded", 90, "MB"), AtMost("memory/loaded", 60, "MB")
    ),
    Target(
        "one-record idempotent produce, 1 connection",
        All((Times("roundtrips/1/rate", 1.3), AtMost("roundtrips/1/p99", 0.5, "ms p99"))),
        All((Times("roundtrips/1/rate", 1.0, KFAKE), NoWorseThan("roundtrips/1/p99", 1.0, KFAKE))),
    ),
    Target(
        "one-record idempotent produce, 32 connections",
        Either(
            (AtLeast("roundtrips/32/rate", 16_000, "/s"), AtMost("roundtrips/32/cpu", 60, "us a request"))
        ),
        All((AtLeast("roundtrips/32/rate", 22_000, "/s"), AtMost("roundtrips/32/cpu", 40, "us a request"))),
    ),
    Target("produce 1 KiB, franz-go", Times(_P1K, 1.2), TimesBest(_P1K, 1.5)),
    Target("consume 1 KiB, franz-go", Times(_C1K, 1.0), TimesBest(_C1K, 1.5)),
    Target("produce 1 KiB lz4, franz-go", TimesBest(_P1K_LZ4, 0.95), TimesBest(_P1K_LZ4, 1.0)),
    Target("consume 1 KiB lz4, franz-go", Times(_C1K_LZ4, 1.0), Times(_C1K_LZ4, 1.3)),
    Target("produce 1 KiB, librdkafka", Times(_P1K_RD, 2.0), TimesBest(_P1K_RD, 1.0)),
    Target("consume 1 KiB, librdkafka", Times(_C1K_RD, 1.0), TimesBest(_C1K_RD, 1.0)),
    Target("broker CPU, produce + consume 1 KiB", AtMost(_CPU, 1.2, "s/GB"), AtMost(_CPU, 0.95, "s/GB")),
    Target(
        "end to end at 1,000/s",
        All((AtMost("end-to-end/p50", 0.5, "ms p50"), AtMost("end-to-end/p99", 2.5, "ms p99"))),
        All((AtMost("end-to-end/p50", 0.25, "ms p50"), AtMost("end-to-end/p99", 1, "ms p99"))),
    ),
    *(
        Target(
            f"100 B records over {partitions:,} partitions",
            All(
                (Times(f"spread/{partitions}/rate", 10), AtMost(f"spread/{partitions}/cpu", 30, "us a batch"))
            ),
            Times(f"spread/{partitions}/rate", 1.0, KFAKE),
        )
        for partitions in (100, 1000)
    ),
    Target("1,000 topics created", AtMost("topics", 250, "ms"), AtMost("topics", 150, "ms")),
    Target("fresh group, 1 member", AtMost("group/1", 15, "ms"), AtMost("group/1", 5, "ms")),
    Target("fresh group, 10 members", AtMost("group/10", 60, "ms"), AtMost("group/10", 15, "ms")),
    Target(
        "one-record produce beside 1,000 idle connections",
        OfRow("beside/idle", "beside/alone", 0.9),
        OfRow("beside/idle", "beside/alone", 0.9),
    ),
    Target(
        "one-record produce beside 1,000 topics",
        OfRow("beside/topics", "beside/no-topics", 0.9),
        OfRow("beside/topics", "beside/no-topics", 0.9),
    ),
)
