"""What a run found, told: statistics, targets, shares of the machine's limits, tables, plots, the page."""

from .page import write
from .results import Results, load
from .tables import as_text, figures, limits, reasons, targets

__all__ = ["Results", "as_text", "figures", "limits", "load", "reasons", "targets", "write"]
