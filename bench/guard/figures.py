"""The figures in the repository, and what a new count says against them.

Rules: one figure a row, whole instructions, kept by the Python that they were counted on. More than TOLERANCE
above its figure fails; as much below it, the figure should be recorded anew, so that the next rise is
noticed. A row without a figure, or a figure without a row, fails as well: nothing drops out of the guard
unnoticed.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

FIGURES: Final = Path(__file__).with_name("figures.json")
TOLERANCE: Final = 0.10


class Verdict(enum.Enum):
    """What becomes of a row; the value is what the table says."""

    HOLDS = ""
    ROSE = "ROSE"
    FELL = "fell: record it anew"
    NEW = "NO FIGURE"
    GONE = "NO SUCH ROW"

    @property
    def fails(self) -> bool:
        return self in (Verdict.ROSE, Verdict.NEW, Verdict.GONE)


class Line(NamedTuple):
    """One row of the table; counts in instructions."""

    name: str
    before: int | None
    now: int | None
    verdict: Verdict

    @property
    def ratio(self) -> float | None:
        """Now by before."""
        return self.now / self.before if self.now is not None and self.before else None


def compare(before: Mapping[str, int], now: Mapping[str, int]) -> list[Line]:
    """A line for each row that has a figure or a count, in the order of the counts."""
    lines = [
        Line(name, before.get(name), count, _verdict(before.get(name), count)) for name, count in now.items()
    ]
    lines += [Line(name, figure, None, Verdict.GONE) for name, figure in before.items() if name not in now]
    return lines


def _verdict(before: int | None, now: int) -> Verdict:
    if before is None:
        return Verdict.NEW
    if now > before * (1 + TOLERANCE):
        return Verdict.ROSE
    return Verdict.FELL if now < before * (1 - TOLERANCE) else Verdict.HOLDS


def table(lines: Sequence[Line]) -> str:
    """For people."""
    width = max(len("instructions"), *(len(line.name) for line in lines))
    rows = [f"{'instructions':{width}}{'before':>12}{'now':>12}{'ratio':>8}"]
    for name, before, now, verdict in lines:
        ratio = Line(name, before, now, verdict).ratio
        cells = [
            f"{name:{width}}",
            f"{before:>12,}" if before is not None else f"{'-':>12}",
            f"{now:>12,}" if now is not None else f"{'-':>12}",
            f"{ratio:>8.3f}" if ratio is not None else f"{'-':>8}",
        ]
        rows.append(f"{''.join(cells)}  {verdict.value}".rstrip())
    return "\n".join(rows)


def load(identity: str, path: Path = FIGURES) -> dict[str, int] | None:
    """The figures of that Python; None where there are none."""
    if not path.exists():
        return None
    found: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8"))
    return found.get(identity)


def record(identity: str, counts: Mapping[str, int], path: Path = FIGURES) -> None:
    """Writes the figures of that Python; those of others stay."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept[identity] = dict(counts)
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
