"""Closing the logs of a directory. So that the next start may trust them: what they hold in memory goes to
their files, all of it is synced, and then they are closed.

A sync of one file after the other takes a broker of 20,000 partitions a minute, most of it for a journal that
is committed again and again. So few logs are synced side by side, and many by one call for the whole file
system (`Files.sync_file_system`), where that vouches for them. Not few: it waits for all that others have
written to the same disk, too.
"""

from collections.abc import Sequence
from functools import partial

from ..engine import StorageError
from ..files import Files, storing
from ..segments.flush import FlushPlan
from ..segments.log import SegmentedLog
from .interface import Together

MOST_SINGLY = 250
"""So many logs that have anything to sync are synced file by file."""
SIDE_BY_SIDE = 16
"""How many are at a time: the journal takes their changes together."""

Refused = dict[SegmentedLog, str]
"""The logs that were not closed as was asked, and what is to be said of it. Not the errors: these would hold
on to files.
"""


def close_all(logs: Sequence[SegmentedLog]) -> Refused:
    """Let go of the logs' files, and write nothing more."""
    refused: Refused = {}
    for log in logs:
        try:
            log.close(clean=False)
        except StorageError as error:
            refused[log] = _told(error)
    return refused


def close_clean(
    logs: Sequence[SegmentedLog], files: Files, path: str, descriptor: int, together: Together
) -> Refused:
    """Close the logs of the log directory `path`, so that they may be believed without a look.

    `descriptor` is of a file there that was opened before the logs were written to. `together` does what
    waits for the disk.
    """
    refused: Refused = {}
    unsynced = []
    for log in logs:
        try:
            if log.save():
                unsynced.append(log)
        except StorageError as error:
            refused[log] = _told(error)
    try:
        is_synced = len(unsynced) > MOST_SINGLY and _sync_file_system(unsynced, files, path, descriptor)
    except StorageError as error:
        refused |= dict.fromkeys(unsynced, _told(error))
    else:
        for start in range(0, 0 if is_synced else len(unsynced), SIDE_BY_SIDE):
            refused |= _sync_some(unsynced[start : start + SIDE_BY_SIDE], together)
    return close_all(logs) | refused


def _told(error: StorageError) -> str:
    return "" if error.is_told else str(error)


def _sync_file_system(logs: Sequence[SegmentedLog], files: Files, path: str, descriptor: int) -> bool:
    with storing("syncing", path):
        is_synced = files.sync_file_system(descriptor, [log.directory for log in logs])
    if is_synced:
        for log in logs:
            log.all_is_synced()
    return is_synced


def _sync_some(logs: Sequence[SegmentedLog], together: Together) -> Refused:
    refused: Refused = {}

    def sync(log: SegmentedLog, plan: FlushPlan) -> None:
        try:
            plan.work()
        except StorageError as error:
            refused[log] = _told(error)

    plans = [(log, plan) for log in logs if (plan := log.plan_flush()) is not None]
    together([partial(sync, log, plan) for log, plan in plans])
    for log, plan in plans:
        if log not in refused:
            log.commit_flush(plan)
    return refused
