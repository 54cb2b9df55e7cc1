"""What is measured: a module each, whose docstring says how. README.md of bench/ has the list."""

from __future__ import annotations

from . import beside, end_to_end, fan_out, group, memory, roundtrips, spread, start, throughput, topics
from .figure import FULL, QUICK, Figure, Row, Scale, Step
from .turn import Commands, Lacking, Turn

__all__ = [
    "FIGURES",
    "FULL",
    "QUICK",
    "Commands",
    "Figure",
    "Lacking",
    "Row",
    "Scale",
    "Step",
    "Turn",
    "start",
]

FIGURES: dict[str, Figure] = {
    module.FIGURE.name: module.FIGURE
    for module in (memory, roundtrips, throughput, end_to_end, group, spread, beside, fan_out, topics)
}
"""By the name that `--only` takes, in the order of measuring: memory first, topics, which stay, last."""
