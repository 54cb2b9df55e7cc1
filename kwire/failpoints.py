"""Named points between the steps of what must survive a crash: the end of a transaction, and a rebalance.

Rules: nothing a user sets arms one; whoever starts a broker to let it die (`tests/failpoints`) calls `arm`
before it serves. While nothing is armed a point is one look at a variable, and there is none where records of
clients are written. A point's name is in POINTS, and says which step comes next or has just been done.

`before` and `after` are about an append to a coordinator's log, named by the records in it: an append may
hold several steps, which are there together or not at all. "after" is before anybody is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

POINTS: Final = (
    "before the decision",
    "after the decision",
    "before a marker",
    "after a marker",
    "before the offsets' marker",
    "after the offsets' marker",
    "before the completion",
    "after the completion",
    "before a join is answered",
    "before a generation",
    "after a generation",
    "before a sync is answered",
    "before a group's epoch",
    "after a group's epoch",
    "before a target",
    "after a target",
    "before a member's assignment",
    "after a member's assignment",
)
"""Of a transaction's end: PrepareCommit or PrepareAbort, a marker in a partition of records or in one of
offsets, CompleteCommit or CompleteAbort. Of a classic group's rebalance: the join phase's answers, the record
of the generation with its assignments, the sync's answers. Of a consumer group's: its epoch, its target, what
a member owns and in which epoch.
"""

_STEPS: Final = {
    "PREPARE_COMMIT": "the decision",
    "PREPARE_ABORT": "the decision",
    "COMPLETE_COMMIT": "the completion",
    "COMPLETE_ABORT": "the completion",
    "TransactionEnd": "the offsets' marker",
    "GroupKey": "a generation",
    "EpochKey": "a group's epoch",
    "TargetKey": "a target",
    "MemberCurrentKey": "a member's assignment",
}
"""Steps by the state of a transactional id, or by the type of a record or of its key."""

armed: Callable[[str], None] | None = None
"""What is called with the name of each point that is reached."""


def arm(reached: Callable[[str], None]) -> None:
    """From now on `reached(name)` is called at every point, in the midst of things."""
    global armed
    armed = reached


def reach(name: str) -> None:
    """This point is here."""
    if armed is not None:
        armed(name)


def reach_append(moment: str, records: Iterable[object]) -> None:
    """`moment` is "before" or "after": an append of these records. To be called only where `armed` is set."""
    steps = {step: None for record in records if (step := _step(record)) is not None}
    for step in steps:
        reach(f"{moment} {step}")


def _step(record: object) -> str | None:
    key = getattr(record, "key", None)
    if key is None:
        return _STEPS.get(type(record).__name__)
    if isinstance(key, str):
        state = getattr(getattr(record, "value", None), "state", None)
        return _STEPS.get(getattr(state, "name", ""))
    return _STEPS.get(type(key).__name__)
