"""The tables of a run as lists of cells, for the terminal and for the page alike."""

from __future__ import annotations

from collections.abc import Sequence

from .results import KAFKA, KWIRE, Results
from .shares import shares
from .targets import TARGETS

Table = Sequence[Sequence[str]]


def figures(results: Results) -> Table:
    """A row a figure: each broker's median and spread ("-" where it has none), and kwire over Kafka."""
    has_ratio = {KWIRE, KAFKA} <= results.brokers.keys()
    head = ["figure", "unit", *results.brokers, *(["kwire / kafka"] if has_ratio else [])]
    lines = [head]
    for row in results.rows:
        cells = [row.title, row.unit, *(cell(results, row.key, name) for name in results.brokers)]
        if has_ratio:
            found = results.ratio(row.key)
            cells.append("-" if found is None else f"{number(found)}x")
        if any(one != "-" for one in cells[2:]):
            lines.append(cells)
    return lines


def cell(results: Results, key: str, broker: str) -> str:
    """Median and spread: "512 ±4 %"; the spread is left out of a single round."""
    found = results.middle(key, broker)
    if found is None:
        return "-"
    return number(found.median) + (f" ±{found.spread:.0%}" if results.rounds > 1 else "")


def number(value: float) -> str:
    """Three digits that count: 0.253, 4.31, 87.2, 12,300."""
    if value and abs(value) < 1000:
        text = f"{value:.3g}"
        return f"{value:.3f}".rstrip("0").rstrip(".") if "e" in text else text
    digits = len(str(int(abs(value))))
    return f"{round(value, 3 - digits):,.0f}"


def targets(results: Results) -> Table:
    """A row a target that the run can judge: what kwire must reach, what it aims at, and whether it does."""
    lines = [["target", "must", "", "aim", ""]]
    for target in TARGETS:
        must, aim = target.must.holds(results), target.aim.holds(results)
        if must is not None or aim is not None:
            lines.append([target.title, target.must.says(), _word(must), target.aim.says(), _word(aim)])
    return lines


def limits(results: Results) -> Table:
    """A row a figure of kwire beside a limit of the machine."""
    lines = [["figure of kwire", "reached", "limit of the machine", "at best", "unit", "share"]]
    for one in shares(results):
        cells = [one.figure, number(one.reached), one.limit, number(one.bound), one.unit, f"{one.share:.0%}"]
        lines.append(cells)
    return lines


def reasons(results: Results) -> Table:
    """Why a figure of a broker is missing, each reason once."""
    titles = {row.key: row.title for row in results.rows}
    gathered: dict[tuple[str, str], list[str]] = {}
    for key, by_broker in results.absent.items():
        for broker, reason in by_broker.items():
            if results.middle(key, broker) is None:
                gathered.setdefault((broker, reason), []).append(titles.get(key, key))
    return [
        ["broker", "not measured", "why"],
        *([broker, _some(of), reason] for (broker, reason), of in gathered.items()),
    ]


def _some(titles: Sequence[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{titles[0]}, and {len(titles) - 1} more"


def _word(holds: bool | None) -> str:
    return "unknown" if holds is None else "held" if holds else "not held"


def as_text(table: Table) -> str:
    """For a terminal: columns padded, the first to the left."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = []
    for line in table:
        padded = [
            one.ljust(width) if number == 0 else one.rjust(width)
            for number, (one, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def as_markdown(table: Table) -> str:
    head, *rest = (["\\|".join(one.split("|")) for one in line] for line in table)
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rest))
