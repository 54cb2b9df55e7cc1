"""What `python -m bench.fairness` kept, as a section of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .tables import as_markdown
from .words import number

_INTRODUCTION = """\
30 small clients, each with 20 one-record produces, heartbeats and ApiVersions a second, alone and beside one
large client of each kind: the p99 of their requests may rise to three times what it is alone or by 10 ms,
whichever is more. *Control* is the p99 of an echo by a process that has nothing to do with the broker, at the
same time: what the machine itself adds. *Waited*: the share of the time in which the broker was ready to run
and had no core."""


def section(kept: Sequence[Path]) -> list[str]:
    """The parts of the section; none where no file is there. Raises ValueError, KeyError for another file."""
    tables = []
    for path in kept:
        found = json.loads(path.read_text())
        tables += [
            f"{found['broker']}, {found['when']}:",
            as_markdown(table(found["broker"], found["cases"])),
        ]
    return ["## Fairness", _INTRODUCTION, *tables] if tables else []


def table(broker: str, cases: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row a case."""
    rows = [[f"{broker}, beside", "p99 alone", "p99 beside", "ratio", "more", "control", "waited", "holds"]]
    for case in cases:
        name, holds = str(case["case"]), "yes" if case["holds"] else "**no**"
        if "rss_before_mib" in case:
            before, after_3_s, after_6_s = (
                f"{case[key]:.0f}" for key in ("rss_before_mib", "rss_after_3_s_mib", "rss_after_6_s_mib")
            )
            grown = f"after 3 and 6 s {after_3_s}, {after_6_s} MiB"
            each = f"{number(case['mib_a_connection'])} MiB each"
            rows.append([name, f"{before} MiB resident", grown, "", each, "", "", holds])
            continue
        rows.append(
            [
                name,
                f"{number(case['alone_p99_ms'])} ms",
                f"{number(case['beside_p99_ms'])} ms",
                f"{case['ratio']:.1f}x",
                f"{case['difference_ms']:+.1f} ms",
                f"{number(case['control_p99_ms'])} ms",
                f"{case['waited']:.1%}",
                holds,
            ]
        )
    return rows
