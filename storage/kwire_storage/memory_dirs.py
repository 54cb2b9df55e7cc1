"""The log directories of a node that keeps nothing (`--memory`): what `LogDirs` does, without a disk."""

from collections.abc import Callable, Collection, Iterator, Sequence
from uuid import UUID

from .directories.interface import DirectoryUsage, ExistingLog, LogUsage, Together, one_after_the_other
from .engine import FlushJob, LogConfig
from .folder import MemoryFolder
from .memory import MemoryLog
from .uuids import to_text, usable

PATH = "memory"
"""What the only directory is called."""


class MemoryDirs:
    """One directory that exists in memory only. Ids come from `new_uuid`."""

    def __init__(self, *, node_id: int, new_uuid: Callable[[], UUID], cluster_id: str | None = None) -> None:
        self.node_id = node_id
        self.cluster_id = cluster_id if cluster_id is not None else to_text(usable(new_uuid))
        self.directory_ids = [usable(new_uuid)]
        self.on_failure: Callable[[], None] = lambda: None
        self._logs: dict[tuple[str, int], tuple[UUID, MemoryLog]] = {}
        self._folders: dict[tuple[str, int], MemoryFolder] = {}

    was_clean = True
    """Nothing is ever left behind."""
    metadata_is_offline = False

    @property
    def offline(self) -> list[str]:
        return []

    def release(self) -> list[tuple[str, int]]:
        return []

    cordoned: Sequence[UUID] = ()

    def cordon(self, paths: Collection[str]) -> None:
        pass

    def plan_look(self, topic: str, partition: int) -> None:
        return None

    def refuse_new(self, why: str) -> None:
        pass

    def existing(self) -> list[ExistingLog]:
        """The logs there are."""
        return [
            ExistingLog(topic, partition, topic_id, self.directory_ids[0])
            for (topic, partition), (topic_id, _) in self._logs.items()
        ]

    def open(
        self,
        topic: str,
        partition: int,
        topic_id: UUID,
        config: LogConfig,
        *,
        now_ms: int = 0,
        directory_id: UUID | None = None,
    ) -> MemoryLog:
        """The log of a partition: the one that is there, or a new one (also when another topic had the name
        before).
        """
        known = self._logs.get((topic, partition))
        if known is not None and known[0] == topic_id:
            known[1].configure(config)
            return known[1]
        log = MemoryLog(config)
        self._logs[topic, partition] = topic_id, log
        return log

    def delete(self, topic: str, partition: int, *, delay_ms: int = 0) -> None:
        """Remove a partition's log; nothing happens when there is none."""
        self._logs.pop((topic, partition), None)

    def directory_of(self, topic: str, partition: int) -> UUID | None:
        """The id of the only directory."""
        return self.directory_ids[0]

    def find_directory(self, path: str) -> UUID | None:
        """The id of the only directory."""
        return self.directory_ids[0] if path == PATH else None

    moves = None
    """There is only one directory."""

    def settle(self, assigned: Callable[[UUID, int], UUID | None]) -> list[tuple[str, int]]:
        """Nothing is ever left behind."""
        return []

    def beside(self, topic: str, partition: int) -> MemoryFolder:
        """The small files beside a log."""
        return self._folders.setdefault((topic, partition), MemoryFolder())

    def above(self, topic: str, partition: int) -> MemoryFolder:
        """The small files of the directory that a log lies in: none."""
        return MemoryFolder()

    def usage(self) -> list[DirectoryUsage]:
        """What DescribeLogDirs tells of each directory."""
        logs = [
            LogUsage(topic, partition, topic_id, log.size_bytes)
            for (topic, partition), (topic_id, log) in self._logs.items()
        ]
        return [DirectoryUsage(PATH, -1, -1, logs)]

    def save_log_starts(self) -> None:
        pass

    def checkpoint(self) -> None:
        """Nothing: there is nowhere to write to."""

    def checkpoint_steps(self) -> Iterator[None]:
        return iter(())

    def plan_sweep(self, now_ms: int) -> None:
        return None

    def plan_flushes(self) -> Iterator[FlushJob | None]:
        return iter(())

    def commit_flush(self, job: FlushJob) -> None:
        pass

    def close(self, *, clean: bool, broker_epoch: int = -1, together: Together = one_after_the_other) -> None:
        """Let go of everything."""
        for _, log in self._logs.values():
            log.close(clean=clean)
        self._logs.clear()
