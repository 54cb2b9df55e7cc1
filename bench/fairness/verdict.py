"""When a large client is unfair to small ones: their p99 rises above 3x or by 10 ms, whichever is larger."""

from __future__ import annotations

from dataclasses import dataclass

MOST_TIMES = 3.0
MOST_MORE_MS = 10.0


@dataclass(frozen=True)
class Verdict:
    """A case with the p99 of the small clients alone and beside the large one, in milliseconds."""

    case: str
    alone_ms: float
    beside_ms: float

    @property
    def limit_ms(self) -> float:
        return max(MOST_TIMES * self.alone_ms, self.alone_ms + MOST_MORE_MS)

    @property
    def holds(self) -> bool:
        return self.beside_ms <= self.limit_ms

    @property
    def ratio(self) -> float:
        return self.beside_ms / self.alone_ms if self.alone_ms else 0.0

    @property
    def difference_ms(self) -> float:
        return self.beside_ms - self.alone_ms
