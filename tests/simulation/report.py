"""What one simulated run came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Report:
    """One seed's run. It passed when `violations` is empty."""

    seed: int
    operations: int = 0
    """Client operations that were begun and have ended, one way or the other."""
    by_operation: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    """Faults that happened, by kind."""
    met: Counter[str] = field(default_factory=Counter)
    """What the run came across, by kind (`coverage.py`)."""
    violations: list[str] = field(default_factory=list)
    """What was promised and not kept, a line each."""
    trace_hash: str = ""
    """Of everything that happened, in order: two runs of a seed have the same."""
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.violations
