"""What a row may cost at most, compared with another one of the same run: instructions in the guard, CPU time
in `python -m bench.transactions`. None: it is only told.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Ratio(NamedTuple):
    """`row` may cost `most` times what `other` costs."""

    row: str
    other: str
    most: float | None


PRODUCE: Final = "a whole produce"

RATIOS: Final = (
    Ratio("a whole produce in a transaction", PRODUCE, 2.0),
    Ratio("a whole heartbeat", PRODUCE, 2.0),
    Ratio("a whole heartbeat of a consumer group", PRODUCE, 2.0),
    Ratio("the first produce of a transaction", PRODUCE, None),
    Ratio("partitions added to a transaction", PRODUCE, None),
    Ratio("the first produce after they were added", PRODUCE, None),
    Ratio("a transaction of one record", PRODUCE, None),
)
