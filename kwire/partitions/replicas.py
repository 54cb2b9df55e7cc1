"""Where the replicas of a partition end: cursors over its one log.

A replica in sync has all of the log. One that is out of sync has it up to where it went out of the ISR, and
shows no more than that, whatever else the log is given until it is in sync again.
"""

from __future__ import annotations

from kwire.coordinators.metadata.image import PartitionImage


class ReplicaCursors:
    """The replicas that are left behind, and where."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}

    def left_behind_at(self, node_id: int) -> int | None:
        """Where a node's replica ends that is out of sync; None for one that has the whole log."""
        return self._ends.get(node_id)

    def follow(self, state: PartitionImage, log_end_offset: int) -> None:
        """Who is out of sync now, and was not, is left behind at the log's end; nobody is beyond it."""
        self._ends = {
            replica: min(self._ends.get(replica, log_end_offset), log_end_offset)
            for replica in state.replicas
            if replica not in state.isr
        }


def too_few_in_sync(state: PartitionImage, min_isr: int) -> bool:
    """Whether fewer replicas are in sync than `min_isr` (min.insync.replicas) wants; a topic is not held to
    more replicas than it has (Kafka: Partition.effectiveMinIsr).
    """
    return len(state.isr) < min(min_isr, len(state.replicas))
