"""What a run of many seeds must have come across: else its promises were kept by nobody's doing.

`World.met` counts these where they happen: mostly in `clients/`, as answers tell of them.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

MET: Final = (
    # Transactions
    "commit of the classic kind",
    "commit of version 2",
    "abort of the classic kind",
    "abort of version 2",
    "end of a transaction asked again",
    "end of a transaction refused",
    "producer fenced",
    "zombie refused",
    "record of no transaction refused",
    "transaction left alone",
    "transaction spoiled",
    "transaction committed",
    "transaction aborted",
    "aborted record left out",
    "concurrent transactions",
    # Pipelines
    "record went through the pipeline",
    "transaction of a pipeline aborted",
    "offsets of a transaction refused",
    "unstable offset commit",
    # Groups
    "generation",
    "member in a generation",
    "member joined",
    "member epoch",
    "member fenced",
    "member left",
    "static member left for a while",
    "partition revoked",
    "late commit refused",
    "group became a consumer group",
    "group became a classic group",
    # Logs that do not keep everything
    "old records let go of",
    "records compacted away",
    "acknowledged record outlived a loss of power",
    # Files in the midst of becoming others
    "crash at .deleted",
    "crash at .cleaned",
    "crash at .swap",
    "crash at .snapshot",
    "crash at .txnindex",
    "crash at .timeindex",
    "crash at .index",
    "crash at .log",
    "crash at -checkpoint",
    # Logs that move to another directory of their node
    "log moved",
    "move called off",
    "move outlived a crash",
    "move to a directory that is offline refused",
    "crash at -future",
    "crash at the swap of a move",
    "crash at -delete",
    "power lost at -future",
    "power lost at the swap of a move",
    # The disk
    "append in a thread",
)
"""Every kind that a long run must have come across."""


def missing(met: Counter[str]) -> list[str]:
    """What of `MET` has not happened."""
    return [kind for kind in MET if not met[kind]]
