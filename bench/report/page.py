"""docs/performance.md from a results file: what is between two marks is ours, the rest is written by hand.

What stands beside the run, where it is there: the results of `bench.scale` and `bench.fairness`, and what was
tried, which is written by hand in a file of its own (`docs/performance-tried.md`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.figures import FIGURES, start

from . import fairness, plots, scale, tables
from .results import Results

BEGIN = "<!-- figures: begin (written by python -m bench, not by hand) -->"
END = "<!-- figures: end -->"
_FRESH = f"""# Performance

How kwire compares with its peers and with what the machine can do, and what was done for it.

{BEGIN}
{END}
"""
_HOW_TO_RUN = """\
```
python -m bench --quick        # one round of little: under two minutes
python -m bench --resume bench/results/full.json --page
python -m bench.scale --json bench/results/scale.json
python -m bench.fairness --json bench/results/fairness.json
python -m bench --from bench/results/full.json --page      # this page again, nothing measured
```

On Linux, with kwire installed (`pip install -e .`), Go, a C compiler, Java 17 and Maven. The second line
measures everything, in about half an hour, and goes on where it was broken off. `--broker NAME=HOST:PORT`
adds any broker that runs already. [bench/README.md](../bench/README.md) has more."""
_CLIENTS = """\
Every producer is idempotent with acks=all; values are half random, half always the same, so that lz4 has
half to do. Each client has its defaults but for what
[bench/clients/README.md](../bench/clients/README.md#settings) lists: franz-go batches of 1,000,012 bytes,
10 ms of linger in the throughput figures and none elsewhere; librdkafka batches of 1,000,000 bytes and 10,000
records, 5 ms; Kafka's tools batches of 131,072 bytes, 5 ms."""


def write(results: Results, page: Path, beside: Path) -> None:
    """Put the figures and plots of a run into the page, made if it isn't there; plots go to `page` less its
    suffix. `beside`: the folder with `scale.json` and `fairness*.json`.

    Raises ValueError where the page has lost its marks.
    """
    text = page.read_text() if page.exists() else _FRESH
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no part between {BEGIN!r} and {END!r}")
    folder = page.with_suffix("")
    parts = [section(results, plots.draw(results, folder), page.parent)]
    parts += scale.section(beside / "scale.json", folder, page.parent)
    parts += fairness.section(sorted(beside.glob("fairness*.json")))
    parts += _tried(page.with_name(f"{page.stem}-tried.md"))
    parts += ["## How each figure is measured", how_measured(), _CLIENTS, "## How to run it", _HOW_TO_RUN]
    page.write_text(
        f"{before}{BEGIN}\n\n" + "\n\n".join(part.strip() for part in parts) + f"\n\n{END}{after}"
    )


def section(results: Results, drawn: Sequence[Path], beside: Path) -> str:
    """The run itself, in Markdown; plots are linked relative to the folder `beside`."""
    kind = f"medians of {results.rounds} rounds" if results.rounds > 1 else "one round"
    if results.is_quick:
        kind += " of little, a quick look"
    parts = [
        f"Measured on {results.when} on {results.machine}: {kind}; ± is half their range over the median. "
        "Brokers took turns, figure by figure, each started afresh in each round. Absolutes belong to the "
        "machine: look at the ratios, which are taken round by round.",
        "\n".join(f"- **{name}**: {version}" for name, version in results.brokers.items()),
        tables.as_markdown(tables.surroundings(results)) if results.environment else "",
        "## Targets",
        tables.verdict(results),
        "Each target as it was given, and *beside Kafka*: an absolute was set beside what Kafka showed on "
        "another machine, and is told again as that ratio to what Kafka shows in this run. Both are to be "
        "read: the first says what kwire reaches on this machine, the second leaves the machine out.",
        tables.as_markdown(tables.targets(results)),
        "What is aimed at beyond, in the same way:",
        tables.as_markdown(tables.aims(results)),
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


def how_measured() -> str:
    """What the module of each figure says of itself."""
    modules = [start, *(sys.modules[figure.steps.__module__] for figure in FIGURES.values())]
    told = (" ".join((inspect.getdoc(module) or "").split()) for module in modules)
    return "\n".join(f"- {text}" for text in told)


def _tried(path: Path) -> list[str]:
    """What was tried, without the file's own title."""
    if not path.exists():
        return []
    lines = path.read_text().strip().splitlines()
    text = "\n".join(lines[1:] if lines and lines[0].startswith("# ") else lines).strip()
    return ["## What was tried", text] if text else []
