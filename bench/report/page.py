"""docs/performance.md from a results file: what is between two marks is ours, the rest is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import plots, tables
from .results import Results

BEGIN = "<!-- figures: begin (written by python -m bench, not by hand) -->"
END = "<!-- figures: end -->"
_FRESH = f"""# Performance

How kwire compares with its peers and with what the machine can do, and what was done for it.
bench/README.md says how each figure is measured, and how to measure on your own machine.

{BEGIN}
{END}
"""


def write(results: Results, page: Path) -> None:
    """Put the figures and plots of a run into the page, made if it isn't there; plots go to `page` less
    its suffix. Raises ValueError where the page has lost its marks, ImportError without matplotlib."""
    text = page.read_text() if page.exists() else _FRESH
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no part between {BEGIN!r} and {END!r}")
    drawn = plots.draw(results, page.with_suffix(""))
    page.write_text(f"{before}{BEGIN}\n\n{section(results, drawn, page.parent)}\n{END}{after}")


def section(results: Results, drawn: Sequence[Path], beside: Path) -> str:
    """The generated part, in Markdown; plots are linked relative to the folder `beside`."""
    kind = "a quick look, one round of little" if results.is_quick else f"medians of {results.rounds} rounds"
    parts = [
        f"Measured on {results.when} on {results.machine}: {kind}; ± is half their range. "
        "Brokers took turns, figure by figure. Absolutes belong to the machine: look at the ratios.",
        "\n".join(f"- **{name}**: {version}" for name, version in results.brokers.items()),
        "## Targets",
        tables.as_markdown(tables.targets(results)),
        "## Figures",
        "\n".join(f"![{path.stem}]({path.relative_to(beside)})" for path in drawn),
        tables.as_markdown(tables.figures(results)),
    ]
    for title, table in (
        ("Near the machine's limits", tables.limits(results)),
        ("Not measured", tables.reasons(results)),
    ):
        if len(table) > 1:
            parts += [f"## {title}", tables.as_markdown(table)]
    return "\n\n".join(part for part in parts if part) + "\n"
