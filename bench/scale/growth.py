"""How a cost grows, and whether it may.

Rules: a cost either stays flat or has one part that each item adds. `flat`: the cost at the largest count is
at most FLAT_TIMES the median of the others. `linear`: an item more costs, between the largest two counts, at
most LINEAR_TIMES what it costs between the two before; what a request costs without any item does not matter,
nor that the first megabyte fits into a cache and the others don't. A difference below NOISE_US is not told
apart from one of NOISE_US.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal, TypeAlias

Shape: TypeAlias = Literal["flat", "linear"]
Point: TypeAlias = tuple[int, float]
"""How many, and what a request then costs in microseconds."""

FLAT_TIMES = 1.5
LINEAR_TIMES = 1.5
NOISE_US = 40.0


def excess(points: Sequence[Point], shape: Shape) -> float:
    """By how much the cost grows faster than it must: 1 is exactly as it must; 0 where it cannot be told."""
    if len(points) < 2 or (shape == "linear" and len(points) < 3):
        return 0.0
    ordered = sorted(points)
    first, last = ordered[0], ordered[-1]
    if shape == "flat":
        usual = median(cost for _, cost in ordered[:-1])
        return last[1] / usual if last[1] - usual > NOISE_US else 1.0
    if last[1] - first[1] <= NOISE_US:
        return 1.0
    before, middle = ordered[-3], ordered[-2]
    lower = max(_slope(before, middle), NOISE_US / (middle[0] - before[0]))
    return max(_slope(middle, last), 0.0) / lower


def grows_too_fast(points: Sequence[Point], shape: Shape) -> bool:
    """Whether `excess` is over the limit of the shape."""
    return excess(points, shape) > (FLAT_TIMES if shape == "flat" else LINEAR_TIMES)


def each_us(points: Sequence[Point]) -> float:
    """What one item more costs, from the smallest to the largest count, in microseconds."""
    ordered = sorted(points)
    return _slope(ordered[0], ordered[-1]) if len(ordered) > 1 else 0.0


def _slope(one: Point, other: Point) -> float:
    return (other[1] - one[1]) / (other[0] - one[0])
