"""The tables of a run as lists of cells, for the terminal and for the page alike."""

from __future__ import annotations

from collections.abc import Sequence

from .results import KAFKA, KWIRE, Results
from .shares import shares
from .targets import TARGETS, Condition
from .words import number

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
    """Median and spread: "512 ±4 %"; the spread is left out of a single round. Rounds that gave nothing are
    told: "512 ±4 % (2 of 3)"."""
    found = results.middle(key, broker)
    if found is None:
        return "-"
    if results.rounds == 1:
        return number(found.median)
    told = sum(value is not None for value in results.of(key, broker))
    missing = f" ({told} of {results.rounds})" if told < results.rounds else ""
    return f"{number(found.median)} ±{found.spread:.0%}{missing}"


def targets(results: Results) -> Table:
    """A row a target that the run can judge: what kwire must reach, what it shows and whether that holds; and
    again as the ratio to Kafka that the target was set at, left empty where it is one anyway."""
    return _judged(results, "target", [(target.title, target.must) for target in TARGETS])


def aims(results: Results) -> Table:
    """The same for what kwire aims at."""
    return _judged(results, "aim", [(target.title, target.aim) for target in TARGETS])


def _judged(results: Results, head: str, conditions: Sequence[tuple[str, Condition]]) -> Table:
    lines = [[head, "as given", "kwire", "", "beside Kafka", "kwire", ""]]
    for title, condition in conditions:
        beside = condition.beside()
        given, relative = condition.holds(results), beside.holds(results) if beside else None
        if given is None and relative is None:
            continue
        cells = [title, condition.says(), condition.shows(results), _word(given)]
        if beside is None or beside == condition:
            cells += ["", "", ""]
        else:
            cells += [beside.says(), beside.shows(results), _word(relative)]
        lines.append(cells)
    return lines


def verdict(results: Results) -> str:
    """Which targets hold and how, in a few sentences; "" where none can be judged."""
    judged = [target for target in TARGETS if target.must.holds(results) is not None]
    if not judged:
        return ""
    missed = [target for target in judged if not target.must.holds(results)]
    besides = [(target.title, target.must.beside()) for target in missed]
    held = [title for title, beside in besides if beside and beside.holds(results)]
    neither = [title for title, _ in besides if title not in held]
    return (
        f"{len(judged) - len(missed)} of {len(judged)} targets hold as given."
        + (f" Held beside Kafka only, at the ratio they were set at: {'; '.join(held)}." if held else "")
        + (f" Not held: {'; '.join(neither)}." if neither else "")
    )


def limits(results: Results) -> Table:
    """A row a figure of kwire beside a limit of the machine."""
    lines = [["figure of kwire", "reached", "limit of the machine", "at best", "unit", "share"]]
    for one in shares(results):
        cells = [one.figure, number(one.reached), one.limit, number(one.bound), one.unit, f"{one.share:.0%}"]
        lines.append(cells)
    return lines


def surroundings(results: Results) -> Table:
    """What the run ran on and with."""
    return [["", "measured with"], *([name, value] for name, value in results.environment.items())]


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
