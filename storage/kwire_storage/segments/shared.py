"""What the logs of one node share."""

from typing import NamedTuple

from ..alike import AlikeFiles
from ..deletions import Deletions
from ..files import Files
from ..open_files import OpenFiles
from ..tail import TailBudget
from ..write_pressure import WritePressure


class Shared(NamedTuple):
    """Handed to each log and to each of its segments."""

    files: Files
    open_files: OpenFiles
    tails: TailBudget
    alike: AlikeFiles
    pressure: WritePressure
    deletions: Deletions
