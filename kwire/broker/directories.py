"""What a cluster needs of a node's log directories: on disk or in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from kwire_storage.engine import DirectoryUsage, ExistingLog, LogConfig, PartitionLog


class Directories(Protocol):
    """`kwire_storage.log_dirs.LogDirs` and `kwire_storage.memory_dirs.MemoryDirs`."""

    cluster_id: str
    directory_ids: list[UUID]

    def existing(self) -> Sequence[ExistingLog]:
        """The logs that are there."""
        ...

    def open(
        self, topic: str, partition: int, topic_id: UUID, config: LogConfig, *, now_ms: int = 0
    ) -> PartitionLog:
        """A partition's log, made if it is not there; recovered if it was not closed."""
        ...

    def delete(self, topic: str, partition: int) -> None:
        """Closes and removes a partition's log."""
        ...

    def directory_of(self, topic: str, partition: int) -> UUID:
        """The id of the directory that a partition's log lies, or would lie, in."""
        ...

    def usage(self) -> Sequence[DirectoryUsage]:
        """Sizes, for DescribeLogDirs."""
        ...

    def checkpoint(self) -> None:
        """Writes the checkpoints by which the next start is quick."""
        ...

    def close(self, *, clean: bool, broker_epoch: int = -1) -> None:
        """Closes every log; `clean` leaves the mark of an orderly stop."""
        ...
