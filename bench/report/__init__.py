"""What a run found, told: statistics, targets, shares of the machine's limits, tables, plots, the page."""

from .page import write
from .results import KWIRE, Results, load, turn_name
from .tables import aims, as_text, figures, limits, reasons, surroundings, targets, verdict

__all__ = [
    "KWIRE",
    "Results",
    "aims",
    "as_text",
    "figures",
    "limits",
    "load",
    "reasons",
    "surroundings",
    "targets",
    "turn_name",
    "verdict",
    "write",
]
