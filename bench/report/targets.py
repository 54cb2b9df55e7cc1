"""The targets of docs/performance.md, judged from one run.

Rules: each target has what it must reach and what it aims at, both as conditions on rows of the same run.
Ratios are medians over rounds (statistics.ratio), absolutes are medians. A condition says True, False, or
None where the run didn't measure what it needs.

An absolute was set beside what Kafka showed on some machine (`of`), so each condition also says what it
means `beside` Kafka in this run: the same share of Kafka's figure here. On a machine that is half as fast
both may be half as fast; the absolute is then missed, and the share of Kafka's figure still the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from .results import KAFKA, KWIRE, Results
from .statistics import ratio
from .words import number

KFAKE = "kfake-disk"
DURABLE = (KAFKA, KFAKE)


class Condition(Protocol):
    """`holds` judges a run; `says` is the condition in words; `shows` is what kwire did, likewise."""

    def holds(self, results: Results) -> bool | None: ...

    def says(self) -> str: ...

    def shows(self, results: Results) -> str: ...

    def beside(self) -> Condition | None:
        """The condition as a ratio to another broker in the same run; None where that cannot be told."""
        ...


@dataclass(frozen=True)
class AtMost:
    """`of`: what Kafka showed where the limit was set, in the same unit."""

    row: str
    limit: float
    unit: str
    of: float | None = None

    def holds(self, results: Results) -> bool | None:
        found = results.middle(self.row, KWIRE)
        return None if found is None else found.median <= self.limit

    def says(self) -> str:
        return f"≤ {self.limit:g} {self.unit}"

    def shows(self, results: Results) -> str:
        return _absolute(results, self.row, self.unit)

    def beside(self) -> Condition | None:
        return None if self.of is None else NoWorseThan(self.row, self.limit / self.of, KAFKA)


@dataclass(frozen=True)
class AtLeast:
    """`of`: what Kafka showed where the limit was set, in the same unit."""

    row: str
    limit: float
    unit: str
    of: float | None = None

    def holds(self, results: Results) -> bool | None:
        found = results.middle(self.row, KWIRE)
        return None if found is None else found.median >= self.limit

    def says(self) -> str:
        return f"≥ {self.limit:,.10g} {self.unit}"

    def shows(self, results: Results) -> str:
        return _absolute(results, self.row, self.unit)

    def beside(self) -> Condition | None:
        return None if self.of is None else Times(self.row, self.limit / self.of)


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
        return f"≥ {number(self.factor)}x {self.base}"

    def shows(self, results: Results) -> str:
        return _times(results.ratio(self.row, KWIRE, self.base))

    def beside(self) -> Condition | None:
        return self


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
        return f"≤ {number(self.factor)}x {self.base}"

    def shows(self, results: Results) -> str:
        return _times(results.ratio(self.row, KWIRE, self.base))

    def beside(self) -> Condition | None:
        return self


@dataclass(frozen=True)
class TimesBest:
    """At least `factor` times the best of the others that keep data on disk, where more is better."""

    row: str
    factor: float

    def holds(self, results: Results) -> bool | None:
        found = self._ratio(results)
        return None if found is None else found >= self.factor

    def says(self) -> str:
        return f"≥ {self.factor:g}x the best on disk"

    def shows(self, results: Results) -> str:
        return _times(self._ratio(results))

    def beside(self) -> Condition | None:
        return self

    def _ratio(self, results: Results) -> float | None:
        others = [results.ratio(self.row, KWIRE, name) for name in DURABLE]
        return min((one for one in others if one is not None), default=None)


@dataclass(frozen=True)
class OfRow:
    """At least `share` of kwire's own figure in another row."""

    row: str
    other: str
    share: float

    def holds(self, results: Results) -> bool | None:
        found = self._share(results)
        return None if found is None else found >= self.share

    def says(self) -> str:
        return f"≥ {self.share:.0%} of without"

    def shows(self, results: Results) -> str:
        found = self._share(results)
        return "-" if found is None else f"{found:.0%}"

    def beside(self) -> Condition | None:
        return self

    def _share(self, results: Results) -> float | None:
        """Round by round, as ratios are: the two are measured seconds apart."""
        return ratio(results.of(self.row, KWIRE), results.of(self.other, KWIRE))


