"""Medians, spreads and ratios of a few rounds.

Rules: a round that gave nothing is None and counts for nothing. A ratio is taken round by round, where both
were measured minutes apart, and then its median: the machine's mood of the hour falls out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

Rounds = Sequence[float | None]


@dataclass(frozen=True)
class Middle:
    """The median of some rounds, the least and the most of them."""

    median: float
    least: float
    most: float

    @property
    def spread(self) -> float:
        """Half the range over the median: 0.1 is "plus or minus 10 %"."""
        return (self.most - self.least) / 2 / self.median if self.median else 0.0


def middle(rounds: Rounds) -> Middle | None:
    """None where no round gave a value."""
    found = [value for value in rounds if value is not None]
    return Middle(median(found), min(found), max(found)) if found else None


def ratio(rounds: Rounds, base: Rounds) -> float | None:
    """The median over the rounds of ours / theirs; None where no round has both."""
    pairs = zip(rounds, base, strict=False)
    found = [ours / theirs for ours, theirs in pairs if ours is not None and theirs]
    return median(found) if found else None
