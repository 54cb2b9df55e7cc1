"""The log directories of one node: the interface that the broker uses, and what it is told of them.

`LogDirs` holds logs on disk, `MemoryDirs` without. Synchronous and single-threaded, as a log is; what fails
raises `StorageError`, and a directory that has failed is let go of by `release`.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from ..engine import FlushJob, LogConfig, PartitionLog

if TYPE_CHECKING:
    from ..deletions import SweepJob
    from ..folder import Folder
    from .dormant import LookJob
    from .log_moves import LogMoves


EVERY_DIRECTORY = "*"
"""What stands for all of them in `cordoned.log.dirs`."""

Together = Callable[[Sequence[Callable[[], None]]], None]
"""Does some things that wait for the disk and raise nothing, in threads if it has any."""


def one_after_the_other(works: Sequence[Callable[[], None]]) -> None:
    """Without threads."""
    for work in works:
        work()


class ExistingLog(NamedTuple):
    """A partition's log that a directory holds; `topic_id` is None when its `partition.metadata` is
    missing.
    """

    topic: str
    partition: int
    topic_id: UUID | None
    directory_id: UUID


class LogUsage(NamedTuple):
    """The bytes that one partition's log takes."""

    topic: str
    partition: int
    topic_id: UUID | None
    size_bytes: int


class FutureUsage(NamedTuple):
    """A log on its way to a directory: the bytes that it takes there, and how many offsets are missing."""

    topic: str
    partition: int
    size_bytes: int
    offset_lag: int


class DirectoryUsage(NamedTuple):
    """A log directory's path, the size of its disk and what is free there (-1: not known), and its logs."""

    path: str
    total_bytes: int
    usable_bytes: int
    logs: list[LogUsage]
    is_offline: bool = False
    """It has failed: nothing is known of what it holds."""
    futures: Sequence[FutureUsage] = ()
    """The logs that are on their way here."""
    is_cordoned: bool = False
    """It gets no new logs while there are others."""


class LogDirectories(Protocol):
    """The directories of one node and the logs in them: `LogDirs` on disk, `MemoryDirs` without."""

    node_id: int
    cluster_id: str

    on_failure: Callable[[], None]
    """Called when a directory has failed, perhaps from a thread: now is the time for `release`."""

    @property
    def directory_ids(self) -> list[UUID]:
        """The id of each directory that works."""
        ...

    @property
    def offline(self) -> list[str]:
        """The paths of the directories that have failed."""
        ...

    @property
    def metadata_is_offline(self) -> bool:
        """Whether the cluster's metadata lies in one of these."""
        ...

    def release(self) -> list[tuple[str, int]]:
        """Let go of the logs that are open in directories that have failed; gives their partitions."""
        ...

    def cordon(self, paths: Collection[str]) -> None:
        """These directories, or with EVERY_DIRECTORY all, and no others get no new logs while there are
        others.
        """
        ...

    @property
    def cordoned(self) -> Sequence[UUID]:
        """The ids of the cordoned ones that work."""
        ...

    def plan_look(self, topic: str, partition: int) -> "LookJob | None":
        """A look at a log from outside; None where it is open, or out of reach, or not on a disk."""
        ...

    def refuse_new(self, why: str) -> None:
        """Directories that had no `meta.properties` before, and have no log, are not to be used: they are as
        they were, and offline until the next start.
        """
        ...

    @property
    def was_clean(self) -> bool:
        """Whether the last stop was clean, in every directory: no log needs recovery."""
        ...

    def existing(self) -> list[ExistingLog]:
        """The logs that are there, open or not."""
        ...

    def open(
        self,
        topic: str,
        partition: int,
        topic_id: UUID,
        config: LogConfig,
        *,
        now_ms: int = 0,
        directory_id: UUID | None = None,
    ) -> PartitionLog:
        """The log of a partition, as it was left, or a new one, in the directory of that id if there is one
        that works; opening an open one gives the same. DirectoryOffline where its directory has failed.
        """
        ...

    def delete(self, topic: str, partition: int, *, delay_ms: int = 0) -> None:
        """Remove a partition's log; nothing happens when there is none. Reads in flight keep their bytes. Its
        space is given back by a `plan_sweep` after `delay_ms`.
        """
        ...

    def directory_of(self, topic: str, partition: int) -> UUID | None:
        """The id of the directory that a partition's log lies in; None where it has none."""
        ...

    def find_directory(self, path: str) -> UUID | None:
        """The id of the directory that has this path; None where there is none, DirectoryOffline where it
        has failed.
        """
        ...

    @property
    def moves(self) -> "LogMoves | None":
        """Logs on their way from one directory to another; None where there can't be any."""
        ...

    def settle(self, assigned: Callable[[UUID, int], UUID | None]) -> list[tuple[str, int]]:
        """Decide between what an interrupted move has left, before any log is opened: `assigned` gives the
        directory that a topic's partition is said to lie in. StorageError where that can't be decided.

        Gives the partitions of which nothing is there but a copy, while a directory is new: it may be the
        empty mount point of the disk that has the log.
        """
        ...

    def beside(self, topic: str, partition: int) -> "Folder":
        """The small files beside a partition's log, in its own directory."""
        ...

    def above(self, topic: str, partition: int) -> "Folder":
        """The files of the log directory that a partition's log lies, or would be made, in."""
        ...

    def usage(self) -> list[DirectoryUsage]:
        """What DescribeLogDirs tells of each directory."""
        ...

    # Housekeeping: what the owner of the directories calls now and then.

    def save_log_starts(self) -> None:
        """Write down the log starts that have moved: nothing that `advance_log_start` did outlives a crash
        before that.
        """
        ...

    def checkpoint(self) -> None:
        """Write the checkpoint files (Kafka: every minute)."""
        ...

    def checkpoint_steps(self) -> Iterator[None]:
        """The same in steps of a millisecond or so, for many logs. Raises StorageError."""
        ...

    def plan_sweep(self, now_ms: int) -> "SweepJob | None":
        """What is left of deleted logs and segments, and has been long enough; None: nothing. Then
        `job.work()` in a thread.
        """
        ...

    def plan_flushes(self) -> Iterator[FlushJob | None]:
        """What must be synced so that a restart after a kill need not read sealed segments again, of some
        logs after the other; None: nothing of these.

        For each `job.work()` in a thread and `commit_flush(job)`, and at last `checkpoint()`, on the loop.
        """
        ...

    def commit_flush(self, job: FlushJob) -> None:
        """The job's work is done."""
        ...

    def close(self, *, clean: bool, broker_epoch: int = -1, together: Together = one_after_the_other) -> None:
        """Close every log and let go of the directories; `clean` leaves them so that the next start need
        not look. What waits for the disk is handed to `together`, some at a time.
        """
        ...