@dataclass(frozen=True)
class Several:
    """Conditions of which one that comes out as `decides` decides for all; `between` them in words."""

    conditions: Sequence[Condition]
    decides: bool
    between: str

    def holds(self, results: Results) -> bool | None:
        found = [one.holds(results) for one in self.conditions]
        return self.decides if self.decides in found else None if None in found else not self.decides

    def says(self) -> str:
        return self.between.join(one.says() for one in self.conditions)

    def shows(self, results: Results) -> str:
        return ", ".join(one.shows(results) for one in self.conditions)

    def beside(self) -> Condition | None:
        """Of those that can be told."""
        found = [one for one in (each.beside() for each in self.conditions) if one is not None]
        return replace(self, conditions=found) if found else None


def all_of(*conditions: Condition) -> Several:
    return Several(conditions, decides=False, between=", ")


def either(*conditions: Condition) -> Several:
    return Several(conditions, decides=True, between=" or ")


def _absolute(results: Results, row: str, unit: str) -> str:
    found = results.middle(row, KWIRE)
    return "-" if found is None else f"{number(found.median)} {unit}"


def _times(found: float | None) -> str:
    return "-" if found is None else f"{number(found)}x"


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

# `of`: what Kafka showed on the machine on which the limits were set. Where that was a range (p99 of one
# connection: 1.3 to 3 ms) it is its middle on a logarithmic scale.
TARGETS: Sequence[Target] = (
    Target("start to first answer", AtMost("start", 250, "ms", of=2800), AtMost("start", 150, "ms", of=2800)),
    Target("memory idle", AtMost("memory/idle", 45, "MB", of=381), AtMost("memory/idle", 35, "MB", of=381)),
    Target(
        "memory after 500 MB written",
        AtMost("memory/loaded", 90, "MB", of=872),
        AtMost("memory/loaded", 60, "MB", of=872),
    ),
    Target(
        "one-record idempotent produce, 1 connection",
        all_of(Times("roundtrips/1/rate", 1.3), AtMost("roundtrips/1/p99", 0.5, "ms p99", of=2)),
        all_of(Times("roundtrips/1/rate", 1.0, KFAKE), NoWorseThan("roundtrips/1/p99", 1.0, KFAKE)),
    ),
    Target(
        "one-record idempotent produce, 32 connections",
        either(
            AtLeast("roundtrips/32/rate", 16_000, "/s", of=10_900),
            AtMost("roundtrips/32/cpu", 60, "us a request"),
        ),
        all_of(
            AtLeast("roundtrips/32/rate", 22_000, "/s", of=10_900),
            AtMost("roundtrips/32/cpu", 40, "us a request"),
        ),
    ),
    Target("produce 1 KiB, franz-go", Times(_P1K, 1.2), TimesBest(_P1K, 1.5)),
    Target("consume 1 KiB, franz-go", Times(_C1K, 1.0), TimesBest(_C1K, 1.5)),
    Target("produce 1 KiB lz4, franz-go", TimesBest(_P1K_LZ4, 0.95), TimesBest(_P1K_LZ4, 1.0)),
    Target("consume 1 KiB lz4, franz-go", Times(_C1K_LZ4, 1.0), Times(_C1K_LZ4, 1.3)),
    Target("produce 1 KiB, librdkafka", Times(_P1K_RD, 2.0), TimesBest(_P1K_RD, 1.0)),
    Target("consume 1 KiB, librdkafka", Times(_C1K_RD, 1.0), TimesBest(_C1K_RD, 1.0)),
    Target(
        "broker CPU, produce + consume 1 KiB",
        AtMost(_CPU, 1.2, "s/GB", of=1.9),
        AtMost(_CPU, 0.95, "s/GB", of=1.9),
    ),
    Target(
        "end to end at 1,000/s",
        all_of(
            AtMost("end-to-end/p50", 0.5, "ms p50", of=0.8), AtMost("end-to-end/p99", 2.5, "ms p99", of=5.3)
        ),
        all_of(
            AtMost("end-to-end/p50", 0.25, "ms p50", of=0.8), AtMost("end-to-end/p99", 1, "ms p99", of=5.3)
        ),
    ),
    *(
        Target(
            f"100 B records over {partitions:,} partitions",
            all_of(
                Times(f"spread/{partitions}/rate", 10), AtMost(f"spread/{partitions}/cpu", 30, "us a batch")
            ),
            Times(f"spread/{partitions}/rate", 1.0, KFAKE),
        )
        for partitions in (100, 1000)
    ),
    Target(
        "1,000 topics created", AtMost("topics", 250, "ms", of=2000), AtMost("topics", 150, "ms", of=2000)
    ),
    Target("fresh group, 1 member", AtMost("group/1", 15, "ms", of=15), AtMost("group/1", 5, "ms", of=15)),
    Target(
        "fresh group, 10 members", AtMost("group/10", 60, "ms", of=53), AtMost("group/10", 15, "ms", of=53)
    ),
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
