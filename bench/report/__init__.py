"""What a run found, told: statistics, targets, shares of the machine's limits, tables, plots, the page."""

from .page import write
from .results import KWIRE, Results, load, turn_name
from .tables import as_text, figures, limits, reasons, targets

__all__ = [
    "KWIRE",
    "Results",
    "as_text",
    "figures",
    "limits",
    "load",
    "reasons",
    "targets",
    "turn_name",
    "write",
]
