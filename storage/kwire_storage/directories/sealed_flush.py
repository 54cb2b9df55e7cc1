"""Syncing the sealed segments of all logs, so that a restart after a kill need not read them again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..engine import StorageError
from ..segments.flush import FlushPlan
from ..segments.log import SegmentedLog
from .located import Placed
from .log_checkpoints import LOGS_A_STEP
from .log_directory import LogDirectory, Partition


class SealedFlush:
    """The sealed segments of some logs, to be synced; `plan_sealed` makes it."""

    def __init__(self, plans: Sequence[tuple[SegmentedLog, FlushPlan]]) -> None:
        self.plans = plans

    def work(self) -> None:
        for flushed, plan in self.plans:
            try:
                plan.work()
            except StorageError:
                if not flushed.is_left:  # else it was deleted or moved meanwhile
                    raise


def plan_sealed(
    opened_logs: Mapping[Partition, Placed], copies: Iterable[tuple[Partition, LogDirectory, SegmentedLog]]
) -> Iterator[SealedFlush | None]:
    """What must be synced of some logs after the other, those on their way to another directory first; None:
    nothing of these.
    """
    plans = [
        (copied, plan)
        for _, directory, copied in copies
        if directory.is_online and (plan := copied.plan_flush(sealed_only=True)) is not None
    ]
    for count, (key, opened) in enumerate(list(opened_logs.items()), 1):
        if opened_logs.get(key) is opened and opened.directory.is_online:
            plan = opened.log.plan_flush(sealed_only=True)
            if plan is not None:
                plans.append((opened.log, plan))
        if not count % LOGS_A_STEP:
            yield SealedFlush(plans) if plans else None
            plans = []
    if plans:
        yield SealedFlush(plans)
